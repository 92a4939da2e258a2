//! Comma-separated values (RFC 4180), harmless in a spreadsheet.

use crate::record::RowRecord;
use crate::report::{self, When};

const HEAD: [&str; 14] = [
    "status",
    "state",
    "source",
    "namespace",
    "name",
    "host",
    "port",
    "address",
    "not_after",
    "version",
    "issuer",
    "findings",
    "accepted",
    "failure",
];

/// A line for each row, below the names of the columns.
pub(super) fn render(rows: &[RowRecord]) -> String {
    let head = HEAD.map(str::to_owned);
    let lines = std::iter::once(head).chain(rows.iter().map(line));
    lines
        .map(|fields| fields.map(|text| field(&text)).join(",") + "\r\n")
        .collect()
}

fn line(row: &RowRecord) -> [String; HEAD.len()] {
    let own = &row.target.row;
    let summary = row.summary;
    let join = |names: Vec<&str>| names.join(" ");
    [
        report::status(row).to_owned(),
        row.posture.label().to_owned(),
        own.source.to_owned(),
        own.namespace.to_string(),
        own.name.to_string(),
        own.host.to_string(),
        own.port.to_string(),
        own.address.to_string(),
        summary
            .not_after
            .and_then(When::new)
            .map_or_else(String::new, |at| at.to_string()),
        summary
            .version
            .map_or("", |version| version.label())
            .to_owned(),
        super::issuer(row).to_owned(),
        join(
            row.findings
                .iter()
                .map(|finding| finding.spec.name)
                .collect(),
        ),
        join(
            row.waived
                .iter()
                .map(|waived| waived.finding.spec.name)
                .collect(),
        ),
        summary
            .failure
            .map_or("", |reason| reason.label())
            .to_owned(),
    ]
}

/// Quoted where it must be. What a spreadsheet would take for a formula gets an apostrophe before
/// it (OWASP, "CSV Injection").
fn field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{expired, good, unseen};

    #[test]
    fn every_line_has_every_column() {
        let text = render(&[expired("a.example"), unseen("b.example")]);
        let lines: Vec<&str> = text.split_terminator("\r\n").collect();
        assert_eq!(
            lines[1..],
            [
                "critical,broken,ingress,default,shop,a.example,443,192.0.2.1,\
                 2025-12-29T00:00:00Z,TLS 1.3,Test CA,certificate_expired,plaintext_served,",
                "unknown,unknown,ingress,default,shop,b.example,443,192.0.2.1,,,,,,",
            ]
        );
    }

    #[test]
    fn nothing_becomes_a_formula_or_leaves_its_field() {
        let cases = [
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("@SUM(1,2)", "\"'@SUM(1,2)\""),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("a \"b\", c", "\"a \"\"b\"\", c\""),
            ("plain", "plain"),
        ];
        for (text, expected) in cases {
            assert_eq!(field(text), expected);
        }
        assert!(render(&[good("=1+1")]).contains(",'=1+1,443,"));
    }
}
