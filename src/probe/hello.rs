//! The bytes of a `ClientHello` that offers one version, and what is offered with it.
//!
//! The TLS library offers TLS 1.2 and 1.3 and suites that are fit for use; whether a server still
//! takes SSL 3.0, or RC4 under TLS 1.0, only a hello of our own can find out. These hellos open no
//! session: no key is ever agreed on, so a TLS 1.3 hello carries no key share and a server that
//! takes it asks for one (`HelloRetryRequest`).
//!
//! Section numbers of TLS 1.3 are those of RFC 8446, whose wire format RFC 9846 keeps.

use super::suites::{self, SIGNAL};
use crate::model::TlsVersion;

/// What a hello offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The one version.
    pub version: TlsVersion,
    /// Cipher suites, by IANA's numbers, the preferred first.
    pub suites: Vec<u16>,
    /// Key-exchange groups, likewise; SSL 3.0 has no place for them.
    pub groups: Vec<u16>,
}

impl Offer {
    /// Whatever any server of this version may need, so that a refusal is about the version.
    #[must_use]
    pub fn of(version: TlsVersion) -> Self {
        let groups = match version {
            TlsVersion::Tls13 => TLS13_GROUPS,
            _ => OLD_GROUPS,
        };
        Self {
            version,
            suites: suites::usual(version),
            groups: groups.to_vec(),
        }
    }
}

/// One TLS record that holds a `ClientHello` with this offer. As far as the protocol allows, it is
/// for no other version: a server that takes only older ones may still answer with one of those.
///
/// `server_name` is a DNS name in A-label form (RFC 6066 section 3); SSL 3.0 has no place for it.
#[must_use]
pub fn client_hello(offer: &Offer, server_name: Option<&str>, random: [u8; 32]) -> Vec<u8> {
    let version = offer.version;
    let mut body = Vec::new();
    // TLS 1.3 goes by its extension and claims to be 1.2 here (RFC 8446 section 4.1.2).
    put(&mut body, version.min(TlsVersion::Tls12).wire());
    body.extend(random);
    body.extend(prefixed::<1>(&[])); // no session to resume
    body.extend(prefixed::<2>(&suites(offer)));
    body.extend(prefixed::<1>(&[0])); // no compression
    if version > TlsVersion::Ssl30 {
        let mut extensions = extensions(offer, server_name);
        // The header of the message and the length of the extensions are still to come.
        let length = 4 + body.len() + 2 + extensions.len();
        extensions.extend(padding(length));
        body.extend(prefixed::<2>(&extensions));
    }
    record(version, &message(&body))
}

/// RFC 8446 section 4: type 1 is a `ClientHello`.
fn message(body: &[u8]) -> Vec<u8> {
    let mut message = vec![1];
    message.extend(prefixed::<3>(body));
    message
}

/// RFC 8446 section 5.1: type 22 is the handshake; the first record says TLS 1.0 whatever the
/// hello offers, as servers are used to (and its appendix E.1 advises); SSL 3.0 says its own.
fn record(version: TlsVersion, message: &[u8]) -> Vec<u8> {
    let mut record = vec![22];
    put(&mut record, version.min(TlsVersion::Tls10).wire());
    record.extend(prefixed::<2>(message));
    record
}

fn suites(offer: &Offer) -> Vec<u8> {
    let mut suites = numbers(&offer.suites);
    if offer.version < TlsVersion::Tls13 {
        put(&mut suites, SIGNAL);
    }
    suites
}

/// What each version needs, so that a server that takes the version finds nothing missing: ECDSA
/// servers break off without groups, TLS 1.2 falls back to SHA-1 without signature algorithms
/// (RFC 5246 section 7.4.1.4.1), and servers in FIPS mode insist on the extended master secret
/// (RFC 7627).
fn extensions(offer: &Offer, server_name: Option<&str>) -> Vec<u8> {
    let version = offer.version;
    let mut out = Vec::new();
    // 255 bytes are the most that a DNS name can have (RFC 1035 section 2.3.4).
    if let Some(name) = server_name.filter(|name| name.len() <= 255) {
        let mut host = vec![0]; // host_name
        host.extend(prefixed::<2>(name.as_bytes()));
        extend(&mut out, 0, &prefixed::<2>(&host));
    }
    if version == TlsVersion::Tls13 {
        extend(&mut out, 10, &prefixed::<2>(&numbers(&offer.groups)));
        extend(&mut out, 43, &prefixed::<1>(&numbers(&[version.wire()])));
        extend(&mut out, 51, &prefixed::<2>(&[])); // key_share, empty (RFC 8446 section 4.2.8)
    } else {
        extend(&mut out, 23, &[]); // extended_master_secret
        extend(&mut out, 10, &prefixed::<2>(&numbers(&offer.groups)));
    }
    if version >= TlsVersion::Tls12 {
        extend(&mut out, 13, &prefixed::<2>(&numbers(SIGNATURE_ALGORITHMS)));
    }
    out
}

/// The padding extension that lifts a message of `length` bytes to 512, where it is one of 256 to
/// 511: some servers hang on those (RFC 7685 section 4). It is never empty, as a few break off at
/// an empty extension in the last place.
fn padding(length: usize) -> Vec<u8> {
    let mut out = Vec::new();
    if (256..512).contains(&length) {
        // Type and length of the extension are four bytes of it.
        let zeros = 512_usize.saturating_sub(length + 4).max(1);
        extend(&mut out, 21, &vec![0; zeros]);
    }
    out
}

fn extend(out: &mut Vec<u8>, number: u16, body: &[u8]) {
    put(out, number);
    out.extend(prefixed::<2>(body));
}

fn put(out: &mut Vec<u8>, number: u16) {
    out.extend(number.to_be_bytes());
}

fn numbers(list: &[u16]) -> Vec<u8> {
    list.iter()
        .flat_map(|number| number.to_be_bytes())
        .collect()
}

/// `body` after its length in `N` bytes (RFC 8446 section 3.4). Nothing here comes near the
/// largest length.
fn prefixed<const N: usize>(body: &[u8]) -> Vec<u8> {
    let length = body.len().to_be_bytes();
    let mut out: Vec<u8> = length.into_iter().skip(size_of::<usize>() - N).collect();
    out.extend(body);
    out
}

/// The registry's curves, the usual first: in these versions the list also limits the keys that a
/// certificate may have (RFC 8422 section 5.1). Finite-field groups are left out, as naming some
/// would forbid a server its own (RFC 7919 section 4).
const OLD_GROUPS: &[u16] = &[
    29, 23, 24, 25, 30, // x25519, the curves of NIST, x448
    26, 27, 28, 22, // brainpool, secp256k1
    14, 13, 11, 12, 9, 10, 21, 20, 19, 18, 8, 6, 7, 4, 5, 1, 2, 3, 15, 16, 17,
];

/// Every group that is in use with TLS 1.3. Without a key share they cost two bytes each.
const TLS13_GROUPS: &[u16] = &[
    0x11ec, 0x11eb, 0x11ed, // ML-KEM with x25519, secp256r1, secp384r1
    29, 23, 24, 25, 30, // as above
    31, 32, 33, // brainpool (RFC 8734)
    0x0200, 0x0201, 0x0202, // ML-KEM alone
    0x0100, 0x0101, 0x0102, 0x0103, 0x0104, // finite fields (RFC 7919)
    41,     // curveSM2 (RFC 8998)
];

/// The registry's schemes down to MD5, the better first: leaving one out would hide the servers
/// whose certificates are signed with it.
const SIGNATURE_ALGORITHMS: &[u16] = &[
    0x0403, 0x0503, 0x0603, // ECDSA with SHA-256, 384, 512
    0x0807, 0x0808, // Ed25519, Ed448
    0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, // RSA-PSS
    0x0401, 0x0501, 0x0601, // RSA with SHA-256, 384, 512
    0x0402, 0x0502, 0x0602, // DSA with the same
    0x081a, 0x081b, 0x081c, // ECDSA on brainpool curves (RFC 8734)
    0x0904, 0x0905, 0x0906, // ML-DSA
    0x0708, // SM2 (RFC 8998)
    0x0301, 0x0302, 0x0303, // RSA, DSA, ECDSA with SHA-224
    0x0201, 0x0202, 0x0203, 0x0101, // the same with SHA-1, RSA with MD5
];

#[cfg(test)]
mod tests {
    use rustls::CipherSuite as Suite;
    use rustls::server::Acceptor;

    use super::*;

    const NAME: Option<&str> = Some("shop.example.com");

    fn hello(version: TlsVersion, server_name: Option<&str>) -> Vec<u8> {
        client_hello(&Offer::of(version), server_name, [7; 32])
    }

    fn contains(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|window| window == part)
    }

    /// Where the extensions begin: after the headers, version, random, session, suites and
    /// compression methods.
    fn extensions_of(bytes: &[u8]) -> &[u8] {
        let suites = usize::from(u16::from_be_bytes([bytes[44], bytes[45]]));
        &bytes[46 + suites + 2..]
    }

    #[test]
    fn every_length_in_the_record_fits() {
        for version in TlsVersion::ALL {
            let bytes = hello(version, NAME);
            let length = |at: usize| usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
            assert_eq!(length(3), bytes.len() - 5, "{version:?}: record");
            assert_eq!(length(7), bytes.len() - 9, "{version:?}: message");
            let extensions = extensions_of(&bytes);
            if let Some(size) = extensions.first_chunk() {
                let size = usize::from(u16::from_be_bytes(*size));
                assert_eq!(size, extensions.len() - 2, "{version:?}: extensions");
            }
        }
    }

    #[test]
    fn the_version_stands_where_each_version_has_it() {
        let versions = |version| {
            let bytes = hello(version, None);
            (bytes[1..3].to_vec(), bytes[9..11].to_vec())
        };
        assert_eq!(versions(TlsVersion::Ssl30), (vec![3, 0], vec![3, 0]));
        assert_eq!(versions(TlsVersion::Tls10), (vec![3, 1], vec![3, 1]));
        assert_eq!(versions(TlsVersion::Tls11), (vec![3, 1], vec![3, 2]));
        assert_eq!(versions(TlsVersion::Tls12), (vec![3, 1], vec![3, 3]));
        assert_eq!(versions(TlsVersion::Tls13), (vec![3, 1], vec![3, 3]));
    }

    #[test]
    fn only_tls_1_3_says_so_and_brings_an_empty_key_share() {
        let supported_versions = [0, 43, 0, 3, 2, 3, 4];
        let key_share = [0, 51, 0, 2, 0, 0];
        for version in TlsVersion::ALL {
            let bytes = hello(version, NAME);
            let is_1_3 = version == TlsVersion::Tls13;
            assert_eq!(contains(&bytes, &supported_versions), is_1_3, "{version:?}");
            assert_eq!(contains(&bytes, &key_share), is_1_3, "{version:?}");
        }
    }

    #[test]
    fn ssl_3_0_carries_no_extension_and_so_no_name() {
        let bytes = hello(TlsVersion::Ssl30, NAME);
        assert!(extensions_of(&bytes).is_empty());
        assert!(!contains(&bytes, b"shop.example.com"));
    }

    #[test]
    fn a_real_server_reads_name_and_suites_from_it() {
        for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
            let bytes = hello(version, NAME);
            let mut acceptor = Acceptor::default();
            acceptor.read_tls(&mut &bytes[..]).unwrap();
            let accepted = acceptor
                .accept()
                .map_err(|(error, _)| error)
                .unwrap()
                .unwrap();
            let read = accepted.client_hello();
            assert_eq!(read.server_name(), NAME);
            let has_1_3 = read
                .cipher_suites()
                .contains(&Suite::TLS13_AES_128_GCM_SHA256);
            assert_eq!(has_1_3, version == TlsVersion::Tls13);
        }
    }

    #[test]
    fn without_a_name_none_is_sent() {
        for version in TlsVersion::ALL {
            let shorter = hello(version, None);
            assert!(!contains(&shorter, b"shop"));
        }
        assert!(contains(
            &hello(TlsVersion::Tls10, NAME),
            b"\0\x10shop.example.com"
        ));
    }

    #[test]
    fn no_length_of_name_makes_a_hello_that_servers_hang_on() {
        for version in TlsVersion::ALL {
            for length in 0..=256 {
                let name = "n".repeat(length);
                let bytes = hello(version, Some(&name));
                let message = bytes.len() - 5;
                assert!(
                    !(256..512).contains(&message),
                    "{version:?} {length}: {message}"
                );
                assert!(message < 1024);
            }
        }
    }

    #[test]
    fn every_group_offered_has_a_name() {
        for group in OLD_GROUPS.iter().chain(TLS13_GROUPS) {
            let name = crate::probe::names::group_name(*group);
            assert!(!name.starts_with("0x"), "{name}");
        }
    }
}
