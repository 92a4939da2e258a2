//! Stable slots: when in each interval a door has its turn.
//!
//! Like Prometheus' own targets, a door's turn is a hash of what it is, modulo the interval, on
//! the wall clock's scale: probes spread evenly, and a restart does not move them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::Instant;

use crate::model::{Door, UnixTime};

/// The turns of every door, for one interval.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slots {
    interval: Duration,
    /// An instant at which the wall clock was a whole multiple of the interval.
    anchor: Instant,
}

impl Slots {
    /// `now` and `wall` are the same instant on the two clocks; later steps of the wall clock
    /// move no turn.
    pub(super) fn new(interval: Duration, now: Instant, wall: UnixTime) -> Self {
        let into = u128::from(wall.as_millis().unsigned_abs()) % interval.as_millis().max(1);
        let into = Duration::from_millis(u64::try_from(into).unwrap_or(0));
        // Far enough back that a process started right after boot still finds an earlier anchor.
        let anchor = now.checked_sub(into).unwrap_or(now);
        Self { interval, anchor }
    }

    /// The door's first turn after `now`.
    pub(super) fn next(&self, door: &Door, now: Instant) -> Instant {
        let into = now.saturating_duration_since(self.anchor).as_millis();
        now + wait(door, self.interval, into)
    }
}

/// When the door has its next regular turn after `now`, if it need not wait behind another: what
/// `Slots::next` says, on the wall clock.
#[must_use]
pub fn next_turn(door: &Door, interval: Duration, now: UnixTime) -> UnixTime {
    now.saturating_add(wait(door, interval, now.as_millis().unsigned_abs().into()))
}

/// How long it is to the door's turn, so many milliseconds after some multiple of the interval.
fn wait(door: &Door, interval: Duration, into: u128) -> Duration {
    let interval = interval.as_millis().max(1);
    let mut hasher = DefaultHasher::new();
    door.hash(&mut hasher);
    let offset = u128::from(hasher.finish()) % interval;
    let into = into % interval;
    let wait = if offset > into {
        offset - into
    } else {
        interval - into + offset
    };
    Duration::from_millis(u64::try_from(wait).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Address, Requests, TlsDoor};

    const INTERVAL: Duration = Duration::from_mins(5);

    fn door(n: u16) -> Door {
        Door::Tls(Arc::new(TlsDoor {
            address: Address::parse("192.0.2.1"),
            port: n,
            server_name: None,
            starttls: None,
            guarded: true,
            requests: Requests::Nothing,
        }))
    }

    #[test]
    fn a_turn_comes_within_one_interval_and_then_every_interval() {
        let now = Instant::now();
        let slots = Slots::new(INTERVAL, now, UnixTime::from_secs(1_000_123));
        for n in 0..100 {
            let first = slots.next(&door(n), now);
            assert!(first > now && first <= now + INTERVAL);
            assert_eq!(slots.next(&door(n), first), first + INTERVAL);
        }
    }

    #[test]
    fn a_restart_does_not_move_a_turn() {
        let now = Instant::now();
        let before = Slots::new(INTERVAL, now, UnixTime::from_secs(1_000_123));
        let later = now + Duration::from_secs(77);
        let after = Slots::new(INTERVAL, later, UnixTime::from_secs(1_000_200));
        assert_eq!(before.next(&door(7), later), after.next(&door(7), later));
    }

    #[test]
    fn turns_spread_over_the_interval() {
        let now = Instant::now();
        let slots = Slots::new(INTERVAL, now, UnixTime::from_secs(0));
        let early = (0..1000)
            .filter(|n| slots.next(&door(*n), now) <= now + INTERVAL / 2)
            .count();
        assert!(
            (400..600).contains(&early),
            "{early} of 1000 in the first half"
        );
    }

    #[test]
    fn the_wall_clock_tells_the_same_turn() {
        let (now, wall) = (Instant::now(), UnixTime::from_millis(1_767_225_612_345));
        let slots = Slots::new(INTERVAL, now, wall);
        for port in 1..100 {
            let wait = slots.next(&door(port), now) - now;
            let turn = next_turn(&door(port), INTERVAL, wall);
            assert_eq!(turn, wall.saturating_add(wait));
        }
    }
}
