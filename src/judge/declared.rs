//! Whether the object declares TLS for the host.
//!
//! Declaring none is a warning: whoever deploys it publishes the host in clear. Where TLS answers
//! nonetheless it is for information only: load balancers with certificates of their own, and
//! controllers with a default certificate, terminate TLS for hosts that do not ask for it. To ask
//! for plaintext beside TLS (no redirect) is a warning too.

use super::Check;
use super::assess::Assessed;
use crate::model::{
    Family, FindingSpec, Kind, PlaintextRule, RequestPath, Scope, Severity, Verdict,
};

pub(super) const CHECK: Check = Check {
    name: "declared",
    families: &[DECLARED],
    findings: &[PLAINTEXT_DECLARED],
    judge,
};

/// The sources whose objects say whether a host has TLS; all others have nothing but TLS.
const DECLARING_SOURCES: &[&str] = &[
    "ingress",
    "gateway",
    "traefik",
    "istio",
    "contour",
    "openshift",
];

const DECLARED: Family = Family {
    name: "kube_https_tls_declared",
    help: "Whether the object declares TLS for the host",
    labels: &[],
    scope: Scope::Host,
    kind: Kind::Gauge,
};

const PLAINTEXT_DECLARED: FindingSpec = FindingSpec {
    name: "plaintext_declared",
    help: "The object declares no TLS for the host, or plaintext beside it, so that it is published in clear",
};

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    let target = assessed.case.target;
    if !DECLARING_SOURCES.contains(&target.row.source) {
        return;
    }
    verdict.gauge(&DECLARED, f64::from(u8::from(target.expect.tls)));
    if !target.expect.tls {
        let (severity, detail) = if assessed.addresses.is_empty() {
            (Severity::Warning, "no TLS is declared")
        } else {
            (Severity::Info, "no TLS is declared, though TLS answers")
        };
        verdict.find(&PLAINTEXT_DECLARED, severity, detail);
    } else if target.expect.plaintext == PlaintextRule::Declared {
        let detail = "plaintext is declared beside TLS";
        verdict.find(&PLAINTEXT_DECLARED, Severity::Warning, detail);
    } else if !target.expect.in_clear.is_empty() {
        let paths: Vec<_> = target
            .expect
            .in_clear
            .iter()
            .map(RequestPath::as_str)
            .collect();
        let detail = format!("plaintext is declared beside TLS for {}", paths.join(", "));
        verdict.find(&PLAINTEXT_DECLARED, Severity::Warning, detail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::fixtures::{Scene, detail, findings, pki, trusting, value};

    #[test]
    fn an_object_declares_tls_or_it_does_not() {
        let pki = pki();
        let policy = trusting(&pki.root);
        let mut scene = Scene::new();
        assert_eq!(value(&scene.judged(&policy), DECLARED.name), Some(1.0));
        scene.target.expect.tls = false;
        let verdict = scene.judged(&policy);
        assert_eq!(value(&verdict, DECLARED.name), Some(0.0));
        assert_eq!(
            findings(&verdict),
            [("plaintext_declared", Severity::Warning)]
        );
        let verdict = scene
            .showing(&[&pki.leaf, &pki.intermediate])
            .judged(&policy);
        assert_eq!(findings(&verdict), [("plaintext_declared", Severity::Info)]);
        let said = "no TLS is declared, though TLS answers";
        assert_eq!(detail(&verdict, "plaintext_declared"), said);
    }

    #[test]
    fn asking_for_plaintext_beside_tls_is_said() {
        let pki = pki();
        let mut scene = Scene::new().showing(&[&pki.leaf, &pki.intermediate]);
        scene.target.expect.plaintext = PlaintextRule::Declared;
        let verdict = scene.judged(&trusting(&pki.root));
        assert_eq!(value(&verdict, DECLARED.name), Some(1.0));
        assert_eq!(
            findings(&verdict),
            [("plaintext_declared", Severity::Warning)]
        );
    }

    #[test]
    fn paths_that_are_asked_for_in_clear_beside_tls_are_named() {
        let pki = pki();
        let mut scene = Scene::new().showing(&[&pki.leaf, &pki.intermediate]);
        scene.target.expect.in_clear = ["/a", "/b"]
            .iter()
            .filter_map(|path| RequestPath::parse(path))
            .collect();
        let said = "plaintext is declared beside TLS for /a, /b";
        let verdict = scene.judged(&trusting(&pki.root));
        assert_eq!(detail(&verdict, "plaintext_declared"), said);
    }

    #[test]
    fn what_has_nothing_but_tls_declares_nothing() {
        let policy = trusting(&pki().root);
        let mut scene = Scene::new();
        scene.target.row.edit(|row| row.source = "static");
        assert_eq!(value(&scene.judged(&policy), DECLARED.name), None);
    }
}
