//! A trace of one attempt: the headers of the records that pass, and when.

use tokio::time::Instant;

use crate::model::{Passed, Step, Trace};

/// Steps that are kept: a handshake has a dozen. A server that sends more is not worth more memory.
const STEPS: usize = 32;

/// A record's header (RFC 9846 section 5.1), and the two bytes behind it that tell what is in it.
const HEADER: usize = 5;
const PEEKED: usize = 2;

/// What stands where nothing was noted yet.
const NOTHING: Step = Step {
    at: 0,
    what: Passed::Ended,
};

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// Writes a trace.
#[derive(Debug)]
pub(super) struct Tracer {
    started: Instant,
    /// The first `taken` of them count.
    steps: [Step; STEPS],
    taken: usize,
    sent: Direction,
    received: Direction,
}

/// One direction of a connection, as far as a record's beginning has passed.
#[derive(Debug, Default)]
struct Direction {
    head: [u8; HEADER + PEEKED],
    have: usize,
    /// Bytes of the record that are still to come and of no interest.
    skip: usize,
    encrypted: bool,
}

impl Tracer {
    /// Dialling begins at this instant.
    pub(super) fn new(started: Instant) -> Self {
        Self {
            started,
            steps: [NOTHING; STEPS],
            taken: 0,
            sent: Direction::default(),
            received: Direction::default(),
        }
    }

    pub(super) fn connected(&mut self) {
        self.note(Passed::Connected);
    }

    pub(super) fn sent(&mut self, bytes: &[u8]) {
        let mut direction = std::mem::take(&mut self.sent);
        direction.feed(bytes, true, |what| self.note(what));
        self.sent = direction;
    }

    /// Nothing is the end of the peer's side.
    pub(super) fn received(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return self.note(Passed::Ended);
        }
        let mut direction = std::mem::take(&mut self.received);
        direction.feed(bytes, false, |what| self.note(what));
        self.received = direction;
    }

    pub(super) fn finish(self) -> Trace {
        Trace(self.steps.get(..self.taken).unwrap_or_default().into())
    }

    fn note(&mut self, what: Passed) {
        if let Some(step) = self.steps.get_mut(self.taken) {
            let at = self.started.elapsed().as_micros();
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            *step = Step { at, what };
            self.taken += 1;
        }
    }
}

impl Direction {
    fn feed(&mut self, mut bytes: &[u8], sent: bool, mut note: impl FnMut(Passed)) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.skip > 0 {
                let passed = self.skip.min(bytes.len());
                self.skip -= passed;
                bytes = bytes.split_at(passed).1;
                continue;
            }
            if let Some(slot) = self.head.get_mut(self.have) {
                *slot = *first;
            }
            self.have += 1;
            bytes = rest;
            let [content, _, _, high, low, peeked @ ..] = self.head;
            let length = u16::from_be_bytes([high, low]);
            let inside = PEEKED.min(usize::from(length));
            if self.have == HEADER + inside {
                let [first, second] = peeked;
                let clear = !self.encrypted;
                let message = match content {
                    HANDSHAKE if clear && inside > 0 => Some(first),
                    ALERT if clear && inside > 1 => Some(second),
                    _ => None,
                };
                note(Passed::Record {
                    sent,
                    content,
                    message,
                    length,
                });
                self.encrypted |= content == CHANGE_CIPHER_SPEC;
                self.skip = usize::from(length) - inside;
                self.have = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is noted of these bytes, fed so many at a time.
    fn noted(bytes: &[u8], at_once: usize) -> Vec<String> {
        let mut direction = Direction::default();
        let mut noted = Vec::new();
        for part in bytes.chunks(at_once) {
            direction.feed(part, true, |what| {
                let Passed::Record {
                    content,
                    message,
                    length,
                    ..
                } = what
                else {
                    panic!("{what:?}")
                };
                let message = message.map_or_else(|| "-".to_owned(), |message| message.to_string());
                noted.push(format!("{} {message} {length}", Passed::content(content)));
            });
        }
        noted
    }

    #[test]
    fn records_are_noted_however_they_are_cut() {
        let mut bytes = vec![22, 3, 1, 0, 4, 1, 0, 0, 0];
        bytes.extend([22, 3, 3, 0, 1, 14]);
        bytes.extend([20, 3, 3, 0, 1, 1]);
        bytes.extend([22, 3, 3, 0, 3, 99, 99, 99]);
        bytes.extend([21, 3, 3, 0, 2, 2, 40]);
        bytes.extend([23, 3, 3, 0, 0]);
        let expected = [
            "handshake 1 4",
            "handshake 14 1",
            "change_cipher_spec - 1",
            "handshake - 3",
            "alert - 2",
            "application_data - 0",
        ];
        for at_once in 1..=bytes.len() {
            assert_eq!(noted(&bytes, at_once), expected, "{at_once}");
        }
        assert_eq!(noted(&[21, 3, 3, 0, 2, 2, 40], 9), ["alert 40 2"]);
        assert_eq!(noted(b"HTTP/1.1 400 Bad Request", 99), ["not_tls - 20527"]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_kept_than_is_worth_it() {
        let mut tracer = Tracer::new(Instant::now());
        for _ in 0..1000 {
            tracer.received(&[21, 3, 3, 0, 2, 1, 0]);
        }
        assert_eq!(tracer.finish().0.len(), STEPS);
    }
}
