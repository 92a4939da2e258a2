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

/// The server's choices, from a `ServerHello` or a HelloRetryRequest: both have the same form, and
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
        match self.records.next_message()? {
            Some((kind, body)) => parse(kind, body).map(Some),
            None => Ok(None),
        }
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
