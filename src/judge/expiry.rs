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

pub(super) const EXPIRED: FindingSpec = FindingSpec {
    name: "certificate_expired",
    help: "The certificate that is served, or an intermediate that it depends on, has expired",
};
pub(super) const EXPIRING: FindingSpec = FindingSpec {
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
pub(super) fn level(
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::judge::fixtures::{
        DAY, NOW, Scene, ca_params, day, detail, findings, issued, params, pki, root, trusting,
        values,
    };

    /// Levels around the two limits, given as seconds left, of a lifetime in seconds.
    fn assert_limits(lifetime: i64, warning: i64, critical: i64) {
        let at = |left: i64| {
            let end = UnixTime::from_secs(NOW.as_secs() + left);
            let start = UnixTime::from_secs(end.as_secs() - lifetime);
            level(start, end, NOW, &Config::default().expiry)
        };
        assert_eq!(at(warning + 1), None, "{lifetime}");
        assert_eq!(at(warning), None, "{lifetime}");
        assert_eq!(at(warning - 1), Some(Severity::Warning), "{lifetime}");
        assert_eq!(at(critical + 1), Some(Severity::Warning), "{lifetime}");
        assert_eq!(at(critical), Some(Severity::Warning), "{lifetime}");
        assert_eq!(at(critical - 1), Some(Severity::Critical), "{lifetime}");
        assert_eq!(at(0), Some(Severity::Critical), "{lifetime}");
        assert_eq!(at(-1), None, "{lifetime}");
    }

    #[test]
    fn an_expiry_is_near_by_share_of_the_lifetime_and_at_most_by_the_cap() {
        assert_limits(160 * 3_600, 40 * 3_600, 16 * 3_600);
        assert_limits(47 * DAY, 47 * DAY / 4, 47 * DAY / 10);
        assert_limits(90 * DAY, 21 * DAY, 7 * DAY);
        assert_limits(365 * DAY, 21 * DAY, 7 * DAY);
        assert_limits(3_650 * DAY, 21 * DAY, 7 * DAY);
    }

    #[test]
    fn the_last_second_is_valid_and_the_next_is_not() {
        let phase = |millis| {
            let now = UnixTime::from_millis(NOW.as_millis() + millis);
            Phase::of(day(-1), NOW, now)
        };
        assert_eq!(phase(-1), Phase::Valid);
        assert_eq!(phase(0), Phase::Valid);
        assert_eq!(phase(999), Phase::Valid);
        assert_eq!(phase(1_000), Phase::Expired);
    }

    #[test]
    fn a_certificate_from_the_near_future_is_valid_and_from_a_farther_one_is_not() {
        let phase = |seconds| {
            let start = UnixTime::from_secs(NOW.as_secs() + seconds);
            Phase::of(start, day(1), NOW)
        };
        assert_eq!(phase(299), Phase::Valid);
        assert_eq!(phase(300), Phase::Valid);
        assert_eq!(phase(301), Phase::Early);
    }

    #[test]
    fn a_certificate_goes_from_good_to_expired_as_the_clock_goes_on() {
        let pki = pki();
        let (policy, scene) = (
            trusting(&pki.root),
            Scene::new().showing(&[&pki.leaf, &pki.intermediate]),
        );
        let at = |days| findings(&scene.judged_at(&policy, day(days)));
        assert_eq!(at(-11), [("certificate_not_yet_valid", Severity::Critical)]);
        assert_eq!(at(0), []);
        assert_eq!(at(59), []);
        assert_eq!(at(60), [("certificate_expiring", Severity::Warning)]);
        assert_eq!(at(74), [("certificate_expiring", Severity::Critical)]);
        assert_eq!(at(83), [("certificate_expired", Severity::Critical)]);
        let verdict = scene.judged_at(&policy, day(83));
        assert_eq!(
            detail(&verdict, "certificate_expired"),
            "expired 3 days ago"
        );
        let leaf = ("leaf".to_owned(), day(80).as_secs_f64());
        assert_eq!(values(&verdict, NOT_AFTER.name)[0], leaf);
    }

    #[test]
    fn dates_are_those_of_the_leaf_and_of_the_first_intermediate_to_expire() {
        let pki = pki();
        let scene = Scene::new().showing(&[&pki.leaf, &pki.intermediate, &pki.root]);
        let verdict = scene.judged(&trusting(&pki.root));
        let seconds = |days| day(days).as_secs_f64();
        let leaf = |days| ("leaf".to_owned(), seconds(days));
        let intermediate = |days| ("intermediate".to_owned(), seconds(days));
        assert_eq!(
            values(&verdict, NOT_BEFORE.name),
            [leaf(-10), intermediate(-365)]
        );
        assert_eq!(
            values(&verdict, NOT_AFTER.name),
            [leaf(80), intermediate(3_285)]
        );
        let scene = Scene::new().showing(&[&pki.leaf]);
        let verdict = scene.judged(&trusting(&pki.root));
        assert_eq!(values(&verdict, NOT_AFTER.name), [leaf(80)]);
    }

    /// A chain whose intermediate ends after this many days.
    fn with_intermediate_until(days: i64, judged_at: i64) -> Verdict {
        let root = root(ca_params("Root"));
        let mut short = ca_params("Intermediate");
        short.not_after = params("", day(0), day(days)).not_after;
        let intermediate = issued(short, &root);
        let leaf = issued(params("leaf", day(-10), day(80)), &intermediate);
        let scene = Scene::new().showing(&[&leaf, &intermediate]);
        scene.judged_at(&trusting(&root), day(judged_at))
    }

    #[test]
    fn an_intermediate_counts_where_it_ends_before_the_leaf() {
        let near = with_intermediate_until(10, 0);
        assert_eq!(
            findings(&near),
            [("certificate_expiring", Severity::Warning)]
        );
        let said = "its intermediate \"Intermediate\" expires in 10 days";
        assert_eq!(detail(&near, "certificate_expiring"), said);
        let gone = with_intermediate_until(10, 12);
        assert_eq!(
            findings(&gone),
            [("certificate_expired", Severity::Critical)]
        );
        let said = "its intermediate \"Intermediate\" expired 2 days ago";
        assert_eq!(detail(&gone, "certificate_expired"), said);
        let after_the_leaf = with_intermediate_until(81, 0);
        assert_eq!(findings(&after_the_leaf), []);
        let both = with_intermediate_until(75, 73);
        assert_eq!(
            findings(&both),
            [("certificate_expiring", Severity::Critical)]
        );
        assert!(detail(&both, "certificate_expiring").contains("intermediate"));
    }

    #[test]
    fn an_intermediate_that_is_on_no_verified_path_does_not_expire() {
        let (pki, other) = (pki(), root(ca_params("Other")));
        let mut short = ca_params("Stray");
        short.not_after = params("", day(0), day(1)).not_after;
        let stray = issued(short, &other);
        let scene = Scene::new().showing(&[&pki.leaf, &pki.intermediate, &stray]);
        assert_eq!(findings(&scene.judged_at(&trusting(&pki.root), day(2))), []);
    }

    #[test]
    fn an_intermediate_that_outlives_a_short_leaf_is_not_near_its_end() {
        let root = root(ca_params("Root"));
        let mut short = ca_params("Intermediate");
        short.not_after = params("", day(0), day(14)).not_after;
        let intermediate = issued(short, &root);
        let leaf = issued(params("leaf", day(-34), day(13)), &intermediate);
        let scene = Scene::new().showing(&[&leaf, &intermediate]);
        assert_eq!(findings(&scene.judged(&trusting(&root))), []);
        let elsewhere = trusting(&pki().root);
        let outlived = issued(params("leaf", day(-10), day(80)), &intermediate);
        let scene = Scene::new().showing(&[&outlived, &intermediate]);
        let untrusted = [("certificate_untrusted", Severity::Critical)];
        assert_eq!(findings(&scene.judged(&elsewhere)), untrusted);
    }

    #[test]
    fn of_two_intermediates_the_first_to_expire_is_shown() {
        let root = root(ca_params("Root"));
        let upper = issued(ca_params("Upper"), &root);
        let mut short = ca_params("Lower");
        short.not_after = params("", day(0), day(100)).not_after;
        let lower = issued(short, &upper);
        let leaf = issued(params("leaf", day(-10), day(80)), &lower);
        let scene = Scene::new().showing(&[&leaf, &upper, &lower]);
        let verdict = scene.judged(&trusting(&root));
        let shown = ("intermediate".to_owned(), day(100).as_secs_f64());
        assert_eq!(values(&verdict, NOT_AFTER.name)[1], shown);
    }
}
