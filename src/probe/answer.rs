//! What a server answers to a `ClientHello`, read as it arrives.
//!
//! Pure: bytes in, messages out. Section numbers are those of RFC 5246 for what comes in clear up
//! to TLS 1.2, and of RFC 8446 (kept by RFC 9846) for TLS 1.3.

use bytes::{Buf, Bytes};

use super::ended::Ended;
use super::names::cipher_name;
use super::records::Records;

/// One handshake message of the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The server's choices.
    ServerHello(ServerHello),
    /// The chain as sent: each certificate's DER, the leaf first. May be empty.
    Certificate(Vec<Vec<u8>>),
    /// The body, which means nothing without the cipher suite: see [`named_group`].
    ServerKeyExchange(Bytes),
    /// A client certificate is asked for.
    CertificateRequest,
    /// The server has said all that it says in clear.
    ServerHelloDone,
    /// Any other, by its type.
    Other(u8),
}

/// The server's choices, from a `ServerHello` or a `HelloRetryRequest`: both have the same form, and
/// here it makes no difference which it is (RFC 8446 section 4.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerHello {
    /// The version as on the wire: that of `supported_versions` where present.
    pub version: u16,
    /// The cipher suite's IANA number.
    pub cipher: u16,
    /// The group of `key_share`; only TLS 1.3 names it here.
    pub group: Option<u16>,
}

/// A reader of one server's answer.
#[derive(Debug)]
pub struct Answer {
    records: Records,
}

impl Answer {
    /// A reader that takes `limit` bytes at most.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            records: Records::new(limit),
        }
    }

    /// Takes what has arrived; an error once that is more than the limit.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        self.records.feed(bytes)
    }

    /// The next message; `None` until more bytes are fed; an error once no more can come.
    pub fn next_message(&mut self) -> Result<Option<Message>, Ended> {
        while let Some((kind, body)) = self.records.next_message()? {
            // A HelloRequest may come at any time and means nothing now (section 7.4.1.1).
            if kind != 0 {
                return parse(kind, body).map(Some);
            }
        }
        Ok(None)
    }
}

/// The types of RFC 5246 section 7.4.
fn parse(kind: u8, body: Bytes) -> Result<Message, Ended> {
    match kind {
        2 => server_hello(&body)
            .map(Message::ServerHello)
            .ok_or(Ended::Malformed("a ServerHello that cannot be read")),
        11 => certificates(&body)
            .map(Message::Certificate)
            .ok_or(Ended::Malformed(
                "a Certificate message that cannot be read",
            )),
        12 => Ok(Message::ServerKeyExchange(body)),
        13 => Ok(Message::CertificateRequest),
        14 => Ok(Message::ServerHelloDone),
        other => Ok(Message::Other(other)),
    }
}

/// Section 7.4.1.3, and RFC 8446 section 4.1.3.
fn server_hello(mut body: &[u8]) -> Option<ServerHello> {
    let body = &mut body;
    let legacy_version = body.try_get_u16().ok()?;
    take(body, 32)?; // random
    let session_id = body.try_get_u8().ok()?;
    take(body, session_id.into())?;
    let cipher = body.try_get_u16().ok()?;
    take(body, 1)?; // compression method
    let mut hello = ServerHello {
        version: legacy_version,
        cipher,
        group: None,
    };
    // Before TLS 1.3 the extensions may be missing altogether.
    if body.is_empty() {
        return Some(hello);
    }
    let mut extensions = block16(body)?;
    while !extensions.is_empty() {
        let kind = extensions.try_get_u16().ok()?;
        let mut value = block16(&mut extensions)?;
        match kind {
            43 => hello.version = value.try_get_u16().ok()?,
            51 => hello.group = Some(value.try_get_u16().ok()?),
            _ => {}
        }
    }
    body.is_empty().then_some(hello)
}

/// Section 7.4.2.
fn certificates(mut body: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut list = block24(&mut body)?;
    let mut certificates = Vec::new();
    while !list.is_empty() {
        let der = block24(&mut list).filter(|der| !der.is_empty())?;
        certificates.push(der.to_vec());
    }
    body.is_empty().then_some(certificates)
}

/// The group that a `ServerKeyExchange` with this body names, where `cipher` is one that names it:
/// a named curve (RFC 8422 section 5.4). Finite-field parameters have no number.
#[must_use]
pub fn named_group(cipher: u16, mut body: &[u8]) -> Option<u16> {
    let is_ecdhe = cipher_name(cipher).starts_with("TLS_ECDHE_");
    let is_named = is_ecdhe && body.try_get_u8() == Ok(3);
    if is_named {
        body.try_get_u16().ok()
    } else {
        None
    }
}

fn take<'a>(from: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(taken)
}

/// What follows its length in two bytes.
fn block16<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = from.try_get_u16().ok()?;
    take(from, length.into())
}

/// What follows its length in three bytes.
fn block24<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let high = from.try_get_u8().ok()?;
    let low = from.try_get_u16().ok()?;
    take(from, usize::from(high) << 16 | usize::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::testdata::{ALL, SSL30, TLS10, TLS12, TLS13};

    const LIMIT: usize = 1 << 16;

    /// Every message, and why reading ended, if it did.
    fn read(bytes: &[u8]) -> (Vec<Message>, Option<Ended>) {
        let mut answer = Answer::new(LIMIT);
        answer.feed(bytes).unwrap();
        let mut messages = Vec::new();
        loop {
            match answer.next_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => return (messages, None),
                Err(ended) => return (messages, Some(ended)),
            }
        }
    }

    fn hello(bytes: &[u8]) -> ServerHello {
        match read(bytes).0.first() {
            Some(Message::ServerHello(hello)) => *hello,
            other => panic!("no ServerHello but {other:?}"),
        }
    }

    #[test]
    fn a_tls_1_2_server_shows_its_chain_its_group_and_its_wish_for_a_client_certificate() {
        let (messages, ended) = read(TLS12);
        assert!(ended.is_none(), "{ended:?}");
        let [
            Message::ServerHello(hello),
            Message::Certificate(chain),
            Message::ServerKeyExchange(exchange),
            Message::CertificateRequest,
            Message::ServerHelloDone,
        ] = &messages[..]
        else {
            panic!("{messages:?}");
        };
        assert_eq!(hello.version, 0x0303);
        assert_eq!(
            cipher_name(hello.cipher),
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
        );
        assert_eq!(named_group(hello.cipher, exchange), Some(29));
        let subjects: Vec<String> = chain.iter().map(|der| subject(der)).collect();
        assert_eq!(subjects, ["CN=peer.test", "CN=ca"]);
    }

    fn subject(der: &[u8]) -> String {
        let (_, certificate) = x509_parser::parse_x509_certificate(der).unwrap();
        certificate.subject().to_string()
    }

    #[test]
    fn a_retry_request_is_an_answer_of_tls_1_3_and_names_the_group() {
        let expected = ServerHello {
            version: 0x0304,
            cipher: 0x1301,
            group: Some(29),
        };
        assert_eq!(hello(TLS13), expected);
    }

    #[test]
    fn old_servers_answer_without_extensions() {
        assert_eq!(hello(SSL30).version, 0x0300);
        assert_eq!(hello(TLS10).version, 0x0301);
    }

    #[test]
    fn every_prefix_of_an_answer_is_waited_on_and_never_misread() {
        for bytes in ALL {
            let whole = read(bytes).0;
            for length in 0..bytes.len() {
                let (messages, ended) = read(&bytes[..length]);
                assert!(ended.is_none(), "{length}: {ended:?}");
                assert_eq!(messages[..], whole[..messages.len()], "{length}");
            }
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_is_read_without_harm() {
        for original in ALL {
            let mut bytes = original.to_vec();
            for position in 0..bytes.len() {
                for bit in 0..8 {
                    bytes[position] ^= 1 << bit;
                    let (messages, _) = read(&bytes);
                    assert!(messages.len() <= bytes.len() / 4);
                    bytes[position] ^= 1 << bit;
                }
            }
        }
    }

    #[test]
    fn a_group_is_read_from_elliptic_curves_alone() {
        let curve = [3, 0, 23, 65];
        assert_eq!(named_group(0xc02f, &curve), Some(23));
        // The prime of ffdhe6144 is 0x0300 bytes long and looks like a curve.
        assert_eq!(named_group(0x009e, &[3, 0, 0xff, 0xff]), None);
        // An explicit curve, which has no number.
        assert_eq!(named_group(0xc02f, &[1, 0, 23]), None);
        assert_eq!(named_group(0xc02f, &[3, 0]), None);
        assert_eq!(named_group(0xc02f, &[]), None);
    }

    #[test]
    fn what_is_left_over_in_a_message_breaks_the_rules() {
        let certificate = [0, 0, 4, 0, 0, 1, 48];
        assert_eq!(certificates(&certificate), Some(vec![vec![48]]));
        assert_eq!(certificates(&[&certificate[..], &[0]].concat()), None);
        assert_eq!(certificates(&[0, 0, 3, 0, 0, 0]), None, "an empty one");
        assert_eq!(certificates(&[0, 0, 0]), Some(vec![]));

        let body = [&[3, 3][..], &[0; 32], &[0, 0xc0, 0x2f, 0]].concat();
        assert!(server_hello(&body).is_some());
        assert!(server_hello(&[&body[..], &[0, 0]].concat()).is_some());
        assert!(server_hello(&[&body[..], &[0, 0, 0]].concat()).is_none());
        assert!(server_hello(&[&body[..], &[0, 1, 0]].concat()).is_none());
    }
}
