//! Judge: what it means. Pure functions from a target and its observations to a verdict.
//!
//! To add a check: write one file beside this one with a `pub(super) const CHECK: Check`, and add
//! its `mod` line and its line in [`CHECKS`]. The metric reference, the findings' runbooks and the
//! table tests follow from the table.

use crate::model::{Family, FindingSpec, PlainDoor, PlainSeen, Target, TlsSeen, UnixTime, Verdict};

/// One check: what it says, and how it decides.
#[derive(Debug)]
pub struct Check {
    /// Its file's name.
    pub name: &'static str,
    /// The metric families it owns.
    pub families: &'static [Family],
    /// The findings it owns.
    pub findings: &'static [FindingSpec],
    /// Adds what it has to say about a case.
    pub judge: fn(&Case<'_>, &mut Verdict),
}

/// One target with all that is known of it, at one instant.
#[derive(Debug)]
pub struct Case<'a> {
    /// What was declared.
    pub target: &'a Target,
    /// What its TLS door showed.
    pub tls: &'a TlsSeen,
    /// What its plaintext doors showed, in the order of [`Target::plaintext`].
    pub plain: &'a [(&'a PlainDoor, &'a PlainSeen)],
    /// What it is judged by.
    pub policy: &'a Policy,
    /// The instant judged at.
    pub now: UnixTime,
}

/// What every target is judged by: thresholds, and the trust anchors that targets refer to.
#[derive(Debug)]
pub struct Policy {}

/// Every check, in the order of the documentation and of the exposition.
pub const CHECKS: &[Check] = &[];

/// Everything that the checks have to say about a case.
#[must_use]
pub fn judge(case: &Case<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for check in CHECKS {
        (check.judge)(case, &mut verdict);
    }
    verdict
}
