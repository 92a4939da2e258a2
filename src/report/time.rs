//! Instants as people and programs read them.

use std::fmt;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::model::UnixTime;

/// An instant that has a date: written in UTC to the second (RFC 3339).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When(Timestamp);

impl When {
    /// `None` outside of the years -9999 to 9999, to which certificates do not keep.
    #[must_use]
    pub fn new(at: UnixTime) -> Option<Self> {
        Timestamp::from_second(at.as_secs()).ok().map(Self)
    }

    /// How far away it is, as [`distance`].
    #[must_use]
    pub fn distance(self, now: UnixTime) -> String {
        distance(UnixTime::from_secs(self.0.as_second()), now)
    }

    /// Its day alone: `2027-03-01`.
    #[must_use]
    pub fn day(self) -> String {
        let mut text = self.to_string();
        text.truncate(text.find('T').unwrap_or(text.len()));
        text
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for When {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How far away an instant is, in its largest unit: `in 80d`, `3d ago`.
#[must_use]
pub fn distance(at: UnixTime, now: UnixTime) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 60 * 60;
    const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

    #[test]
    fn an_instant_is_written_in_utc_where_it_can_be() {
        let written = |at| When::new(at).map(|at| at.to_string());
        assert_eq!(written(NOW).as_deref(), Some("2023-11-14T22:13:20Z"));
        assert_eq!(
            written(UnixTime::from_secs(-1)).as_deref(),
            Some("1969-12-31T23:59:59Z")
        );
        assert_eq!(written(UnixTime::from_millis(i64::MAX)), None);
        assert_eq!(When::new(NOW).unwrap().day(), "2023-11-14");
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
