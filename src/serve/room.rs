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
    leave: CancellationToken,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Seat {
    room: Arc<Room>,
    /// Cancelled when the connection has to end.
    pub(super) leave: CancellationToken,
}

/// A while in which one client is waited for.
#[derive(Debug)]
pub(super) struct Wait {
    room: Arc<Room>,
    number: u64,
}

impl Room {
    pub(super) fn seat(self: &Arc<Self>) -> Seat {
        Seat {
            room: Arc::clone(self),
            leave: CancellationToken::new(),
        }
    }

    /// Ends the connection that has been waited for the longest, of those that were for at least
    /// `patience`; of those that take something, where `only_taking`.
    pub(super) fn let_go(&self, only_taking: bool, patience: Duration) {
        let mut waiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let longest = (waiters.by_number.iter())
            .find(|(_, waiter)| !only_taking || waiter.what == For::Taking)
            .filter(|(_, waiter)| waiter.since.elapsed() >= patience)
            .map(|(number, _)| *number);
        if let Some(waiter) = longest.and_then(|number| waiters.by_number.remove(&number)) {
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
        let waiter = Waiter {
            what,
            since: Instant::now(),
            leave: self.leave.clone(),
        };
        waiters.by_number.insert(number, waiter);
        Wait {
            room: Arc::clone(&self.room),
            number,
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut waiters = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiters.by_number.remove(&self.number);
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
        room.let_go(true, Duration::from_secs(1));
        assert_eq!(left(), [false; 3]);
        tokio::time::advance(Duration::from_secs(1)).await;
        room.let_go(true, Duration::from_secs(1));
        assert_eq!(left(), [false, true, false]);
        room.let_go(false, Duration::ZERO);
        assert_eq!(left(), [false, true, true]);
        room.let_go(false, Duration::ZERO);
        assert_eq!(left(), [true; 3]);
    }
}
