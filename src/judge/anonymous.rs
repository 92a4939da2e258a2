//! What an API server or a kubelet answers strangers, who show neither token nor certificate.
//!
//! Both know a stranger as the user `system:anonymous`, of the group `system:unauthenticated`, and
//! ask their authoriser what that one may do: 401 says that there are no strangers
//! (`--anonymous-auth=false`, or the path is not among the conditions of the
//! `AuthenticationConfiguration`), 403 that they may not. Health and version are open on purpose
//! (the `ClusterRole` `system:public-info-viewer`), all else is given away by a binding: critical.
//!
//! An API server may be behind a proxy that answers in its place, so only 2xx says that it is open.
//! A kubelet is dialled itself, and asks before it looks for the path: whatever else is no failure
//! says so too (CIS Kubernetes Benchmark 4.2.1 and 4.2.2).

use super::Check;
use super::assess::Assessed;
use crate::model::{Family, FindingSpec, HttpsAnswer, Kind, Requests, Scope, Severity, Verdict};

pub(super) const CHECK: Check = Check {
    name: "anonymous",
    families: &[ACCESS],
    findings: &[ANONYMOUS_ACCESS],
    judge,
};

const ACCESS: Family = Family {
    name: "kube_https_anonymous_access",
    help: "Whether an API server or a kubelet answered a request without credentials at the last periodic probe, at any address, absent if that could not be found out",
    labels: &["path"],
    scope: Scope::Target,
    kind: Kind::Gauge,
};

const ANONYMOUS_ACCESS: FindingSpec = FindingSpec {
    name: "anonymous_access",
    help: "An API server or a kubelet gives strangers more than its health and version",
};

/// What Kubernetes opens to everybody, of what is asked for.
const PUBLIC: [&str; 2] = ["/livez", "/version"];

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    let requests = assessed.case.target.tls.requests;
    if !matches!(requests, Requests::ApiServer | Requests::Kubelet) {
        return;
    }
    let mut open = Vec::new();
    for path in requests.paths() {
        let path = path.split_once('?').map_or(*path, |(path, _)| path);
        let answers = assessed.https().filter(|answer| answer.path == path);
        let known = answers.filter_map(|answer| is_open(requests, answer));
        let Some(any) = known.reduce(|any, one| any || one) else {
            continue;
        };
        verdict.word(&ACCESS, path, f64::from(u8::from(any)));
        if any && !PUBLIC.contains(&path) {
            open.push(path);
        }
    }
    if !open.is_empty() {
        let detail = format!("answers {} without credentials", open.join(", "));
        verdict.find(&ANONYMOUS_ACCESS, Severity::Critical, detail);
    }
}

/// Whether the stranger was let in; `None` where the answer does not tell.
fn is_open(requests: Requests, answer: &HttpsAnswer) -> Option<bool> {
    match answer.status {
        200..=299 => Some(true),
        401 | 403 => Some(false),
        // Too many requests, which is said before it is asked who makes them.
        429 => None,
        300..=499 if requests == Requests::Kubelet => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::fixtures::{Scene, detail, findings, pki, trusting, values};

    /// As one address answers; nothing else is wrong.
    fn judged(requests: Requests, answers: &[&[(&'static str, u16)]]) -> Verdict {
        let pki = pki();
        let mut scene = Scene::new();
        for one in answers {
            let said: Vec<_> = one
                .iter()
                .map(|(path, status)| (*path, *status, None))
                .collect();
            scene = scene
                .showing(&[&pki.leaf, &pki.intermediate])
                .answering(requests, &said);
        }
        scene.judged(&trusting(&pki.root))
    }

    fn found(requests: Requests, path: &'static str, status: u16) -> Vec<(&'static str, Severity)> {
        findings(&judged(requests, &[&[(path, status)]]))
    }

    const FOUND: (&str, Severity) = ("anonymous_access", Severity::Critical);

    #[test]
    fn what_kubernetes_opens_to_everybody_is_shown_and_no_finding() {
        let answers = [("/livez", 200), ("/version", 401), ("/api", 403)];
        let verdict = judged(Requests::ApiServer, &[&answers]);
        let shown = [("/livez", 1.0), ("/version", 0.0), ("/api", 0.0)];
        let shown = shown.map(|(path, value)| (path.to_owned(), value));
        assert_eq!(values(&verdict, ACCESS.name), shown);
        assert_eq!(findings(&verdict), []);
    }

    #[test]
    fn an_api_server_that_lets_strangers_in_is_critical() {
        for path in ["/api", "/apis", "/metrics", "/api/v1/namespaces"] {
            assert_eq!(found(Requests::ApiServer, path, 200), [FOUND], "{path}");
            assert_eq!(found(Requests::ApiServer, path, 403), [], "{path}");
        }
        let verdict = judged(Requests::ApiServer, &[&[("/api", 200), ("/metrics", 200)]]);
        let said = "answers /api, /metrics without credentials";
        assert_eq!(detail(&verdict, FOUND.0), said);
    }

    #[test]
    fn an_answer_that_may_be_a_proxy_s_says_nothing_of_an_api_server() {
        for status in [302, 400, 404, 429, 500, 503] {
            let verdict = judged(Requests::ApiServer, &[&[("/api", status)]]);
            assert_eq!(values(&verdict, ACCESS.name), [], "{status}");
            assert_eq!(findings(&verdict), [], "{status}");
        }
    }

    #[test]
    fn a_kubelet_that_does_not_turn_strangers_away_is_critical() {
        for (status, expected) in [
            (200, &[FOUND][..]),
            (404, &[FOUND]),
            (401, &[]),
            (403, &[]),
            (429, &[]),
            (500, &[]),
        ] {
            assert_eq!(
                found(Requests::Kubelet, "/pods", status),
                expected,
                "{status}"
            );
        }
    }

    #[test]
    fn one_open_address_is_enough() {
        let verdict = judged(Requests::ApiServer, &[&[("/api", 403)], &[("/api", 200)]]);
        assert_eq!(values(&verdict, ACCESS.name), [("/api".to_owned(), 1.0)]);
        assert_eq!(findings(&verdict), [FOUND]);
    }

    #[test]
    fn elsewhere_strangers_are_welcome() {
        assert_eq!(
            found(Requests::Browser, "/api", 200),
            [("hsts_missing", Severity::Info)]
        );
    }
}
