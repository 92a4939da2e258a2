//! Pace: how often something may be asked for.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many at once, and one more after each interval.
#[derive(Debug)]
pub(super) struct Pace {
    at_once: u32,
    every: Duration,
    /// When all that was taken is made up for; never before now.
    even: Mutex<Option<Instant>>,
}

impl Pace {
    pub(super) const fn new(at_once: u32, every: Duration) -> Self {
        Self {
            at_once,
            every,
            even: Mutex::new(None),
        }
    }

    /// Whether one more may be taken now.
    pub(super) fn take(&self, now: Instant) -> bool {
        let mut even = self.even.lock().unwrap_or_else(PoisonError::into_inner);
        let from = even.map_or(now, |even| even.max(now));
        let ahead = from.saturating_duration_since(now);
        let free = ahead + self.every <= self.every * self.at_once;
        if free {
            *even = Some(from + self.every);
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn as_many_as_may_come_at_once_and_then_one_each_interval() {
        let second = Duration::from_secs(1);
        let pace = Pace::new(2, second);
        let start = Instant::now();
        let taken = |at: f64| pace.take(start + Duration::from_secs_f64(at));
        assert_eq!([0.0, 0.0, 0.0].map(taken), [true, true, false]);
        assert_eq!([0.9, 1.0, 1.1].map(taken), [false, true, false]);
        assert_eq!([9.0, 9.0, 9.0].map(taken), [true, true, false]);
    }
}
