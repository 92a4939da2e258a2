//! Whether browsers are told to come back over TLS only (HSTS, RFC 6797).
//!
//! Its absence is for information: it protects only those who have been there before, and only in
//! browsers, and to switch it on before all of a domain is ready shuts people out.

use super::Check;
use super::assess::Assessed;
use crate::model::{Family, FindingSpec, HttpsAnswer, Kind, Requests, Scope, Severity, Verdict};

pub(super) const CHECK: Check = Check {
    name: "hsts",
    families: &[MAX_AGE],
    findings: &[HSTS_MISSING],
    judge,
};

const MAX_AGE: Family = Family {
    name: "kube_https_hsts_max_age_seconds",
    help: "For how long Strict-Transport-Security tells browsers to use TLS only, where the last periodic probe saw it, of the address with the shortest",
    labels: &[],
    scope: Scope::Target,
    kind: Kind::Gauge,
};

const HSTS_MISSING: FindingSpec = FindingSpec {
    name: "hsts_missing",
    help: "HTTP over TLS answers without telling browsers to use TLS only",
};

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    let door = &assessed.case.target.tls;
    // Browsers heed it for names only (RFC 6797 section 8.1.1).
    if door.requests != Requests::Browser || door.server_name.is_none() {
        return;
    }
    if let Some(shortest) = assessed.https().filter_map(max_age).min() {
        verdict.gauge(&MAX_AGE, shortest as f64);
    }
    if let Some(said) = assessed.https().find_map(missing) {
        verdict.find(&HSTS_MISSING, Severity::Info, said);
    }
}

/// What is missing of an answer. One that says that the server is broken proves nothing.
fn missing(answer: &HttpsAnswer) -> Option<String> {
    if !(200..500).contains(&answer.status) {
        return None;
    }
    let status = answer.status;
    match (&answer.hsts, max_age(answer)) {
        (_, Some(1..)) => None,
        (Some(header), _) => Some(format!(
            "answers {status} with \"{header}\", which switches it off"
        )),
        (None, _) => Some(format!(
            "answers {status} without Strict-Transport-Security"
        )),
    }
}

/// The seconds of the directive `max-age`, which may be quoted (RFC 6797 section 6.1.1).
fn max_age(answer: &HttpsAnswer) -> Option<u64> {
    answer.hsts.as_ref()?.split(';').find_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        let is_it = name.trim().eq_ignore_ascii_case("max-age");
        is_it.then(|| value.trim().trim_matches('"').parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::fixtures::{Scene, detail, findings, pki, trusting, value};

    const SAID: &str = "answers 200 without Strict-Transport-Security";

    /// With addresses that answer so.
    fn scene(answers: &[(u16, Option<&str>)]) -> Scene {
        let pki = pki();
        let mut scene = Scene::new();
        for (status, hsts) in answers {
            scene = scene.showing(&[&pki.leaf, &pki.intermediate]);
            scene = scene.answering(Requests::Browser, &[("/", *status, *hsts)]);
        }
        scene
    }

    fn judge(scene: &Scene) -> Verdict {
        let mut verdict = scene.judged(&trusting(&pki().root));
        verdict
            .findings
            .retain(|finding| finding.spec == &HSTS_MISSING);
        verdict
    }

    /// The metric, and whether it is missing, where the addresses answer so.
    fn judged(answers: &[(u16, Option<&str>)]) -> (Option<f64>, bool) {
        let verdict = judge(&scene(answers));
        let found = findings(&verdict);
        assert!(found.is_empty() || found == [(HSTS_MISSING.name, Severity::Info)]);
        (value(&verdict, MAX_AGE.name), !found.is_empty())
    }

    #[test]
    fn the_age_is_shown_where_it_is_sent() {
        for header in [
            "max-age=31536000",
            "Max-Age = \"31536000\" ; includeSubDomains",
            "includeSubDomains; max-age=31536000; preload",
        ] {
            let shown = judged(&[(200, Some(header))]);
            assert_eq!(shown, (Some(31_536_000.0), false), "{header}");
        }
        assert_eq!(judged(&[(200, Some("max-age=1"))]), (Some(1.0), false));
        assert_eq!(judged(&[(200, Some("max-age=0"))]), (Some(0.0), true));
        assert_eq!(judged(&[(200, Some("max-age=-1"))]), (None, true));
        assert_eq!(judged(&[(200, Some("preload"))]), (None, true));
    }

    #[test]
    fn it_is_missing_where_an_answer_of_a_working_server_lacks_it() {
        for (status, missing) in [
            (199, false),
            (200, true),
            (301, true),
            (499, true),
            (500, false),
        ] {
            assert_eq!(judged(&[(status, None)]), (None, missing), "{status}");
        }
        assert_eq!(judged(&[]), (None, false));
    }

    #[test]
    fn of_several_addresses_the_least_favourable_counts() {
        let (long, short) = (Some("max-age=100"), Some("max-age=10"));
        assert_eq!(judged(&[(200, long), (200, short)]), (Some(10.0), false));
        assert_eq!(judged(&[(200, long), (200, None)]), (Some(100.0), true));
    }

    #[test]
    fn where_no_browser_goes_none_is_needed() {
        let mut scene = scene(&[(200, None)]);
        assert_eq!(detail(&judge(&scene), HSTS_MISSING.name), SAID);
        std::sync::Arc::make_mut(&mut scene.target.tls).server_name = None;
        assert_eq!(findings(&judge(&scene)), []);
        let scene = scene.answering(Requests::ApiServer, &[("/api", 200, None)]);
        assert_eq!(findings(&judge(&scene)), []);
    }
}
