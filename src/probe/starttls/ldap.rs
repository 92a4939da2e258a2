//! LDAP's extended operation `StartTLS` (RFC 4511 sections 4.12 and 4.14), in BER.

use super::{Stopped, said};

/// `LDAPMessage { messageID 1, extendedReq { requestName 1.3.6.1.4.1.1466.20037 } }`.
pub(super) const REQUEST: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;
/// `[APPLICATION 24]`.
const EXTENDED_RESPONSE: u8 = 0x78;

/// The most octets of a length: 4 GiB is more than enough (Active Directory always writes four).
const LENGTH_MAX_OCTETS: usize = 4;

/// The answer to [`REQUEST`]: `resultCode` 0 agrees. `messageID` 0 is the server's notice that it
/// closes (section 4.4.1).
pub(super) fn consent(heard: &[u8]) -> Result<Option<usize>, Stopped> {
    let other = || Stopped::Else(said(heard));
    if heard.first().is_some_and(|tag| *tag != SEQUENCE) {
        return Err(other());
    }
    let Some((message, rest)) = element(heard, SEQUENCE) else {
        return Ok(None);
    };
    let (id, code, diagnostic) = response(message).ok_or_else(other)?;
    match (id, code) {
        ([0], _) => Err(Stopped::TurnedAway(said(diagnostic))),
        ([1], [0]) => Ok(Some(heard.len() - rest.len())),
        ([1], [code]) => {
            let words = [format!("result {code} ").as_bytes(), diagnostic].concat();
            Err(Stopped::Refused(said(&words)))
        }
        _ => Err(other()),
    }
}

/// `messageID`, `resultCode` and `diagnosticMessage` of an `ExtendedResponse`.
fn response(message: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (id, rest) = element(message, INTEGER)?;
    let (body, _) = element(rest, EXTENDED_RESPONSE)?;
    let (code, rest) = element(body, ENUMERATED)?;
    let (_matched, rest) = element(rest, OCTET_STRING)?;
    let (diagnostic, _) = element(rest, OCTET_STRING)?;
    Some((id, code, diagnostic))
}

/// The contents of an element with this tag, and what comes after it; `None` where it is another
/// or not whole.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (length, rest) = length(rest)?;
    (*first == tag).then(|| rest.split_at_checked(length))?
}

/// A definite length (X.690 section 8.1.3), and what comes after it.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let octets = usize::from(first & 0x7f);
    if first & 0x80 == 0 {
        return Some((octets, rest));
    }
    let (length, rest) = rest.split_at_checked(octets)?;
    let value = length
        .iter()
        .fold(0, |value: usize, octet| value << 8 | usize::from(*octet));
    (1..=LENGTH_MAX_OCTETS)
        .contains(&octets)
        .then_some((value, rest))
}
