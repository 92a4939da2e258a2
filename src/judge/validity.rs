//! Whether clients accept the certificate, and if not, why.
//!
//! Each finding here is critical, as clients that verify fail now. That goes for a missing
//! intermediate, too: browsers may fetch it, but curl, Go, Java and Python do not, and in a cluster
//! programs are the clients. A default certificate takes the place of the findings that it causes.

use super::Check;
use super::assess::{Assessed, Assessment};
use super::roots::AnchorKind;
use super::trust::Trust;
use super::words::span;
use crate::model::{Family, FindingSpec, Kind, Scope, Severity, UnixTime, Verdict};

pub(super) const CHECK: Check = Check {
    name: "validity",
    families: &[VALID, TRUST],
    findings: &[
        UNTRUSTED,
        SELF_SIGNED,
        CHAIN_INCOMPLETE,
        NAME_MISMATCH,
        DEFAULT,
    ],
    judge,
};

const VALID: Family = Family {
    name: "kube_https_certificate_valid",
    help: "Whether the certificate that the last periodic probe saw is in time, names the host and chains to the roots that are expected for the target",
    labels: &[],
    scope: Scope::Target,
    kind: Kind::Gauge,
};
const TRUST: Family = Family {
    name: "kube_https_certificate_trust_info",
    help: "What the chain that the last periodic probe saw leads to, always 1",
    labels: &["trust"],
    scope: Scope::Target,
    kind: Kind::Gauge,
};

const UNTRUSTED: FindingSpec = FindingSpec {
    name: "certificate_untrusted",
    help: "The chain that is served does not lead to a trust anchor that is expected for the target",
};
const SELF_SIGNED: FindingSpec = FindingSpec {
    name: "certificate_self_signed",
    help: "The certificate that is served vouches only for itself",
};
const CHAIN_INCOMPLETE: FindingSpec = FindingSpec {
    name: "certificate_chain_incomplete",
    help: "The server does not send an intermediate that clients need to verify its certificate",
};
const NAME_MISMATCH: FindingSpec = FindingSpec {
    name: "certificate_name_mismatch",
    help: "The certificate that is served does not name the host",
};
const DEFAULT: FindingSpec = FindingSpec {
    name: "certificate_default",
    help: "The controller serves its default certificate, having none for the host",
};

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    if let Some(address) = assessed.least_favourable() {
        if let Some(valid) = address.valid() {
            verdict.gauge(&VALID, f64::from(u8::from(valid)));
        }
        if let Some(trust) = label(address) {
            verdict.word(&TRUST, trust, 1.0);
        }
    }
    let now = assessed.case.now;
    let host = assessed
        .case
        .target
        .expect
        .name
        .as_deref()
        .unwrap_or_default();
    let critical = |detail: String| (Severity::Critical, detail);
    assessed.find(verdict, &UNTRUSTED, |address| {
        untrusted(address, now).map(critical)
    });
    assessed.find(verdict, &SELF_SIGNED, |address| {
        let found = address.default.is_none() && address.known.trust == Trust::SelfSigned;
        found.then(|| critical(self_signed(address)))
    });
    assessed.find(verdict, &CHAIN_INCOMPLETE, |address| {
        match &address.known.trust {
            Trust::Incomplete(detail) => Some(critical(detail.to_string())),
            _ => None,
        }
    });
    assessed.find(verdict, &NAME_MISMATCH, |address| {
        mismatch(address, host).map(critical)
    });
    assessed.find(verdict, &DEFAULT, |address| {
        address
            .default
            .map(|controller| critical(format!("the default certificate: {controller}")))
    });
}

/// The closed set of the label `trust`; `None` where the expected anchors are not known.
fn label(address: &Assessment<'_>) -> Option<&'static str> {
    if address.default.is_some() {
        return Some("default");
    }
    match address.known.trust {
        Trust::Anchored(AnchorKind::Public) => Some("public"),
        Trust::Anchored(AnchorKind::Cluster) => Some("cluster"),
        Trust::Anchored(AnchorKind::Configured) => Some("configured"),
        Trust::SelfSigned => Some("self_signed"),
        Trust::Incomplete(_) | Trust::Untrusted(_) => Some("unknown"),
        Trust::Unknown => None,
    }
}

fn untrusted(address: &Assessment<'_>, now: UnixTime) -> Option<String> {
    if address.seen.value.key_proven == Some(false) {
        return Some("the server did not prove that it has the certificate's key".to_owned());
    }
    if let Some(lapsed) = address.lapsed.as_ref().filter(|lapsed| lapsed.is_anchor) {
        let name = &lapsed.issuer.name;
        return Some(if lapsed.issuer.not_after < now {
            let ago = span(now.since(lapsed.issuer.not_after));
            format!("the trust anchor \"{name}\" expired {ago} ago")
        } else {
            let until = span(lapsed.issuer.not_before.since(now));
            format!("the trust anchor \"{name}\" begins in {until}")
        });
    }
    match &address.known.trust {
        Trust::Untrusted(detail) if address.default.is_none() => Some(detail.to_string()),
        _ => None,
    }
}

fn self_signed(address: &Assessment<'_>) -> String {
    let name = address.facts.map_or("", |facts| &facts.subject_common_name);
    format!("\"{name}\" is its own issuer, and not a trust anchor")
}

/// Names shown of a certificate that may have thousands.
const NAMES_SHOWN: usize = 3;

fn mismatch(address: &Assessment<'_>, host: &str) -> Option<String> {
    let facts = address.facts?;
    if address.named || address.default.is_some() {
        return None;
    }
    let dns = facts.dns_names.iter().map(|name| crate::model::clean(name));
    let mut names = dns.chain(facts.ip_names.iter().map(ToString::to_string));
    let shown: Vec<_> = names.by_ref().take(NAMES_SHOWN).collect();
    Some(match (shown.is_empty(), names.count()) {
        (true, _) => format!("it names no host, so not {host}"),
        (false, 0) => format!("it names {}, not {host}", shown.join(", ")),
        (false, more) => format!("it names {} and {more} more, not {host}", shown.join(", ")),
    })
}
