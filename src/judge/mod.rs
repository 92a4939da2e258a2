//! Judge: what it means. Pure functions from a target and its observations to a verdict.
//!
//! To add a check: write one file beside this one with a `pub(super) const CHECK: Check`, and add
//! its `mod` line and its line in [`CHECKS`]. The metric reference, the findings' runbooks and the
//! table tests follow from the table.
//!
//! What the checks have in common is worked out first: `assess` gives each address's certificate
//! its place in time, its `name` match and its `trust` (by `path`s to the `roots`, helped by the
//! `pool` of intermediates, remembered by `memo`).

mod memo;
mod roots;
mod pool;
mod path;
mod trust;
mod name;
mod defaults;
mod words;
mod benchmark;
mod assess;
mod waive;

mod reach;
mod expiry;
mod identity;
mod validity;
mod strength;
mod usage;
mod lifetime;
mod staple;
mod version;
mod cipher;
mod group;
mod profile;
mod negotiated;
mod client_certificate;
mod addresses;
mod per_ip;
mod plaintext;
mod hsts;
mod anonymous;
mod declared;
mod closed;
mod expectation;
mod verification;
mod permissions;
mod segmentation;
mod stored;
mod issued;
mod renewal;
mod remark;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod healthy;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use crate::config::{Config, Expiry, Profile};
use crate::model::{
    Family, FindingSpec, Fingerprint, PlainDoor, PlainSeen, Target, TlsSeen, UnixTime, Verdict,
};
use assess::Assessed;
use trust::Verifier;

pub use roots::{Error, Roots};
pub use stored::judge as judge_stored;

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
    judge: fn(&Assessed<'_>, &mut Verdict),
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
///
/// It remembers what chains come to, so that a chain is verified once and not at every judgement.
/// No verdict depends on what is remembered, but for one: an intermediate that another server sent
/// tells an incomplete chain from an untrusted one.
#[derive(Debug)]
pub struct Policy {
    expiry: Expiry,
    profiles: Vec<Profile>,
    default_certificates: HashSet<Fingerprint>,
    /// Whether each address behind a name has metrics of its own.
    per_ip: bool,
    verifier: Verifier,
}

impl Policy {
    /// What `config` says, with the anchors of `roots`.
    #[must_use]
    pub fn new(config: &Config, roots: Roots) -> Self {
        Self {
            expiry: config.expiry,
            profiles: config.policy.clone(),
            default_certificates: config.default_certificates.iter().copied().collect(),
            per_ip: config.metrics.per_ip,
            verifier: Verifier::new(roots),
        }
    }

    fn is_default(&self, leaf: &Fingerprint) -> bool {
        self.default_certificates.contains(leaf)
    }
}

/// Every check, in the order of the documentation and of the exposition.
pub const CHECKS: &[Check] = &[
    reach::CHECK,
    expiry::CHECK,
    identity::CHECK,
    validity::CHECK,
    strength::CHECK,
    usage::CHECK,
    lifetime::CHECK,
    staple::CHECK,
    version::CHECK,
    cipher::CHECK,
    group::CHECK,
    profile::CHECK,
    negotiated::CHECK,
    client_certificate::CHECK,
    addresses::CHECK,
    per_ip::CHECK,
    plaintext::CHECK,
    hsts::CHECK,
    anonymous::CHECK,
    declared::CHECK,
    closed::CHECK,
    expectation::CHECK,
    verification::CHECK,
    permissions::CHECK,
    segmentation::CHECK,
    stored::CHECK,
    issued::CHECK,
    renewal::CHECK,
    remark::CHECK,
];

/// Everything that the checks have to say about a case, but for what is accepted of it.
#[must_use]
pub fn judge(case: &Case<'_>) -> Verdict {
    let assessed = Assessed::new(case);
    let mut verdict = Verdict {
        summary: assessed.summary(),
        ..Verdict::default()
    };
    for check in CHECKS {
        (check.judge)(&assessed, &mut verdict);
    }
    waive::apply(&case.target.expect.accept, case.now, &mut verdict);
    verdict
}
