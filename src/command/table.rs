//! The table that `check` and `demo` print: one row a door, the worst first.

use std::cmp::Reverse;
use std::time::Duration;

use crate::model::{Severity, TlsVersion, UnixTime};
use crate::record::RowRecord;

/// The widest that a host may make its column: longer ones push the rest of their own row.
const HOST_WIDTH: usize = 34;

/// One row, ready to be printed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    severity: Option<Severity>,
    probed: bool,
    door: String,
    not_after: Option<UnixTime>,
    version: Option<TlsVersion>,
    found: Vec<String>,
}

/// The table of these rows, as seen at `now`, and a line that sums it up.
pub(super) fn render(rows: &[RowRecord], now: UnixTime) -> String {
    let mut lines: Vec<Line> = rows.iter().map(|row| Line::of(row, rows)).collect();
    lines.sort_by_key(|line| {
        (
            Reverse(line.severity),
            line.probed,
            line.not_after,
            line.door.clone(),
        )
    });
    let width = lines
        .iter()
        .map(|line| line.door.chars().count())
        .max()
        .unwrap_or(0);
    let width = width.clamp("HOST".len(), HOST_WIDTH);
    let head = ["STATUS", "HOST", "EXPIRES", "TLS", "FOUND"];
    let mut table = vec![columns(width, head)];
    table.extend(lines.iter().flat_map(|line| line.print(width, now)));
    table.push(format!("\n{}\n", sum(&lines)));
    table.join("\n")
}

fn columns(width: usize, [status, door, expires, version, found]: [&str; 5]) -> String {
    let row = format!("{status:<8}  {door:<width$}  {expires:<9}  {version:<3}  {found}");
    row.trim_end().to_owned()
}

impl Line {
    fn of(row: &RowRecord, all: &[RowRecord]) -> Self {
        Self {
            severity: row.findings.iter().map(|finding| finding.severity).max(),
            probed: row.summary.not_after.is_some(),
            door: door(row, all),
            not_after: row.summary.not_after,
            version: row.summary.version,
            found: found(row),
        }
    }

    /// Words, so that nothing depends on colours.
    fn status(&self) -> &'static str {
        match self.severity {
            Some(severity) => severity.label(),
            None if self.probed => "ok",
            None => "unknown",
        }
    }

    /// A line of the table, and one for each further finding.
    fn print(&self, width: usize, now: UnixTime) -> Vec<String> {
        let expires = self
            .not_after
            .map_or_else(|| "-".to_owned(), |at| distance(at, now));
        let version = self.version.map_or("-", |version| {
            let label = version.label();
            label.rsplit_once(' ').map_or(label, |(_, number)| number)
        });
        let mut found = self.found.iter().map(String::as_str);
        let first = found.next().unwrap_or_default();
        let mut lines = vec![columns(
            width,
            [self.status(), &self.door, &expires, version, first],
        )];
        lines.extend(found.map(|found| columns(width, ["", "", "", "", found])));
        lines
    }
}

/// The names of what is wrong, and then of what is accepted.
fn found(row: &RowRecord) -> Vec<String> {
    let findings = row
        .findings
        .iter()
        .map(|finding| finding.spec.name.to_owned());
    let waived = row.waived.iter().map(|waived| {
        let (name, until) = (waived.finding.spec.name, &waived.waiver.until);
        format!("{name} (accepted until {until})")
    });
    findings.chain(waived).collect()
}

/// The host, with the port where it is not 443, and the address where that alone tells the row
/// from another.
fn door(row: &RowRecord, all: &[RowRecord]) -> String {
    let own = &row.target.row;
    let name = if own.host.is_empty() {
        &own.address
    } else {
        &own.host
    };
    let name = if name.contains(':') {
        format!("[{name}]")
    } else {
        name.to_string()
    };
    let port = if own.port == 443 {
        String::new()
    } else {
        format!(":{}", own.port)
    };
    let twin = |other: &RowRecord| {
        let other = &other.target.row;
        (&other.host, other.port) == (&own.host, own.port) && other.address != own.address
    };
    let address = if !own.host.is_empty() && all.iter().any(twin) {
        format!(" at {}", own.address)
    } else {
        String::new()
    };
    format!("{name}{port}{address}")
}

/// How far away an instant is, in its largest unit: `in 80d`, `3d ago`.
fn distance(at: UnixTime, now: UnixTime) -> String {
    if at >= now {
        format!("in {}", largest_unit(at.since(now)))
    } else {
        format!("{} ago", largest_unit(now.since(at)))
    }
}

fn largest_unit(span: Duration) -> String {
    let minutes = span.as_secs() / 60;
    match (minutes / (60 * 24), minutes / 60) {
        (0, 0) => format!("{minutes}m"),
        (0, hours) => format!("{hours}h"),
        (days, _) => format!("{days}d"),
    }
}

fn sum(lines: &[Line]) -> String {
    let count = |status: &str| lines.iter().filter(|line| line.status() == status).count();
    let parts: Vec<String> = ["critical", "warning", "info", "unknown", "ok"]
        .into_iter()
        .map(|status| (status, count(status)))
        .filter(|(_, count)| *count > 0)
        .map(|(status, count)| format!("{count} {status}"))
        .collect();
    let doors = if lines.len() == 1 { "door" } else { "doors" };
    if parts.is_empty() {
        return "No doors were found.".to_owned();
    }
    format!("{} {doors}: {}.", lines.len(), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 60 * 60;

    #[test]
    fn a_distance_is_told_in_its_largest_unit() {
        let now = UnixTime::from_secs(1_700_000_000);
        let table = [
            (80 * DAY, "in 80d", "80d ago"),
            (DAY, "in 1d", "1d ago"),
            (DAY - 1, "in 23h", "23h ago"),
            (59, "in 0m", "0m ago"),
        ];
        for (secs, ahead, behind) in table {
            let span = Duration::from_secs(secs);
            assert_eq!(distance(now.saturating_add(span), now), ahead);
            assert_eq!(distance(now.saturating_sub(span), now), behind);
        }
    }
}
