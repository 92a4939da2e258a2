//! A row as it is kept: what was declared, what is wrong with it, and its samples as text.

use std::ops::Deref;
use std::sync::Arc;

use crate::model::{
    Clients, Expectation, Extra, Finding, Owner, PlainDoor, PlainSeen, Reason, RootsRef, Sample,
    Severity, StoredObject, Summary, Target, TlsSeen, Verdict, Waived,
};

use super::block::{Block, RowLabels};
use super::catalogue::Catalogue;
use super::summary::{FINDING, OWNER, WAIVED};

/// The last verdict of one row. Shared: whoever reads all rows copies a pointer for each.
#[derive(Clone, Debug)]
pub struct RowRecord(Arc<LastVerdict>);

impl Deref for RowRecord {
    type Target = LastVerdict;

    fn deref(&self) -> &LastVerdict {
        &self.0
    }
}

/// The parts of a [`RowRecord`].
#[derive(Debug)]
pub struct LastVerdict {
    /// What was declared.
    pub target: Arc<Target>,
    /// What is wrong with it.
    pub findings: Box<[Finding]>,
    /// What is wrong with it and accepted.
    pub waived: Box<[Waived]>,
    /// All of it in one word.
    pub posture: Posture,
    /// And in a few.
    pub summary: Summary,
    /// What was seen of it, up to when it was judged.
    pub seen: Seen,
    pub(super) block: Arc<Block>,
}

/// All that is known of a row's doors, shared with the ledger and other rows.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// What its TLS door showed.
    pub tls: Arc<TlsSeen>,
    /// What its plaintext doors showed, in the order of [`Target::plaintext`].
    pub plain: Arc<[(Arc<PlainDoor>, Arc<PlainSeen>)]>,
}

impl RowRecord {
    /// Of what was judged of `target`; `probed` says that a certificate was seen there, ever, and
    /// `seen` is all that was.
    pub(super) fn new(
        catalogue: &Catalogue,
        target: Arc<Target>,
        verdict: Verdict,
        probed: bool,
        seen: Seen,
    ) -> Self {
        let clients = match target.expect.clients {
            _ if !probed && may_be_closed(&target.expect) => Clients::Nobody,
            clients => clients,
        };
        // Silence says nothing of what is shut off where it is not known to be.
        let unmet = target.expect.reach.is_some() && verdict.summary.met != Some(true);
        let posture = match Posture::of(clients, &verdict, probed) {
            Posture::Closed if unmet => Posture::Unknown,
            posture => posture,
        };
        let mut samples = verdict.samples;
        samples.extend(verdict.findings.iter().map(finding_sample));
        samples.extend(verdict.waived.iter().map(waived_sample));
        samples.extend(owner_samples(&target));
        Self(Arc::new(LastVerdict {
            posture,
            summary: verdict.summary,
            seen,
            findings: verdict.findings.into(),
            waived: verdict.waived.into(),
            block: Arc::new(Block::new(catalogue, RowLabels::of(&target.row), &samples)),
            target,
        }))
    }
}

/// The last verdict on what is stored in one place; cheap to clone.
#[derive(Clone, Debug)]
pub struct StoredRecord {
    /// What is stored, and where.
    pub object: Arc<StoredObject>,
    /// What is wrong with it.
    pub findings: Arc<[Finding]>,
    /// What is wrong with it and accepted.
    pub waived: Arc<[Waived]>,
    pub(super) block: Arc<Block>,
}

impl StoredRecord {
    /// Of what was judged of `object`.
    pub(super) fn new(catalogue: &Catalogue, object: Arc<StoredObject>, verdict: Verdict) -> Self {
        let mut samples = verdict.samples;
        samples.extend(verdict.findings.iter().map(finding_sample));
        samples.extend(verdict.waived.iter().map(waived_sample));
        let labels = RowLabels::of_stored(&object.place);
        Self {
            findings: verdict.findings.into(),
            waived: verdict.waived.into(),
            block: Arc::new(Block::new(catalogue, labels, &samples)),
            object,
        }
    }
}

/// Whether it is looked for only in case that it is there, as a component of the control plane is.
fn may_be_closed(expect: &Expectation) -> bool {
    !expect.tls && expect.roots == RootsRef::Any
}

fn finding_sample(finding: &Finding) -> Sample {
    Sample {
        family: &FINDING,
        extra: Extra::Words(finding.spec.name, finding.severity.label()),
        value: 1.0,
    }
}

fn waived_sample(Waived { finding, waiver }: &Waived) -> Sample {
    let texts = [finding.spec.name, &waiver.until, &waiver.reason];
    Sample {
        family: &WAIVED,
        extra: Extra::Texts(texts.map(Box::from).into()),
        value: 1.0,
    }
}

fn owner_samples(target: &Target) -> impl Iterator<Item = Sample> {
    target.owners.iter().map(|owner| Sample {
        family: &OWNER,
        extra: Extra::Texts([owner.kind.into(), owner_name(owner, target)].into()),
        value: 1.0,
    })
}

/// With its namespace where that is not the row's: a route may belong to a Gateway elsewhere.
fn owner_name(owner: &Owner, target: &Target) -> Box<str> {
    if owner.namespace == target.row.namespace {
        owner.name.as_ref().into()
    } else {
        format!("{}/{}", owner.namespace, owner.name).into()
    }
}

/// A row in one word: the worst that holds of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Posture {
    /// It shows a certificate, and nothing below holds.
    HttpsOnly,
    /// It serves in clear, or answers where nothing may.
    Exposed,
    /// Its clients are turned away: unreachable, no TLS, or a critical certificate finding.
    Broken,
    /// Nothing answers, and nothing may.
    Closed,
    /// It never showed a certificate, and nothing else is known against it.
    Unknown,
}

impl Posture {
    /// Every posture of a door, in the order of the documentation: what is closed is none.
    pub const ALL: [Self; 4] = [Self::HttpsOnly, Self::Exposed, Self::Broken, Self::Unknown];

    /// The spelling in labels.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::HttpsOnly => "https_only",
            Self::Exposed => "exposed",
            Self::Broken => "broken",
            Self::Closed => "closed",
            Self::Unknown => "unknown",
        }
    }

    /// What is accepted counts like what is not: to accept that a door is open shuts none.
    fn of(clients: Clients, verdict: &Verdict, probed: bool) -> Self {
        let findings = || {
            let waived = verdict.waived.iter().map(|waived| &waived.finding);
            verdict.findings.iter().chain(waived)
        };
        let critical = |prefix: &str| {
            findings().any(|finding| {
                finding.severity == Severity::Critical && finding.spec.name.starts_with(prefix)
            })
        };
        let unreachable = findings().any(|f| f.spec.name == "unreachable");
        if critical("plaintext_") || critical("insecure_port_open") || critical("reachable_") {
            Self::Exposed
        } else if unreachable || critical("certificate") || critical("tls_not_spoken") {
            Self::Broken
        } else if clients == Clients::Nobody {
            match verdict.summary.failure {
                Some(Reason::Refused | Reason::Timeout | Reason::Unreachable) => Self::Closed,
                _ => Self::Unknown,
            }
        } else if probed {
            Self::HttpsOnly
        } else {
            Self::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FindingSpec, Reach, UnixTime, Waiver};
    use crate::record::samples::{EXPIRED, OPEN, PLAINTEXT, UNREACHABLE, record, row, target};

    fn posture(findings: &[(&'static FindingSpec, Severity)], probed: bool) -> Posture {
        let mut verdict = Verdict::default();
        for (spec, severity) in findings {
            verdict.find(spec, *severity, "");
        }
        Posture::of(Clients::Verifying, &verdict, probed)
    }

    #[test]
    fn only_what_is_looked_for_in_case_it_is_there_may_be_closed() {
        let expect = |tls, roots| Expectation {
            tls,
            roots,
            ..Expectation::default()
        };
        assert!(may_be_closed(&expect(false, RootsRef::Any)));
        assert!(!may_be_closed(&expect(true, RootsRef::Any)));
        assert!(!may_be_closed(&expect(false, RootsRef::Public)));
    }

    #[test]
    fn a_port_that_must_be_closed_is_seen_to_be_or_not() {
        let closed = |failure| {
            let mut verdict = Verdict::default();
            verdict.summary.failure = failure;
            Posture::of(Clients::Nobody, &verdict, false)
        };
        assert_eq!(closed(Some(Reason::Refused)), Posture::Closed);
        assert_eq!(closed(Some(Reason::Timeout)), Posture::Closed);
        assert_eq!(closed(Some(Reason::Denied)), Posture::Unknown);
        assert_eq!(closed(None), Posture::Unknown);
        assert_eq!(
            posture(&[(&OPEN, Severity::Critical)], false),
            Posture::Exposed
        );
    }

    #[test]
    fn what_is_expected_to_be_shut_off_is_closed_only_where_that_was_found_out() {
        for (met, expected) in [
            (Some(true), Posture::Closed),
            (Some(false), Posture::Unknown),
            (None, Posture::Unknown),
        ] {
            let mut target = target(row("", "192.0.2.1"));
            target.expect.clients = Clients::Nobody;
            target.expect.tls = false;
            target.expect.reach = Some(Reach::Unreachable);
            let mut verdict = Verdict::default();
            verdict.summary.failure = Some(Reason::Timeout);
            verdict.summary.met = met;
            let record = record(target, verdict, Seen::default());
            assert_eq!(record.posture, expected, "{met:?}");
        }
    }

    #[test]
    fn a_row_is_unknown_until_it_shows_a_certificate() {
        assert_eq!(posture(&[], false), Posture::Unknown);
        assert_eq!(posture(&[], true), Posture::HttpsOnly);
    }

    #[test]
    fn only_what_is_critical_makes_a_door_broken_or_exposed() {
        use Severity::{Critical, Warning};
        assert_eq!(posture(&[(&EXPIRED, Critical)], true), Posture::Broken);
        assert_eq!(posture(&[(&EXPIRED, Warning)], true), Posture::HttpsOnly);
        assert_eq!(posture(&[(&PLAINTEXT, Critical)], true), Posture::Exposed);
        assert_eq!(posture(&[(&PLAINTEXT, Warning)], true), Posture::HttpsOnly);
    }

    #[test]
    fn an_unreachable_door_is_broken_at_any_severity() {
        assert_eq!(
            posture(&[(&UNREACHABLE, Severity::Warning)], false),
            Posture::Broken
        );
    }

    #[test]
    fn what_is_accepted_is_shown_apart_and_shuts_no_door() {
        let mut verdict = Verdict::default();
        verdict.find(&PLAINTEXT, Severity::Critical, "");
        verdict.waived = vec![Waived {
            finding: verdict.findings.remove(0),
            waiver: Waiver {
                finding: "plaintext_served".into(),
                until: "2027-03-01".into(),
                ends: UnixTime::from_secs(1_803_945_600),
                reason: "being moved".into(),
            },
        }];
        let sample = waived_sample(&verdict.waived[0]);
        let labels = ["plaintext_served", "2027-03-01", "being moved"].map(Box::from);
        assert_eq!(sample.extra, Extra::Texts(labels.into()));
        assert_eq!(
            Posture::of(Clients::Verifying, &verdict, true),
            Posture::Exposed
        );
    }

    #[test]
    fn exposure_outranks_breakage() {
        use Severity::Critical;
        let both = [(&EXPIRED, Critical), (&PLAINTEXT, Critical)];
        assert_eq!(posture(&both, true), Posture::Exposed);
    }
}
