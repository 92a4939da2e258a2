//! Whether a publicly trusted certificate lives longer than such certificates may.
//!
//! The CA/Browser Forum's baseline requirements limit the validity of what public authorities
//! issue (section 6.3.2, as of ballot SC-081v3), and browsers enforce it: a warning, because no
//! other client looks. Private authorities may issue for as long as they like, so that only roots of the
//! browsers' own programmes count; an enterprise's root among the system's is none.

use super::Check;
use super::assess::Assessed;
use crate::model::{FindingSpec, Severity, UnixTime, Validity, Verdict};

pub(super) const CHECK: Check = Check {
    name: "lifetime",
    families: &[],
    findings: &[TOO_LONG],
    judge,
};

const TOO_LONG: FindingSpec = FindingSpec {
    name: "certificate_lifetime_too_long",
    help: "The certificate that is served is publicly trusted and valid for longer than the CA/Browser Forum allows",
};

/// Seconds of a day, whatever the calendar says (section 6.3.2).
const DAY: i64 = 86_400;

/// From when on a certificate that is issued may be valid for how many days, latest first. What
/// is older than all of these has expired long ago.
const LIMITS: [(UnixTime, i64); 4] = [
    // 2029-03-15, 2027-03-15, 2026-03-15 and 2020-09-01.
    (UnixTime::from_secs(1_868_227_200), 47),
    (UnixTime::from_secs(1_805_068_800), 100),
    (UnixTime::from_secs(1_773_532_800), 200),
    (UnixTime::from_secs(1_598_918_400), 398),
];

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    assessed.find(verdict, &TOO_LONG, |address| {
        let facts = address.facts.filter(|_| address.known.in_browsers)?;
        let said = too_long(facts.validity)?;
        Some((Severity::Warning, said))
    });
}

fn too_long(validity: Validity) -> Option<String> {
    let (not_before, not_after) = validity.both()?;
    let (days, limit) = (days(not_before, not_after), limit(not_before)?);
    (days > limit).then(|| format!("valid for {days} days, of at most {limit}"))
}

fn limit(issued: UnixTime) -> Option<i64> {
    let (_, days) = LIMITS.iter().find(|(from, _)| issued >= *from)?;
    Some(*days)
}

/// Any second beyond a day counts as a further day (section 6.3.2); the last second of validity
/// is part of it (RFC 5280 section 4.1.2.5).
fn days(not_before: UnixTime, not_after: UnixTime) -> i64 {
    let seconds = not_after
        .as_secs()
        .saturating_sub(not_before.as_secs())
        .saturating_add(1);
    seconds.saturating_add(DAY - 1).div_euclid(DAY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::judge::fixtures::{Scene, ca_params, day, findings, issued, params, root, trusting};
    use crate::judge::{Policy, Roots};

    /// What is said of a certificate of this beginning and length, in seconds.
    fn said(from: i64, seconds: i64) -> Option<String> {
        let at = UnixTime::from_secs;
        too_long(Validity::between(at(from), at(from + seconds - 1)))
    }

    #[test]
    fn the_limit_is_that_of_the_day_of_issue_and_one_second_more_is_a_day_more() {
        let limits = [
            (1_598_918_400, 398),
            (1_773_532_799, 398),
            (1_773_532_800, 200),
            (1_805_068_799, 200),
            (1_805_068_800, 100),
            (1_868_227_199, 100),
            (1_868_227_200, 47),
        ];
        for (from, days) in limits {
            assert_eq!(said(from, days * DAY), None, "{from}");
            let more = format!("valid for {} days, of at most {days}", days + 1);
            assert_eq!(said(from, days * DAY + 1), Some(more), "{from}");
        }
        assert_eq!(said(1_598_918_399, 825 * DAY), None);
    }

    #[test]
    fn dates_that_make_no_sense_are_not_too_long() {
        assert_eq!(said(1_773_532_800, -400 * DAY), None);
    }

    #[test]
    fn only_what_leads_to_a_root_of_the_browsers_is_limited() {
        let anchor = root(ca_params("Root"));
        let leaf = issued(params("leaf", day(-1), day(800)), &anchor);
        let found =
            |policy: &Policy, shown: &[&_]| findings(&Scene::new().showing(shown).judged(policy));
        let public = [(TOO_LONG.name, Severity::Warning)];
        assert_eq!(found(&trusting(&anchor), &[&leaf]), public);
        let configured = Roots::empty().with_configured(&[&anchor.der]);
        assert_eq!(
            found(&Policy::new(&Config::default(), configured), &[&leaf]),
            []
        );
        let unknown = found(&trusting(&root(ca_params("Other"))), &[&leaf]);
        assert!(unknown.iter().all(|(name, _)| *name != TOO_LONG.name));
    }
}
