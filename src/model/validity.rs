//! From when to when a certificate is valid, each date by itself: one that cannot be read loses
//! neither the other nor anything else.

use std::time::Duration;

use x509_parser::asn1_rs::{Any, Sequence, ToDer};
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

use super::time::UnixTime;

/// The dates of a certificate; `None` where one cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Validity {
    /// First instant of validity.
    pub not_before: Option<UnixTime>,
    /// Last second of validity (RFC 5280 section 4.1.2.5: inclusive).
    pub not_after: Option<UnixTime>,
}

impl Validity {
    /// Between two dates that are known.
    #[must_use]
    pub const fn between(not_before: UnixTime, not_after: UnixTime) -> Self {
        Self {
            not_before: Some(not_before),
            not_after: Some(not_after),
        }
    }

    /// Both dates, where both are known.
    #[must_use]
    pub fn both(self) -> Option<(UnixTime, UnixTime)> {
        self.not_before.zip(self.not_after)
    }

    /// How long it lasts, where both dates are known; nothing where it ends before it begins.
    #[must_use]
    pub fn lifetime(self) -> Option<Duration> {
        self.both().map(|(begin, end)| end.since(begin))
    }

    /// The names of the dates that cannot be read, as RFC 5280 spells them.
    #[must_use]
    pub const fn unreadable(self) -> Option<&'static str> {
        match (self.not_before, self.not_after) {
            (Some(_), Some(_)) => None,
            (None, Some(_)) => Some("notBefore"),
            (Some(_), None) => Some("notAfter"),
            (None, None) => Some("notBefore and notAfter"),
        }
    }
}

impl From<&x509_parser::certificate::Validity> for Validity {
    fn from(read: &x509_parser::certificate::Validity) -> Self {
        Self::between(instant(read.not_before), instant(read.not_after))
    }
}

fn instant(read: ASN1Time) -> UnixTime {
    UnixTime::from_secs(read.timestamp())
}

/// Two dates that can be read, as DER.
const READABLE: &[u8] = b"\x30\x1e\x17\x0d700101000000Z\x17\x0d700101000000Z";

/// What can be read of the dates of the certificate `der`, and the certificate with others in
/// their place, which can be read; `None` where there is nothing in their place (RFC 5280 section
/// 4.1).
pub(super) fn set_aside(der: &[u8]) -> Option<(Validity, Vec<u8>)> {
    let (mut certificate, mut fields) = (content(der)?, content(content(der)?)?);
    element(&mut certificate)?;
    let to_be_signed = fields;
    // The version is left out where it is the first.
    let before = if fields.first() == Some(&0xa0) { 4 } else { 3 };
    for _ in 0..before {
        element(&mut fields)?;
    }
    let (before, _) = to_be_signed.split_at_checked(to_be_signed.len() - fields.len())?;
    let validity = read(element(&mut fields)?);
    let to_be_signed = sequence([before, READABLE, fields].concat())?;
    Some((validity, sequence([&to_be_signed, certificate].concat())?))
}

fn read(dates: &[u8]) -> Validity {
    let mut dates = content(dates).unwrap_or_default();
    let mut next = || {
        let (_, date) = ASN1Time::from_der(element(&mut dates)?).ok()?;
        Some(instant(date))
    };
    Validity {
        not_before: next(),
        not_after: next(),
    }
}

/// What the first element is made of.
fn content(bytes: &[u8]) -> Option<&[u8]> {
    let (_, first) = Any::from_der(bytes).ok()?;
    Some(first.data)
}

/// Takes the first element, with its tag and its length.
fn element<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (rest, _) = Any::from_der(bytes).ok()?;
    let (first, rest) = bytes.split_at_checked(bytes.len() - rest.len())?;
    *bytes = rest;
    Some(first)
}

fn sequence(content: Vec<u8>) -> Option<Vec<u8>> {
    Sequence::new(content.into()).to_der_vec().ok()
}
