//! Reads one certificate, whatever is wrong with it.
//!
//! Nothing here decides whether a certificate is good. What cannot be read is empty; a certificate
//! of which nothing can be read keeps its bytes and its fingerprint beside the reason.

use std::net::IpAddr;

use aws_lc_rs::digest;
use x509_parser::asn1_rs::{Any, Oid, Tag};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo, X509Name};

use super::chain::{Certificate, CertificateFacts, Fingerprint, KeyUsage};
use super::text::{LABEL_LIMIT, clean};
use super::time::UnixTime;

/// The longest DNS name (RFC 1035 section 2.3.4), in characters; a longer one can name no host.
const DNS_NAME_LIMIT: usize = 253;

impl Certificate {
    /// One certificate with what could be read of it.
    #[must_use]
    pub fn read(der: &[u8]) -> Self {
        Self {
            der: der.into(),
            fingerprint: (&digest::digest(&digest::SHA256, der)).into(),
            facts: facts(der),
        }
    }
}

impl From<&digest::Digest> for Fingerprint {
    fn from(sha256: &digest::Digest) -> Self {
        Self(sha256.as_ref().try_into().unwrap_or_default())
    }
}

/// What `der` says, or why it cannot be read. Bytes after the certificate are left to the judge.
fn facts(der: &[u8]) -> Result<CertificateFacts, Box<str>> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| {
        let reason = match error {
            x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error) => {
                error.to_string()
            }
            x509_parser::nom::Err::Incomplete(_) => "cut short".to_owned(),
        };
        Box::<str>::from(clean(&reason))
    })?;
    let (dns_names, ip_names) = alternative_names(&certificate);
    Ok(CertificateFacts {
        subject_common_name: common_name(certificate.subject()),
        issuer_common_name: common_name(certificate.issuer()),
        issuer_organization: last_text(certificate.issuer().iter_organization()),
        serial_number: serial(certificate.raw_serial()),
        not_before: UnixTime::from_secs(certificate.validity().not_before.timestamp()),
        not_after: UnixTime::from_secs(certificate.validity().not_after.timestamp()),
        key_algorithm: key_algorithm(certificate.public_key()),
        key_size: key_size(certificate.public_key()),
        signature_algorithm: signature_algorithm(&certificate.signature_algorithm),
        self_issued: certificate.subject().as_raw() == certificate.issuer().as_raw(),
        is_ca: is_ca(&certificate),
        key_usage: key_usage(&certificate),
        for_servers: for_servers(&certificate),
        must_staple: must_staple(&certificate),
        dns_names,
        ip_names,
        names_issuer_url: names_issuer_url(&certificate),
    })
}

fn common_name(name: &X509Name<'_>) -> String {
    last_text(name.iter_common_name())
}

/// The most specific of several attributes of a kind, as Go and OpenSSL choose; else empty.
fn last_text<'a, 'b: 'a>(
    attributes: impl Iterator<Item = &'a x509_parser::x509::AttributeTypeAndValue<'b>>,
) -> String {
    attributes
        .last()
        .and_then(|attribute| text(attribute.attr_value()))
        .map_or_else(String::new, |text| clean(&text))
}

/// A directory string (RFC 5280 section 4.1.2.4) as Unicode, where its bytes are what its type says.
fn text(value: &Any<'_>) -> Option<String> {
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString => {
            std::str::from_utf8(value.data).ok().map(str::to_owned)
        }
        // In practice Latin-1, whatever the standard says of T.61.
        Tag::TeletexString => Some(value.data.iter().copied().map(char::from).collect()),
        Tag::BmpString => {
            let (units, []) = value.data.as_chunks::<2>() else {
                return None;
            };
            char::decode_utf16(units.iter().map(|unit| u16::from_be_bytes(*unit)))
                .collect::<Result<_, _>>()
                .ok()
        }
        Tag::UniversalString => {
            let (units, []) = value.data.as_chunks::<4>() else {
                return None;
            };
            let scalars = units.iter().map(|unit| u32::from_be_bytes(*unit));
            scalars.map(char::from_u32).collect()
        }
        _ => None,
    }
}

/// Hexadecimal without the sign byte that DER puts before a high bit, cut at the label limit.
fn serial(bytes: &[u8]) -> String {
    let digits = match bytes {
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    };
    let shown = digits.iter().take(LABEL_LIMIT / 2);
    shown.fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// The first extension that `pick` recognises. RFC 5280 section 4.2 forbids a second of the same
/// kind; the first is what is read nonetheless.
fn extension<'a, T>(
    certificate: &'a X509Certificate<'_>,
    pick: impl FnMut(&'a ParsedExtension<'a>) -> Option<T>,
) -> Option<T> {
    let mut extensions = certificate.extensions().iter();
    extensions
        .by_ref()
        .map(x509_parser::extensions::X509Extension::parsed_extension)
        .find_map(pick)
}

fn is_ca(certificate: &X509Certificate<'_>) -> bool {
    let constraints = extension(certificate, |found| match found {
        ParsedExtension::BasicConstraints(constraints) => Some(constraints.ca),
        _ => None,
    });
    constraints.unwrap_or(false)
}

fn key_usage(certificate: &X509Certificate<'_>) -> Option<KeyUsage> {
    extension(certificate, |found| match found {
        ParsedExtension::KeyUsage(usage) => Some(KeyUsage {
            digital_signature: usage.digital_signature(),
            key_encipherment: usage.key_encipherment(),
            certificate_sign: usage.key_cert_sign(),
        }),
        _ => None,
    })
}

fn for_servers(certificate: &X509Certificate<'_>) -> bool {
    let named = extension(certificate, |found| match found {
        ParsedExtension::ExtendedKeyUsage(usage) => Some(usage.any || usage.server_auth),
        _ => None,
    });
    named.unwrap_or(true)
}

/// The TLS feature extension (RFC 7633 section 4): numbers of TLS extensions that the server must
/// answer.
fn must_staple(certificate: &X509Certificate<'_>) -> bool {
    const TLS_FEATURE: &str = "1.3.6.1.5.5.7.1.24";
    /// `status_request`, RFC 6066 section 8.
    const STATUS_REQUEST: u32 = 5;
    let mut extensions = certificate.extensions().iter();
    extensions
        .find(|extension| extension.oid.to_id_string() == TLS_FEATURE)
        .and_then(|extension| Vec::<u32>::from_der(extension.value).ok())
        .is_some_and(|(_, features)| features.contains(&STATUS_REQUEST))
}

fn names_issuer_url(certificate: &X509Certificate<'_>) -> bool {
    /// id-ad-caIssuers, RFC 5280 section 4.2.2.1.
    const CA_ISSUERS: &str = "1.3.6.1.5.5.7.48.2";
    let names = extension(certificate, |found| match found {
        ParsedExtension::AuthorityInfoAccess(access) => Some(access.iter().any(|description| {
            description.access_method.to_id_string() == CA_ISSUERS
                && matches!(description.access_location, GeneralName::URI(_))
        })),
        _ => None,
    });
    names.unwrap_or(false)
}

/// The DNS names and the addresses of the subject alternative name (RFC 5280 section 4.2.1.6).
///
/// A DNS name is taken whole or not at all: what is cut or cleaned could match another host.
fn alternative_names(certificate: &X509Certificate<'_>) -> (Vec<Box<str>>, Vec<IpAddr>) {
    let (mut dns_names, mut ip_names) = (Vec::new(), Vec::new());
    let names = extension(certificate, |found| match found {
        ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
        _ => None,
    });
    for name in names.into_iter().flatten() {
        match name {
            GeneralName::DNSName(name) if is_dns_text(name) => {
                dns_names.push(name.to_ascii_lowercase().into());
            }
            GeneralName::IPAddress(bytes) => ip_names.extend(ip_address(bytes)),
            _ => {}
        }
    }
    (dns_names, ip_names)
}

fn is_dns_text(name: &str) -> bool {
    name.len() <= DNS_NAME_LIMIT && name.bytes().all(|byte| byte.is_ascii_graphic())
}

fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// Named as Go's crypto/x509 does, so that labels agree with other exporters'; else dotted.
fn key_algorithm(key: &SubjectPublicKeyInfo<'_>) -> String {
    let oid = key.algorithm.algorithm.to_id_string();
    let name = match oid.as_str() {
        // rsaEncryption and id-RSASSA-PSS, RFC 8017 appendix A.
        "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => "RSA",
        // RFC 5480 section 2.1.1.
        "1.2.840.10045.2.1" => "ECDSA",
        // RFC 3279 section 2.3.2.
        "1.2.840.10040.4.1" => "DSA",
        // RFC 8410 section 3.
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        other => ml_dsa(other).unwrap_or(other),
    };
    clean(name)
}

/// ML-DSA names its keys and its signatures alike (RFC 9881 section 2).
fn ml_dsa(oid: &str) -> Option<&'static str> {
    match oid {
        "2.16.840.1.101.3.4.3.17" => Some("ML-DSA-44"),
        "2.16.840.1.101.3.4.3.18" => Some("ML-DSA-65"),
        "2.16.840.1.101.3.4.3.19" => Some("ML-DSA-87"),
        _ => None,
    }
}

/// In bits: the modulus of RSA and DSA, the field of an elliptic curve; 0 where there is none.
fn key_size(key: &SubjectPublicKeyInfo<'_>) -> u32 {
    let parameters = key.algorithm.parameters.as_ref();
    match (key_algorithm(key).as_str(), key.parsed()) {
        ("RSA", Ok(PublicKey::RSA(rsa))) => bit_length(rsa.modulus),
        ("RSA", _) => x509_parser::public_key::RSAPublicKey::from_der(&key.subject_public_key.data)
            .map_or(0, |(_, rsa)| bit_length(rsa.modulus)),
        ("ECDSA", Ok(PublicKey::EC(point))) => {
            curve_bits(parameters).unwrap_or_else(|| u32::try_from(point.key_size()).unwrap_or(0))
        }
        // The first of p, q and g (RFC 3279 section 2.3.2).
        ("DSA", _) => parameters
            .and_then(|all| Any::from_der(all.data).ok())
            .map_or(0, |(_, p)| bit_length(p.data)),
        // RFC 8032 section 5: the length of the encoded key.
        ("Ed25519", _) => 256,
        ("Ed448", _) => 456,
        _ => 0,
    }
}

/// The field size of a named curve (RFC 5480 section 2.1.1.1): for P-521 it is not the point's.
fn curve_bits(parameters: Option<&Any<'_>>) -> Option<u32> {
    let oid = Oid::try_from(parameters?).ok()?;
    match oid.to_id_string().as_str() {
        "1.2.840.10045.3.1.1" => Some(192),
        "1.3.132.0.33" => Some(224),
        "1.2.840.10045.3.1.7" | "1.3.132.0.10" => Some(256),
        "1.3.132.0.34" => Some(384),
        "1.3.132.0.35" => Some(521),
        _ => None,
    }
}

fn bit_length(integer: &[u8]) -> u32 {
    let significant = integer.iter().position(|byte| *byte != 0);
    let digits = significant
        .and_then(|start| integer.get(start..))
        .unwrap_or_default();
    let bits = digits
        .first()
        .map_or(0, |first| digits.len() * 8 - first.leading_zeros() as usize);
    u32::try_from(bits).unwrap_or(u32::MAX)
}

/// Named as Go's crypto/x509 does; else dotted.
fn signature_algorithm(algorithm: &AlgorithmIdentifier<'_>) -> String {
    let oid = algorithm.algorithm.to_id_string();
    let name = match oid.as_str() {
        // RFC 8017 appendix A.2.4.
        "1.2.840.113549.1.1.2" => "MD2-RSA",
        "1.2.840.113549.1.1.4" => "MD5-RSA",
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => "SHA1-RSA",
        "1.2.840.113549.1.1.11" => "SHA256-RSA",
        "1.2.840.113549.1.1.12" => "SHA384-RSA",
        "1.2.840.113549.1.1.13" => "SHA512-RSA",
        "1.2.840.113549.1.1.10" => pss(algorithm).unwrap_or(&oid),
        // RFC 3279 section 2.2.2 and RFC 5758 section 3.1.
        "1.2.840.10040.4.3" => "DSA-SHA1",
        "2.16.840.1.101.3.4.3.2" => "DSA-SHA256",
        // RFC 3279 section 2.2.3 and RFC 5758 section 3.2.
        "1.2.840.10045.4.1" => "ECDSA-SHA1",
        "1.2.840.10045.4.3.2" => "ECDSA-SHA256",
        "1.2.840.10045.4.3.3" => "ECDSA-SHA384",
        "1.2.840.10045.4.3.4" => "ECDSA-SHA512",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        other => ml_dsa(other).unwrap_or(other),
    };
    clean(name)
}

/// RSASSA-PSS carries its hash in the parameters (RFC 4055 section 3.1).
fn pss(algorithm: &AlgorithmIdentifier<'_>) -> Option<&'static str> {
    let parameters = RsaSsaPssParams::try_from(algorithm.parameters.as_ref()?).ok()?;
    match parameters.hash_algorithm_oid().to_id_string().as_str() {
        "1.3.14.3.2.26" => Some("SHA1-RSAPSS"),
        "2.16.840.1.101.3.4.2.1" => Some("SHA256-RSAPSS"),
        "2.16.840.1.101.3.4.2.2" => Some("SHA384-RSAPSS"),
        "2.16.840.1.101.3.4.2.3" => Some("SHA512-RSAPSS"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CustomExtension, DnType, DnValue, KeyPair, SanType};
    use rustls_pki_types::{CertificateDer, pem::PemObject};

    use super::*;

    fn minted(adjust: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 2);
        params.not_after = rcgen::date_time_ymd(2026, 4, 2);
        params.distinguished_name.remove(DnType::CommonName);
        adjust(&mut params);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    /// `der` with the only `from` in it replaced by `to`, of the same length.
    fn patched(mut der: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
        assert_eq!(from.len(), to.len());
        let places: Vec<_> = (0..=der.len() - from.len())
            .filter(|at| der[*at..].starts_with(from))
            .collect();
        assert_eq!(places.len(), 1, "{from:?} is there once");
        der[places[0]..places[0] + to.len()].copy_from_slice(to);
        der
    }

    fn facts_of(der: &[u8]) -> CertificateFacts {
        Certificate::read(der).facts.unwrap()
    }

    fn named(value: DnValue) -> String {
        let der = minted(|params| params.distinguished_name.push(DnType::CommonName, value));
        let facts = facts_of(&der);
        assert_eq!(facts.subject_common_name, facts.issuer_common_name);
        facts.subject_common_name
    }

    #[test]
    fn a_certificate_is_read_as_it_was_minted() {
        let der = minted(|params| {
            params.distinguished_name.push(DnType::CommonName, "Shop");
            params
                .distinguished_name
                .push(DnType::OrganizationName, "Shop Ltd");
            params.serial_number = Some(vec![0x00, 0xab, 0x01].into());
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            params
                .subject_alt_names
                .push(SanType::DnsName("*.B.example".try_into().unwrap()));
            params
                .subject_alt_names
                .push(SanType::IpAddress("192.0.2.1".parse().unwrap()));
            params
                .subject_alt_names
                .push(SanType::IpAddress("2001:db8::1".parse().unwrap()));
        });
        let expected = CertificateFacts {
            subject_common_name: "Shop".into(),
            issuer_common_name: "Shop".into(),
            issuer_organization: "Shop Ltd".into(),
            serial_number: "ab01".into(),
            not_before: UnixTime::from_secs(1_767_312_000),
            not_after: UnixTime::from_secs(1_775_088_000),
            key_algorithm: "ECDSA".into(),
            key_size: 256,
            signature_algorithm: "ECDSA-SHA256".into(),
            self_issued: true,
            is_ca: true,
            key_usage: None,
            for_servers: true,
            must_staple: false,
            dns_names: vec!["a.example".into(), "*.b.example".into()],
            ip_names: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
            names_issuer_url: false,
        };
        assert_eq!(facts_of(&der), expected);
    }

    #[test]
    fn keys_and_signatures_are_named_as_go_names_them() {
        let kinds = include_bytes!("../../tests/certificates/kinds.pem");
        let read: Vec<_> = CertificateDer::pem_slice_iter(kinds)
            .map(|der| facts_of(&der.unwrap()))
            .map(|facts| {
                let (key, signature) = (facts.key_algorithm, facts.signature_algorithm);
                format!(
                    "{}: {key} {} {signature}",
                    facts.subject_common_name, facts.key_size
                )
            })
            .collect();
        assert_eq!(
            read,
            [
                "rsa1024-sha1: RSA 1024 SHA1-RSA",
                "rsa2048-md5: RSA 2048 MD5-RSA",
                "rsapss-sha384: RSA 2048 SHA384-RSAPSS",
                "dsa1024: DSA 1024 DSA-SHA256",
                "ed448: Ed448 456 Ed448",
                "p521-sha512: ECDSA 521 ECDSA-SHA512",
                "p384: ECDSA 384 ECDSA-SHA384",
            ]
        );
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let params = CertificateParams::new(Vec::new()).unwrap();
        let facts = facts_of(params.self_signed(&key).unwrap().der());
        assert_eq!(
            (facts.key_algorithm.as_str(), facts.key_size),
            ("Ed25519", 256)
        );
    }

    #[test]
    fn an_unknown_signature_algorithm_is_its_object_identifier() {
        let ecdsa_with_sha256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
        let mut der = minted(|_| {});
        let last = der
            .windows(8)
            .rposition(|window| window == ecdsa_with_sha256)
            .unwrap();
        der[last + 7] = 0x7f;
        assert_eq!(facts_of(&der).signature_algorithm, "1.2.840.10045.4.3.127");
    }

    #[test]
    fn names_are_decoded_by_their_type_and_empty_where_they_cannot_be() {
        assert_eq!(named(DnValue::Utf8String("Müller".into())), "Müller");
        assert_eq!(named(DnValue::BmpString("Мир".try_into().unwrap())), "Мир");
        assert_eq!(
            named(DnValue::UniversalString("Мир".try_into().unwrap())),
            "Мир"
        );
        assert_eq!(
            named(DnValue::TeletexString("plain".try_into().unwrap())),
            "plain"
        );
        let broken = minted(|params| {
            params
                .distinguished_name
                .push(DnType::OrganizationName, "QZ");
        });
        let mut bytes = broken.clone();
        for at in 0..bytes.len() - 1 {
            if &bytes[at..at + 2] == b"QZ" {
                bytes[at..at + 2].copy_from_slice(b"\xff\xfe");
            }
        }
        assert_ne!(bytes, broken);
        assert_eq!(facts_of(&bytes).issuer_organization, "");
    }

    #[test]
    fn what_would_break_a_terminal_or_a_label_is_gone_from_names() {
        let name = format!("a\n\u{1b}[31m\u{202e}{}", "x".repeat(300));
        let shown = named(DnValue::Utf8String(name));
        assert!(shown.starts_with("a[31mxx"), "{shown}");
        assert_eq!(shown.len(), LABEL_LIMIT);
    }

    #[test]
    fn a_dns_name_with_a_forbidden_character_names_nothing() {
        let der = minted(|_| {});
        let der = patched(der, b"a.example", b"a.ex\0mple");
        assert_eq!(facts_of(&der).dns_names, Vec::<Box<str>>::new());
    }

    #[test]
    fn a_dns_name_longer_than_any_host_s_names_nothing() {
        let label = "x".repeat(60);
        for (last, named) in [(8, 2), (9, 1)] {
            let name = format!("{label}.{label}.{label}.{label}.{}", "y".repeat(last + 1));
            let der = minted(|params| {
                let name = name.as_str().try_into().unwrap();
                params.subject_alt_names.push(SanType::DnsName(name));
            });
            assert_eq!(facts_of(&der).dns_names.len(), named, "{}", name.len());
        }
    }

    #[test]
    fn an_empty_subject_with_a_hundred_names_from_2051_on_is_read() {
        let der = minted(|params| {
            params.subject_alt_names = (0..100)
                .map(|number| format!("host-{number}.example"))
                .map(|name| SanType::DnsName(name.try_into().unwrap()))
                .collect();
            params.not_before = rcgen::date_time_ymd(2051, 1, 1);
            params.not_after = rcgen::date_time_ymd(2052, 1, 1);
        });
        let facts = facts_of(&der);
        assert_eq!(facts.subject_common_name, "");
        assert_eq!(facts.dns_names.len(), 100);
        assert_eq!(&*facts.dns_names[99], "host-99.example");
        assert_eq!(facts.not_before.as_secs(), 2_556_144_000);
    }

    #[test]
    fn the_last_of_several_common_names_is_taken() {
        let der = minted(|params| {
            params
                .distinguished_name
                .push(DnType::CommonName, "general");
            let again = DnType::CustomDnType(vec![2, 5, 4, 3]);
            params.distinguished_name.push(again, "particular");
        });
        assert_eq!(facts_of(&der).subject_common_name, "particular");
    }

    #[test]
    fn a_bad_date_is_the_reason_and_keeps_the_fingerprint() {
        let der = patched(minted(|_| {}), b"260402000000Z", b"260402000060Z");
        let certificate = Certificate::read(&der);
        assert_eq!(certificate.facts, Err("invalid date".into()));
        assert_eq!(
            certificate.fingerprint,
            Fingerprint::from(&digest::digest(&digest::SHA256, &der))
        );
        let der = patched(minted(|_| {}), b"260402000000Z", b"260230000000Z");
        assert_eq!(Certificate::read(&der).facts, Err("invalid date".into()));
    }

    #[test]
    fn a_date_at_the_end_or_before_the_start_of_the_scale_is_read() {
        let der = minted(|params| params.not_after = rcgen::date_time_ymd(9999, 12, 31));
        assert_eq!(facts_of(&der).not_after.as_secs(), 253_402_214_400);
        let der = patched(minted(|_| {}), b"260102000000Z", b"500101000000Z");
        assert_eq!(facts_of(&der).not_before.as_secs(), -631_152_000);
    }

    #[test]
    fn a_serial_number_may_be_negative_or_huge() {
        assert_eq!(serial(&[0xff, 0x80]), "ff80");
        assert_eq!(serial(&[0]), "00");
        assert_eq!(serial(&[]), "");
        assert_eq!(serial(&[0xab; 10_000]).len(), LABEL_LIMIT);
    }

    #[test]
    fn the_first_of_two_alternative_names_is_taken() {
        let der = minted(|params| {
            let second = b"\x30\x0b\x82\x09b.example".to_vec();
            let san = CustomExtension::from_oid_content(&[2, 5, 29, 17], second);
            params.custom_extensions.push(san);
        });
        assert_eq!(facts_of(&der).dns_names, ["a.example".into()]);
    }

    #[test]
    fn usages_are_read() {
        use rcgen::ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
        use rcgen::KeyUsagePurpose::{DigitalSignature, KeyEncipherment};
        let usages = |purposes: Vec<_>, key: Vec<_>| {
            let facts = facts_of(&minted(|params| {
                params.extended_key_usages = purposes;
                params.key_usages = key;
            }));
            let key = facts.key_usage;
            let key = key.map(|key| (key.digital_signature, key.key_encipherment));
            (facts.for_servers, key)
        };
        assert_eq!(usages(vec![], vec![]), (true, None));
        let both = vec![ClientAuth, ServerAuth];
        let signing = usages(both, vec![DigitalSignature]);
        assert_eq!(signing, (true, Some((true, false))));
        let any = usages(vec![Any], vec![KeyEncipherment]);
        assert_eq!(any, (true, Some((false, true))));
        assert_eq!(usages(vec![ClientAuth], vec![]), (false, None));
    }

    #[test]
    fn must_staple_is_seen_among_the_features() {
        let demands = |value: &[u8]| {
            let value = value.to_vec();
            let feature = [1, 3, 6, 1, 5, 5, 7, 1, 24];
            let der = minted(|params| {
                let feature = CustomExtension::from_oid_content(&feature, value);
                params.custom_extensions.push(feature);
            });
            facts_of(&der).must_staple
        };
        assert!(demands(b"\x30\x03\x02\x01\x05"));
        assert!(demands(b"\x30\x06\x02\x01\x11\x02\x01\x05"));
        assert!(!demands(b"\x30\x03\x02\x01\x11"));
        assert!(!demands(b"\x02\x01\x05"));
        assert!(!demands(b""));
    }

    #[test]
    fn an_issuer_url_is_seen() {
        let der = minted(|params| {
            let access =
                b"\x30\x18\x30\x16\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02\x86\x0ahttp://a.b";
            let aia = [1, 3, 6, 1, 5, 5, 7, 1, 1];
            let extension = CustomExtension::from_oid_content(&aia, access.to_vec());
            params.custom_extensions.push(extension);
        });
        assert!(facts_of(&der).names_issuer_url);
    }

    #[test]
    fn every_prefix_and_every_flipped_byte_gives_facts_or_a_reason() {
        let der = minted(|params| params.distinguished_name.push(DnType::CommonName, "x"));
        for length in 0..der.len() {
            assert!(Certificate::read(&der[..length]).facts.is_err(), "{length}");
        }
        for at in 0..der.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = der.clone();
                bytes[at] ^= flip;
                assert_eq!(&*Certificate::read(&bytes).der, bytes.as_slice());
            }
        }
    }

    #[test]
    fn bytes_after_a_certificate_do_not_hide_it() {
        let mut der = minted(|_| {});
        der.extend_from_slice(b"more");
        assert_eq!(facts_of(&der).dns_names, ["a.example".into()]);
    }
}
