//! What `check` and `demo` print: the same rows, in the form that was asked for.

mod csv;
mod detail;
mod junit;
mod sarif;
mod stored;
mod table;
mod wide;

use crate::cli::Output;
use crate::config::FailOn;
use crate::model::{Finding, Row, Severity, StoredPlace, UnixTime};
use crate::record::{RowRecord, StoredRecord};
use crate::report::{self, Document, TargetView, VERSION, When};

use super::baseline::Baseline;

/// How rows are printed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner<'a> {
    /// In which form.
    pub(super) output: Output,
    /// As seen at this instant.
    pub(super) now: UnixTime,
    /// What was known before.
    pub(super) baseline: Option<&'a Baseline>,
    /// From how bad on a finding fails the check.
    pub(super) fail_on: FailOn,
    /// Whether the terminal may be told colours.
    pub(super) colour: bool,
    /// Whether the table is followed by all that was seen of each target.
    pub(super) details: bool,
    /// Whether those leave nothing out.
    pub(super) verbose: bool,
}

impl Manner<'_> {
    /// A table and no more.
    pub(super) const fn table(now: UnixTime) -> Self {
        Self {
            output: Output::Table,
            now,
            baseline: None,
            fail_on: FailOn::Severity(Severity::Critical),
            colour: false,
            details: false,
            verbose: false,
        }
    }

    /// Whether the finding fails the check: it is new and bad enough.
    pub(super) fn fails(&self, row: &Row, finding: &Finding) -> bool {
        self.is_bad(finding) && self.is_new(row, finding).unwrap_or(true)
    }

    /// Whether the finding about what an object stores fails the check.
    pub(super) fn fails_stored(&self, place: &StoredPlace, finding: &Finding) -> bool {
        let new = self
            .baseline
            .is_none_or(|known| !known.knows_stored(place, finding));
        self.is_bad(finding) && new
    }

    fn is_bad(&self, finding: &Finding) -> bool {
        match self.fail_on {
            FailOn::Never => false,
            FailOn::Severity(least) => finding.severity >= least,
        }
    }

    /// Whether the finding is not in the baseline; `None` where there is none.
    pub(super) fn is_new(&self, row: &Row, finding: &Finding) -> Option<bool> {
        Some(!self.baseline?.knows(row, finding))
    }
}

/// The rows as text, the soonest trouble first; and after them what is stored. Spreadsheets, code
/// scanning and CI systems are told the rows alone.
pub(super) fn render(
    mut rows: Vec<RowRecord>,
    stored: &[StoredRecord],
    manner: &Manner<'_>,
) -> String {
    report::sort(&mut rows);
    match manner.output {
        Output::Table => {
            let closed = leave_out_closed(&mut rows, manner);
            let mut text = table::render(&rows, closed, manner) + &stored::render(stored, manner);
            if manner.details {
                for row in &rows {
                    text.push('\n');
                    text.push_str(&detail::render(row, manner));
                }
            }
            text
        }
        Output::Wide => {
            leave_out_closed(&mut rows, manner);
            wide::render(&rows, manner) + &stored::render(stored, manner)
        }
        // Neither can fail: all that is written are texts, numbers and lists of them.
        Output::Json => serde_json::to_string_pretty(&document(&rows, stored, manner))
            .map_or_else(|error| error.to_string(), |text| text + "\n"),
        Output::Yaml => serde_saphyr::to_string(&document(&rows, stored, manner))
            .unwrap_or_else(|error| error.to_string()),
        Output::Csv => csv::render(&rows),
        Output::Sarif => sarif::render(&rows, manner),
        Output::Junit => junit::render(&rows, manner),
    }
}

/// Leaves out what must be closed and is, unless everything is wanted. Gives how many there were.
fn leave_out_closed(rows: &mut Vec<RowRecord>, manner: &Manner<'_>) -> usize {
    let before = rows.len();
    rows.retain(|row| manner.verbose || report::is_shown(row));
    before - rows.len()
}

fn document<'a>(
    rows: &'a [RowRecord],
    stored: &'a [StoredRecord],
    manner: &Manner<'_>,
) -> Document<'a> {
    let tell = |row: &'a RowRecord| {
        let mut target = TargetView::from(row);
        for (told, finding) in target.findings.iter_mut().zip(row.findings.iter()) {
            told.new = manner.is_new(&row.target.row, finding);
        }
        target
    };
    Document {
        version: VERSION,
        at: When::new(manner.now),
        total: rows.len(),
        targets: rows.iter().map(tell).collect(),
        stored: stored.iter().map(Into::into).collect(),
    }
}

/// Who issued the leaf, at the first address that showed one; empty where nobody is named.
fn issuer(row: &RowRecord) -> &str {
    let addresses = row.seen.tls.addresses.iter();
    let mut shown = addresses.filter_map(|seen| seen.handshake.as_ref()?.value.chain.leaf());
    let facts = shown.find_map(|leaf| leaf.facts.as_ref().ok());
    facts.map_or("", |facts| {
        let names = [&facts.issuer_common_name, &facts.issuer_organization];
        names
            .into_iter()
            .find(|name| !name.is_empty())
            .map_or("", |name| name)
    })
}

/// A finding in one line: its name, why nothing was seen where nothing was, and whether it is new.
fn found(row: &RowRecord, finding: &Finding, manner: &Manner<'_>) -> String {
    let name = finding.spec.name;
    let reason = row.summary.failure.filter(|_| name == "unreachable");
    let why = reason.map_or_else(String::new, |reason| format!(" ({})", reason.label()));
    let new = match manner.is_new(&row.target.row, finding) {
        Some(true) => " (new)",
        Some(false) | None => "",
    };
    format!("{name}{why}{new}")
}

/// `text` in the colour of the word, where colours may be told; what it says, it says in words too.
fn coloured(text: &str, word: &str, manner: &Manner<'_>) -> String {
    let colour = match word {
        "critical" => "31",
        "warning" => "33",
        "info" => "36",
        "ok" => "32",
        _ => "2",
    };
    if manner.colour {
        format!("\u{1b}[{colour}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::report::samples::{NOW, expired, good};

    #[test]
    fn json_and_yaml_say_the_same_and_mark_what_is_new() {
        let old = r#"{"targets": [{"source": "ingress", "namespace": "default", "port": 443,
            "host": "old.example", "address": "192.0.2.1",
            "findings": [{"finding": "certificate_expired", "severity": "critical"}]}]}"#;
        let baseline = Baseline::read(old).unwrap();
        let rows = || {
            vec![
                good("good.example"),
                expired("old.example"),
                expired("new.example"),
            ]
        };
        let mut manner = Manner::table(NOW);
        (manner.output, manner.baseline) = (Output::Json, Some(&baseline));
        let json: Value = serde_json::from_str(&render(rows(), &[], &manner)).unwrap();
        manner.output = Output::Yaml;
        let yaml: Value = serde_saphyr::from_str(&render(rows(), &[], &manner)).unwrap();
        assert_eq!(json, yaml);
        assert_eq!(json["at"], "2026-01-01T00:00:00Z");
        let news: Vec<_> = json["targets"].as_array().unwrap()[..2]
            .iter()
            .map(|target| (target["host"].as_str(), &target["findings"][0]["new"]))
            .collect();
        let (yes, no) = (Value::Bool(true), Value::Bool(false));
        assert_eq!(
            news,
            [(Some("new.example"), &yes), (Some("old.example"), &no)]
        );
    }
}
