//! The table: one row a door, the worst first, within 80 columns.

use std::collections::HashMap;

use crate::model::{Row, Waived};
use crate::record::RowRecord;
use crate::report;

use super::{Manner, coloured, found};

/// As wide as terminals and mails are.
const WIDTH: usize = 80;

/// The narrowest and the widest that a host may make its column; longer ones stand alone in their
/// line.
const HOST_WIDTHS: (usize, usize) = (22, 46);

/// Beside the columns whose widths follow from what is in them: status, version, and two spaces
/// after each column.
const OTHERS: usize = 8 + 2 + 2 + 2 + 3 + 2;

/// The widths of the columns that have no fixed one.
#[derive(Clone, Copy)]
struct Widths {
    host: usize,
    expires: usize,
}

impl Widths {
    /// Findings get the width they need, of those that leave the host enough; the host gets the
    /// rest.
    fn of(lines: &[Line]) -> Self {
        let width = |text: &String| text.chars().count();
        let longest = |texts: &mut dyn Iterator<Item = &String>, head: &str| {
            texts.map(width).max().unwrap_or_default().max(head.len())
        };
        let expires = longest(&mut lines.iter().map(|line| &line.expires), "EXPIRES");
        let (least, most) = HOST_WIDTHS;
        let rest = WIDTH.saturating_sub(OTHERS + expires);
        let found = lines.iter().flat_map(|line| &line.found);
        let found = longest(
            &mut found.filter(|text| width(text) + least <= rest),
            "FOUND",
        );
        let host = longest(&mut lines.iter().map(|line| &line.door), "HOST");
        Self {
            host: host.min(rest.saturating_sub(found).clamp(least, most)),
            expires,
        }
    }

    /// Where the column of findings begins.
    const fn found_at(self) -> usize {
        OTHERS + self.host + self.expires
    }
}

/// One row, ready to be printed.
struct Line {
    status: &'static str,
    door: String,
    expires: String,
    version: &'static str,
    found: Vec<String>,
}

/// The table of these rows, which are sorted, and a line that sums it up; beside them `closed` ports
/// are shut as they must be.
pub(super) fn render(rows: &[RowRecord], closed: usize, manner: &Manner<'_>) -> String {
    if rows.is_empty() {
        return match closed {
            0 => "No doors were found.\n".to_owned(),
            _ => format!("No doors were found; {closed} closed as they must be (-v lists them).\n"),
        };
    }
    let lines = lines(rows, manner);
    let widths = Widths::of(&lines);
    let mut text = row(widths, ["STATUS", "HOST", "EXPIRES", "TLS", "FOUND"]) + "\n";
    for line in &lines {
        for (place, printed) in line.print(widths).into_iter().enumerate() {
            let told = match printed.strip_prefix(line.status) {
                Some(rest) if place == 0 => coloured(line.status, line.status, manner) + rest,
                _ => printed,
            };
            text.push_str(&told);
            text.push('\n');
        }
    }
    format!("{text}\n{}\n", sum(&lines))
}

fn lines(rows: &[RowRecord], manner: &Manner<'_>) -> Vec<Line> {
    // Where a host has several addresses, its rows are told apart by them.
    let mut addresses = HashMap::<_, usize>::new();
    for row in rows {
        *addresses.entry(host(&row.target.row)).or_default() += 1;
    }
    let line = |row: &RowRecord| {
        let own = &row.target.row;
        let alone = addresses.get(&host(own)).is_none_or(|count| *count <= 1);
        Line::of(row, alone, manner)
    };
    rows.iter().map(line).collect()
}

fn host(row: &Row) -> (&str, u16) {
    (&row.host, row.port)
}

fn row(widths: Widths, [status, door, expires, version, found]: [&str; 5]) -> String {
    let (host, date) = (widths.host, widths.expires);
    let row = format!("{status:<8}  {door:<host$}  {expires:<date$}  {version:<3}  {found}");
    row.trim_end().to_owned()
}

impl Line {
    fn of(row: &RowRecord, alone: bool, manner: &Manner<'_>) -> Self {
        let own = &row.target.row;
        let door = report::door(own);
        let not_after = row.summary.not_after;
        let version = row.summary.version.map_or("-", |version| version.label());
        Self {
            status: report::status(row),
            door: if alone || own.host.is_empty() {
                door
            } else {
                format!("{door} at {}", own.address)
            },
            expires: not_after
                .map_or_else(|| "-".to_owned(), |at| report::distance(at, manner.now)),
            version: version
                .rsplit_once(' ')
                .map_or(version, |(_, number)| number),
            found: row
                .findings
                .iter()
                .map(|finding| found(row, finding, manner))
                .chain(row.waived.iter().map(accepted))
                .collect(),
        }
    }

    /// A line of the table, and one for each further finding. What is too long for its column
    /// stands in a line of its own, so that the columns stay.
    fn print(&self, widths: Widths) -> Vec<String> {
        let mut found = self.found.iter().map(String::as_str).peekable();
        let column = widths.found_at();
        let fits = |text: &&str| column + text.chars().count() <= WIDTH;
        let mut lines = Vec::new();
        let (mut status, mut door) = (self.status, self.door.as_str());
        if door.chars().count() > widths.host {
            lines.push(format!("{status:<8}  {door}"));
            (status, door) = ("", "");
        }
        let first = found.next_if(fits).unwrap_or_default();
        lines.push(row(
            widths,
            [status, door, &self.expires, self.version, first],
        ));
        lines.extend(found.map(|text| {
            let indent = column.min(WIDTH.saturating_sub(text.chars().count()));
            format!("{:indent$}{text}", "")
        }));
        lines
    }
}

/// A finding that a rule accepts: shown, never silent.
fn accepted(waived: &Waived) -> String {
    let (name, until) = (waived.finding.spec.name, &waived.waiver.until);
    format!("{name} (accepted until {until})")
}

fn sum(lines: &[Line]) -> String {
    let count = |status: &str| lines.iter().filter(|line| line.status == status).count();
    let parts: Vec<String> = ["critical", "warning", "info", "unknown", "ok"]
        .into_iter()
        .map(|status| (status, count(status)))
        .filter(|(_, count)| *count > 0)
        .map(|(status, count)| format!("{count} {status}"))
        .collect();
    let doors = if lines.len() == 1 { "door" } else { "doors" };
    format!("{} {doors}: {}.", lines.len(), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::render;
    use super::*;
    use crate::record::samples::edited;
    use crate::report::samples::{NOW, closed, expired, good, good_for, unseen};

    fn table(rows: Vec<RowRecord>) -> String {
        render(rows, &[], &Manner::table(NOW))
    }

    #[test]
    fn the_worst_comes_first_and_the_soonest_to_expire_among_equals() {
        let table = table(vec![
            good_for("late.example", 80),
            unseen("unseen.example"),
            good_for("soon.example", 20),
            expired("bad.example"),
        ]);
        let expected = "\
STATUS    HOST            EXPIRES  TLS  FOUND
critical  bad.example     3d ago   1.3  certificate_expired
                                    plaintext_served (accepted until 2027-03-01)
unknown   unseen.example  -        -
ok        soon.example    in 20d   1.3
ok        late.example    in 80d   1.3

4 doors: 1 critical, 1 unknown, 2 ok.
";
        assert_eq!(table, expected);
    }

    #[test]
    fn no_line_is_wider_than_80_columns_but_for_a_host_that_is() {
        let long = format!("{}.example", "x".repeat(70));
        let hosts = ["a.example", "a-rather-long-name.of-a.shop.example", &long];
        let text = table(hosts.map(expired).to_vec());
        for line in text.lines().filter(|line| !line.contains(&long)) {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        assert!(
            text.contains(&format!("critical  {long}\n            ")),
            "{text}"
        );
    }

    #[test]
    fn nothing_found_is_said() {
        assert_eq!(table(Vec::new()), "No doors were found.\n");
    }

    #[test]
    fn what_is_closed_as_it_must_be_is_counted_and_listed_where_everything_is_wanted() {
        let rows = || vec![closed("192.0.2.1"), closed("192.0.2.2")];
        let said = "No doors were found; 2 closed as they must be (-v lists them).\n";
        assert_eq!(table(rows()), said);
        let mut manner = Manner::table(NOW);
        manner.verbose = true;
        let listed = render(rows(), &[], &manner);
        assert!(listed.contains("\n2 doors: 2 ok.\n"), "{listed}");
        assert!(!table(vec![closed("192.0.2.1"), good("a.example")]).contains("192.0.2.1"));
    }

    #[test]
    fn colours_only_add_to_the_words() {
        let mut manner = Manner::table(NOW);
        manner.colour = true;
        let text = render(
            vec![expired("bad.example"), good("good.example")],
            &[],
            &manner,
        );
        assert!(
            text.contains("\n\u{1b}[31mcritical\u{1b}[0m  bad.example"),
            "{text}"
        );
        let plain = text.replace("\u{1b}[31m", "").replace("\u{1b}[32m", "");
        assert_eq!(
            plain.replace("\u{1b}[0m", ""),
            table(vec![expired("bad.example"), good("good.example")])
        );
    }

    #[test]
    fn a_host_with_several_addresses_is_told_apart_by_them() {
        let other = edited(&expired("shop.example"), |target, _, _| {
            target.row.edit(|row| row.address = "192.0.2.2".into());
        });
        let text = table(vec![expired("shop.example"), other]);
        assert!(
            text.contains("shop.example at 192.0.2.1 ") && text.contains(" at 192.0.2.2 "),
            "{text}"
        );
    }
}
