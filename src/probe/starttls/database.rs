//! `PostgreSQL` and `MySQL`: binary messages.

use super::{HEARD_MAX_BYTES, Stopped, said};

/// `SSLRequest`: its length, and the code 80877103.
pub(super) const POSTGRES_REQUEST: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";

/// One byte: `S` agrees, `N` does not. An error (`E`) comes of a server that is out of resources.
pub(super) fn postgres_consent(heard: &[u8]) -> Result<Option<usize>, Stopped> {
    match heard.first() {
        None => Ok(None),
        Some(b'S') => Ok(Some(1)),
        Some(b'N') => Err(Stopped::Refused("N".into())),
        Some(b'E') => Err(Stopped::TurnedAway(said(heard))),
        Some(_) => Err(Stopped::Else(said(heard))),
    }
}

/// `SSLRequest`: a packet of 32 bytes, the second of the connection. Capabilities: long password,
/// protocol 4.1, SSL, secure connection; packets of 16 MiB at most; the character set utf8; 23 bytes
/// for nothing.
pub(super) const MYSQL_REQUEST: &[u8] =
    b"\x20\0\0\x01\x01\x8a\0\0\0\0\0\x01\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// `CLIENT_SSL`, of the lower half of the server's capabilities.
const SSL: u16 = 0x0800;

/// The server's packet `HandshakeV10`, with TLS among its capabilities; or an error.
pub(super) fn mysql_greeting(heard: &[u8]) -> Result<Option<usize>, Stopped> {
    let other = || Stopped::Else(said(heard));
    let Some(([a, b, c, number], rest)) = heard.split_first_chunk() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
    if *number != 0 || length > HEARD_MAX_BYTES {
        return Err(other());
    }
    let Some(packet) = rest.get(..length) else {
        return Ok(None);
    };
    match packet.split_first() {
        Some((10, greeting)) => {
            let capabilities = capabilities(greeting).ok_or_else(other)?;
            if capabilities & SSL == 0 {
                return Err(Stopped::NotOffered);
            }
            Ok(Some(heard.len() - rest.len() + length))
        }
        // Its number, then its text.
        Some((0xff, error)) => {
            let text = error.get(2..).unwrap_or_default();
            Err(Stopped::TurnedAway(said(text)))
        }
        _ => Err(other()),
    }
}

/// They stand after the server's version, its thread's number and the first part of a challenge.
fn capabilities(greeting: &[u8]) -> Option<u16> {
    const BETWEEN_BYTES: usize = 4 + 8 + 1;
    let version = greeting.iter().position(|byte| *byte == 0)?;
    let rest = greeting.get(version + 1 + BETWEEN_BYTES..)?;
    rest.first_chunk().map(|low| u16::from_le_bytes(*low))
}
