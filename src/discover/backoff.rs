//! How long to wait between attempts that fail.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The first wait; with [`LAST`], what client-go's reflector waits, being kind to an API server
/// that struggles.
const FIRST: Duration = Duration::from_millis(800);

/// The longest wait: what is mended is noticed within it.
const LAST: Duration = Duration::from_secs(30);

/// Waits that double from [`FIRST`] to [`LAST`], each shortened by up to a half at random, so that
/// those who lost the same API server do not all come back at once.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(super) const fn new() -> Self {
        Self { next: FIRST }
    }

    /// How long to wait now.
    pub(super) fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(LAST);
        shortened(wait, RandomState::new().hash_one(()))
    }
}

/// Between half of `wait` (for 0) and all of it (for the largest `random`).
fn shortened(wait: Duration, random: u64) -> Duration {
    wait.mul_f64(0.5 + random as f64 / u64::MAX as f64 / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut backoff = Backoff::new();
        let whole: Vec<_> = (0..8)
            .map(|_| {
                let next = backoff.next;
                backoff.wait();
                next.as_millis()
            })
            .collect();
        assert_eq!(
            whole,
            [800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]
        );
    }

    #[test]
    fn a_wait_is_shortened_by_at_most_a_half() {
        assert_eq!(shortened(LAST, 0), LAST / 2);
        assert_eq!(shortened(LAST, u64::MAX), LAST);
    }

    #[test]
    fn two_who_failed_together_do_not_come_back_together() {
        let (mut one, mut other) = (Backoff::new(), Backoff::new());
        let differ = (0..5).any(|_| one.wait() != other.wait());
        assert!(differ);
    }
}
