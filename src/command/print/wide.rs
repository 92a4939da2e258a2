//! The wide table: as the table, with what it leaves out, as wide as that becomes.

use crate::record::RowRecord;
use crate::report;

use super::{Manner, found, issuer};

const HEAD: [&str; 9] = [
    "STATUS", "SOURCE", "OBJECT", "HOST", "ADDRESS", "EXPIRES", "TLS", "ISSUER", "FOUND",
];

/// The rows, which are sorted, below the names of the columns.
pub(super) fn render(rows: &[RowRecord], manner: &Manner<'_>) -> String {
    let head = HEAD.map(str::to_owned);
    let lines: Vec<_> = std::iter::once(head)
        .chain(rows.iter().map(|row| line(row, manner)))
        .collect();
    let mut widths = [0; HEAD.len()];
    for line in &lines {
        for (width, field) in widths.iter_mut().zip(line) {
            *width = field.chars().count().max(*width);
        }
    }
    lines.iter().map(|line| print(line, &widths)).collect()
}

fn print(line: &[String], widths: &[usize]) -> String {
    let fields = line.iter().zip(widths);
    let fields = fields.map(|(field, &width)| format!("{field:<width$}"));
    let line = fields.collect::<Vec<_>>().join("  ");
    format!("{}\n", line.trim_end())
}

fn line(row: &RowRecord, manner: &Manner<'_>) -> [String; HEAD.len()] {
    let own = &row.target.row;
    let summary = row.summary;
    let dash = |text: &str| if text.is_empty() { "-" } else { text }.to_owned();
    let found: Vec<String> = row
        .findings
        .iter()
        .map(|finding| found(row, finding, manner))
        .collect();
    let expires = summary.not_after.map(|at| report::distance(at, manner.now));
    [
        report::status(row).to_owned(),
        own.source.to_owned(),
        dash(&report::object(own)),
        report::door(own),
        own.address.to_string(),
        dash(expires.as_deref().unwrap_or_default()),
        dash(summary.version.map_or("", |version| version.label())),
        dash(issuer(row)),
        dash(&found.join(", ")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{NOW, expired, unseen};

    #[test]
    fn every_column_is_as_wide_as_it_must_be() {
        let rows = [expired("a.example"), unseen("b.example")];
        let expected = "\
STATUS    SOURCE   OBJECT        HOST       ADDRESS    EXPIRES  TLS      ISSUER   FOUND
critical  ingress  default/shop  a.example  192.0.2.1  3d ago   TLS 1.3  Test CA  certificate_expired
unknown   ingress  default/shop  b.example  192.0.2.1  -        -        -        -
";
        assert_eq!(render(&rows, &Manner::table(NOW)), expected);
    }
}
