//! Room: which clients keep the server waiting, and since when. Where there is no room for one more,
//! who has for the longest is let go: slow clients and idle ones make room for those who ask.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What a client is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// Its next request, or the rest of one.
    Asking,
    /// To take what is written to it.
    Taking,
}

/// Who is waited for, in the order of since when.
#[derive(Debug, Default)]
pub(super) struct Room(Mutex<Waiters>);

#[derive(Debug, Default)]
struct Waiters {
    next: u64,
    by_number: BTreeMap<u64, Waiter>,
}

#[derive(Debug)]
struct Waiter {
    what: For,
    since: Instant,
    /// How long it took before, of this answer.
    before: Duration,
    leave: CancellationToken,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Seat {
    room: Arc<Room>,
    /// Cancelled when the connection has to end.
    pub(super) leave: CancellationToken,
    /// How long the client has taken in all, of the answer under way.
    taking: Arc<Mutex<Duration>>,
}

/// A while in which one client is waited for.
#[derive(Debug)]
pub(super) struct Wait {
    room: Arc<Room>,
    number: u64,
    taking: Arc<Mutex<Duration>>,
}

/// How long a client may take something where others wait for its turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// At once.
    pub(super) at_once: Duration,
    /// In all, of one answer.
    pub(super) in_all: Duration,
}

impl Room {
    pub(super) fn seat(self: &Arc<Self>) -> Seat {
        Seat {
            room: Arc::clone(self),
            leave: CancellationToken::new(),
            taking: Arc::default(),
        }
    }

    /// Ends the connection that has been waited for the longest.
    pub(super) fn let_go(&self) {
        let mut waiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, waiter)) = waiters.by_number.pop_first() {
            waiter.leave.cancel();
        }
    }

    /// Ends the connection that has taken the longest over its answer, of those that try one's
    /// patience.
    pub(super) fn let_go_who_takes(&self, patience: Patience) {
        let mut waiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let longest = (waiters.by_number.iter())
            .filter(|(_, waiter)| waiter.what == For::Taking)
            .map(|(number, waiter)| (waiter.since.elapsed(), waiter.before, *number))
            .map(|(now, before, number)| (now, now + before, number))
            .filter(|(now, in_all, _)| *now >= patience.at_once || *in_all >= patience.in_all)
            .max_by_key(|(_, in_all, _)| *in_all);
        let longest = longest.and_then(|(_, _, number)| waiters.by_number.remove(&number));
        if let Some(waiter) = longest {
            waiter.leave.cancel();
        }
    }
}

impl Seat {
    /// The client is waited for from now on, until the value goes.
    pub(super) fn wait(&self, what: For) -> Wait {
        let mut waiters = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = waiters.next;
        waiters.next += 1;
        let mut taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        if what == For::Asking {
            *taking = Duration::ZERO;
        }
        let waiter = Waiter {
            what,
            since: Instant::now(),
            before: *taking,
            leave: self.leave.clone(),
        };
        waiters.by_number.insert(number, waiter);
        Wait {
            room: Arc::clone(&self.room),
            number,
            taking: Arc::clone(&self.taking),
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut waiters = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiter = waiters.by_number.remove(&self.number);
        if let Some(waiter) = waiter.filter(|waiter| waiter.what == For::Taking) {
            let mut taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
            *taking += waiter.since.elapsed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_is_waited_for_the_longest_is_let_go_first() {
        let room = Arc::new(Room::default());
        let seats = [(); 3].map(|()| room.seat());
        let left = || seats.each_ref().map(|seat| seat.leave.is_cancelled());
        let [first, second, third] = &seats;
        let asks = first.wait(For::Asking);
        let _second = second.wait(For::Taking);
        let _third = third.wait(For::Asking);
        drop(asks);
        let _again = first.wait(For::Asking);
        room.let_go_who_takes(PATIENCE);
        assert_eq!(left(), [false; 3]);
        tokio::time::advance(PATIENCE.at_once).await;
        room.let_go_who_takes(PATIENCE);
        assert_eq!(left(), [false, true, false]);
        room.let_go();
        assert_eq!(left(), [false, true, true]);
        room.let_go();
        assert_eq!(left(), [true; 3]);
    }

    const PATIENCE: Patience = Patience {
        at_once: Duration::from_secs(1),
        in_all: Duration::from_secs(4),
    };

    #[tokio::test(start_paused = true)]
    async fn who_takes_a_little_for_long_makes_room_too() {
        let room = Arc::new(Room::default());
        let seats = [(); 2].map(|()| room.seat());
        let left = || seats.each_ref().map(|seat| seat.leave.is_cancelled());
        let [slow, slower] = &seats;
        // Never a second at once, but 3.9 s and 4 s in all.
        for _ in 0..39 {
            let taking = [slow.wait(For::Taking), slower.wait(For::Taking)];
            tokio::time::advance(Duration::from_millis(100)).await;
            drop(taking);
        }
        let taking = [slow.wait(For::Taking), slower.wait(For::Taking)];
        room.let_go_who_takes(PATIENCE);
        assert_eq!(left(), [false; 2]);
        let [slow_takes, _slower_takes] = taking;
        drop(slow_takes);
        tokio::time::advance(Duration::from_millis(100)).await;
        let _slow_takes = slow.wait(For::Taking);
        room.let_go_who_takes(PATIENCE);
        assert_eq!(left(), [false, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn each_answer_counts_for_itself() {
        let room = Arc::new(Room::default());
        let seat = room.seat();
        for _ in 0..9 {
            let taking = seat.wait(For::Taking);
            tokio::time::advance(PATIENCE.at_once / 2).await;
            room.let_go_who_takes(PATIENCE);
            drop(taking);
            drop(seat.wait(For::Asking));
        }
        assert!(!seat.leave.is_cancelled());
    }
}
