//! XMPP's stream negotiation up to TLS (RFC 6120 sections 4 and 5): no XML, only the names of tags.
//!
//! A stream has no comments, sections or instructions that could hide tags (section 11.1), but the
//! declaration at its beginning.

use super::{Stopped, said};

pub(super) const REQUEST: &[u8] = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";

/// The head of a client's stream to `server_name`: a DNS name, in which nothing needs escaping.
pub(super) fn open(server_name: Option<&str>) -> Vec<u8> {
    let to = server_name.map_or_else(String::new, |name| format!(" to='{name}'"));
    format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams'{to} version='1.0'>"
    )
    .into_bytes()
}

/// The server's head of the stream and its features, TLS among them.
pub(super) fn features(heard: &[u8]) -> Result<Option<usize>, Stopped> {
    let mut tags = tags(heard)?;
    let mut is_offered = false;
    while let Some(tag) = tags.next() {
        match tag.name {
            b"starttls" => is_offered = true,
            b"features" if tag.is_end && is_offered => return Ok(Some(tags.read)),
            b"features" if tag.is_end => return Err(Stopped::NotOffered),
            b"error" => return tags.cause(Stopped::TurnedAway),
            b"stream" if tag.is_end => return Err(Stopped::TurnedAway(said(heard))),
            _ => {}
        }
    }
    Ok(None)
}

/// `<proceed/>`, or why not.
pub(super) fn consent(heard: &[u8]) -> Result<Option<usize>, Stopped> {
    let mut tags = tags(heard)?;
    while let Some(tag) = tags.next() {
        match tag.name {
            b"proceed" if tag.is_end => return Ok(Some(tags.read)),
            b"proceed" => {}
            b"failure" => return Err(Stopped::Refused(said(heard))),
            b"error" => return tags.cause(Stopped::TurnedAway),
            _ => return Err(Stopped::Else(said(heard))),
        }
    }
    Ok(None)
}

/// A tag's name without prefix, and whether an element ends with it.
struct Tag<'a> {
    name: &'a [u8],
    is_end: bool,
}

/// The whole tags of `heard`, up to `read`.
struct Tags<'a> {
    heard: &'a [u8],
    read: usize,
}

/// The tags in what may only be the beginning of a stream.
fn tags(heard: &[u8]) -> Result<Tags<'_>, Stopped> {
    match heard.trim_ascii_start().first() {
        Some(b'<') | None => Ok(Tags { heard, read: 0 }),
        Some(_) => Err(Stopped::Else(said(heard))),
    }
}

impl<'a> Tags<'a> {
    fn next(&mut self) -> Option<Tag<'a>> {
        let rest = self.heard.get(self.read..)?;
        let start = rest.iter().position(|byte| *byte == b'<')? + 1;
        let rest = rest.get(start..)?;
        let end = closing(rest)?;
        self.read += start + end + 1;
        let inside = rest.get(..end)?;
        let bare = inside.strip_prefix(b"/").unwrap_or(inside);
        let qualified = bare
            .split(|byte| byte.is_ascii_whitespace() || *byte == b'/')
            .next()?;
        Some(Tag {
            name: qualified.rsplit(|byte| *byte == b':').next()?,
            is_end: inside.starts_with(b"/") || inside.ends_with(b"/"),
        })
    }

    /// An error's cause is the name of the element within it (section 4.9).
    fn cause(&mut self, stopped: fn(Box<str>) -> Stopped) -> Result<Option<usize>, Stopped> {
        self.next()
            .map_or(Ok(None), |tag| Err(stopped(said(tag.name))))
    }
}

/// Where the `>` is that closes a tag, rather than one within a value.
fn closing(inside: &[u8]) -> Option<usize> {
    let mut quote = None;
    inside.iter().position(|byte| {
        match (quote, byte) {
            (None, b'>') => return true,
            (None, b'\'' | b'"') => quote = Some(*byte),
            (Some(open), byte) if open == *byte => quote = None,
            _ => {}
        }
        false
    })
}
