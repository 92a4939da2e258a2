//! The table that `check` and `demo` print: one row a door, the worst first.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use crate::model::{Finding, Reason, Row, Severity, TlsVersion, UnixTime, Waived};
use crate::record::{Posture, RowRecord};

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

/// The table of these rows, as seen at `now`, and a line that sums it up. Ports that must be closed,
/// and are, are left out.
pub(super) fn render(rows: &[RowRecord], now: UnixTime) -> String {
    // Where a host has several addresses, its rows are told apart by them.
    let mut addresses = HashMap::<_, usize>::new();
    for row in rows {
        *addresses.entry(host(&row.target.row)).or_default() += 1;
    }
    let line = |row: &RowRecord| {
        let own = &row.target.row;
        let is_alone = addresses.get(&host(own)).is_none_or(|count| *count <= 1);
        Line::of(row, door(own, is_alone))
    };
    let doors = rows.iter().filter(|row| row.posture != Posture::Closed);
    print(doors.map(line).collect(), now)
}

fn host(row: &Row) -> (&str, u16) {
    (&row.host, row.port)
}

fn print(mut lines: Vec<Line>, now: UnixTime) -> String {
    lines.sort_by(|a, b| a.rank().cmp(&b.rank()));
    let widest = lines.iter().map(|line| line.door.chars().count()).max();
    let width = widest.unwrap_or(0).clamp("HOST".len(), HOST_WIDTH);
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
    fn of(row: &RowRecord, door: String) -> Self {
        let findings = row.findings.iter();
        Self {
            severity: findings.clone().map(|finding| finding.severity).max(),
            probed: row.summary.not_after.is_some(),
            door,
            not_after: row.summary.not_after,
            version: row.summary.version,
            found: findings
                .map(|finding| found(finding, row.summary.failure))
                .chain(row.waived.iter().map(accepted))
                .collect(),
        }
    }

    /// The worst first, then what was never seen, then the soonest to expire.
    fn rank(&self) -> impl Ord + '_ {
        (
            Reverse(self.severity),
            self.probed,
            self.not_after,
            &self.door,
        )
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

/// A finding's name; why, where no certificate was seen, because that is asked next.
fn found(finding: &Finding, failure: Option<Reason>) -> String {
    match (finding.spec.name, failure) {
        (name @ "unreachable", Some(reason)) => format!("{name} ({})", reason.label()),
        (name, _) => name.to_owned(),
    }
}

/// A finding that a rule accepts: shown, never silent.
fn accepted(waived: &Waived) -> String {
    let (name, until) = (waived.finding.spec.name, &waived.waiver.until);
    format!("{name} (accepted until {until})")
}

/// The host, with the port where it is not 443, and the address where only that tells the row
/// from another.
fn door(row: &Row, is_alone: bool) -> String {
    let name = if row.host.is_empty() {
        &row.address
    } else {
        &row.host
    };
    let name = if name.contains(':') {
        format!("[{name}]")
    } else {
        name.to_string()
    };
    let port = if row.port == 443 {
        String::new()
    } else {
        format!(":{}", row.port)
    };
    if is_alone || row.host.is_empty() {
        format!("{name}{port}")
    } else {
        format!("{name}{port} at {}", row.address)
    }
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
    use std::sync::Arc;

    use super::*;

    const DAY: u64 = 24 * 60 * 60;
    const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

    fn line(severity: Option<Severity>, door: &str, days: Option<u64>, found: &[&str]) -> Line {
        Line {
            severity,
            probed: days.is_some(),
            door: door.to_owned(),
            not_after: days.map(|days| NOW.saturating_add(Duration::from_secs(days * DAY))),
            version: days.map(|_| TlsVersion::Tls13),
            found: found.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn the_worst_comes_first_and_the_soonest_to_expire_among_equals() {
        let table = print(
            vec![
                line(None, "ok.example", Some(80), &[]),
                line(
                    Some(Severity::Info),
                    "info.example",
                    Some(9),
                    &["tls_1_3_missing"],
                ),
                line(None, "soon.example", Some(20), &[]),
                line(None, "unseen.example", None, &[]),
                line(
                    Some(Severity::Critical),
                    "bad.example:8443",
                    Some(1),
                    &["one", "two"],
                ),
            ],
            NOW,
        );
        let expected = "\
STATUS    HOST              EXPIRES    TLS  FOUND
critical  bad.example:8443  in 1d      1.3  one
                                            two
info      info.example      in 9d      1.3  tls_1_3_missing
unknown   unseen.example    -          -
ok        soon.example      in 20d     1.3
ok        ok.example        in 80d     1.3

5 doors: 1 critical, 1 info, 1 unknown, 2 ok.
";
        assert_eq!(table, expected);
    }

    #[test]
    fn nothing_found_is_said() {
        assert!(print(Vec::new(), NOW).ends_with("\n\nNo doors were found.\n"));
    }

    #[test]
    fn a_door_is_named_by_what_tells_it_from_others() {
        let row = |host: &str, port, address: &str| Row {
            source: "ingress",
            namespace: Arc::default(),
            host: host.into(),
            port,
            address: address.into(),
            name: Arc::default(),
        };
        assert_eq!(door(&row("a.example", 443, "192.0.2.1"), true), "a.example");
        assert_eq!(
            door(&row("a.example", 8443, "192.0.2.1"), true),
            "a.example:8443"
        );
        assert_eq!(
            door(&row("a.example", 443, "192.0.2.1"), false),
            "a.example at 192.0.2.1"
        );
        assert_eq!(
            door(&row("", 6443, "2001:db8::1"), true),
            "[2001:db8::1]:6443"
        );
    }

    #[test]
    fn a_distance_is_told_in_its_largest_unit() {
        let table = [
            (80 * DAY, "in 80d", "80d ago"),
            (DAY, "in 1d", "1d ago"),
            (DAY - 1, "in 23h", "23h ago"),
            (59, "in 0m", "0m ago"),
        ];
        for (secs, ahead, behind) in table {
            let span = Duration::from_secs(secs);
            assert_eq!(distance(NOW.saturating_add(span), NOW), ahead);
            assert_eq!(distance(NOW.saturating_sub(span), NOW), behind);
        }
    }
}
