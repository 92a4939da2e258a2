//! When stored certificates end: those that no handshake shows.
//!
//! A leaf is judged like one that is served. An authority is judged by the same shares of its
//! lifetime, but capped at half a year and at a month: whatever it has signed must be replaced
//! with it, on both sides of every connection, and most live for ten years. What ends first of an
//! object names the finding, for an object has at most one of each kind.

use std::time::Duration;

use super::assess::Phase;
use super::expiry::{DATE_UNREADABLE, EXPIRED, EXPIRING, near};
use super::permissions::PUBLIC_PERMISSIONS;
use super::segmentation::DEFAULT_DENY_MISSING;
use super::verification::VERIFICATION_DISABLED;
use super::words::span;
use super::{Check, Policy, renewal, waive};
use crate::config::{Expiry, Threshold};
use crate::model::{
    CertificateFacts, Family, Finding, FindingSpec, FlawKind, Kind, Scope, Severity, Stored,
    StoredObject, UnixTime, Verdict,
};

/// Says nothing of a target: see [`judge`].
pub(super) const CHECK: Check = Check {
    name: "stored",
    families: &[NOT_BEFORE, NOT_AFTER],
    findings: &[CA_EXPIRING, KUBECONFIG_PLAINTEXT],
    judge: |_, _| {},
};

const NOT_BEFORE: Family = Family {
    name: "kube_https_stored_certificate_not_before_timestamp_seconds",
    help: "When a certificate that no handshake shows begins: a leaf, or of a bundle the first to expire that no other of its name outlives",
    labels: &["key", "usage"],
    scope: Scope::Object,
    kind: Kind::Gauge,
};
const NOT_AFTER: Family = Family {
    name: "kube_https_stored_certificate_not_after_timestamp_seconds",
    help: "When a certificate that no handshake shows expires: a leaf, or of a bundle the first to expire that no other of its name outlives",
    labels: &["key", "usage"],
    scope: Scope::Object,
    kind: Kind::Gauge,
};

const CA_EXPIRING: FindingSpec = FindingSpec {
    name: "ca_bundle_expiring",
    help: "A certificate authority that clients are configured with expires soon, or has expired",
};

const KUBECONFIG_PLAINTEXT: FindingSpec = FindingSpec {
    name: "kubeconfig_plaintext",
    help: "A kubeconfig's server is reached in clear, and with it go the credentials",
};

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Longest before an authority's end that it is worth a warning: time for a rotation that touches
/// every client.
const CA_WARNING: Duration = Duration::from_secs(180 * DAY);

/// Longest before an authority's end that it is critical.
const CA_CRITICAL: Duration = Duration::from_secs(30 * DAY);

/// What is to be said at `now` of what an object stores, but for what is accepted of it.
#[must_use]
pub fn judge(object: &StoredObject, policy: &Policy, now: UnixTime) -> Verdict {
    let decisive = |stored| Some((stored, Stored::decisive(stored)?));
    let mut all: Vec<_> = object.stored.iter().filter_map(decisive).collect();
    // Of two under one key the first counts.
    all.sort_by_key(|(_, facts)| facts.validity.not_after);

    let mut verdict = Verdict::default();
    for (stored, facts) in all {
        for (family, at) in [
            (&NOT_BEFORE, facts.validity.not_before),
            (&NOT_AFTER, facts.validity.not_after),
        ] {
            if let Some(at) = at {
                let labels = [stored.key.as_ref(), stored.usage.label()].map(Box::from);
                verdict.texts(family, labels.into(), at.as_secs_f64());
            }
        }
        if let Some(finding) = finding(stored, facts, now, &policy.expiry) {
            keep_worst(&mut verdict, finding);
        }
    }
    for flaw in &object.flaws {
        let (spec, severity) = match flaw.kind {
            FlawKind::VerificationDisabled => (&VERIFICATION_DISABLED, Severity::Warning),
            FlawKind::Plaintext => (&KUBECONFIG_PLAINTEXT, Severity::Critical),
            FlawKind::PermittedToStrangers => (&PUBLIC_PERMISSIONS, Severity::Critical),
            FlawKind::PermittedToEverybody => (&PUBLIC_PERMISSIONS, Severity::Warning),
            FlawKind::NothingDenied => (&DEFAULT_DENY_MISSING, Severity::Info),
        };
        let detail = flaw.place.clone();
        keep_worst(
            &mut verdict,
            Finding {
                spec,
                severity,
                detail,
            },
        );
    }
    renewal::judge(&object.stored, now, &mut verdict);
    waive::apply(&object.accept, now, &mut verdict);
    verdict
}

fn finding(
    stored: &Stored,
    facts: &CertificateFacts,
    now: UnixTime,
    expiry: &Expiry,
) -> Option<Finding> {
    let (key, name) = (&stored.key, &facts.subject_common_name);
    let authority = stored.usage.is_authority();
    let (spec, severity, said) = if let Some(dates) = facts.validity.unreadable() {
        let said = format!("has a {dates} that cannot be read");
        (&DATE_UNREADABLE, Severity::Critical, said)
    } else if Phase::of(facts.validity, now) == Some(Phase::Expired) {
        let spec = if authority { &CA_EXPIRING } else { &EXPIRED };
        let ago = span(now.since(facts.validity.not_after?));
        (spec, Severity::Critical, format!("expired {ago} ago"))
    } else {
        let (spec, expiry) = if authority {
            (&CA_EXPIRING, &for_authorities(expiry))
        } else {
            (&EXPIRING, expiry)
        };
        let (severity, left) = near(facts.validity, now, expiry)?;
        (spec, severity, format!("expires {left}"))
    };
    Some(Finding {
        spec,
        severity,
        detail: format!("\"{name}\" in {key} {said}").into(),
    })
}

fn for_authorities(expiry: &Expiry) -> Expiry {
    let capped = |threshold: Threshold, cap| Threshold { cap, ..threshold };
    Expiry {
        warning: capped(expiry.warning, CA_WARNING),
        critical: capped(expiry.critical, CA_CRITICAL),
    }
}

/// What ends first came first.
fn keep_worst(verdict: &mut Verdict, finding: Finding) {
    let mut known = verdict.findings.iter_mut();
    match known.find(|other| other.spec == finding.spec) {
        Some(other) if other.severity < finding.severity => *other = finding,
        Some(_) => {}
        None => verdict.findings.push(finding),
    }
}

#[cfg(test)]
#[path = "stored_test.rs"]
mod tests;
