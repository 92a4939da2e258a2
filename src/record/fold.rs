//! Folding: what a report adds to what is known of a door. Pure; the last success stays beside
//! the last failure.

use std::net::IpAddr;
use std::time::Duration;

use crate::model::{
    Acceptance, AddressSeen, At, DeepReport, PlainAddressSeen, PlainAnswer, PlainReport, PlainSeen,
    TlsAttempt, TlsReport, TlsSeen, Trace, UnixTime, VersionSupport,
};

/// Adds a regular probe. A resolution that worked says which addresses there are: others are
/// forgotten. One that failed says nothing of them.
pub(super) fn tls(seen: &mut TlsSeen, report: TlsReport) {
    seen.last_attempt = Some(report.at);
    seen.took = took(&report);
    match report.attempts {
        Err(failure) => seen.failure = Some(failure),
        Ok(attempts) => {
            seen.failure = None;
            let room = Vec::with_capacity(attempts.len());
            let mut known = std::mem::replace(&mut seen.addresses, room);
            for attempt in attempts {
                // An address that was resolved twice is one address.
                let address = take(&mut seen.addresses, attempt.ip)
                    .or_else(|| take(&mut known, attempt.ip))
                    .unwrap_or_else(|| unseen(attempt.ip));
                seen.addresses.push(attempted(address, attempt, report.at));
            }
        }
    }
}

fn take(addresses: &mut Vec<AddressSeen>, ip: IpAddr) -> Option<AddressSeen> {
    let place = addresses.iter().position(|address| address.ip == ip)?;
    Some(addresses.remove(place))
}

fn unseen(ip: IpAddr) -> AddressSeen {
    AddressSeen {
        ip,
        failure: None,
        handshake: None,
        trace: Trace::default(),
        deep: None,
    }
}

fn attempted(mut seen: AddressSeen, attempt: TlsAttempt, at: UnixTime) -> AddressSeen {
    seen.trace = attempt.trace;
    match attempt.outcome {
        Ok(value) => {
            seen.failure = None;
            seen.handshake = Some(At { at, value });
        }
        Err(failure) => seen.failure = Some(failure),
    }
    seen
}

/// Resolving, and the slowest address; `None` where nothing was timed.
fn took(report: &TlsReport) -> Option<Duration> {
    let attempts = report.attempts.as_deref().unwrap_or_default();
    let slowest = attempts
        .iter()
        .filter_map(|a| sum(a.connect, a.handshake))
        .max();
    sum(report.resolve, slowest)
}

fn sum(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.saturating_add(b)),
        (one, other) => one.or(other),
    }
}

/// Adds a deep probe's answers to the addresses that are known. Where no version could be asked
/// for, the probe failed, and the answers from before stay with their age.
pub(super) fn deep(seen: &mut TlsSeen, report: &DeepReport) {
    for (ip, value) in &report.addresses {
        let known = seen.addresses.iter_mut().find(|address| address.ip == *ip);
        if let Some(address) = known.filter(|_| says_something(value.versions)) {
            let mut value = value.clone();
            if let (true, Some(before)) = (value.https.is_empty(), address.deep.take()) {
                // What another door was told says nothing of this one's answers.
                value.https = before.value.https;
            }
            address.deep = Some(At {
                at: report.at,
                value,
            });
        }
    }
}

fn says_something(support: VersionSupport) -> bool {
    support
        .0
        .iter()
        .any(|answer| *answer != Acceptance::Unknown)
}

/// Adds a plaintext probe. Addresses come and go as in [`tls`]; one that could not be asked
/// keeps its last answer.
pub(super) fn plain(seen: &mut PlainSeen, report: PlainReport) {
    seen.last_attempt = Some(report.at);
    match report.answers {
        Err(failure) => seen.failure = Some(failure),
        Ok(answers) => {
            seen.failure = None;
            let known = std::mem::take(&mut seen.addresses);
            seen.addresses = answers
                .into_iter()
                .map(|(ip, answer)| answered(&known, ip, answer))
                .collect();
        }
    }
}

fn answered(known: &[PlainAddressSeen], ip: IpAddr, answer: PlainAnswer) -> PlainAddressSeen {
    let last = known.iter().find(|address| address.ip == ip);
    match (answer, last) {
        (PlainAnswer::Unknown(_), Some(last)) => last.clone(),
        (answer, _) => PlainAddressSeen { ip, answer },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DeepSeen, Failure, Reason};
    use crate::record::samples::{attempt, failure, handshake};

    fn at(secs: i64) -> UnixTime {
        UnixTime::from_secs(secs)
    }

    fn report(secs: i64, attempts: Result<Vec<TlsAttempt>, Failure>) -> TlsReport {
        TlsReport {
            at: at(secs),
            resolve: Some(Duration::from_millis(5)),
            attempts,
        }
    }

    fn probed(reports: impl IntoIterator<Item = TlsReport>) -> TlsSeen {
        let mut seen = TlsSeen::default();
        reports
            .into_iter()
            .for_each(|report| tls(&mut seen, report));
        seen
    }

    fn supports(secs: i64, ip: &str, answers: [Acceptance; 5]) -> DeepReport {
        DeepReport {
            at: at(secs),
            took: Duration::ZERO,
            addresses: vec![(
                ip.parse().unwrap(),
                DeepSeen::of_versions(VersionSupport(answers)),
            )],
        }
    }

    #[test]
    fn the_last_success_stays_beside_the_last_failure() {
        let seen = probed([
            report(1, Ok(vec![attempt("192.0.2.1", Ok(7))])),
            report(2, Ok(vec![attempt("192.0.2.1", Err(Reason::Timeout))])),
        ]);
        let address = &seen.addresses[0];
        assert_eq!(seen.last_attempt, Some(at(2)));
        assert_eq!(address.failure, Some(failure(Reason::Timeout)));
        assert_eq!(
            address.handshake,
            Some(At {
                at: at(1),
                value: handshake(7)
            })
        );
    }

    #[test]
    fn a_success_ends_the_failure() {
        let seen = probed([
            report(1, Ok(vec![attempt("192.0.2.1", Err(Reason::Reset))])),
            report(2, Ok(vec![attempt("192.0.2.1", Ok(1))])),
        ]);
        assert_eq!(seen.addresses[0].failure, None);
    }

    #[test]
    fn an_address_that_no_longer_resolves_is_forgotten_after_a_resolution_that_worked() {
        let seen = probed([
            report(
                1,
                Ok(vec![
                    attempt("192.0.2.1", Ok(1)),
                    attempt("192.0.2.2", Ok(2)),
                ]),
            ),
            report(
                2,
                Ok(vec![
                    attempt("192.0.2.2", Err(Reason::Refused)),
                    attempt("192.0.2.3", Ok(3)),
                ]),
            ),
        ]);
        let ips: Vec<_> = seen.addresses.iter().map(|a| a.ip.to_string()).collect();
        assert_eq!(ips, ["192.0.2.2", "192.0.2.3"]);
        assert!(seen.addresses[0].handshake.is_some());
    }

    #[test]
    fn a_resolution_that_failed_keeps_every_address() {
        let seen = probed([
            report(1, Ok(vec![attempt("192.0.2.1", Ok(1))])),
            report(2, Err(failure(Reason::Dns))),
        ]);
        assert_eq!(seen.failure, Some(failure(Reason::Dns)));
        assert_eq!(seen.addresses.len(), 1);
        assert_eq!(seen.addresses[0].failure, None);
        let healed = report(3, Ok(vec![attempt("192.0.2.1", Ok(1))]));
        let mut seen = seen;
        tls(&mut seen, healed);
        assert_eq!(seen.failure, None);
    }

    #[test]
    fn an_address_resolved_twice_is_one_address() {
        let twice = vec![
            attempt("192.0.2.1", Ok(1)),
            attempt("192.0.2.1", Err(Reason::Reset)),
        ];
        let seen = probed([report(1, Ok(twice))]);
        assert_eq!(seen.addresses.len(), 1);
        assert!(seen.addresses[0].handshake.is_some());
    }

    #[test]
    fn a_probe_took_as_long_as_resolving_and_the_slowest_address() {
        let mut slow = attempt("192.0.2.2", Ok(1));
        slow.connect = Some(Duration::from_millis(100));
        let seen = probed([report(1, Ok(vec![attempt("192.0.2.1", Ok(1)), slow]))]);
        assert_eq!(seen.took, Some(Duration::from_millis(5 + 100 + 20)));
    }

    #[test]
    fn a_probe_that_timed_nothing_has_no_duration() {
        let mut refused = attempt("192.0.2.1", Err(Reason::Refused));
        refused.connect = None;
        let mut untimed = report(1, Ok(vec![refused]));
        untimed.resolve = None;
        assert_eq!(probed([untimed]).took, None);
    }

    #[test]
    fn deep_answers_go_to_their_address_and_stay_when_the_certificate_changes() {
        use Acceptance::{Accepted, Refused};
        let both = || vec![attempt("192.0.2.1", Ok(1)), attempt("192.0.2.2", Ok(1))];
        let mut seen = probed([report(1, Ok(both()))]);
        let answers = [Refused, Refused, Refused, Accepted, Accepted];
        deep(&mut seen, &supports(2, "192.0.2.2", answers));
        deep(&mut seen, &supports(2, "192.0.2.9", answers));
        tls(
            &mut seen,
            report(
                3,
                Ok(vec![
                    attempt("192.0.2.1", Ok(9)),
                    attempt("192.0.2.2", Ok(9)),
                ]),
            ),
        );
        assert_eq!(seen.addresses.len(), 2);
        assert_eq!(seen.addresses[0].deep, None);
        assert_eq!(
            seen.addresses[1].deep,
            Some(At {
                at: at(2),
                value: DeepSeen::of_versions(VersionSupport(answers))
            })
        );
    }

    #[test]
    fn a_deep_probe_that_learned_nothing_keeps_the_answers_from_before() {
        use Acceptance::{Accepted, Unknown};
        let mut seen = probed([report(1, Ok(vec![attempt("192.0.2.1", Ok(1))]))]);
        deep(&mut seen, &supports(2, "192.0.2.1", [Accepted; 5]));
        deep(&mut seen, &supports(3, "192.0.2.1", [Unknown; 5]));
        assert_eq!(seen.addresses[0].deep.as_ref().unwrap().at, at(2));
        deep(
            &mut seen,
            &supports(
                4,
                "192.0.2.1",
                [Unknown, Unknown, Unknown, Unknown, Accepted],
            ),
        );
        assert_eq!(seen.addresses[0].deep.as_ref().unwrap().at, at(4));
    }

    #[test]
    fn plaintext_answers_follow_the_addresses_and_survive_what_could_not_be_asked() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let unknown = || PlainAnswer::Unknown(failure(Reason::Other));
        let mut seen = PlainSeen::default();
        let mut fold = |secs, answers| {
            plain(
                &mut seen,
                PlainReport {
                    at: at(secs),
                    answers,
                },
            );
            seen.clone()
        };
        fold(
            1,
            Ok(vec![
                (ip("192.0.2.1"), PlainAnswer::Closed),
                (ip("192.0.2.2"), unknown()),
            ]),
        );
        let failed = fold(2, Err(failure(Reason::Dns)));
        assert_eq!(failed.failure, Some(failure(Reason::Dns)));
        assert_eq!(failed.addresses.len(), 2);
        let asked = fold(3, Ok(vec![(ip("192.0.2.1"), unknown())]));
        assert_eq!(asked.failure, None);
        assert_eq!(asked.last_attempt, Some(at(3)));
        let kept = PlainAddressSeen {
            ip: ip("192.0.2.1"),
            answer: PlainAnswer::Closed,
        };
        assert_eq!(asked.addresses, [kept]);
        let opened = fold(4, Ok(vec![(ip("192.0.2.1"), PlainAnswer::Http2)]));
        assert_eq!(opened.addresses[0].answer, PlainAnswer::Http2);
    }
}
