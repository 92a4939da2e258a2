//! What a modern client gets: version, cipher suite, group, protocol, and whether it is asked for
//! a certificate of its own.

use super::Check;
use super::assess::Assessed;
use crate::model::{Family, Handshake, Kind, Scope, Verdict};
use crate::probe::names::{cipher_name, group_name};

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
    if let Some(address) = assessed.least_favourable_agreed() {
        let handshake = &address.seen.value;
        verdict.texts(&NEGOTIATED, negotiated(handshake).into(), 1.0);
        verdict.word(&CLIENT_CERTIFICATE, address.client_auth.label(), 1.0);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::fixtures::{Scene, pki, trusting, values};
    use crate::model::{ClientAuth, TlsVersion};

    #[test]
    fn what_was_agreed_on_is_shown_by_name_and_what_was_not_is_empty() {
        let pki = pki();
        let policy = trusting(&pki.root);
        let mut scene = Scene::new().showing(&[&pki.leaf]);
        let shown = |scene: &Scene, family: &Family| {
            values(&scene.judged(&policy), family.name).remove(0).0
        };
        let modern = "TLS 1.3/TLS_AES_128_GCM_SHA256/X25519MLKEM768/h2";
        assert_eq!(shown(&scene, &NEGOTIATED), modern);
        assert_eq!(shown(&scene, &CLIENT_CERTIFICATE), "not_requested");
        let handshake = &mut scene.tls.addresses[0].handshake.as_mut().unwrap().value;
        handshake.version = TlsVersion::Tls12;
        handshake.cipher = 0xc02f;
        (handshake.group, handshake.alpn) = (None, None);
        handshake.client_auth = ClientAuth::Required;
        let old = "TLS 1.2/TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256//";
        assert_eq!(shown(&scene, &NEGOTIATED), old);
        assert_eq!(shown(&scene, &CLIENT_CERTIFICATE), "required");
    }
}
