//! Whether the object declares TLS for the host.
//!
//! Declaring none is a warning: whoever deploys it publishes the host in clear. Where TLS answers
//! nonetheless it is for information only: load balancers with certificates of their own, and
//! controllers with a default certificate, terminate TLS for hosts that do not ask for it.

use super::Check;
use super::assess::Assessed;
use crate::model::{Family, FindingSpec, Kind, Scope, Severity, Verdict};

pub(super) const CHECK: Check = Check {
    name: "declared",
    families: &[DECLARED],
    findings: &[PLAINTEXT_DECLARED],
    judge,
};

/// The sources whose objects say whether a host has TLS; all others have nothing but TLS.
const DECLARING_SOURCES: &[&str] = &["ingress"];

const DECLARED: Family = Family {
    name: "kube_https_tls_declared",
    help: "Whether the object declares TLS for the host",
    labels: &[],
    scope: Scope::Host,
    kind: Kind::Gauge,
};

const PLAINTEXT_DECLARED: FindingSpec = FindingSpec {
    name: "plaintext_declared",
    help: "The object declares no TLS for the host, so that it is published in clear",
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
    }
}
