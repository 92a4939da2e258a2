//! Whether what issues certificates renews them when it means to.
//!
//! A warning long before the certificate expires, for a renewal that fails once goes on failing
//! until somebody looks. Issuers have outages, and an attempt that fails is not repeated at once
//! (cert-manager waits for an hour, then twice as long each time): hence some grace, as long as
//! matters little beside the lifetime.

use std::time::Duration;

use super::Check;
use super::words::span;
use crate::model::{Family, FindingSpec, Kind, Scope, Severity, Stored, UnixTime, Verdict};

/// Says nothing of a target: see [`judge`].
pub(super) const CHECK: Check = Check {
    name: "renewal",
    families: &[RENEWAL],
    findings: &[OVERDUE],
    judge: |_, _| {},
};

const RENEWAL: Family = Family {
    name: "kube_https_certificate_renewal_timestamp_seconds",
    help: "When cert-manager means to renew a certificate",
    labels: &[],
    scope: Scope::Object,
    kind: Kind::Gauge,
};

const OVERDUE: FindingSpec = FindingSpec {
    name: "certificate_renewal_overdue",
    help: "A certificate that cert-manager was to renew by now is not renewed",
};

/// The least grace: one attempt that failed, and the next.
const GRACE: Duration = Duration::from_hours(1);

/// And no less than the lifetime by this: of 90 days, 43 hours.
const GRACE_SHARE: u32 = 50;

/// Adds what is to be said of the renewals of what an object stores.
pub(super) fn judge(stored: &[Stored], now: UnixTime, verdict: &mut Verdict) {
    let planned = stored.iter().filter_map(|one| Some((one, one.renewal?)));
    let Some((stored, renewal)) = planned.min_by_key(|(_, renewal)| *renewal) else {
        return;
    };
    verdict.gauge(&RENEWAL, renewal.as_secs_f64());
    if now > renewal.saturating_add(grace(stored)) {
        let late = span(now.since(renewal));
        let end = stored.decisive().and_then(|facts| facts.validity.not_after);
        let left = end.map(|end| {
            if end < now {
                "has expired".to_owned()
            } else {
                format!("expires in {}", span(end.since(now)))
            }
        });
        let left = left.map_or_else(String::new, |left| format!("; it {left}"));
        let detail = format!("it was to be renewed {late} ago{left}");
        verdict.find(&OVERDUE, Severity::Warning, detail);
    }
}

fn grace(stored: &Stored) -> Duration {
    let lifetime = stored
        .decisive()
        .and_then(|facts| facts.validity.lifetime());
    lifetime.map_or(GRACE, |lifetime| (lifetime / GRACE_SHARE).max(GRACE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::fixtures::{NOW, day, detail, facts, findings, value};
    use crate::model::{Certificate, Fingerprint, Usage, Validity};

    const HOUR: i64 = 3_600;

    /// A leaf of so many days that is to be renewed now; of no known dates for 0.
    fn due(days: i64) -> Stored {
        let mut facts = facts();
        facts.validity = Validity::between(day(-days * 2 / 3), day(days - days * 2 / 3));
        let certificate = Certificate {
            der: Box::default(),
            fingerprint: Fingerprint([1; 32]),
            facts: Ok(facts),
        };
        Stored {
            key: "tls.crt".into(),
            usage: Usage::Server,
            certificates: (days > 0).then_some(certificate).into_iter().collect(),
            renewal: Some(NOW),
        }
    }

    fn after(stored: &Stored, seconds: i64) -> Verdict {
        let mut verdict = Verdict::default();
        let now = UnixTime::from_secs(NOW.as_secs() + seconds);
        judge(std::slice::from_ref(stored), now, &mut verdict);
        verdict
    }

    #[test]
    fn a_renewal_is_overdue_after_an_hour_or_a_fiftieth_of_the_lifetime() {
        let overdue = [(OVERDUE.name, Severity::Warning)];
        // 1 day, 90 days, and unknown.
        for (days, grace) in [(1, HOUR), (90, 43 * HOUR + HOUR / 5), (0, HOUR)] {
            let stored = due(days);
            assert_eq!(findings(&after(&stored, -HOUR)), []);
            assert_eq!(findings(&after(&stored, grace)), [], "{days}");
            assert_eq!(findings(&after(&stored, grace + 1)), overdue, "{days}");
        }
    }

    #[test]
    fn it_says_since_when_and_what_is_left() {
        let said = |days, seconds| detail(&after(&due(days), seconds), OVERDUE.name).to_owned();
        let hours = |hours| hours * HOUR;
        assert_eq!(
            said(90, hours(48)),
            "it was to be renewed 2 days ago; it expires in 28 days"
        );
        assert_eq!(
            said(90, hours(24 * 31)),
            "it was to be renewed 31 days ago; it has expired"
        );
        assert_eq!(said(0, hours(2)), "it was to be renewed 2 hours ago");
    }

    #[test]
    fn when_it_is_to_be_renewed_is_shown_where_it_is_known() {
        let verdict = after(&due(90), -HOUR);
        assert_eq!(value(&verdict, RENEWAL.name), Some(NOW.as_secs_f64()));
        let never = Stored {
            renewal: None,
            ..due(90)
        };
        let verdict = after(&never, HOUR * 1000);
        assert_eq!(
            (value(&verdict, RENEWAL.name), findings(&verdict)),
            (None, vec![])
        );
    }
}
