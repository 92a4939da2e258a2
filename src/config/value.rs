//! Single values: from what is written to what it means, or what is wrong with it.
//!
//! Every function here is pure; an error is a sentence that says what was expected, what was
//! found and, where that is not plain from it, what to write instead.

use std::time::{Duration, UNIX_EPOCH};

use super::node::Value;
use super::suggest;
use crate::model::{Fingerprint, LABEL_LIMIT, UnixTime, clean};

/// No server that takes longer to answer is of use to anybody.
pub(super) const MAX_TIMEOUT: Duration = Duration::from_mins(5);

/// Characters of a Kubernetes name (RFC 1123 label, as `metadata.namespace` takes it).
const NAMESPACE_LENGTH: usize = 63;
/// Octets of a SHA-256 fingerprint.
const SHA256_LENGTH: usize = 32;

/// The message for a value of another type.
pub(super) fn expected(what: &str, found: &Value) -> String {
    let remedy = match found {
        Value::Empty => "; write a value or remove the line",
        _ => "",
    };
    format!("expected {what}, found {}{remedy}", found.describe())
}

/// A text; numbers and the like have to be quoted, because YAML rewrites them.
pub(super) fn text<'a>(value: &'a Value, what: &str) -> Result<&'a str, String> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Bool(_) | Value::Whole(_) | Value::Number(_) => Err(format!(
            "expected {what}, found {}; put it in quotes",
            value.describe()
        )),
        other => Err(expected(what, other)),
    }
}

pub(super) fn flag(value: &Value) -> Result<bool, String> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        other => Err(expected("`true` or `false`", other)),
    }
}

/// A whole number from `least` to `most`.
pub(super) fn whole<N: TryFrom<i128>>(value: &Value, least: u32, most: u32) -> Result<N, String> {
    match value {
        Value::Whole(number) if (i128::from(least)..=i128::from(most)).contains(number) => {
            N::try_from(*number).map_err(|_| expected("a smaller number", value))
        }
        other => Err(expected(
            &format!("a whole number from {least} to {most}"),
            other,
        )),
    }
}

/// A TCP port.
pub(super) fn port(value: &Value) -> Result<u16, String> {
    whole(value, 1, u16::MAX.into())
}

/// A share: above 0, at most 1.
pub(super) fn share(value: &Value) -> Result<f64, String> {
    let share = match value {
        Value::Whole(1) => 1.0,
        Value::Number(number) => *number,
        other => return Err(expected("a number above 0 and at most 1", other)),
    };
    if share > 0.0 && share <= 1.0 {
        Ok(share)
    } else {
        Err(expected("a number above 0 and at most 1", value))
    }
}

/// A duration from `least` to `most`, as humantime writes it.
pub(super) fn duration(value: &Value, least: Duration, most: Duration) -> Result<Duration, String> {
    const EXAMPLES: &str = "a duration such as `30s`, `5m` or `1h 30m`";
    let Value::Text(text) = value else {
        return Err(expected(EXAMPLES, value));
    };
    let span = humantime::parse_duration(text).map_err(|_| expected(EXAMPLES, value))?;
    if (least..=most).contains(&span) {
        return Ok(span);
    }
    Err(format!(
        "expected a duration from {} to {}, found {}",
        spelt(least),
        spelt(most),
        spelt(span),
    ))
}

/// A duration as people write it: whole days as such, which humantime breaks down into months.
pub(super) fn spelt(span: Duration) -> String {
    const DAY: u64 = 24 * 60 * 60;
    match (
        span.as_secs() / DAY,
        span == Duration::from_secs(span.as_secs() / DAY * DAY),
    ) {
        (1.., true) => format!("{}d", span.as_secs() / DAY),
        _ => humantime::format_duration(span).to_string(),
    }
}

/// A day of the calendar, and the end of it in UTC.
pub(super) fn day(value: &Value) -> Result<(String, UnixTime), String> {
    const WHAT: &str = "a date such as `2027-03-01`";
    const DAY: Duration = Duration::from_hours(24);
    let text = text(value, WHAT)?;
    let begins = humantime::parse_rfc3339(&format!("{text}T00:00:00Z"))
        .ok()
        .and_then(|begins| begins.duration_since(UNIX_EPOCH).ok())
        .ok_or_else(|| expected(WHAT, value))?;
    let ends = UnixTime::from_secs(0)
        .saturating_add(begins)
        .saturating_add(DAY);
    Ok((text.to_owned(), ends))
}

/// One of a few words.
pub(super) fn choice<T: Copy>(value: &Value, words: &[(&str, T)]) -> Result<T, String> {
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let found = text(value, &format!("one of {}", known.join(", ")))?;
    words
        .iter()
        .find(|(word, _)| *word == found)
        .map(|(_, meaning)| *meaning)
        .ok_or_else(|| {
            format!(
                "unknown value `{}`; {}",
                clean(found),
                suggest::instead(found, &known)
            )
        })
}

/// A text that becomes the value of a label as it stands.
pub(super) fn label(value: &Value) -> Result<&str, String> {
    let text = text(value, "a text")?;
    if clean(text) == text {
        Ok(text)
    } else {
        Err(format!(
            "a label takes at most {LABEL_LIMIT} characters and no control characters"
        ))
    }
}

/// A namespace's name (RFC 1123 label).
pub(super) fn namespace(value: &Value) -> Result<String, String> {
    let name = text(value, "the name of a namespace")?;
    if is_namespace(name) {
        Ok(name.to_owned())
    } else {
        Err(format!(
            "`{}` is not the name of a namespace, which has 1 to {NAMESPACE_LENGTH} of the \
             characters a-z, 0-9 and `-`, and neither begins nor ends with `-`",
            clean(name)
        ))
    }
}

/// Whether Kubernetes takes this as a namespace's name (RFC 1123 label).
#[must_use]
pub fn is_namespace(name: &str) -> bool {
    (1..=NAMESPACE_LENGTH).contains(&name.len())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name
            .bytes()
            .all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// A SHA-256 fingerprint, in hexadecimal digits of either case, with or without colons.
pub(super) fn fingerprint(value: &Value) -> Result<Fingerprint, String> {
    const WHAT: &str = "a SHA-256 fingerprint of 64 hexadecimal digits";
    sha256(text(value, WHAT)?).ok_or_else(|| expected(WHAT, value))
}

fn sha256(text: &str) -> Option<Fingerprint> {
    let hex = text.replace(':', "");
    if hex.len() != SHA256_LENGTH * 2 || !hex.bytes().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    let mut octets = [0; SHA256_LENGTH];
    for (octet, pair) in octets.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *octet = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(Fingerprint(octets))
}
