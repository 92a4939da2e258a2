//! The gates before addresses: how many probes at once, and how many connections a second.
//!
//! All hosts of an ingress controller share its address, so without a gate a cluster's worth of
//! probes would reach one machine in one burst. The addresses take rounds, so that one with
//! thousands of hosts delays nobody else.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::doors::DoorId;
use super::lane::{Lane, Lanes};
use crate::config::PerAddress;
use crate::model::Address;

/// The doors that wait before one address, and what is under way behind it.
#[derive(Debug)]
struct Gate {
    limits: PerAddress,
    in_flight: usize,
    /// Connections that may be made now; a job may overdraw it, and then the next one waits.
    tokens: f64,
    refilled: Instant,
    waiting: Lanes<VecDeque<DoorId>>,
    /// In which lanes' rounds the address takes part at the moment.
    in_round: Lanes<bool>,
}

impl Gate {
    fn new(limits: PerAddress, now: Instant) -> Self {
        Self {
            limits,
            in_flight: 0,
            tokens: f64::from(limits.connections_per_second),
            refilled: now,
            waiting: Lanes::default(),
            in_round: Lanes::default(),
        }
    }

    /// Whether a job may start now; otherwise when to ask again, or `None` if a job that is under
    /// way has to end first.
    fn admits(&mut self, now: Instant) -> Result<(), Option<Instant>> {
        if self.in_flight >= self.limits.in_flight {
            return Err(None);
        }
        self.refill(now);
        if self.tokens > 0.0 {
            Ok(())
        } else {
            Err(Some(self.holds_at(0.0, now)))
        }
    }

    fn refill(&mut self, now: Instant) {
        let rate = f64::from(self.limits.connections_per_second);
        let gained = now.saturating_duration_since(self.refilled).as_secs_f64() * rate;
        self.tokens = (self.tokens + gained).min(rate);
        self.refilled = now;
    }

    /// When there will be more than this many tokens: a millisecond later than computed, so that
    /// rounding never makes it come back too early.
    fn holds_at(&self, tokens: f64, now: Instant) -> Instant {
        let rate = f64::from(self.limits.connections_per_second.max(1));
        now + Duration::from_secs_f64((tokens - self.tokens).max(0.0) / rate + 0.001)
    }

    /// When nothing more distinguishes it from a new one; `None` while it is in use.
    fn idle_from(&mut self, now: Instant) -> Option<Instant> {
        self.refill(now);
        let used = self.in_flight > 0
            || !self.waiting.all(VecDeque::is_empty)
            || !self.in_round.all(|in_round| !in_round);
        let full = f64::from(self.limits.connections_per_second);
        let is_full = self.tokens >= full;
        (!used).then(|| {
            if is_full {
                now
            } else {
                self.holds_at(full, now)
            }
        })
    }
}

/// The gates of all addresses, and the rounds that the addresses take.
#[derive(Debug)]
pub(super) struct Gates {
    limits: PerAddress,
    by_address: HashMap<Address, Gate>,
    rounds: Lanes<VecDeque<Address>>,
}

/// What [`Gates::next`] found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// This door may go.
    Go(DoorId),
    /// This address has to be asked again at this instant.
    AskAgain(Address, Instant),
    /// Nothing may go in this lane.
    Nothing,
}

impl Gates {
    pub(super) fn new(limits: PerAddress) -> Self {
        Self {
            limits,
            by_address: HashMap::new(),
            rounds: Lanes::default(),
        }
    }

    /// Lets a door wait in a lane before its address.
    pub(super) fn wait(&mut self, id: DoorId, address: &Address, lane: Lane, now: Instant) {
        let limits = self.limits;
        let gate = self
            .by_address
            .entry(address.clone())
            .or_insert_with(|| Gate::new(limits, now));
        gate.waiting.of_mut(lane).push_back(id);
        self.rejoin(address);
    }

    /// The next door in a lane, by rounds over the addresses.
    pub(super) fn next(&mut self, lane: Lane, now: Instant) -> Turn {
        while let Some(address) = self.rounds.of_mut(lane).pop_front() {
            let Some(gate) = self.by_address.get_mut(&address) else {
                continue;
            };
            *gate.in_round.of_mut(lane) = false;
            if gate.waiting.of(lane).is_empty() {
                if let Some(at) = self.forget(&address, now) {
                    return Turn::AskAgain(address, at);
                }
                continue;
            }
            match gate.admits(now) {
                Ok(()) => {}
                Err(None) => continue,
                Err(Some(at)) => return Turn::AskAgain(address, at),
            }
            let next = gate.waiting.of_mut(lane).pop_front();
            self.rejoin(&address);
            if let Some(id) = next {
                return Turn::Go(id);
            }
        }
        Turn::Nothing
    }

    /// A probe with this many connections starts.
    pub(super) fn start(&mut self, address: &Address, connections: u32) {
        if let Some(gate) = self.by_address.get_mut(address) {
            gate.in_flight += 1;
            gate.tokens -= f64::from(connections);
        }
    }

    /// A probe that started makes none of its connections after all.
    pub(super) fn give_back(&mut self, address: &Address, connections: u32) {
        if let Some(gate) = self.by_address.get_mut(address) {
            gate.tokens += f64::from(connections);
        }
    }

    /// A probe ended; gives when to ask again, where that is needed.
    pub(super) fn finish(&mut self, address: &Address, now: Instant) -> Option<Instant> {
        if let Some(gate) = self.by_address.get_mut(address) {
            gate.in_flight = gate.in_flight.saturating_sub(1);
        }
        self.ask_again(address, now)
    }

    /// Lets an address take part again in the rounds of every lane where something waits, or
    /// forgets it; gives when to ask again, where that is needed.
    pub(super) fn ask_again(&mut self, address: &Address, now: Instant) -> Option<Instant> {
        self.rejoin(address);
        self.forget(address, now)
    }

    fn rejoin(&mut self, address: &Address) {
        let Some(gate) = self.by_address.get_mut(address) else {
            return;
        };
        for lane in Lane::ALL {
            if !gate.waiting.of(lane).is_empty() && !*gate.in_round.of(lane) {
                *gate.in_round.of_mut(lane) = true;
                self.rounds.of_mut(lane).push_back(address.clone());
            }
        }
    }

    fn forget(&mut self, address: &Address, now: Instant) -> Option<Instant> {
        let from = self.by_address.get_mut(address)?.idle_from(now)?;
        if from > now {
            return Some(from);
        }
        self.by_address.remove(address);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGULAR: Lane = Lane::Regular;

    fn gates(in_flight: usize, connections_per_second: u32) -> (Gates, Instant) {
        (
            Gates::new(PerAddress {
                in_flight,
                connections_per_second,
            }),
            Instant::now(),
        )
    }

    fn address(last: u8) -> Address {
        Address::Ip([192, 0, 2, last].into())
    }

    fn wait(gates: &mut Gates, ids: &[u32], last: u8, now: Instant) {
        for id in ids {
            gates.wait(DoorId::for_tests(*id), &address(last), REGULAR, now);
        }
    }

    #[test]
    fn no_more_jobs_are_admitted_than_may_be_in_flight() {
        let (mut gates, now) = gates(2, 100);
        wait(&mut gates, &[1, 2, 3], 1, now);
        for id in [1, 2] {
            assert_eq!(gates.next(REGULAR, now), Turn::Go(DoorId::for_tests(id)));
            gates.start(&address(1), 1);
        }
        assert_eq!(gates.next(REGULAR, now), Turn::Nothing);
        gates.finish(&address(1), now);
        assert_eq!(gates.next(REGULAR, now), Turn::Go(DoorId::for_tests(3)));
    }

    #[test]
    fn connections_are_paid_for_and_come_back_with_time() {
        let (mut gates, now) = gates(100, 10);
        wait(&mut gates, &[1, 2], 1, now);
        assert_eq!(gates.next(REGULAR, now), Turn::Go(DoorId::for_tests(1)));
        gates.start(&address(1), 15);
        let Turn::AskAgain(_, at) = gates.next(REGULAR, now) else {
            panic!("no tokens left")
        };
        assert_eq!(
            (at - now).as_millis(),
            501,
            "a debt of five at ten a second"
        );
        assert_eq!(
            gates.next(REGULAR, now),
            Turn::Nothing,
            "it takes no part in the rounds"
        );
        gates.ask_again(&address(1), at);
        assert_eq!(gates.next(REGULAR, at), Turn::Go(DoorId::for_tests(2)));
    }

    #[test]
    fn addresses_take_rounds_however_many_wait_before_one() {
        let (mut gates, now) = gates(100, 1000);
        wait(&mut gates, &[1, 2, 3, 4], 1, now);
        wait(&mut gates, &[9], 2, now);
        assert_eq!(gates.next(REGULAR, now), Turn::Go(DoorId::for_tests(1)));
        assert_eq!(gates.next(REGULAR, now), Turn::Go(DoorId::for_tests(9)));
        assert_eq!(gates.next(REGULAR, now), Turn::Go(DoorId::for_tests(2)));
    }

    #[test]
    fn an_idle_address_is_forgotten_but_not_its_debt() {
        let (mut gates, now) = gates(8, 10);
        wait(&mut gates, &[1], 1, now);
        assert_eq!(gates.next(REGULAR, now), Turn::Go(DoorId::for_tests(1)));
        gates.start(&address(1), 5);
        // It still stands in the round that it was put back into, until that is seen to be empty.
        let _ = gates.next(REGULAR, now);
        let at = gates.finish(&address(1), now).expect("it owes connections");
        assert_eq!(gates.by_address.len(), 1);
        assert_eq!(gates.ask_again(&address(1), at), None);
        assert_eq!(gates.by_address.len(), 0);
    }
}
