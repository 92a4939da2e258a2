//! Cipher suites: which are offered, and of which kinds each is.
//!
//! Suites that need something else than a certificate (PSK, SRP, Kerberos) are left out: no client
//! of a door in a cluster has what they need.

use rustls::CipherSuite as Suite;

use super::names::cipher_name;
use crate::model::{CipherClass, TlsVersion};

/// No suite but a promise about renegotiation (RFC 5746 section 3.3), which some servers insist
/// on.
pub(super) const SIGNAL: u16 = 0x00ff;

/// What is offered to find out whether a server takes `version`: enough that any server finds one.
/// Anonymous suites are left out: a server that prefers them would show no certificate.
#[must_use]
pub(super) fn usual(version: TlsVersion) -> Vec<u16> {
    let tables: &[&[Suite]] = match version {
        TlsVersion::Tls13 => &[TLS13],
        TlsVersion::Tls12 => &[TLS12, OLD],
        TlsVersion::Tls11 | TlsVersion::Tls10 | TlsVersion::Ssl30 => &[OLD],
    };
    numbers(tables)
}

/// Every suite of `version` that is of one of these classes, the better first.
#[must_use]
pub fn of_classes(version: TlsVersion, classes: &[CipherClass]) -> Vec<u16> {
    let mut suites = match version {
        TlsVersion::Tls13 => numbers(&[TLS13]),
        TlsVersion::Tls12 => numbers(&[TLS12, MORE, OLD, ANONYMOUS]),
        TlsVersion::Tls11 | TlsVersion::Tls10 | TlsVersion::Ssl30 => {
            numbers(&[MORE, OLD, ANONYMOUS])
        }
    };
    let is_too_new = |suite: u16| version < TlsVersion::Tls12 && came_with_tls12(suite);
    suites.retain(|suite| {
        !is_too_new(*suite) && self::classes(*suite).any(|of| classes.contains(&of))
    });
    suites
}

/// Those of `suites` that need no ECDSA certificate; `None` where that is all of them, or none.
#[must_use]
pub(super) fn without_ecdsa(suites: &[u16]) -> Option<Vec<u16>> {
    let others = suites.iter().copied().filter(|suite| !is_ecdsa(*suite));
    let others: Vec<u16> = others.collect();
    (!others.is_empty() && others.len() < suites.len()).then_some(others)
}

/// What is offered under TLS 1.2 to be shown a certificate of the one kind, ECDSA or not.
pub(super) fn of_kind(ecdsa: bool) -> Vec<u16> {
    let mut suites = usual(TlsVersion::Tls12);
    suites.retain(|suite| is_ecdsa(*suite) == ecdsa);
    suites
}

/// Whether the server shows an ECDSA certificate for it.
pub(super) fn is_ecdsa(suite: u16) -> bool {
    cipher_name(suite).contains("_ECDSA_")
}

/// Every suite before TLS 1.3 whose key exchange names a curve.
#[must_use]
pub fn with_curves(version: TlsVersion) -> Vec<u16> {
    let mut suites = usual(version);
    suites.retain(|suite| cipher_name(*suite).starts_with("TLS_ECDHE_"));
    suites
}

/// The classes that a suite belongs to. Its name says all.
pub fn classes(suite: u16) -> impl Iterator<Item = CipherClass> {
    let name = cipher_name(suite);
    CipherClass::ALL
        .into_iter()
        .filter(move |class| is_of(&name, *class))
}

fn is_of(name: &str, class: CipherClass) -> bool {
    let is_anonymous = name.contains("_anon_");
    let is_ephemeral = name.starts_with("TLS_ECDHE_") || name.starts_with("TLS_DHE_");
    // The suites of TLS 1.3 name no key exchange, which is always an ephemeral one.
    let is_of_tls13 = !name.contains("_WITH_");
    let is_aead = ["_GCM_", "_CCM", "_CHACHA20_"]
        .iter()
        .any(|mode| name.contains(mode));
    match class {
        CipherClass::Null => name.contains("_WITH_NULL_"),
        CipherClass::Anonymous => is_anonymous,
        CipherClass::Export => name.contains("_EXPORT_"),
        CipherClass::Des => name.contains("_WITH_DES_CBC_"),
        CipherClass::Rc4 => name.contains("_RC4_"),
        CipherClass::TripleDes => name.contains("_3DES_"),
        CipherClass::Cbc => name.contains("_CBC_"),
        CipherClass::NoForwardSecrecy => !(is_of_tls13 || is_ephemeral || is_anonymous),
        CipherClass::Aead => is_aead && !is_of_tls13 && !is_anonymous,
        CipherClass::DheAead => DHE_AEAD.contains(&name),
        CipherClass::Unlisted => {
            is_aead && (is_of_tls13 || is_ephemeral) && !is_in(name, &[&LISTED, &DHE_AEAD])
        }
        CipherClass::Uncommon => !is_in(name, &[&LISTED, &DHE_AEAD, &OLD_PROFILE]),
    }
}

/// Suites with SHA-2 or an authenticating mode are for no older version (RFC 5246 appendix A.5,
/// RFC 5288, RFC 6655).
fn came_with_tls12(suite: u16) -> bool {
    let name = cipher_name(suite);
    name.ends_with("_SHA256") || name.ends_with("_SHA384") || name.contains("_CCM")
}

fn numbers(tables: &[&[Suite]]) -> Vec<u16> {
    let suites = tables.iter().copied().flatten();
    suites.map(|suite| u16::from(*suite)).collect()
}

/// What the profiles of Mozilla's "Server Side TLS" 6.0 name, for TLS 1.3 and for TLS 1.2.
const LISTED: [&str; 9] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

fn is_in(name: &str, lists: &[&[&str]]) -> bool {
    lists.iter().any(|list| list.contains(&name))
}

/// What `OpenShift`'s intermediate profile names besides (`TLSProfiles` in its `config/v1`).
const DHE_AEAD: [&str; 2] = [
    "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
];

/// What its old profile names besides.
const OLD_PROFILE: [&str; 18] = [
    "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
];

/// RFC 8446 section B.4: all there are. They mean nothing to older versions.
const TLS13: &[Suite] = &[
    Suite::TLS13_AES_128_GCM_SHA256,
    Suite::TLS13_AES_256_GCM_SHA384,
    Suite::TLS13_CHACHA20_POLY1305_SHA256,
    Suite::TLS13_AES_128_CCM_SHA256,
    Suite::TLS13_AES_128_CCM_8_SHA256,
];

/// Suites that came with TLS 1.2 and may be used with nothing older.
const TLS12: &[Suite] = &[
    Suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    Suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    Suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    Suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    Suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    Suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    Suite::TLS_DHE_RSA_WITH_AES_128_GCM_SHA256,
    Suite::TLS_DHE_RSA_WITH_AES_256_GCM_SHA384,
    Suite::TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    Suite::TLS_DHE_DSS_WITH_AES_128_GCM_SHA256,
    Suite::TLS_DHE_DSS_WITH_AES_256_GCM_SHA384,
    Suite::TLS_ECDHE_ECDSA_WITH_AES_128_CCM,
    Suite::TLS_ECDHE_ECDSA_WITH_AES_256_CCM,
    Suite::TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8,
    Suite::TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8,
    Suite::TLS_DHE_RSA_WITH_AES_128_CCM,
    Suite::TLS_DHE_RSA_WITH_AES_256_CCM,
    Suite::TLS_ECDHE_ECDSA_WITH_ARIA_128_GCM_SHA256,
    Suite::TLS_ECDHE_RSA_WITH_ARIA_128_GCM_SHA256,
    Suite::TLS_ECDHE_ECDSA_WITH_CAMELLIA_128_GCM_SHA256,
    Suite::TLS_ECDHE_RSA_WITH_CAMELLIA_128_GCM_SHA256,
    Suite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
    Suite::TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
    Suite::TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384,
    Suite::TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384,
    Suite::TLS_DHE_RSA_WITH_AES_128_CBC_SHA256,
    Suite::TLS_DHE_RSA_WITH_AES_256_CBC_SHA256,
    Suite::TLS_DHE_DSS_WITH_AES_128_CBC_SHA256,
    Suite::TLS_DHE_DSS_WITH_AES_256_CBC_SHA256,
    Suite::TLS_ECDH_ECDSA_WITH_AES_128_GCM_SHA256,
    Suite::TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256,
    Suite::TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA256,
    Suite::TLS_ECDH_RSA_WITH_AES_128_CBC_SHA256,
    Suite::TLS_RSA_WITH_AES_128_GCM_SHA256,
    Suite::TLS_RSA_WITH_AES_256_GCM_SHA384,
    Suite::TLS_RSA_WITH_AES_128_CCM,
    Suite::TLS_RSA_WITH_AES_256_CCM,
    Suite::TLS_RSA_WITH_ARIA_128_GCM_SHA256,
    Suite::TLS_RSA_WITH_CAMELLIA_128_GCM_SHA256,
    Suite::TLS_RSA_WITH_AES_128_CBC_SHA256,
    Suite::TLS_RSA_WITH_AES_256_CBC_SHA256,
    Suite::TLS_RSA_WITH_CAMELLIA_128_CBC_SHA256,
    Suite::TLS_RSA_WITH_NULL_SHA256,
];

/// Suites of every version before TLS 1.3, the better first, down to the export ciphers and those
/// that do not encrypt, so that the oldest server finds one. Anonymous ones are left out: a server
/// that prefers them would show no certificate.
const OLD: &[Suite] = &[
    Suite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
    Suite::TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
    Suite::TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
    Suite::TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
    Suite::TLS_DHE_RSA_WITH_AES_128_CBC_SHA,
    Suite::TLS_DHE_RSA_WITH_AES_256_CBC_SHA,
    Suite::TLS_DHE_DSS_WITH_AES_128_CBC_SHA,
    Suite::TLS_DHE_DSS_WITH_AES_256_CBC_SHA,
    Suite::TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA,
    Suite::TLS_ECDH_RSA_WITH_AES_128_CBC_SHA,
    Suite::TLS_RSA_WITH_AES_128_CBC_SHA,
    Suite::TLS_RSA_WITH_AES_256_CBC_SHA,
    Suite::TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA,
    Suite::TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA,
    Suite::TLS_RSA_WITH_CAMELLIA_128_CBC_SHA,
    Suite::TLS_RSA_WITH_CAMELLIA_256_CBC_SHA,
    Suite::TLS_DHE_RSA_WITH_SEED_CBC_SHA,
    Suite::TLS_RSA_WITH_SEED_CBC_SHA,
    Suite::TLS_RSA_WITH_IDEA_CBC_SHA,
    Suite::TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA,
    Suite::TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA,
    Suite::TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA,
    Suite::TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA,
    Suite::TLS_RSA_WITH_3DES_EDE_CBC_SHA,
    Suite::TLS_ECDHE_ECDSA_WITH_RC4_128_SHA,
    Suite::TLS_ECDHE_RSA_WITH_RC4_128_SHA,
    Suite::TLS_DHE_DSS_WITH_RC4_128_SHA,
    Suite::TLS_RSA_WITH_RC4_128_SHA,
    Suite::TLS_RSA_WITH_RC4_128_MD5,
    Suite::TLS_DHE_RSA_WITH_DES_CBC_SHA,
    Suite::TLS_DHE_DSS_WITH_DES_CBC_SHA,
    Suite::TLS_RSA_WITH_DES_CBC_SHA,
    Suite::TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA,
    Suite::TLS_DHE_DSS_EXPORT_WITH_DES40_CBC_SHA,
    Suite::TLS_RSA_EXPORT_WITH_DES40_CBC_SHA,
    Suite::TLS_RSA_EXPORT_WITH_RC2_CBC_40_MD5,
    Suite::TLS_RSA_EXPORT_WITH_RC4_40_MD5,
    Suite::TLS_ECDHE_ECDSA_WITH_NULL_SHA,
    Suite::TLS_ECDHE_RSA_WITH_NULL_SHA,
    Suite::TLS_RSA_WITH_NULL_SHA,
    Suite::TLS_RSA_WITH_NULL_MD5,
];

/// What else servers are known to have, as far as no table above has its like: a hello is to stay
/// short.
const MORE: &[Suite] = &[
    Suite::TLS_ECDHE_ECDSA_WITH_ARIA_256_GCM_SHA384,
    Suite::TLS_ECDHE_RSA_WITH_ARIA_256_GCM_SHA384,
    Suite::TLS_ECDHE_ECDSA_WITH_CAMELLIA_256_GCM_SHA384,
    Suite::TLS_ECDHE_RSA_WITH_CAMELLIA_256_GCM_SHA384,
    Suite::TLS_DHE_RSA_WITH_ARIA_128_GCM_SHA256,
    Suite::TLS_DHE_RSA_WITH_ARIA_256_GCM_SHA384,
    Suite::TLS_DHE_RSA_WITH_CAMELLIA_128_GCM_SHA256,
    Suite::TLS_DHE_RSA_WITH_CAMELLIA_256_GCM_SHA384,
    Suite::TLS_DHE_RSA_WITH_AES_128_CCM_8,
    Suite::TLS_DHE_RSA_WITH_AES_256_CCM_8,
    Suite::TLS_RSA_WITH_AES_128_CCM_8,
    Suite::TLS_RSA_WITH_AES_256_CCM_8,
    Suite::TLS_RSA_WITH_ARIA_256_GCM_SHA384,
    Suite::TLS_RSA_WITH_CAMELLIA_256_GCM_SHA384,
    Suite::TLS_ECDHE_ECDSA_WITH_CAMELLIA_128_CBC_SHA256,
    Suite::TLS_ECDHE_ECDSA_WITH_CAMELLIA_256_CBC_SHA384,
    Suite::TLS_ECDHE_RSA_WITH_CAMELLIA_128_CBC_SHA256,
    Suite::TLS_ECDHE_RSA_WITH_CAMELLIA_256_CBC_SHA384,
    Suite::TLS_ECDH_ECDSA_WITH_3DES_EDE_CBC_SHA,
    Suite::TLS_ECDH_RSA_WITH_3DES_EDE_CBC_SHA,
    Suite::TLS_ECDH_ECDSA_WITH_RC4_128_SHA,
    Suite::TLS_ECDH_RSA_WITH_RC4_128_SHA,
    Suite::TLS_ECDH_ECDSA_WITH_NULL_SHA,
    Suite::TLS_ECDH_RSA_WITH_NULL_SHA,
];

/// Suites in which the server shows no certificate.
const ANONYMOUS: &[Suite] = &[
    Suite::TLS_ECDH_anon_WITH_AES_128_CBC_SHA,
    Suite::TLS_ECDH_anon_WITH_AES_256_CBC_SHA,
    Suite::TLS_DH_anon_WITH_AES_128_GCM_SHA256,
    Suite::TLS_DH_anon_WITH_AES_256_GCM_SHA384,
    Suite::TLS_DH_anon_WITH_AES_128_CBC_SHA256,
    Suite::TLS_DH_anon_WITH_AES_256_CBC_SHA256,
    Suite::TLS_DH_anon_WITH_AES_128_CBC_SHA,
    Suite::TLS_DH_anon_WITH_AES_256_CBC_SHA,
    Suite::TLS_ECDH_anon_WITH_3DES_EDE_CBC_SHA,
    Suite::TLS_DH_anon_WITH_3DES_EDE_CBC_SHA,
    Suite::TLS_ECDH_anon_WITH_RC4_128_SHA,
    Suite::TLS_DH_anon_WITH_RC4_128_MD5,
    Suite::TLS_DH_anon_WITH_DES_CBC_SHA,
    Suite::TLS_DH_anon_EXPORT_WITH_DES40_CBC_SHA,
    Suite::TLS_DH_anon_EXPORT_WITH_RC4_40_MD5,
    Suite::TLS_ECDH_anon_WITH_NULL_SHA,
];

#[cfg(test)]
mod tests {
    use CipherClass::{
        Aead, Anonymous, Cbc, Des, DheAead, Export, NoForwardSecrecy, Null, Rc4, TripleDes,
        Uncommon, Unlisted,
    };

    use super::*;

    fn of(suite: Suite) -> Vec<CipherClass> {
        classes(suite.into()).collect()
    }

    #[test]
    fn a_mix_of_certificates_is_told_from_one_kind() {
        let [rsa, ecdsa, anonymous] = [
            Suite::TLS_RSA_WITH_AES_128_CBC_SHA,
            Suite::TLS_ECDHE_ECDSA_WITH_NULL_SHA,
            Suite::TLS_ECDH_anon_WITH_NULL_SHA,
        ]
        .map(u16::from);
        assert_eq!(
            without_ecdsa(&[rsa, ecdsa, anonymous]),
            Some(vec![rsa, anonymous])
        );
        assert_eq!(without_ecdsa(&[rsa, anonymous]), None);
        assert_eq!(without_ecdsa(&[ecdsa]), None);
        assert_eq!(without_ecdsa(&[]), None);
    }

    #[test]
    fn a_suite_is_of_every_class_that_its_name_says() {
        let expected: &[(Suite, &[CipherClass])] = &[
            (
                Suite::TLS_RSA_WITH_NULL_SHA256,
                &[Null, NoForwardSecrecy, Uncommon],
            ),
            (
                Suite::TLS_ECDH_anon_WITH_NULL_SHA,
                &[Null, Anonymous, Uncommon],
            ),
            (
                Suite::TLS_DH_anon_WITH_AES_128_GCM_SHA256,
                &[Anonymous, Uncommon],
            ),
            (
                Suite::TLS_RSA_EXPORT_WITH_RC4_40_MD5,
                &[Export, Rc4, NoForwardSecrecy, Uncommon],
            ),
            (
                Suite::TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA,
                &[Export, Cbc, Uncommon],
            ),
            (Suite::TLS_DHE_RSA_WITH_DES_CBC_SHA, &[Des, Cbc, Uncommon]),
            (Suite::TLS_ECDHE_RSA_WITH_RC4_128_SHA, &[Rc4, Uncommon]),
            (
                Suite::TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA,
                &[TripleDes, Cbc, Uncommon],
            ),
            (
                Suite::TLS_RSA_WITH_3DES_EDE_CBC_SHA,
                &[TripleDes, Cbc, NoForwardSecrecy],
            ),
            (Suite::TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, &[Cbc]),
            (Suite::TLS_DHE_RSA_WITH_AES_128_CBC_SHA, &[Cbc, Uncommon]),
            (
                Suite::TLS_ECDH_RSA_WITH_AES_128_CBC_SHA,
                &[Cbc, NoForwardSecrecy, Uncommon],
            ),
            (
                Suite::TLS_RSA_WITH_AES_128_GCM_SHA256,
                &[NoForwardSecrecy, Aead],
            ),
            (Suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, &[Aead]),
            (Suite::TLS_DHE_RSA_WITH_AES_128_GCM_SHA256, &[Aead, DheAead]),
            (
                Suite::TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
                &[Aead, Unlisted],
            ),
            (
                Suite::TLS_ECDHE_RSA_WITH_ARIA_128_GCM_SHA256,
                &[Aead, Unlisted, Uncommon],
            ),
            (Suite::TLS13_AES_128_GCM_SHA256, &[]),
            (Suite::TLS13_AES_128_CCM_SHA256, &[Unlisted, Uncommon]),
        ];
        for (suite, classes) in expected {
            assert_eq!(of(*suite), *classes, "{suite:?}");
        }
    }

    #[test]
    fn every_suite_offered_for_a_class_is_of_it_and_fit_for_the_version() {
        for version in TlsVersion::ALL {
            for class in CipherClass::ALL {
                let offered = of_classes(version, &[class]);
                for suite in &offered {
                    let name = cipher_name(*suite);
                    assert!(classes(*suite).any(|one| one == class), "{name}");
                    let new = came_with_tls12(*suite) && name.contains("_WITH_");
                    assert!(!new || version == TlsVersion::Tls12, "{name}");
                }
                let none = match version {
                    TlsVersion::Tls13 => !matches!(class, Unlisted | Uncommon),
                    TlsVersion::Tls12 => false,
                    _ => matches!(class, Aead | DheAead | Unlisted),
                };
                assert_eq!(offered.is_empty(), none, "{version:?} {class:?}");
            }
        }
    }

    #[test]
    fn the_usual_suites_of_every_version_have_a_certificate() {
        for version in TlsVersion::ALL {
            let mut offered = usual(version);
            offered.retain(|suite| classes(*suite).any(|class| class == Anonymous));
            assert_eq!(offered, [0; 0], "{version:?}");
        }
    }

    #[test]
    fn no_suite_is_offered_twice_and_each_has_a_name() {
        for version in TlsVersion::ALL {
            let mut offered = of_classes(version, &CipherClass::ALL);
            assert!(
                offered
                    .iter()
                    .all(|suite| cipher_name(*suite).starts_with("TLS_"))
            );
            let count = offered.len();
            // Some old servers read no more than 128, the signal among them.
            assert!(count < 128, "{version:?}: {count}");
            offered.sort_unstable();
            offered.dedup();
            assert_eq!(offered.len(), count, "{version:?}");
        }
    }
}
