//! Replies in lines: SMTP, FTP, POP3 and IMAP.

use super::{Stopped, said};

/// A reply that begins with a number (RFC 5321 section 4.2, RFC 959 section 4.2).
struct Numbered<'a> {
    code: u16,
    text: &'a [u8],
}

impl Numbered<'_> {
    /// Whole where the code is as `expected`, or else stopped as `otherwise` has it. That the
    /// service closes (421) may come at any time.
    fn expect(
        &self,
        expected: u16,
        otherwise: fn(Box<str>) -> Stopped,
    ) -> Result<Option<usize>, Stopped> {
        match self.code {
            code if code == expected => Ok(Some(self.text.len())),
            421 => Err(Stopped::TurnedAway(said(self.text))),
            _ => Err(otherwise(said(self.text))),
        }
    }
}

/// The first reply, once it is whole.
///
/// After `NNN-` it goes on up to a line that begins with the same number and no hyphen. What stands
/// between is anything in FTP, and the same number with a hyphen in SMTP: the one rule reads both.
fn numbered(heard: &[u8]) -> Result<Option<Numbered<'_>>, Stopped> {
    let (digits, after) = heard.split_at(heard.len().min(3));
    let is_number = digits.iter().all(u8::is_ascii_digit);
    let is_separated = matches!(after.first(), None | Some(b' ' | b'-' | b'\r' | b'\n'));
    if !(is_number && is_separated) {
        return Err(Stopped::Else(said(heard)));
    }
    let mut length = 0;
    for line in lines(heard) {
        length += line.len();
        let after = line.strip_prefix(digits).and_then(|rest| rest.first());
        if matches!(after, Some(b' ' | b'\r' | b'\n')) {
            let code = digits
                .iter()
                .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
            let text = heard.get(..length).unwrap_or_default();
            return Ok(Some(Numbered { code, text }));
        }
    }
    Ok(None)
}

/// The lines that are whole, with their ends. Some servers end them with a line feed alone.
fn lines(heard: &[u8]) -> impl Iterator<Item = &[u8]> {
    heard
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| line.ends_with(b"\n"))
}

pub(super) fn smtp_greeting(heard: &[u8]) -> Result<Option<usize>, Stopped> {
    let Some(reply) = numbered(heard)? else {
        return Ok(None);
    };
    reply.expect(220, Stopped::TurnedAway)
}

/// The answer to EHLO: a keyword in each line but the first (RFC 5321 section 4.1.1.1).
pub(super) fn smtp_capabilities(heard: &[u8]) -> Result<Option<usize>, Stopped> {
    let Some(reply) = numbered(heard)? else {
        return Ok(None);
    };
    let whole = reply.expect(250, Stopped::Refused)?;
    let mut keywords = lines(reply.text).skip(1).filter_map(|line| {
        line.get(4..)?
            .trim_ascii()
            .split(|byte| *byte == b' ')
            .next()
    });
    if keywords.any(|keyword| keyword.eq_ignore_ascii_case(b"STARTTLS")) {
        Ok(whole)
    } else {
        Err(Stopped::NotOffered)
    }
}

pub(super) fn smtp_consent(heard: &[u8]) -> Result<Option<usize>, Stopped> {
    let Some(reply) = numbered(heard)? else {
        return Ok(None);
    };
    reply.expect(220, Stopped::Refused)
}

/// A server that is busy says so first, with 120.
pub(super) fn ftp_greeting(heard: &[u8]) -> Result<Option<usize>, Stopped> {
    let mut before = 0;
    let mut rest = heard;
    while let Some(reply) = numbered(rest)? {
        if reply.code != 120 {
            let whole = reply.expect(220, Stopped::TurnedAway)?;
            return Ok(whole.map(|length| before + length));
        }
        before += reply.text.len();
        rest = heard.get(before..).unwrap_or_default();
    }
    Ok(None)
}

pub(super) fn ftp_consent(heard: &[u8]) -> Result<Option<usize>, Stopped> {
    let Some(reply) = numbered(heard)? else {
        return Ok(None);
    };
    reply.expect(234, Stopped::Refused)
}

pub(super) fn pop3_greeting(heard: &[u8]) -> Result<Option<usize>, Stopped> {
    pop3(heard, Stopped::TurnedAway)
}

pub(super) fn pop3_consent(heard: &[u8]) -> Result<Option<usize>, Stopped> {
    pop3(heard, Stopped::Refused)
}

/// One line with an indicator (RFC 1939 section 3).
fn pop3(heard: &[u8], negative: fn(Box<str>) -> Stopped) -> Result<Option<usize>, Stopped> {
    let is_negative = begins_as(heard, b"-ERR");
    if !(is_negative || begins_as(heard, b"+OK")) {
        return Err(Stopped::Else(said(heard)));
    }
    match lines(heard).next() {
        Some(line) if is_negative => Err(negative(said(line))),
        line => Ok(line.map(<[u8]>::len)),
    }
}

/// Whether one is the beginning of the other, whatever the case.
fn begins_as(heard: &[u8], word: &[u8]) -> bool {
    heard
        .iter()
        .zip(word)
        .all(|(one, other)| one.eq_ignore_ascii_case(other))
}

/// The first line (RFC 9051 section 7.1).
pub(super) fn imap_greeting(heard: &[u8]) -> Result<Option<usize>, Stopped> {
    if !begins_as(heard, b"* ") {
        return Err(Stopped::Else(said(heard)));
    }
    let Some(line) = lines(heard).next() else {
        return Ok(None);
    };
    if begins_as(line, b"* OK") {
        Ok(Some(line.len()))
    } else if begins_as(line, b"* PREAUTH") {
        // TLS can only start before it is known who the client is.
        Err(Stopped::Refused(said(line)))
    } else {
        Err(Stopped::TurnedAway(said(line)))
    }
}

/// The answer to the command tagged `a`, after whatever the server says of its own accord.
pub(super) fn imap_consent(heard: &[u8]) -> Result<Option<usize>, Stopped> {
    let mut length = 0;
    for line in lines(heard) {
        length += line.len();
        if begins_as(line, b"* BYE") {
            return Err(Stopped::TurnedAway(said(line)));
        } else if begins_as(line, b"a OK") {
            return Ok(Some(length));
        } else if begins_as(line, b"a ") {
            return Err(Stopped::Refused(said(line)));
        } else if !begins_as(line, b"* ") {
            return Err(Stopped::Else(said(line)));
        }
    }
    Ok(None)
}
