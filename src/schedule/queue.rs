//! The queue: every door's next turn, and which one goes next. No input or output, no clock.
//!
//! A door has two turns: the regular probe, and (for TLS doors) the deep one, which waits for a
//! regular success. One heap of alarms serves all doors; a turn that has come waits at its
//! address's gate.
//!
//! No connection to a port is a fact of the port, not of the host that was asked for: the doors
//! behind it then share the failure and wait for one of them, the canary.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::num::NonZero;
use std::time::Duration;

use smallvec::SmallVec;
use tokio::time::Instant;

use super::doors::{DoorId, Doors};
use super::faces::Faces;
use super::gate::{self, Gates};
use super::lane::Lane;
use super::slots::Slots;
use crate::config::PerAddress;
use crate::model::{Address, Door, UnixTime};

/// The two turns of a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Regular,
    Deep,
}

/// How many connections a deep probe makes to an nginx as it comes, which takes more than most. It
/// makes them one after another.
const DEEP_CONNECTIONS: u32 = 19;

/// How soon the canary is asked again where others wait behind it: soon enough that a load
/// balancer that came back is not "down" for a whole interval, and one connection costs nothing.
const CANARY_INTERVAL: Duration = Duration::from_secs(30);

/// One probe to make now.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Job {
    pub(super) id: DoorId,
    pub(super) door: Door,
    pub(super) kind: Kind,
    /// How long after it was due.
    pub(super) late: Duration,
    lane: Lane,
}

/// What the queue needs to know of a probe that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// A connection to the port came about.
    pub(super) connected: bool,
    /// It saw what it came for: a certificate, or HTTP or a closed port in clear. Deep probes wait
    /// for this.
    pub(super) succeeded: bool,
    /// It ran into its deadline.
    pub(super) timed_out: bool,
    /// Names what was seen; a change of it makes the deep probe due.
    pub(super) identity: Option<NonZero<u64>>,
}

/// Settings of the queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) interval: Duration,
    pub(super) deep_interval: Duration,
    pub(super) concurrency: usize,
    pub(super) per_address: PerAddress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Deep: due as soon as a regular probe succeeds. Regular: waits for the canary.
    Idle,
    /// Comes at this instant.
    Timed(Instant),
    /// Came at this instant, and waits at the gate.
    Waiting(Instant),
    /// Under way; `again` when it was asked for meanwhile.
    Running { again: bool },
}

/// What is kept of a door as long as some target points at it.
#[derive(Debug)]
struct Entry {
    /// How many do.
    targets: u32,
    regular: Turn,
    deep: Turn,
    /// The last regular probe timed out.
    slow: bool,
    /// The last regular probe succeeded.
    succeeded: bool,
    identity: Option<NonZero<u64>>,
    /// What its last handshakes showed: where the deep probe asks.
    faces: Faces,
    /// It has been probed once, as deep as it can be.
    settled: bool,
}

/// The doors that share a [`PortKey`], and the canary while no connection comes about.
#[derive(Debug, Default)]
struct Port {
    /// In order. Most ports have one.
    doors: SmallVec<[DoorId; 1]>,
    canary: Option<DoorId>,
    /// When the canary's failure was last shared with all.
    shared: Option<Instant>,
    /// Those that have come since.
    newcomers: Vec<DoorId>,
}

/// Address, port, guarded, TLS: doors that share a failure to connect.
type PortKey = (Address, u16, bool, bool);

/// See the module.
#[derive(Debug)]
pub(super) struct Queue {
    limits: Limits,
    regular_slots: Slots,
    deep_slots: Slots,
    doors: Doors<Entry>,
    ports: HashMap<PortKey, Port>,
    gates: Gates,
    /// When a turn comes.
    turns: BinaryHeap<Reverse<(Instant, DoorId, Kind)>>,
    /// When an address is to be asked again.
    gate_alarms: BinaryHeap<Reverse<(Instant, Address)>>,
    in_flight: usize,
    slow_in_flight: usize,
    unproven_in_flight: usize,
    picks: u64,
    unsettled: usize,
}

impl Queue {
    pub(super) fn new(limits: Limits, now: Instant, wall: UnixTime) -> Self {
        Self {
            limits,
            regular_slots: Slots::new(limits.interval, now, wall),
            deep_slots: Slots::new(limits.deep_interval, now, wall),
            doors: Doors::new(),
            ports: HashMap::new(),
            gates: Gates::new(limits.per_address),
            turns: BinaryHeap::new(),
            gate_alarms: BinaryHeap::new(),
            in_flight: 0,
            slow_in_flight: 0,
            unproven_in_flight: 0,
            picks: 0,
            unsettled: 0,
        }
    }

    /// One more target points at this door. Says whether it is a new one, which is due at once.
    pub(super) fn add(&mut self, door: &Door, now: Instant) -> bool {
        if let Some(entry) = self.find_mut(door) {
            entry.targets += 1;
            return false;
        }
        let entry = Entry {
            targets: 1,
            regular: Turn::Idle,
            deep: Turn::Idle,
            slow: false,
            succeeded: false,
            identity: None,
            faces: Faces::default(),
            settled: false,
        };
        let id = self.doors.add(door.clone(), entry);
        self.unsettled += 1;
        let port = self.ports.entry(port_key(door)).or_default();
        port.join(id);
        // Where there is a canary, it speaks for a newcomer too: it is asked at once.
        let asked = port.canary.unwrap_or(id);
        self.make_due(asked, Kind::Regular, now);
        true
    }

    /// Makes a door due at once, deep probe included.
    pub(super) fn request(&mut self, door: &Door, now: Instant) {
        if let Some(id) = self.doors.find(door) {
            self.make_due(id, Kind::Regular, now);
            self.make_deep_due(id, now);
        }
    }

    /// One target fewer points at this door. Without any it is forgotten; a probe of it that is
    /// under way will be [`Queue::finish`]ed to no effect.
    pub(super) fn release(&mut self, door: &Door, now: Instant) {
        let Some(id) = self.doors.find(door) else {
            return;
        };
        let Some(entry) = self.doors.get_mut(id) else {
            return;
        };
        entry.targets -= 1;
        if entry.targets == 0 {
            self.forget(id, now);
        }
    }

    fn forget(&mut self, id: DoorId, now: Instant) {
        let Some((door, entry)) = self.doors.remove(id) else {
            return;
        };
        if !entry.settled {
            self.unsettled -= 1;
        }
        let key = port_key(&door);
        let Some(port) = self.ports.get_mut(&key) else {
            return;
        };
        port.leave(id);
        if port.canary == Some(id) {
            port.canary = port.doors.first().copied();
            if let Some(heir) = port.canary {
                self.make_due(heir, Kind::Regular, now);
            }
        }
        if self
            .ports
            .get(&key)
            .is_some_and(|port| port.doors.is_empty())
        {
            self.ports.remove(&key);
        }
    }

    /// What the door's last handshakes showed; nothing before the first.
    pub(super) fn faces(&self, id: DoorId) -> Faces {
        let entry = self.doors.get(id);
        entry.map_or_else(Faces::default, |entry| entry.faces.clone())
    }

    /// Notes what the door's last handshakes showed.
    pub(super) fn note_faces(&mut self, id: DoorId, faces: Faces) {
        if let Some(entry) = self.doors.get_mut(id) {
            entry.faces = faces;
        }
    }

    fn find_mut(&mut self, door: &Door) -> Option<&mut Entry> {
        self.doors.get_mut(self.doors.find(door)?)
    }

    /// Every door has been probed once, as deep as it can be.
    pub(super) fn is_settled(&self) -> bool {
        self.unsettled == 0
    }

    /// When something will come due that is not due now.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let turn = self.turns.peek().map(|Reverse((at, ..))| *at);
        let gate = self.gate_alarms.peek().map(|Reverse((at, _))| *at);
        turn.into_iter().chain(gate).min()
    }

    /// The next probe to start, if one may start now.
    pub(super) fn next(&mut self, now: Instant) -> Option<Job> {
        self.ring_alarms(now);
        if self.in_flight >= self.limits.concurrency {
            return None;
        }
        self.picks = self.picks.wrapping_add(1);
        // Regular probes come first, but never so that the others starve.
        let order = if self.picks.is_multiple_of(4) {
            [Lane::Deep, Lane::Slow, Lane::Unproven, Lane::Regular]
        } else {
            [Lane::Regular, Lane::Unproven, Lane::Slow, Lane::Deep]
        };
        order.into_iter().find_map(|lane| self.pick(lane, now))
    }

    /// Records how a probe ended; gives the doors that share the failure without having been
    /// asked, or `None` where the door was removed meanwhile.
    pub(super) fn finish(
        &mut self,
        job: &Job,
        outcome: Outcome,
        now: Instant,
    ) -> Option<Vec<Door>> {
        self.leave(job, now);
        self.end(job, outcome, now)
    }

    /// A deep probe that was to start connects to nobody: it takes no part of any limit. It is
    /// still under way, until its [`Queue::end`].
    pub(super) fn spare(&mut self, job: &Job, now: Instant) {
        self.gates.give_back(job.door.address(), DEEP_CONNECTIONS);
        self.leave(job, now);
    }

    fn leave(&mut self, job: &Job, now: Instant) {
        self.in_flight -= 1;
        self.slow_in_flight -= usize::from(job.lane == Lane::Slow);
        self.unproven_in_flight -= usize::from(job.lane == Lane::Unproven);
        if let Some(at) = self.gates.finish(job.door.address(), now) {
            self.ask_again(job.door.address().clone(), at);
        }
    }

    /// As [`Queue::finish`], of a probe that was [`Queue::spare`]d.
    pub(super) fn end(&mut self, job: &Job, outcome: Outcome, now: Instant) -> Option<Vec<Door>> {
        let turn = self.turn(job.id, job.kind)?;
        let again = turn == Turn::Running { again: true };
        match job.kind {
            Kind::Deep => {
                let at = if again {
                    now
                } else {
                    self.deep_slots.next(&job.door, now)
                };
                self.settle(job.id);
                self.set_timer(job.id, Kind::Deep, at);
                Some(Vec::new())
            }
            Kind::Regular => {
                let at = if again {
                    now
                } else {
                    self.regular_slots.next(&job.door, now)
                };
                Some(self.finish_regular(job, outcome, at, now))
            }
        }
    }

    fn finish_regular(
        &mut self,
        job: &Job,
        outcome: Outcome,
        next: Instant,
        now: Instant,
    ) -> Vec<Door> {
        let Some(entry) = self.doors.get_mut(job.id) else {
            return Vec::new();
        };
        let changed = outcome.identity.is_some()
            && entry
                .identity
                .is_some_and(|old| Some(old) != outcome.identity);
        entry.slow = outcome.timed_out;
        entry.succeeded = outcome.succeeded;
        entry.identity = outcome.identity.or(entry.identity);
        entry.regular = Turn::Idle;
        let deep_is_due = entry.deep == Turn::Idle;
        if outcome.succeeded && (deep_is_due || changed) {
            self.make_deep_due(job.id, now);
        } else if !outcome.succeeded {
            self.settle(job.id);
        } else {
            // The deep probe has had, or will have, its own turn.
        }
        let shared = if outcome.connected {
            self.port_is_up(job, now);
            Vec::new()
        } else {
            self.port_is_down(job, now)
        };
        self.set_next_regular(job, next, now);
        shared
    }

    /// Its own slot; sooner for a canary that others wait behind; none for a door that waits
    /// behind another.
    fn set_next_regular(&mut self, job: &Job, at: Instant, now: Instant) {
        let port = self.ports.get(&port_key(&job.door));
        let canary = port.and_then(|port| port.canary);
        if canary.is_some_and(|canary| canary != job.id) {
            return;
        }
        let alone = port.is_none_or(|port| port.doors.len() <= 1);
        let soon = now + CANARY_INTERVAL;
        let at = if canary.is_some() && !alone {
            at.min(soon)
        } else {
            at
        };
        if self.turn(job.id, Kind::Regular) == Some(Turn::Idle) {
            self.set_timer(job.id, Kind::Regular, at);
        }
    }

    fn port_is_up(&mut self, job: &Job, now: Instant) {
        let Some(port) = self.ports.get_mut(&port_key(&job.door)) else {
            return;
        };
        port.shared = None;
        port.newcomers = Vec::new();
        if port.canary.take().is_none() {
            return;
        }
        let waiting = port.doors.clone();
        for id in waiting {
            if self.turn(id, Kind::Regular) == Some(Turn::Idle) && id != job.id {
                self.make_due(id, Kind::Regular, now);
            }
        }
    }

    /// Makes the door the port's canary if there is none, and lets the others wait behind it. Gives
    /// those that share its failure: all, but where they have a moment ago, those that came since.
    /// At the start, thousands come one by one.
    fn port_is_down(&mut self, job: &Job, now: Instant) -> Vec<Door> {
        let Some(port) = self.ports.get_mut(&port_key(&job.door)) else {
            return Vec::new();
        };
        let canary = *port.canary.get_or_insert(job.id);
        if canary != job.id {
            return Vec::new();
        }
        let newcomers = std::mem::take(&mut port.newcomers);
        let recently = |at| now.saturating_duration_since(at) < CANARY_INTERVAL / 2;
        let mut others = if port.shared.is_some_and(recently) {
            newcomers
        } else {
            port.shared = Some(now);
            port.doors.to_vec()
        };
        others.retain(|id| *id != job.id);
        let mut sharing = Vec::with_capacity(others.len());
        for id in others {
            let Some(entry) = self.doors.get_mut(id) else {
                continue;
            };
            if matches!(entry.regular, Turn::Running { .. }) {
                continue;
            }
            entry.regular = Turn::Idle;
            entry.succeeded = false;
            sharing.extend(self.doors.door(id).cloned());
            self.settle(id);
        }
        sharing
    }

    fn ring_alarms(&mut self, now: Instant) {
        while let Some(Reverse((_, address))) =
            pop_due(&mut self.gate_alarms, |Reverse(due)| due.0 <= now)
        {
            if let Some(at) = self.gates.ask_again(&address, now) {
                self.ask_again(address, at);
            }
        }
        while let Some(Reverse((at, id, kind))) =
            pop_due(&mut self.turns, |Reverse(due)| due.0 <= now)
        {
            // An alarm of a turn that was moved meanwhile says nothing.
            if self.turn(id, kind) != Some(Turn::Timed(at)) {
                continue;
            }
            if kind == Kind::Deep && !self.doors.get(id).is_some_and(|e| e.succeeded) {
                self.set_turn(id, Kind::Deep, Turn::Idle);
            } else {
                self.make_due(id, kind, at);
            }
        }
    }

    fn ask_again(&mut self, address: Address, at: Instant) {
        self.gate_alarms.push(Reverse((at, address)));
    }

    fn pick(&mut self, lane: Lane, now: Instant) -> Option<Job> {
        if !self.has_room(lane) {
            return None;
        }
        loop {
            match self.gates.next(lane, now) {
                gate::Turn::Nothing => return None,
                gate::Turn::AskAgain(address, at) => {
                    self.ask_again(address, at);
                }
                gate::Turn::Go(id) => {
                    if let Some(job) = self.start(id, lane, now) {
                        return Some(job);
                    }
                }
            }
        }
    }

    fn has_room(&self, lane: Lane) -> bool {
        let quarter = self.limits.concurrency / 4;
        let unproven = self.unproven_in_flight + self.slow_in_flight;
        match lane {
            Lane::Regular | Lane::Deep => true,
            Lane::Unproven => unproven < self.limits.concurrency - quarter,
            Lane::Slow => self.slow_in_flight < quarter.max(1),
        }
    }

    /// Starts a turn that waited in this lane, unless it was removed or moved meanwhile.
    fn start(&mut self, id: DoorId, lane: Lane, now: Instant) -> Option<Job> {
        let kind = if lane == Lane::Deep {
            Kind::Deep
        } else {
            Kind::Regular
        };
        let Some(Turn::Waiting(due)) = self.turn(id, kind) else {
            return None;
        };
        self.set_turn(id, kind, Turn::Running { again: false });
        let door = self.doors.door(id)?.clone();
        let connections = if kind == Kind::Deep {
            DEEP_CONNECTIONS
        } else {
            1
        };
        self.gates.start(door.address(), connections);
        self.in_flight += 1;
        self.slow_in_flight += usize::from(lane == Lane::Slow);
        self.unproven_in_flight += usize::from(lane == Lane::Unproven);
        Some(Job {
            id,
            door,
            kind,
            late: now.saturating_duration_since(due),
            lane,
        })
    }

    fn make_deep_due(&mut self, id: DoorId, now: Instant) {
        let is_tls = matches!(self.doors.door(id), Some(Door::Tls(_)));
        if is_tls && self.doors.get(id).is_some_and(|e| e.succeeded) {
            self.make_due(id, Kind::Deep, now);
        } else if is_tls && matches!(self.turn(id, Kind::Deep), Some(Turn::Timed(_))) {
            self.set_turn(id, Kind::Deep, Turn::Idle);
        } else if !is_tls {
            self.settle(id);
        } else {
            // Already due at the next success, or on its way.
        }
    }

    /// Lets a turn wait at its gate from now on, or run again if it is under way.
    fn make_due(&mut self, id: DoorId, kind: Kind, now: Instant) {
        let (Some(entry), Some(door)) = (self.doors.get(id), self.doors.door(id)) else {
            return;
        };
        match entry.turn(kind) {
            Turn::Waiting(_) => {}
            Turn::Running { .. } => self.set_turn(id, kind, Turn::Running { again: true }),
            Turn::Idle | Turn::Timed(_) => {
                let lane = match kind {
                    Kind::Deep => Lane::Deep,
                    Kind::Regular if entry.slow => Lane::Slow,
                    Kind::Regular if entry.succeeded => Lane::Regular,
                    Kind::Regular => Lane::Unproven,
                };
                self.gates.wait(id, door.address(), lane, now);
                self.set_turn(id, kind, Turn::Waiting(now));
            }
        }
    }

    fn settle(&mut self, id: DoorId) {
        if let Some(entry) = self.doors.get_mut(id)
            && !entry.settled
        {
            entry.settled = true;
            self.unsettled -= 1;
        }
    }

    fn set_timer(&mut self, id: DoorId, kind: Kind, at: Instant) {
        self.set_turn(id, kind, Turn::Timed(at));
        self.turns.push(Reverse((at, id, kind)));
    }

    fn set_turn(&mut self, id: DoorId, kind: Kind, turn: Turn) {
        if let Some(entry) = self.doors.get_mut(id) {
            match kind {
                Kind::Regular => entry.regular = turn,
                Kind::Deep => entry.deep = turn,
            }
        }
    }

    fn turn(&self, id: DoorId, kind: Kind) -> Option<Turn> {
        self.doors.get(id).map(|entry| entry.turn(kind))
    }
}

impl Port {
    fn join(&mut self, id: DoorId) {
        if let Err(at) = self.doors.binary_search(&id) {
            self.doors.insert(at, id);
            self.newcomers.push(id);
        }
    }

    fn leave(&mut self, id: DoorId) {
        if let Ok(at) = self.doors.binary_search(&id) {
            self.doors.remove(at);
        }
    }
}

impl Entry {
    fn turn(&self, kind: Kind) -> Turn {
        match kind {
            Kind::Regular => self.regular,
            Kind::Deep => self.deep,
        }
    }
}

/// The next alarm, if it is due.
fn pop_due<T: Ord>(alarms: &mut BinaryHeap<T>, is_due: impl Fn(&T) -> bool) -> Option<T> {
    if alarms.peek().is_some_and(is_due) {
        alarms.pop()
    } else {
        None
    }
}

fn port_key(door: &Door) -> PortKey {
    let (guarded, tls) = match door {
        Door::Tls(door) => (door.guarded, true),
        Door::Plain(door) => (door.guarded, false),
    };
    (door.address().clone(), door.port(), guarded, tls)
}

#[cfg(test)]
#[path = "queue_test.rs"]
mod tests;
