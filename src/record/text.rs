//! The two text formats: what they are called, how they escape and how they write numbers.

use crate::model::Family;

/// A text format that Prometheus scrapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// The Prometheus text format 0.0.4.
    Text,
}

impl Format {
    /// The exact `Content-Type`; Prometheus 3 refuses a body without one.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// What a body ends with: OpenMetrics wants to be told that it is complete.
    #[must_use]
    pub const fn end(self) -> &'static str {
        match self {
            Self::OpenMetrics => "# EOF\n",
            Self::Text => "",
        }
    }
}

/// Appends a label as `name="value"`, the value escaped as both formats ask.
pub(super) fn push_label(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str("=\"");
    push_escaped(out, value, true);
    out.push('"');
}

/// Appends a family's own labels with these values, in order; labels beyond them are left out.
pub(super) fn push_labels<'a>(
    out: &mut String,
    family: &Family,
    values: impl Iterator<Item = &'a str>,
) {
    for (at, (name, value)) in family.labels.iter().zip(values).enumerate() {
        if at > 0 {
            out.push(',');
        }
        push_label(out, name, value);
    }
}

/// Appends a HELP text: only OpenMetrics escapes quotes there.
pub(super) fn push_help(out: &mut String, help: &str, format: Format) {
    push_escaped(out, help, format == Format::OpenMetrics);
}

fn push_escaped(out: &mut String, text: &str, quotes: bool) {
    let mut rest = text;
    // Most texts have nothing to escape, and are copied in one go.
    while let Some(at) = rest.find(|c| matches!(c, '\\' | '\n') || (quotes && c == '"')) {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let mut special = special.chars();
        match special.next() {
            Some('\n') => out.push_str("\\n"),
            Some(c) => out.extend(['\\', c]),
            None => {}
        }
        rest = special.as_str();
    }
    out.push_str(rest);
}

/// Below this, every whole `f64` is an exact `i64` and is written in full digits, so that
/// timestamps read as such.
const WHOLE_BELOW: f64 = 1e18;

/// Appends a value as Prometheus writes it: whole numbers without a fraction, `NaN`, `+Inf`.
pub(super) fn push_number(out: &mut String, value: f64) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else if value.abs() < WHOLE_BELOW && value.fract() == 0.0 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole and in range, as checked"
        )]
        out.push_str(itoa::Buffer::new().format(value as i64));
    } else {
        out.push_str(ryu::Buffer::new().format_finite(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: f64) -> String {
        let mut out = String::new();
        push_number(&mut out, value);
        out
    }

    #[test]
    fn numbers_are_written_as_prometheus_reads_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-3.0, "-3"),
            (1_700_000_000.0, "1700000000"),
            (1_700_000_000.5, "1700000000.5"),
            (253_402_300_799.0, "253402300799"),
            (0.025, "0.025"),
            (1e-7, "1e-7"),
            (1e17, "100000000000000000"),
            (1e18, "1e18"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn every_number_reads_back_as_itself() {
        for value in [
            0.1,
            -1.5e300,
            5e-324,
            9_007_199_254_740_993.0,
            999_999_999_999_999_999.0,
        ] {
            assert_eq!(number(value).parse(), Ok(value));
        }
    }

    #[test]
    fn a_label_value_cannot_end_itself_or_its_line() {
        let mut out = String::new();
        push_label(&mut out, "cn", "a\"b\\c\nd\\\"é");
        assert_eq!(out, r#"cn="a\"b\\c\nd\\\"é""#);
    }

    #[test]
    fn help_quotes_are_escaped_in_openmetrics_only() {
        let help = |format| {
            let mut out = String::new();
            push_help(&mut out, "say \"a\\b\"\n", format);
            out
        };
        assert_eq!(help(Format::OpenMetrics), r#"say \"a\\b\"\n"#);
        assert_eq!(help(Format::Text), r#"say "a\\b"\n"#);
    }
}
