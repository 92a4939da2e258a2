//! What the deep probe finds out about one address: what is accepted beside what a modern client
//! gets.

use super::observation::{At, Handshake, TlsVersion};

/// What a server does when it is asked for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It took it.
    Accepted,
    /// It refused, and is known to speak TLS to others.
    Refused,
    /// It could not be found out: no answer, or one that says nothing about what was asked for.
    Unknown,
}

impl Acceptance {
    /// `None` where it could not be found out.
    #[must_use]
    pub const fn known(self) -> Option<bool> {
        match self {
            Self::Accepted => Some(true),
            Self::Refused => Some(false),
            Self::Unknown => None,
        }
    }
}

/// The answers to each of [`TlsVersion::ALL`], in that order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionSupport(pub [Acceptance; 5]);

impl VersionSupport {
    /// The answers beside their versions, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (TlsVersion, Acceptance)> + '_ {
        TlsVersion::ALL.into_iter().zip(self.0)
    }

    /// The answer to one version.
    #[must_use]
    pub fn of(&self, version: TlsVersion) -> Acceptance {
        look_up(self.iter(), &version)
    }
}

/// A kind of cipher suites that is asked for as one. A suite may be of several kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CipherClass {
    /// Nothing is encrypted.
    Null,
    /// The server shows no certificate, so that anybody may stand in for it.
    Anonymous,
    /// Keys cut to 40 or 56 bits for export out of the United States, before 2000.
    Export,
    /// DES with its own 56-bit keys.
    Des,
    /// RC4, forbidden by RFC 7465.
    Rc4,
    /// Triple DES, whose blocks of 64 bits repeat (Sweet32, CVE-2016-2183).
    TripleDes,
    /// Cipher block chaining, of any cipher.
    Cbc,
    /// The server's long-term key, once it is known, opens what was recorded before.
    NoForwardSecrecy,
    /// Authenticated encryption in TLS 1.2: what every suite should be.
    Aead,
    /// Finite-field Diffie-Hellman with AES-GCM, which `OpenShift`'s intermediate profile names and
    /// Mozilla's does not.
    DheAead,
    /// In none of the kinds above but AEAD, and yet named by neither of these profiles.
    Unlisted,
    /// Not even among the 29 that `OpenShift`'s old profile names.
    Uncommon,
}

impl CipherClass {
    /// Every class, the most dangerous first.
    pub const ALL: [Self; 12] = [
        Self::Null,
        Self::Anonymous,
        Self::Export,
        Self::Des,
        Self::Rc4,
        Self::TripleDes,
        Self::Cbc,
        Self::NoForwardSecrecy,
        Self::Aead,
        Self::DheAead,
        Self::Unlisted,
        Self::Uncommon,
    ];

    /// The spelling in labels.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Anonymous => "anonymous",
            Self::Export => "export",
            Self::Des => "des",
            Self::Rc4 => "rc4",
            Self::TripleDes => "triple_des",
            Self::Cbc => "cbc",
            Self::NoForwardSecrecy => "no_forward_secrecy",
            Self::Aead => "aead",
            Self::DheAead => "dhe_aead",
            Self::Unlisted => "unlisted",
            Self::Uncommon => "uncommon",
        }
    }
}

/// The answers to each of [`CipherClass::ALL`], in that order, over all versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CipherSupport(pub [Acceptance; 12]);

impl CipherSupport {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self([Acceptance::Unknown; 12]);

    /// The answers beside their classes.
    pub fn iter(&self) -> impl Iterator<Item = (CipherClass, Acceptance)> + '_ {
        CipherClass::ALL.into_iter().zip(self.0)
    }

    /// The answer to one class.
    #[must_use]
    pub fn of(&self, class: CipherClass) -> Acceptance {
        look_up(self.iter(), &class)
    }
}

/// A key-exchange group that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// A hybrid with ML-KEM (RFC 10024).
    X25519MlKem768,
    /// A hybrid with ML-KEM (RFC 10024).
    SecP256r1MlKem768,
    /// A hybrid with ML-KEM (RFC 10024).
    SecP384r1MlKem1024,
    /// RFC 7748.
    X25519,
    /// RFC 7748.
    X448,
    /// NIST P-521.
    Secp521r1,
    /// NIST P-384.
    Secp384r1,
    /// NIST P-256.
    Secp256r1,
    /// RFC 7919.
    Ffdhe2048,
    /// RFC 7919.
    Ffdhe3072,
}

impl Group {
    /// Every group, in the order in which they are offered. Before TLS 1.3 the curves of NIST come
    /// last, as a certificate may need one of them to be offered (RFC 8422 section 5.1).
    pub const ALL: [Self; 10] = [
        Self::X25519MlKem768,
        Self::SecP256r1MlKem768,
        Self::SecP384r1MlKem1024,
        Self::X25519,
        Self::X448,
        Self::Secp521r1,
        Self::Secp384r1,
        Self::Secp256r1,
        Self::Ffdhe2048,
        Self::Ffdhe3072,
    ];

    /// IANA's number.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::X25519MlKem768 => 0x11ec,
            Self::SecP256r1MlKem768 => 0x11eb,
            Self::SecP384r1MlKem1024 => 0x11ed,
            Self::X25519 => 29,
            Self::X448 => 30,
            Self::Secp521r1 => 25,
            Self::Secp384r1 => 24,
            Self::Secp256r1 => 23,
            Self::Ffdhe2048 => 0x0100,
            Self::Ffdhe3072 => 0x0101,
        }
    }

    /// The spelling in labels: IANA's, with Go's capitals for `X25519` and `X448`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::X25519MlKem768 => "X25519MLKEM768",
            Self::SecP256r1MlKem768 => "SecP256r1MLKEM768",
            Self::SecP384r1MlKem1024 => "SecP384r1MLKEM1024",
            Self::X25519 => "X25519",
            Self::X448 => "X448",
            Self::Secp521r1 => "secp521r1",
            Self::Secp384r1 => "secp384r1",
            Self::Secp256r1 => "secp256r1",
            Self::Ffdhe2048 => "ffdhe2048",
            Self::Ffdhe3072 => "ffdhe3072",
        }
    }

    /// Whether what is recorded today stays closed to a quantum computer. Such groups exist in TLS
    /// 1.3 alone.
    #[must_use]
    pub const fn is_post_quantum(self) -> bool {
        matches!(
            self,
            Self::X25519MlKem768 | Self::SecP256r1MlKem768 | Self::SecP384r1MlKem1024
        )
    }

    /// Whether it is a curve alone, which a `ServerKeyExchange` names before TLS 1.3.
    #[must_use]
    pub const fn is_curve(self) -> bool {
        matches!(
            self,
            Self::X25519 | Self::X448 | Self::Secp521r1 | Self::Secp384r1 | Self::Secp256r1
        )
    }
}

/// The answers to each of [`Group::ALL`], in that order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSupport(pub [Acceptance; 10]);

impl GroupSupport {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self([Acceptance::Unknown; 10]);

    /// The answers beside their groups.
    pub fn iter(&self) -> impl Iterator<Item = (Group, Acceptance)> + '_ {
        Group::ALL.into_iter().zip(self.0)
    }

    /// The answer to one group.
    #[must_use]
    pub fn of(&self, group: Group) -> Acceptance {
        look_up(self.iter(), &group)
    }
}

/// What one address answered to an HTTP request over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsAnswer {
    /// The path that was requested, without a query.
    pub path: &'static str,
    /// The status code.
    pub status: u16,
    /// The header `Strict-Transport-Security` (RFC 6797 section 6.1), where it was sent; cleaned.
    pub hsts: Option<Box<str>>,
    /// The body says that a client certificate is missing, as nginx does after a handshake without.
    pub misses_certificate: bool,
}

/// What one address said to the deep probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeepSeen {
    /// To each version.
    pub versions: VersionSupport,
    /// To each class of cipher suites.
    pub ciphers: CipherSupport,
    /// To each key-exchange group: under TLS 1.3 where it speaks that.
    pub groups: GroupSupport,
    /// To the requests of [`Requests`](super::door::Requests), where HTTP came back.
    pub https: Vec<HttpsAnswer>,
    /// Handshakes by one kind of key alone, RSA or another, where the server may have a certificate
    /// for each: what a regular handshake shows may be among them.
    pub by_key: Box<[At<Handshake>]>,
}

impl DeepSeen {
    /// Of an address that was asked for versions only.
    #[must_use]
    pub fn of_versions(versions: VersionSupport) -> Self {
        Self {
            versions,
            ciphers: CipherSupport::UNKNOWN,
            groups: GroupSupport::UNKNOWN,
            https: Vec::new(),
            by_key: Box::default(),
        }
    }
}

fn look_up<K: PartialEq>(
    mut answers: impl Iterator<Item = (K, Acceptance)>,
    wanted: &K,
) -> Acceptance {
    let found = answers.find(|(of, _)| of == wanted);
    found.map_or(Acceptance::Unknown, |(_, answer)| answer)
}
