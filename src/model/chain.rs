//! Certificates as they were sent, with what was read from them.

use std::fmt;
use std::net::IpAddr;

use super::validity::Validity;

/// A SHA-256 digest: of one certificate's DER, or of a whole chain's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    /// Lower-case hexadecimal without separators.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a server sent in its Certificate message, in that order, the leaf first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Over all certificates' DER in order: equal chains have equal identities.
    pub id: Fingerprint,
    /// Never empty.
    pub certificates: Vec<Certificate>,
}

impl Chain {
    /// The server's own certificate.
    #[must_use]
    pub fn leaf(&self) -> Option<&Certificate> {
        self.certificates.first()
    }
}

/// One certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// As sent.
    pub der: Box<[u8]>,
    /// SHA-256 of `der`.
    pub fingerprint: Fingerprint,
    /// What could be read of it, or why nothing could.
    pub facts: Result<CertificateFacts, Box<str>>,
}

/// What a key may do, of that which matters to TLS (RFC 5280 section 4.2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUsage {
    /// Sign, as TLS 1.3 and every ephemeral key exchange have it do.
    pub digital_signature: bool,
    /// Decipher a secret, as the RSA key exchange has it do.
    pub key_encipherment: bool,
    /// Sign certificates, as an authority does.
    pub certificate_sign: bool,
}

/// What a certificate says. All text is cleaned (see [`super::clean`]), so fit for a label.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and no state"
)]
pub struct CertificateFacts {
    /// The subject's common name; empty where it has none or it cannot be decoded.
    pub subject_common_name: String,
    /// The issuer's common name; empty as above.
    pub issuer_common_name: String,
    /// The issuer's organisation; empty as above.
    pub issuer_organization: String,
    /// Lower-case hexadecimal, no separators, cut at the label limit.
    pub serial_number: String,
    /// From when to when it is valid.
    pub validity: Validity,
    /// `RSA`, `ECDSA`, `Ed25519`, … or the dotted object identifier.
    pub key_algorithm: String,
    /// The key's size in bits; 0 where the algorithm has no such notion.
    pub key_size: u32,
    /// As Go spells it (`SHA256-RSA`, `ECDSA-SHA384`), or the dotted object identifier.
    pub signature_algorithm: String,
    /// Subject and issuer are the same, byte for byte.
    pub self_issued: bool,
    /// Basic constraints say it is a certificate authority.
    pub is_ca: bool,
    /// What its key may do; `None` where it does not say, so anything.
    pub key_usage: Option<KeyUsage>,
    /// Servers are among what it is for (extended key usage, RFC 5280 section 4.2.1.12), or it
    /// does not say what it is for.
    pub for_servers: bool,
    /// It demands a stapled OCSP response (TLS feature `status_request`, RFC 7633).
    pub must_staple: bool,
    /// DNS names of the subject alternative name, lower case.
    pub dns_names: Vec<Box<str>>,
    /// IP addresses of the subject alternative name.
    pub ip_names: Vec<IpAddr>,
    /// It says where its issuer can be fetched (authority information access, RFC 5280 4.2.2.1).
    pub names_issuer_url: bool,
}
