//! What a modern client gets: version, cipher suite, group, protocol, and whether it is asked for
//! a certificate of its own.

use super::Check;
use super::assess::Assessed;
use crate::model::{Family, Handshake, Kind, Scope, Verdict};
use names::{cipher_name, group_name};

pub(super) const CHECK: Check = Check {
    name: "negotiated",
    families: &[NEGOTIATED, CLIENT_CERTIFICATE],
    findings: &[],
    judge,
};

const NEGOTIATED: Family = Family {
    name: "kube_https_tls_negotiated_info",
    help: "What a modern client agreed on with the server at the last periodic probe that saw a certificate, always 1",
    labels: &["version", "cipher", "group", "alpn"],
    scope: Scope::Target,
    kind: Kind::Gauge,
};
const CLIENT_CERTIFICATE: Family = Family {
    name: "kube_https_tls_client_certificate_info",
    help: "Whether a client certificate was asked for at the last periodic probe that saw a certificate, always 1",
    labels: &["mode"],
    scope: Scope::Target,
    kind: Kind::Gauge,
};

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    if let Some(address) = assessed.least_favourable() {
        let handshake = &address.seen.value;
        verdict.texts(&NEGOTIATED, negotiated(handshake).into(), 1.0);
        verdict.word(&CLIENT_CERTIFICATE, handshake.client_auth.label(), 1.0);
    }
}

/// Empty where there is no group or no application protocol.
fn negotiated(handshake: &Handshake) -> [Box<str>; 4] {
    [
        handshake.version.label().into(),
        cipher_name(handshake.cipher).into(),
        handshake
            .group
            .map_or_else(Box::default, |group| group_name(group).into()),
        handshake.alpn.clone().unwrap_or_default(),
    ]
}

/// Stands in for `probe::names` until that is there.
mod names {
    pub(super) fn cipher_name(number: u16) -> String {
        match rustls::CipherSuite::from(number).as_str() {
            Some(name) => name.replacen("TLS13_", "TLS_", 1),
            None => format!("{number:#06x}"),
        }
    }

    pub(super) fn group_name(number: u16) -> String {
        let name = rustls::NamedGroup::from(number).as_str();
        name.map_or_else(|| format!("{number:#06x}"), str::to_owned)
    }
}
