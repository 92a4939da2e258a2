//! When certificates begin and end.
//!
//! An expiry is near by share of the certificate's lifetime, capped in days: a certificate of 160
//! hours is renewed days later than one of a year. Expired is critical, since clients fail now; so
//! is not yet valid, for the same reason. What is near warns first and is critical once renewal is
//! clearly overdue. An intermediate counts where it lies on the verified path and ends before the
//! leaf: then it, not the leaf, is what clients will refuse. A date that cannot be read is critical:
//! OpenSSL, Go, Java and rustls refuse the certificate, whatever the date was meant to be.

use std::time::Duration;

use super::Check;
use super::assess::{Assessed, Assessment, Phase};
use super::trust::{Issuer, Trust};
use super::words::span;
use crate::config::{Expiry, Threshold};
use crate::model::{Family, FindingSpec, Kind, Scope, Severity, UnixTime, Validity, Verdict};

pub(super) const CHECK: Check = Check {
    name: "expiry",
    families: &[NOT_BEFORE, NOT_AFTER],
    findings: &[EXPIRED, EXPIRING, NOT_YET_VALID, DATE_UNREADABLE],
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
pub(super) const DATE_UNREADABLE: FindingSpec = FindingSpec {
    name: "certificate_date_unreadable",
    help: "The certificate that is served, or an intermediate that it depends on, has a date that cannot be read, and clients refuse it",
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
    assessed.find(verdict, &DATE_UNREADABLE, date_unreadable);
}

fn sample(address: &Assessment<'_>, verdict: &mut Verdict) {
    let leaf = address.facts.map(|facts| facts.validity);
    let issuers = address.known.issuers.iter().map(|issuer| issuer.validity);
    let intermediate = issuers
        .filter(|validity| validity.not_after.is_some())
        .min_by_key(|validity| validity.not_after);
    for (position, validity) in [("leaf", leaf), ("intermediate", intermediate)] {
        let validity = validity.unwrap_or_default();
        for (family, at) in [
            (&NOT_BEFORE, validity.not_before),
            (&NOT_AFTER, validity.not_after),
        ] {
            if let Some(at) = at {
                verdict.word(family, position, at.as_secs_f64());
            }
        }
    }
}

fn expired(address: &Assessment<'_>, now: UnixTime) -> Option<(Severity, String)> {
    let facts = address.facts?;
    let ago = |end| span(now.since(end));
    let detail = if address.phase == Some(Phase::Expired) {
        format!("expired {} ago", ago(facts.validity.not_after?))
    } else {
        let issuer = lapsed_intermediate(address)?;
        let end = issuer.validity.not_after.filter(|end| *end < now)?;
        let (name, ago) = (&issuer.name, ago(end));
        format!("its intermediate \"{name}\" expired {ago} ago")
    };
    Some((Severity::Critical, detail))
}

fn not_yet_valid(address: &Assessment<'_>, now: UnixTime) -> Option<(Severity, String)> {
    let facts = address.facts?;
    let until = |begin: UnixTime| span(begin.since(now));
    let detail = if address.phase == Some(Phase::Early) {
        format!("begins in {}", until(facts.validity.not_before?))
    } else {
        let issuer = lapsed_intermediate(address)?;
        let begin = issuer.validity.not_before.filter(|begin| *begin > now)?;
        let (name, until) = (&issuer.name, until(begin));
        format!("its intermediate \"{name}\" begins in {until}")
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
    let own = address.facts?.validity;
    let anchored = matches!(address.known.trust, Trust::Anchored(_));
    let leaf = near(own, now, expiry).map(|(severity, left)| (severity, format!("expires {left}")));
    let issuers = address.known.issuers.iter().filter(|_| anchored);
    let sooner = issuers.filter(|issuer| issuer.validity.not_after < own.not_after);
    let intermediates = sooner.filter_map(|issuer| {
        let (severity, left) = near(issuer.validity, now, expiry)?;
        Some((
            severity,
            format!("its intermediate \"{}\" expires {left}", issuer.name),
        ))
    });
    let all = leaf.into_iter().chain(intermediates);
    all.reduce(|worst, next| if next.0 > worst.0 { next } else { worst })
}

/// Of an intermediate only where no path goes round it.
fn date_unreadable(address: &Assessment<'_>) -> Option<(Severity, String)> {
    let leaf = address.facts?.validity.unreadable();
    let leaf = leaf.map(|dates| format!("its {dates} cannot be read"));
    let detail = leaf.or_else(|| {
        let refused = address.known.trust == Trust::Refused;
        let mut issuers = address.known.issuers.iter().filter(|_| refused);
        issuers.find_map(|issuer| {
            let (dates, name) = (issuer.validity.unreadable()?, &issuer.name);
            Some(format!(
                "the {dates} of its intermediate \"{name}\" cannot be read"
            ))
        })
    });
    Some((Severity::Critical, detail?))
}

/// How bad it is that this lifetime ends when it does, and when that is; `None` while the end is
/// far, once it has passed, and where a date cannot be read.
pub(super) fn near(
    validity: Validity,
    now: UnixTime,
    expiry: &Expiry,
) -> Option<(Severity, String)> {
    if Phase::of(validity, now) != Some(Phase::Valid) {
        return None;
    }
    let (left, lifetime) = (validity.not_after?.since(now), validity.lifetime()?);
    let severity = if left < limit(&expiry.critical, lifetime) {
        Severity::Critical
    } else if left < limit(&expiry.warning, lifetime) {
        Severity::Warning
    } else {
        return None;
    };
    Some((severity, format!("in {}", span(left))))
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
        DAY, Minted, NOW, Scene, ca_params, day, detail, findings, issued, params, pki, root,
        trusting, value, values,
    };

    /// Levels around the two limits, given as seconds left, of a lifetime in seconds.
    fn assert_limits(lifetime: i64, warning: i64, critical: i64) {
        let at = |left: i64| {
            let end = UnixTime::from_secs(NOW.as_secs() + left);
            let start = UnixTime::from_secs(end.as_secs() - lifetime);
            let near = near(
                Validity::between(start, end),
                NOW,
                &Config::default().expiry,
            );
            near.map(|(severity, _)| severity)
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
            Phase::of(Validity::between(day(-1), NOW), now).unwrap()
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
            Phase::of(Validity::between(start, day(1)), NOW).unwrap()
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

    /// As minted, but with letters in the place of the only date that reads so.
    fn illegible(mut minted: Minted, date: &[u8; 12]) -> Minted {
        let mut windows = minted.der.windows(date.len());
        let at = windows.position(|window| window == date).unwrap();
        minted.der[at..at + 2].copy_from_slice(b"xx");
        minted
    }

    const UNREADABLE: (&str, Severity) = ("certificate_date_unreadable", Severity::Critical);

    #[test]
    fn a_date_that_cannot_be_read_is_found_and_the_other_is_still_judged() {
        let root = root(ca_params("Root"));
        let leaf = || issued(params("leaf", day(-10), day(80)), &root);
        let judged = |leaf, days| {
            let verdict = Scene::new()
                .showing(&[&leaf])
                .judged_at(&trusting(&root), day(days));
            let dates = [NOT_BEFORE.name, NOT_AFTER.name].map(|name| {
                let dates = values(&verdict, name).into_iter();
                dates.map(|(_, date)| date).collect::<Vec<_>>()
            });
            assert_eq!(value(&verdict, "kube_https_certificate_valid"), Some(0.0));
            let trust = &values(&verdict, "kube_https_certificate_trust_info")[0].0;
            assert_eq!(trust, "unknown");
            let said = detail(&verdict, UNREADABLE.0).to_owned();
            (findings(&verdict), said, dates)
        };
        let (begin, end) = (day(-10).as_secs_f64(), day(80).as_secs_f64());
        let critical = |name| (name, Severity::Critical);

        let endless = || illegible(leaf(), b"260322000000");
        let said = "its notAfter cannot be read".to_owned();
        let dates = [vec![begin], vec![]];
        let expected = (vec![UNREADABLE], said, dates.clone());
        assert_eq!(judged(endless(), 0), expected);
        assert_eq!(judged(endless(), 4_000), expected);
        let early = judged(endless(), -11).0;
        assert_eq!(early, [UNREADABLE, critical("certificate_not_yet_valid")]);

        let beginless = || illegible(leaf(), b"251222000000");
        let said = "its notBefore cannot be read".to_owned();
        let dates = [vec![], vec![end]];
        assert_eq!(judged(beginless(), 79), (vec![UNREADABLE], said, dates));
        let over = judged(beginless(), 81).0;
        assert_eq!(over, [UNREADABLE, critical("certificate_expired")]);

        let timeless = illegible(endless(), b"251222000000");
        let said = "its notBefore and notAfter cannot be read".to_owned();
        let none = [vec![], vec![]];
        assert_eq!(judged(timeless, 0), (vec![UNREADABLE], said, none));
    }

    #[test]
    fn a_date_that_cannot_be_read_hides_neither_a_name_nor_the_certificate_s_own_issuer() {
        let mut mine = params("mine", day(-10), day(80));
        mine.subject_alt_names.clear();
        let mine = illegible(root(mine), b"260322000000");
        let verdict = Scene::new()
            .showing(&[&mine])
            .judged(&trusting(&pki().root));
        let critical = |name| (name, Severity::Critical);
        let all = [
            UNREADABLE,
            critical("certificate_name_mismatch"),
            critical("certificate_self_signed"),
        ];
        assert_eq!(findings(&verdict), all);
        let verdict = Scene::new().showing(&[&mine]).judged(&trusting(&mine));
        assert_eq!(findings(&verdict)[0], UNREADABLE, "pinned");
        assert_eq!(value(&verdict, "kube_https_certificate_valid"), Some(0.0));
    }

    #[test]
    fn an_intermediate_s_date_matters_where_no_path_goes_round_it() {
        let root = root(ca_params("Root"));
        let key = rcgen::KeyPair::generate().unwrap();
        let own = || ca_params("Intermediate");
        let good = own().signed_by(&key, &root.issuer).unwrap();
        let good = Minted::new(&good, own(), key);
        let leaf = issued(params("leaf", day(-10), day(80)), &good);
        let whole = Scene::new()
            .showing(&[&leaf, &good])
            .judged(&trusting(&root));
        assert_eq!(findings(&whole), []);
        // Of the same name and key, for what the path is concerned with.
        let again = own().signed_by(good.issuer.key(), &root.issuer).unwrap();
        let again = Minted::new(&again, own(), rcgen::KeyPair::generate().unwrap());
        let odd = illegible(again, b"341230000000");
        let judged = |shown: &[&Minted]| Scene::new().showing(shown).judged(&trusting(&root));
        let verdict = judged(&[&leaf, &odd]);
        assert_eq!(findings(&verdict), [UNREADABLE]);
        let said = "the notAfter of its intermediate \"Intermediate\" cannot be read";
        assert_eq!(detail(&verdict, UNREADABLE.0), said);
        let begin = ("leaf".to_owned(), day(80).as_secs_f64());
        assert_eq!(values(&verdict, NOT_AFTER.name), [begin]);
        assert_eq!(findings(&judged(&[&leaf, &odd, &good])), []);
        assert_eq!(findings(&judged(&[&leaf, &good, &odd])), []);
    }
}
