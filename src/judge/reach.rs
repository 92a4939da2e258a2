//! Whether the door answers, and when it was last asked.
//!
//! `unreachable` is a warning: it is seen from one place only, a network policy or a load balancer
//! that does not loop back looks the same, and a program that runs once tells "could not be probed"
//! from "is wrong". `tls_not_spoken` is critical: somebody answers, and every client that expects
//! TLS fails. Addresses that `security` forbids, and this program's own trouble, are no findings:
//! they say nothing about the door.

use super::Check;
use super::assess::Assessed;
use crate::model::{
    At, Failure, Family, FindingSpec, Kind, Reason, Scope, Severity, UnixTime, Verdict,
};

pub(super) const CHECK: Check = Check {
    name: "reach",
    families: &[
        SUCCESS,
        FAILURE,
        DURATION,
        LAST,
        LAST_SUCCESS,
        LAST_DEEP_SUCCESS,
    ],
    findings: &[UNREACHABLE, TLS_NOT_SPOKEN],
    judge,
};

const fn family(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family {
        name,
        help,
        labels,
        scope: Scope::Target,
        kind: Kind::Gauge,
    }
}

const SUCCESS: Family = family(
    "kube_https_probe_success",
    &[],
    "Whether every address presented a certificate at the last periodic probe, whatever the verdict on it",
);
const FAILURE: Family = family(
    "kube_https_probe_failure_info",
    &["reason"],
    "Why the last periodic probe saw no certificate at some address, 1 only while it fails",
);
const DURATION: Family = family(
    "kube_https_probe_duration_seconds",
    &[],
    "How long the last periodic probe took to resolve, connect and shake hands, of the slowest address",
);
const LAST: Family = family(
    "kube_https_probe_last_timestamp_seconds",
    &[],
    "When the last periodic probe ended",
);
const LAST_SUCCESS: Family = family(
    "kube_https_probe_last_success_timestamp_seconds",
    &[],
    "When the last periodic probe that saw a certificate ended, of the address where that was longest ago",
);
const LAST_DEEP_SUCCESS: Family = family(
    "kube_https_deep_probe_last_success_timestamp_seconds",
    &[],
    "When the last periodic probe of the accepted versions ended, of the address where that was longest ago",
);

const UNREACHABLE: FindingSpec = FindingSpec {
    name: "unreachable",
    help: "TLS is declared here, but the last probe came to no handshake at some address",
};
const TLS_NOT_SPOKEN: FindingSpec = FindingSpec {
    name: "tls_not_spoken",
    help: "TLS is declared here, but what answers at the port is not TLS",
};

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    let tls = assessed.case.tls;
    let Some(last) = tls.last_attempt.filter(|_| assessed.tls_matters()) else {
        return;
    };
    let failures: Vec<_> = failures(assessed).collect();
    verdict.gauge(&SUCCESS, if failures.is_empty() { 1.0 } else { 0.0 });
    // One reason, and the same one however DNS orders the addresses.
    if let Some(reason) = failures.iter().map(|(_, failure)| failure.reason).min() {
        verdict.word(&FAILURE, reason.label(), 1.0);
    }
    if let Some(took) = tls.took {
        verdict.gauge(&DURATION, took.as_secs_f64());
    }
    verdict.gauge(&LAST, last.as_secs_f64());
    let handshakes = tls
        .addresses
        .iter()
        .map(|address| ended(address.handshake.as_ref()));
    if let Some(oldest) = handshakes.flatten().min() {
        verdict.gauge(&LAST_SUCCESS, oldest.as_secs_f64());
    }
    let deep = tls
        .addresses
        .iter()
        .map(|address| ended(address.deep.as_ref()));
    if let Some(oldest) = deep.flatten().min() {
        verdict.gauge(&LAST_DEEP_SUCCESS, oldest.as_secs_f64());
    }
    if assessed.case.target.expect.tls {
        find(&failures, verdict);
    }
}

fn ended<T>(seen: Option<&At<T>>) -> Option<UnixTime> {
    seen.map(|seen| seen.at)
}

/// What failed last time, with the address where that was known.
fn failures<'a>(assessed: &Assessed<'a>) -> impl Iterator<Item = (String, &'a Failure)> {
    let tls = assessed.case.tls;
    let several = tls.addresses.len() > 1;
    let of_addresses = tls.addresses.iter().filter_map(move |address| {
        let place = if several {
            format!("{}: ", address.ip)
        } else {
            String::new()
        };
        Some((place, address.failure.as_ref()?))
    });
    let before_any = tls.failure.iter().map(|failure| (String::new(), failure));
    before_any.chain(of_addresses)
}

/// One finding of each kind, of the first address that gives cause for it.
fn find(failures: &[(String, &Failure)], verdict: &mut Verdict) {
    let specs = [
        (&UNREACHABLE, Severity::Warning),
        (&TLS_NOT_SPOKEN, Severity::Critical),
    ];
    for (spec, severity) in specs {
        let first = failures
            .iter()
            .find(|(_, failure)| finding(failure.reason) == Some(spec));
        if let Some((place, failure)) = first {
            let (reason, detail) = (failure.reason.label(), &failure.detail);
            verdict.find(spec, severity, format!("{place}{reason}: {detail}"));
        }
    }
}

fn finding(reason: Reason) -> Option<&'static FindingSpec> {
    match reason {
        Reason::Dns
        | Reason::Refused
        | Reason::Timeout
        | Reason::Unreachable
        | Reason::Reset
        | Reason::Closed
        | Reason::Alert
        | Reason::Protocol => Some(&UNREACHABLE),
        Reason::NotTls => Some(&TLS_NOT_SPOKEN),
        Reason::Denied | Reason::Other => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::fixtures::{
        Scene, day, detail, failure, findings, pki, trusting, value, values,
    };

    const REASON: &str = "kube_https_probe_failure_info";

    #[test]
    fn a_door_that_was_not_probed_yet_has_no_samples() {
        let pki = pki();
        let verdict = Scene::new().judged(&trusting(&pki.root));
        let names: Vec<_> = verdict
            .samples
            .iter()
            .map(|sample| sample.family.name)
            .collect();
        assert_eq!(names, ["kube_https_tls_declared"]);
        assert_eq!(findings(&verdict), []);
    }

    #[test]
    fn a_probe_that_saw_a_certificate_succeeded_whatever_the_verdict_on_it() {
        let (pki, other) = (pki(), pki());
        let verdict = Scene::new()
            .showing(&[&pki.leaf])
            .judged(&trusting(&other.root));
        assert_eq!(value(&verdict, SUCCESS.name), Some(1.0));
        assert_eq!(values(&verdict, REASON), []);
        assert_eq!(value(&verdict, DURATION.name), Some(0.25));
        assert_eq!(value(&verdict, LAST.name), Some(day(0).as_secs_f64()));
        assert_eq!(
            value(&verdict, LAST_SUCCESS.name),
            Some(day(0).as_secs_f64())
        );
        assert_eq!(value(&verdict, LAST_DEEP_SUCCESS.name), None);
    }

    #[test]
    fn one_failing_address_fails_the_row_with_the_same_reason_in_any_order() {
        let pki = pki();
        let policy = trusting(&pki.root);
        let scenes = [
            Scene::new()
                .failing(Reason::Timeout)
                .failing(Reason::Refused),
            Scene::new()
                .failing(Reason::Refused)
                .failing(Reason::Timeout),
        ];
        for scene in scenes {
            let verdict = scene
                .showing(&[&pki.leaf, &pki.intermediate])
                .judged(&policy);
            assert_eq!(value(&verdict, SUCCESS.name), Some(0.0));
            assert_eq!(values(&verdict, REASON), [("refused".to_owned(), 1.0)]);
            assert_eq!(findings(&verdict), [("unreachable", Severity::Warning)]);
            assert!(detail(&verdict, "unreachable").starts_with("192.0.2.1: "));
        }
    }

    #[test]
    fn every_reason_is_a_finding_or_says_nothing_about_the_door() {
        let policy = trusting(&pki().root);
        for reason in Reason::ALL {
            let verdict = Scene::new().failing(reason).judged(&policy);
            let expected = match reason {
                Reason::NotTls => vec![("tls_not_spoken", Severity::Critical)],
                Reason::Denied | Reason::Other => vec![],
                _ => vec![("unreachable", Severity::Warning)],
            };
            assert_eq!(findings(&verdict), expected, "{reason:?}");
            assert_eq!(values(&verdict, REASON), [(reason.label().to_owned(), 1.0)]);
        }
    }

    #[test]
    fn a_name_that_does_not_resolve_keeps_the_last_certificate() {
        let pki = pki();
        let mut scene = Scene::new().showing(&[&pki.leaf, &pki.intermediate]);
        scene.tls.failure = Some(failure(Reason::Dns));
        scene.tls.last_attempt = Some(day(1));
        let verdict = scene.judged_at(&trusting(&pki.root), day(1));
        assert_eq!(value(&verdict, SUCCESS.name), Some(0.0));
        assert_eq!(value(&verdict, LAST.name), Some(day(1).as_secs_f64()));
        assert_eq!(
            value(&verdict, LAST_SUCCESS.name),
            Some(day(0).as_secs_f64())
        );
        assert_eq!(value(&verdict, "kube_https_certificate_valid"), Some(1.0));
        assert_eq!(detail(&verdict, "unreachable"), "dns: said so");
    }

    #[test]
    fn where_no_tls_is_declared_only_tls_that_was_found_is_probed() {
        let pki = pki();
        let policy = trusting(&pki.root);
        let mut scene = Scene::new().failing(Reason::Refused);
        scene.target.expect.tls = false;
        let verdict = scene.judged(&policy);
        assert_eq!(value(&verdict, SUCCESS.name), None);
        assert_eq!(values(&verdict, REASON), []);
        assert_eq!(
            findings(&verdict),
            [("plaintext_declared", Severity::Warning)]
        );
        let verdict = scene
            .showing(&[&pki.leaf, &pki.intermediate])
            .judged(&policy);
        assert_eq!(value(&verdict, SUCCESS.name), Some(0.0));
        assert_eq!(findings(&verdict), [("plaintext_declared", Severity::Info)]);
    }

    #[test]
    fn of_several_addresses_the_longest_unseen_says_when_the_last_success_was() {
        let pki = pki();
        let scene = Scene::new().showing(&[&pki.leaf]).failing(Reason::Timeout);
        let mut scene = scene.showing(&[&pki.leaf]);
        scene.tls.addresses[2].handshake.as_mut().unwrap().at = day(-2);
        let verdict = scene.judged(&trusting(&pki.root));
        assert_eq!(
            value(&verdict, LAST_SUCCESS.name),
            Some(day(-2).as_secs_f64())
        );
    }
}
