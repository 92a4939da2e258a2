//! Which format and encoding a client asked for (RFC 9110 section 12.5).

use axum::http::{HeaderMap, HeaderName, header};

use crate::record::Format;

/// The format to answer in: OpenMetrics where it is asked for by name and nothing is preferred
/// to it, else the text format, which everything reads.
pub(super) fn format(headers: &HeaderMap) -> Format {
    let ranges: Vec<Item> = items(headers, &header::ACCEPT).collect();
    let openmetrics = best(&ranges, |range| {
        range.name == "application/openmetrics-text" && version_is(range, "1.0.0")
    });
    let text = best(&ranges, |range| {
        range.name == "text/plain" && version_is(range, "0.0.4")
    })
    .or_else(|| best(&ranges, |range| range.name == "text/*"))
    .or_else(|| best(&ranges, |range| range.name == "*/*"));
    match openmetrics {
        Some(weight) if weight > 0 && weight >= text.unwrap_or(0) => Format::OpenMetrics,
        _ => Format::Text,
    }
}

/// Whether the client takes gzip.
pub(super) fn gzip(headers: &HeaderMap) -> bool {
    let codings: Vec<Item> = items(headers, &header::ACCEPT_ENCODING).collect();
    best(&codings, |coding| coding.name == "gzip").is_some_and(|weight| weight > 0)
}

/// One element of a header's list: its name in lower case, its parameters and its weight.
struct Item {
    name: String,
    version: Option<String>,
    /// In thousandths.
    weight: u16,
}

/// A range without a version takes any.
fn version_is(range: &Item, version: &str) -> bool {
    range
        .version
        .as_deref()
        .is_none_or(|asked| asked == version)
}

fn best(items: &[Item], fits: impl Fn(&Item) -> bool) -> Option<u16> {
    items
        .iter()
        .filter(|item| fits(item))
        .map(|item| item.weight)
        .max()
}

/// The list in all headers of this name; what cannot be read is left out.
fn items<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = Item> + 'a {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(item)
}

fn item(text: &str) -> Option<Item> {
    let mut parts = text.split(';').map(str::trim);
    let mut item = Item {
        name: parts.next()?.to_ascii_lowercase(),
        version: None,
        weight: WEIGHT_MAX,
    };
    for (key, value) in parts.filter_map(|part| part.split_once('=')) {
        match key.trim().to_ascii_lowercase().as_str() {
            "q" => item.weight = weight(value.trim())?,
            "version" => item.version = Some(value.trim().trim_matches('"').to_owned()),
            _ => {}
        }
    }
    Some(item)
}

/// A weight of 1, in thousandths: three digits are all that the grammar has.
const WEIGHT_MAX: u16 = 1000;

fn weight(text: &str) -> Option<u16> {
    let weight: f32 = text.parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked"
    )]
    (0.0..=1.0)
        .contains(&weight)
        .then(|| (weight * f32::from(WEIGHT_MAX)).round() as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &HeaderName, values: &[&str]) -> HeaderMap {
        values
            .iter()
            .map(|value| (name.clone(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn the_format_follows_the_accept_header() {
        use Format::{OpenMetrics, Text};
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,\
             application/openmetrics-text;version=0.0.1;q=0.6,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.4,\
             */*;q=0.3";
        let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
             encoding=delimited;q=0.7,text/plain;version=0.0.4;q=0.4,*/*;q=0.3";
        for (accept, expected) in [
            (prometheus, OpenMetrics),
            (protobuf, Text),
            ("", Text),
            ("*/*", Text),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Text),
            ("text/plain", Text),
            ("text/plain;version=0.0.4", Text),
            ("application/openmetrics-text", OpenMetrics),
            ("application/openmetrics-text; version=1.0.0", OpenMetrics),
            (
                "application/openmetrics-text; version=\"1.0.0\"",
                OpenMetrics,
            ),
            (
                "Application/OpenMetrics-Text; Version=1.0.0; Q=1",
                OpenMetrics,
            ),
            ("application/openmetrics-text;version=0.0.1", Text),
            ("application/openmetrics-text;version=2.0.0", Text),
            ("application/openmetrics-text;q=0", Text),
            ("application/openmetrics-text;q=0.000,*/*;q=0", Text),
            (
                "application/openmetrics-text;q=0.4,text/plain;q=0.4",
                OpenMetrics,
            ),
            (
                "application/openmetrics-text;q=0.399,text/plain;q=0.4",
                Text,
            ),
            ("application/openmetrics-text;q=0.4,*/*;q=0.5", Text),
            (
                "application/openmetrics-text;q=0.4,text/*;q=0.3,*/*;q=0.5",
                OpenMetrics,
            ),
            (
                "application/openmetrics-text;q=0.5,text/plain;version=1.0.0;q=0.9",
                OpenMetrics,
            ),
            ("application/openmetrics-text;q=NaN", Text),
            ("application/openmetrics-text;q=7", Text),
            (";;;,,=,q=,application/openmetrics-text;q", OpenMetrics),
        ] {
            assert_eq!(
                format(&headers(&header::ACCEPT, &[accept])),
                expected,
                "{accept}"
            );
        }
    }

    #[test]
    fn several_accept_headers_are_one_list() {
        let accept = ["text/plain;q=0.2", "application/openmetrics-text;q=0.3"];
        assert_eq!(
            format(&headers(&header::ACCEPT, &accept)),
            Format::OpenMetrics
        );
        assert_eq!(format(&HeaderMap::new()), Format::Text);
    }

    #[test]
    fn gzip_is_used_only_where_it_is_asked_for() {
        for (accept, expected) in [
            ("gzip", true),
            ("GZIP;q=0.5", true),
            ("deflate, gzip;q=1.0, *;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip;q=0.000", false),
            ("*", false),
            ("identity", false),
            ("", false),
        ] {
            let headers = headers(&header::ACCEPT_ENCODING, &[accept]);
            assert_eq!(gzip(&headers), expected, "{accept}");
        }
    }
}
