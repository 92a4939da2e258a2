//! When certificates begin and end.
//!
//! An expiry is near by share of the certificate's lifetime, capped in days: a certificate of 160
//! hours is renewed days later than one of a year. Expired is critical, since clients fail now; so
//! is not yet valid, for the same reason. What is near warns first and is critical once renewal is
//! clearly overdue. An intermediate counts where it lies on the verified path and ends before the
//! leaf: then it, not the leaf, is what clients will refuse.

use std::time::Duration;

use super::Check;
use super::assess::{Assessed, Assessment, Phase};
use super::trust::{Issuer, Trust};
use super::words::span;
use crate::config::{Expiry, Threshold};
use crate::model::{Family, FindingSpec, Kind, Scope, Severity, UnixTime, Verdict};

pub(super) const CHECK: Check = Check {
    name: "expiry",
    families: &[NOT_BEFORE, NOT_AFTER],
    findings: &[EXPIRED, EXPIRING, NOT_YET_VALID],
    judge,
};

const NOT_BEFORE: Family = Family {
    name: "kube_https_certificate_not_before_timestamp_seconds",
    help: "When the certificate that the last periodic probe saw begins, and the first intermediate to expire",
    labels: &["position"],
    scope: Scope::Target,
    kind: Kind::Gauge,
};
const NOT_AFTER: Family = Family {
    name: "kube_https_certificate_not_after_timestamp_seconds",
    help: "When the certificate that the last periodic probe saw expires, and the first intermediate to expire",
    labels: &["position"],
    scope: Scope::Target,
    kind: Kind::Gauge,
};

const EXPIRED: FindingSpec = FindingSpec {
    name: "certificate_expired",
    help: "The certificate that is served, or an intermediate that it depends on, has expired",
};
const EXPIRING: FindingSpec = FindingSpec {
    name: "certificate_expiring",
    help: "The certificate that is served, or an intermediate that it depends on, expires soon for its lifetime",
};
const NOT_YET_VALID: FindingSpec = FindingSpec {
    name: "certificate_not_yet_valid",
    help: "The certificate that is served, or an intermediate that it depends on, is not valid yet",
};

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    if let Some(address) = assessed.least_favourable() {
        sample(address, verdict);
    }
    let (now, expiry) = (assessed.case.now, &assessed.case.policy.expiry);
    assessed.find(verdict, &EXPIRED, |address| expired(address, now));
    assessed.find(verdict, &EXPIRING, |address| expiring(address, now, expiry));
    assessed.find(verdict, &NOT_YET_VALID, |address| {
        not_yet_valid(address, now)
    });
}

fn sample(address: &Assessment<'_>, verdict: &mut Verdict) {
    let leaf = address
        .facts
        .map(|facts| (facts.not_before, facts.not_after));
    let issuers = address.known.issuers.iter();
    let intermediate = issuers.min_by_key(|issuer| issuer.not_after);
    let intermediate = intermediate.map(|issuer| (issuer.not_before, issuer.not_after));
    for (position, dates) in [("leaf", leaf), ("intermediate", intermediate)] {
        if let Some((not_before, not_after)) = dates {
            verdict.word(&NOT_BEFORE, position, not_before.as_secs_f64());
            verdict.word(&NOT_AFTER, position, not_after.as_secs_f64());
        }
    }
}

fn expired(address: &Assessment<'_>, now: UnixTime) -> Option<(Severity, String)> {
    let facts = address.facts?;
    let detail = if address.phase == Some(Phase::Expired) {
        format!("expired {} ago", span(now.since(facts.not_after)))
    } else {
        let issuer = lapsed_intermediate(address)?;
        (issuer.not_after < now).then(|| {
            let ago = span(now.since(issuer.not_after));
            format!("its intermediate \"{}\" expired {ago} ago", issuer.name)
        })?
    };
    Some((Severity::Critical, detail))
}

fn not_yet_valid(address: &Assessment<'_>, now: UnixTime) -> Option<(Severity, String)> {
    let facts = address.facts?;
    let detail = if address.phase == Some(Phase::Early) {
        format!("begins in {}", span(facts.not_before.since(now)))
    } else {
        let issuer = lapsed_intermediate(address)?;
        (issuer.not_before > now).then(|| {
            let until = span(issuer.not_before.since(now));
            format!("its intermediate \"{}\" begins in {until}", issuer.name)
        })?
    };
    Some((Severity::Critical, detail))
}

/// An anchor that is not valid is a matter of trust, not of the server's renewal.
fn lapsed_intermediate<'a>(address: &'a Assessment<'_>) -> Option<&'a Issuer> {
    let lapsed = address.lapsed.as_ref()?;
    (!lapsed.is_anchor).then_some(&lapsed.issuer)
}

fn expiring(
    address: &Assessment<'_>,
    now: UnixTime,
    expiry: &Expiry,
) -> Option<(Severity, String)> {
    let facts = address.facts?;
    let anchored = matches!(address.known.trust, Trust::Anchored(_));
    let leaf = level(facts.not_before, facts.not_after, now, expiry).map(|severity| {
        let left = span(facts.not_after.since(now));
        (severity, format!("expires in {left}"))
    });
    let issuers = address.known.issuers.iter().filter(|_| anchored);
    let sooner = issuers.filter(|issuer| issuer.not_after < facts.not_after);
    let intermediates = sooner.filter_map(|issuer| {
        let severity = level(issuer.not_before, issuer.not_after, now, expiry)?;
        let left = span(issuer.not_after.since(now));
        Some((
            severity,
            format!("its intermediate \"{}\" expires in {left}", issuer.name),
        ))
    });
    let all = leaf.into_iter().chain(intermediates);
    all.reduce(|worst, next| if next.0 > worst.0 { next } else { worst })
}

/// How bad it is that this lifetime ends when it does; `None` while the end is far, and once it
/// has passed.
fn level(
    not_before: UnixTime,
    not_after: UnixTime,
    now: UnixTime,
    expiry: &Expiry,
) -> Option<Severity> {
    if Phase::of(not_before, not_after, now) != Phase::Valid {
        return None;
    }
    let (left, lifetime) = (not_after.since(now), not_after.since(not_before));
    if left < limit(&expiry.critical, lifetime) {
        Some(Severity::Critical)
    } else if left < limit(&expiry.warning, lifetime) {
        Some(Severity::Warning)
    } else {
        None
    }
}

fn limit(threshold: &Threshold, lifetime: Duration) -> Duration {
    let share = Duration::try_from_secs_f64(lifetime.as_secs_f64() * threshold.share);
    share.unwrap_or(Duration::MAX).min(threshold.cap)
}
