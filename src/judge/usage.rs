//! Whether the certificate may be used for what it is used for (RFC 5280 sections 4.2.1.3 and
//! 4.2.1.12).
//!
//! An extended key usage that leaves servers out is critical, since clients refuse it. So is an
//! authority's certificate in a server's place: OpenSSL and Go accept it, but Firefox and rustls
//! do not. A key usage that leaves out what the cipher suite does with the key is a warning:
//! Chrome refuses it, and OpenSSL for elliptic curves, but most programs do not look.

use super::Check;
use super::assess::{Assessed, Assessment};
use super::trust::Trust;
use crate::model::{FindingSpec, Handshake, KeyUsage, Severity, TlsVersion, Verdict};
use crate::probe::names::cipher_name;

pub(super) const CHECK: Check = Check {
    name: "usage",
    families: &[],
    findings: &[KEY_USAGE],
    judge,
};

const KEY_USAGE: FindingSpec = FindingSpec {
    name: "certificate_key_usage",
    help: "The certificate that is served is not meant for what the server does with it",
};

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    assessed.find(verdict, &KEY_USAGE, |address| {
        address.default.is_none().then(|| misuse(address))?
    });
}

fn misuse(address: &Assessment<'_>) -> Option<(Severity, String)> {
    let facts = address.facts?;
    if !facts.for_servers {
        let said = "its extended key usage leaves servers out";
        return Some((Severity::Critical, said.to_owned()));
    }
    if let Some(name) = &address.known.not_for_servers {
        let said =
            format!("the extended key usage of its intermediate \"{name}\" leaves servers out");
        return Some((Severity::Critical, said));
    }
    if facts.is_ca && address.known.trust == Trust::Refused {
        let said =
            "it is an authority's certificate, which Firefox and rustls refuse from a server";
        return Some((Severity::Critical, said.to_owned()));
    }
    let missing = missing(&address.seen.value, facts.key_usage?)?;
    let said = format!("its key usage lacks {missing}, which the cipher suite needs");
    Some((Severity::Warning, said))
}

/// What the key exchange does with the certificate's key and `usage` does not allow.
fn missing(handshake: &Handshake, usage: KeyUsage) -> Option<&'static str> {
    let suite = cipher_name(handshake.cipher);
    let signs = handshake.version == TlsVersion::Tls13
        || suite.contains("_DHE_")
        || suite.contains("_ECDHE_");
    // RFC 5246 section 7.4.2; what signs nothing and is not named here, as anonymous suites are
    // not, makes no use of the key.
    let deciphers = !signs && suite.starts_with("TLS_RSA_");
    if signs && !usage.digital_signature {
        Some("digitalSignature")
    } else if deciphers && !usage.key_encipherment {
        Some("keyEncipherment")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use rcgen::ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
    use rcgen::{CertificateParams, KeyUsagePurpose};

    use super::*;
    use crate::judge::fixtures::{
        Minted, Scene, ca_params, day, detail, findings, issued, params, root, trusting, value,
    };

    const VALID: &str = "kube_https_certificate_valid";

    fn leaf(adjust: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
        let mut leaf = params("leaf", day(-10), day(80));
        adjust(&mut leaf);
        leaf
    }

    /// Findings, validity and particulars of a leaf with its issuer.
    fn judged(
        anchor: &Minted,
        shown: &[&Minted],
    ) -> (Vec<(&'static str, Severity)>, Option<f64>, String) {
        let verdict = Scene::new().showing(shown).judged(&trusting(anchor));
        let said = detail(&verdict, KEY_USAGE.name).to_owned();
        (findings(&verdict), value(&verdict, VALID), said)
    }

    const FOUND: [(&str, Severity); 1] = [(KEY_USAGE.name, Severity::Critical)];

    #[test]
    fn an_extended_key_usage_must_have_servers_or_anything() {
        let anchor = root(ca_params("Root"));
        let with = |purposes: &[rcgen::ExtendedKeyUsagePurpose]| {
            let leaf = leaf(|leaf| leaf.extended_key_usages = purposes.to_vec());
            judged(&anchor, &[&issued(leaf, &anchor)])
        };
        for good in [&[][..], &[ServerAuth], &[ClientAuth, ServerAuth], &[Any]] {
            assert_eq!(with(good), (vec![], Some(1.0), String::new()), "{good:?}");
        }
        let said = "its extended key usage leaves servers out".to_owned();
        assert_eq!(with(&[ClientAuth]), (FOUND.to_vec(), Some(0.0), said));
    }

    #[test]
    fn an_intermediate_that_is_not_for_servers_is_named() {
        let anchor = root(ca_params("Root"));
        let mut for_clients = ca_params("Clients");
        for_clients.extended_key_usages = vec![ClientAuth];
        let for_clients = issued(for_clients, &anchor);
        let shown = issued(leaf(|_| {}), &for_clients);
        let (found, valid, said) = judged(&anchor, &[&shown, &for_clients]);
        assert_eq!((found, valid), (FOUND.to_vec(), Some(0.0)));
        assert!(said.contains("\"Clients\""), "{said}");
    }

    #[test]
    fn a_wrong_usage_does_not_hide_an_unknown_authority() {
        let (anchor, other) = (root(ca_params("Root")), root(ca_params("Other")));
        let for_clients = leaf(|leaf| leaf.extended_key_usages = vec![ClientAuth]);
        let (found, ..) = judged(&anchor, &[&issued(for_clients, &other)]);
        let both = [FOUND[0], ("certificate_untrusted", Severity::Critical)];
        assert_eq!(found, both);
    }

    #[test]
    fn an_authority_s_certificate_is_not_a_server_s() {
        let anchor = root(ca_params("Root"));
        let mut authority = ca_params("leaf");
        authority.subject_alt_names = params("", day(0), day(1)).subject_alt_names;
        let (found, valid, said) = judged(&anchor, &[&issued(authority, &anchor)]);
        assert_eq!((found, valid), (FOUND.to_vec(), Some(0.0)));
        assert!(said.contains("an authority's certificate"), "{said}");
    }

    #[test]
    fn a_key_usage_must_have_what_the_suite_needs() {
        use TlsVersion::{Tls12, Tls13};
        const ECDHE_RSA: u16 = 0xc02f;
        const RSA: u16 = 0x009c;
        const DH_ANON: u16 = 0x0034;
        let anchor = root(ca_params("Root"));
        let found = |usages: &[KeyUsagePurpose], version, cipher| {
            let shown = issued(leaf(|leaf| leaf.key_usages = usages.to_vec()), &anchor);
            let mut scene = Scene::new().showing(&[&shown]);
            let seen = &mut scene.tls.addresses[0].handshake.as_mut().unwrap().value;
            (seen.version, seen.cipher) = (version, cipher);
            let verdict = scene.judged(&trusting(&anchor));
            assert_eq!(value(&verdict, VALID), Some(1.0));
            findings(&verdict)
        };
        let warning = [(KEY_USAGE.name, Severity::Warning)];
        let (signs, deciphers) = (
            [KeyUsagePurpose::DigitalSignature],
            [KeyUsagePurpose::KeyEncipherment],
        );
        for (version, cipher) in [(Tls13, 0x1301), (Tls12, ECDHE_RSA)] {
            assert_eq!(found(&[], version, cipher), []);
            assert_eq!(found(&signs, version, cipher), []);
            assert_eq!(found(&deciphers, version, cipher), warning);
        }
        assert_eq!(found(&deciphers, Tls12, RSA), []);
        assert_eq!(found(&signs, Tls12, RSA), warning);
        assert_eq!(found(&signs, Tls12, DH_ANON), []);
        assert_eq!(found(&deciphers, Tls12, DH_ANON), []);
    }
}
