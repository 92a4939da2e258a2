//! Reads one certificate, whatever is wrong with it.
//!
//! Nothing here decides whether a certificate is good. What cannot be read is empty; a certificate
//! of which nothing can be read keeps its bytes and its fingerprint beside the reason.

use std::net::IpAddr;

use aws_lc_rs::digest;
use x509_parser::asn1_rs::{Any, Oid, Tag};
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::nom::Err as NomErr;
use x509_parser::nom::error::ErrorKind;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo, X509Name};

use super::chain::{Certificate, CertificateFacts, Fingerprint, KeyUsage};
use super::text::{LABEL_LIMIT, clean};
use super::validity;

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
    match X509Certificate::from_der(der) {
        Ok((_, certificate)) => Ok(said_by(&certificate)),
        Err(error) => despite_dates(der).ok_or_else(|| unreadable(error).into()),
    }
}

/// All but its dates, where those alone cannot be read.
fn despite_dates(der: &[u8]) -> Option<CertificateFacts> {
    let (validity, rest) = validity::set_aside(der)?;
    let (_, certificate) = X509Certificate::from_der(&rest).ok()?;
    Some(CertificateFacts {
        validity,
        ..said_by(&certificate)
    })
}

/// Why nothing can be read. The parser's own words are about its insides.
fn unreadable(error: NomErr<X509Error>) -> &'static str {
    let error = match error {
        NomErr::Error(error) | NomErr::Failure(error) => error,
        NomErr::Incomplete(_) => return "cut short",
    };
    match error {
        X509Error::InvalidVersion => "malformed version",
        X509Error::InvalidSerial => "malformed serial number",
        X509Error::InvalidAlgorithmIdentifier => "malformed algorithm identifier",
        X509Error::InvalidX509Name => "malformed name",
        X509Error::InvalidDate => "malformed dates",
        X509Error::InvalidSPKI => "malformed public key",
        X509Error::InvalidIssuerUID | X509Error::InvalidSubjectUID => "malformed unique identifier",
        X509Error::InvalidExtensions => "malformed extensions",
        X509Error::InvalidSignatureValue => "malformed signature",
        X509Error::Der(x509_parser::der_parser::error::BerError::Incomplete(_))
        | X509Error::NomError(ErrorKind::Eof) => "cut short",
        _ => "malformed DER",
    }
}

fn said_by(certificate: &X509Certificate<'_>) -> CertificateFacts {
    let (dns_names, ip_names) = alternative_names(certificate);
    CertificateFacts {
        subject_common_name: common_name(certificate.subject()),
        issuer_common_name: common_name(certificate.issuer()),
        issuer_organization: last_text(certificate.issuer().iter_organization()),
        serial_number: serial(certificate.raw_serial()),
        validity: certificate.validity().into(),
        key_algorithm: key_algorithm(certificate.public_key()),
        key_size: key_size(certificate.public_key()),
        signature_algorithm: signature_algorithm(&certificate.signature_algorithm),
        self_issued: certificate.subject().as_raw() == certificate.issuer().as_raw(),
        is_ca: is_ca(certificate),
        key_usage: key_usage(certificate),
        for_servers: for_servers(certificate),
        must_staple: must_staple(certificate),
        dns_names,
        ip_names,
        names_issuer_url: names_issuer_url(certificate),
    }
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
#[path = "certificate_test.rs"]
mod tests;
