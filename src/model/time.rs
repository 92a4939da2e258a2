//! The one time type of the program: an instant on the Unix time scale.

use std::time::Duration;

/// An instant, in milliseconds since 1970-01-01T00:00:00Z; may lie before it (certificates do).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime {
    millis: i64,
}

impl UnixTime {
    /// From whole seconds since the epoch, as certificates write dates.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self {
            millis: secs.saturating_mul(1000),
        }
    }

    /// From milliseconds since the epoch, as the clock gives them.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self { millis }
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.millis
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.millis.div_euclid(1000)
    }

    /// Seconds since the epoch, the unit of every `_timestamp_seconds` metric.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.millis as f64 / 1000.0
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(
            self.millis
                .saturating_sub(earlier.millis)
                .max(0)
                .unsigned_abs(),
        )
    }

    /// This instant moved forward, stopping at the end of the scale.
    #[must_use]
    pub fn saturating_add(self, span: Duration) -> Self {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self {
            millis: self.millis.saturating_add(millis),
        }
    }

    /// This instant moved back, stopping at the end of the scale.
    #[must_use]
    pub fn saturating_sub(self, span: Duration) -> Self {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self {
            millis: self.millis.saturating_sub(millis),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_before_the_epoch_rounds_down_to_its_second() {
        assert_eq!(UnixTime::from_millis(-1).as_secs(), -1);
        assert_eq!(UnixTime::from_millis(-1000).as_secs(), -1);
        assert_eq!(UnixTime::from_millis(999).as_secs(), 0);
    }

    #[test]
    fn a_span_to_an_earlier_instant_is_zero() {
        let (early, late) = (UnixTime::from_secs(10), UnixTime::from_secs(12));
        assert_eq!(late.since(early), Duration::from_secs(2));
        assert_eq!(early.since(late), Duration::ZERO);
    }

    #[test]
    fn moving_past_the_end_of_the_scale_stops_there() {
        let end = UnixTime::from_millis(i64::MAX);
        assert_eq!(end.saturating_add(Duration::from_secs(1)), end);
        assert_eq!(UnixTime::from_secs(i64::MAX), end);
    }
}
