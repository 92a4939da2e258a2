//! Tests of the queue, on instants that are made up.

use std::sync::Arc;

use super::*;
use crate::model::{PlainDoor, RequestPath, Requests, TlsDoor};

const INTERVAL: Duration = Duration::from_mins(5);
const DEEP_INTERVAL: Duration = Duration::from_hours(6);
const SEEN: Outcome = Outcome {
    connected: true,
    succeeded: true,
    timed_out: false,
    identity: NonZero::new(1),
};
const REFUSED: Outcome = Outcome {
    connected: false,
    succeeded: false,
    timed_out: false,
    identity: None,
};
const TIMED_OUT: Outcome = Outcome {
    timed_out: true,
    ..REFUSED
};
const HUNG: Outcome = Outcome {
    connected: true,
    timed_out: true,
    ..REFUSED
};

struct Bench {
    queue: Queue,
    now: Instant,
}

impl Bench {
    fn new(concurrency: usize) -> Self {
        let now = Instant::now();
        let per_address = PerAddress {
            in_flight: 8,
            connections_per_second: 1_000_000,
        };
        let limits = Limits {
            interval: INTERVAL,
            deep_interval: DEEP_INTERVAL,
            concurrency,
            per_address,
        };
        Self {
            queue: Queue::new(limits, now, UnixTime::from_secs(1_700_000_000)),
            now,
        }
    }

    fn add(&mut self, doors: &[Door]) {
        for door in doors {
            if !self.queue.add(door, self.now) {
                self.queue.request(door, self.now);
            }
        }
    }

    fn next(&mut self) -> Option<Job> {
        self.queue.next(self.now)
    }

    fn finish(&mut self, job: &Job, outcome: Outcome) -> Option<Vec<Door>> {
        self.queue.finish(job, outcome, self.now)
    }

    /// Runs everything that is due now to the same end; gives the doors and kinds in order.
    fn drain(&mut self, outcome: Outcome) -> Vec<(Door, Kind)> {
        let mut ran = Vec::new();
        while let Some(job) = self.next() {
            self.finish(&job, outcome);
            ran.push((job.door, job.kind));
        }
        ran
    }

    /// Moves on to the next instant at which a job may start.
    fn advance(&mut self) -> Option<Job> {
        loop {
            if let Some(job) = self.next() {
                return Some(job);
            }
            self.now = self.queue.wake_at()?;
        }
    }
}

fn tls(address: u8, name: u32) -> Door {
    Door::Tls(Arc::new(TlsDoor {
        address: Address::Ip([192, 0, 2, address].into()),
        port: 443,
        server_name: Some(format!("h{name}.example").into()),
        starttls: None,
        guarded: true,
        requests: Requests::Nothing,
    }))
}

fn plain(address: u8, name: u32) -> Door {
    Door::Plain(Arc::new(PlainDoor {
        address: Address::Ip([192, 0, 2, address].into()),
        port: 80,
        host: format!("h{name}.example").into(),
        path: RequestPath::default(),
        guarded: true,
    }))
}

#[test]
fn a_new_door_is_due_at_once_and_the_deep_probe_follows_the_first_success() {
    let mut bench = Bench::new(64);
    bench.add(&[tls(1, 1)]);
    assert!(!bench.queue.is_settled());
    assert_eq!(
        bench.drain(SEEN),
        [(tls(1, 1), Kind::Regular), (tls(1, 1), Kind::Deep)]
    );
    assert!(bench.queue.is_settled());
}

#[test]
fn a_door_that_fails_is_not_probed_deeply_until_it_succeeds() {
    let mut bench = Bench::new(64);
    bench.add(&[tls(1, 1)]);
    assert_eq!(bench.drain(REFUSED), [(tls(1, 1), Kind::Regular)]);
    assert!(bench.queue.is_settled(), "there is nothing deeper to see");
    let job = bench.advance().unwrap();
    bench.finish(&job, SEEN);
    assert_eq!(bench.drain(SEEN), [(tls(1, 1), Kind::Deep)]);
}

#[test]
fn a_door_has_its_turn_once_in_every_interval() {
    let mut bench = Bench::new(64);
    bench.add(&[plain(1, 1)]);
    bench.drain(SEEN);
    let start = bench.now;
    let first = bench.advance().unwrap();
    assert!(bench.now <= start + INTERVAL);
    bench.finish(&first, SEEN);
    let turn = bench.now;
    let second = bench.advance().unwrap();
    assert_eq!((second.door, bench.now), (plain(1, 1), turn + INTERVAL));
    assert_eq!(second.late, Duration::ZERO);
}

#[test]
fn a_changed_certificate_makes_the_deep_probe_due() {
    let mut bench = Bench::new(64);
    bench.add(&[tls(1, 1)]);
    bench.drain(SEEN);
    let job = bench.advance().unwrap();
    bench.finish(&job, SEEN);
    assert_eq!(
        bench.drain(SEEN),
        [],
        "the same certificate asks for nothing"
    );
    let job = bench.advance().unwrap();
    bench.finish(
        &job,
        Outcome {
            identity: NonZero::new(2),
            ..SEEN
        },
    );
    assert_eq!(bench.drain(SEEN), [(tls(1, 1), Kind::Deep)]);
}

#[test]
fn a_door_that_changes_is_due_at_once_even_while_it_is_probed() {
    let mut bench = Bench::new(64);
    bench.add(&[tls(1, 1)]);
    let job = bench.next().unwrap();
    bench.add(&[tls(1, 1)]);
    assert_eq!(bench.next(), None, "never twice at the same time");
    bench.finish(&job, SEEN);
    let ran = bench.drain(SEEN);
    assert_eq!(ran, [(tls(1, 1), Kind::Regular), (tls(1, 1), Kind::Deep)]);
}

#[test]
fn a_removed_door_never_comes_up_again() {
    let mut bench = Bench::new(64);
    bench.add(&[tls(1, 1), tls(1, 2)]);
    let job = bench.next().unwrap();
    let removed = job.door.clone();
    bench.queue.release(&removed, bench.now);
    assert_eq!(bench.finish(&job, SEEN), None);
    let ran = bench.drain(SEEN);
    assert!(ran.iter().all(|(door, _)| *door != removed) && ran.len() == 2);
    bench.queue.release(&ran[0].0, bench.now);
    assert!(bench.queue.is_settled());
    assert_eq!(bench.advance(), None);
}

#[test]
fn a_door_stays_as_long_as_a_target_points_at_it() {
    let mut bench = Bench::new(64);
    assert!(bench.queue.add(&plain(1, 1), bench.now), "a new one");
    assert!(!bench.queue.add(&plain(1, 1), bench.now), "known already");
    bench.drain(SEEN);
    bench.queue.release(&plain(1, 1), bench.now);
    let job = bench.advance().unwrap();
    bench.finish(&job, SEEN);
    bench.queue.release(&plain(1, 1), bench.now);
    assert_eq!(bench.advance(), None);
}

#[test]
fn what_hangs_takes_a_quarter_of_the_concurrency() {
    let mut bench = Bench::new(8);
    let hanging: Vec<Door> = (1..=8).map(|address| tls(address, 1)).collect();
    bench.add(&hanging);
    bench.drain(HUNG);
    bench.now += INTERVAL;
    let started: Vec<Job> = std::iter::from_fn(|| bench.next()).collect();
    assert_eq!(started.len(), 2);
    bench.add(&[tls(9, 1)]);
    assert_eq!(
        bench.next().unwrap().door,
        tls(9, 1),
        "others are not held up"
    );
    bench.finish(&started[0], HUNG);
    assert!(bench.next().is_some(), "one ends, the next one starts");
}

/// As [`tls`], an address for each.
fn apart(n: u32) -> Door {
    Door::Tls(Arc::new(TlsDoor {
        address: Address::Ip(std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).into()),
        port: 443,
        server_name: None,
        starttls: None,
        guarded: true,
        requests: Requests::Nothing,
    }))
}

const BROKEN: Outcome = Outcome {
    connected: true,
    ..REFUSED
};

#[test]
fn doors_that_fail_never_delay_a_good_ones_turn() {
    let mut bench = Bench::new(8);
    let failing: Vec<Door> = (0..1000).map(apart).collect();
    bench.add(&[tls(1, 1)]);
    bench.drain(SEEN);
    bench.add(&failing);
    bench.drain(BROKEN);
    bench.now += INTERVAL;
    // They wait for longer than the good one, and are as many as may be.
    let first = bench.next().unwrap();
    assert_eq!(first.door, tls(1, 1), "it comes first");
    bench.finish(&first, SEEN);
    let started: Vec<Job> = std::iter::from_fn(|| bench.next()).collect();
    assert_eq!(started.len(), 6, "a quarter is left");
    bench.queue.request(&tls(1, 1), bench.now);
    assert_eq!(bench.next().unwrap().door, tls(1, 1));
    for job in &started {
        bench.finish(job, BROKEN);
    }
    assert!(bench.next().is_some(), "they end, and the next ones start");
}

#[test]
fn doors_that_are_new_never_delay_one_that_is_known_to_be_good() {
    let mut bench = Bench::new(8);
    bench.add(&[tls(1, 1)]);
    bench.drain(SEEN);
    let new: Vec<Door> = (0..1000).map(apart).collect();
    bench.add(&new);
    let started: Vec<Job> = std::iter::from_fn(|| bench.next()).collect();
    assert_eq!(started.len(), 6, "a quarter is left");
    bench.now += INTERVAL;
    let good = bench.next().unwrap();
    assert_eq!((good.door.clone(), good.kind), (tls(1, 1), Kind::Regular));
    // While they hang, it has its turn as ever.
    bench.finish(&good, SEEN);
    let turn = bench.now;
    assert_eq!(bench.advance().unwrap().door, tls(1, 1));
    assert!(bench.now <= turn + INTERVAL);
}

#[test]
fn doors_that_fail_have_their_turns_however_many_good_ones_there_are() {
    let mut bench = Bench::new(1);
    let good: Vec<Door> = (0..1000).map(apart).collect();
    bench.add(&[tls(1, 1)]);
    bench.drain(BROKEN);
    bench.add(&good);
    bench.drain(SEEN);
    bench.now += INTERVAL;
    let before = (0..1000).take_while(|_| {
        let job = bench.next().unwrap();
        bench.finish(&job, SEEN);
        job.door != tls(1, 1)
    });
    // Of every four picks, one is for others first: for the few deep turns that have come, then.
    assert!(before.count() < 200);
}

#[test]
fn doors_behind_a_dead_port_share_its_failure_and_wait_for_one_canary() {
    let mut bench = Bench::new(64);
    let doors: Vec<Door> = (0..5000).map(|name| tls(1, name)).collect();
    bench.add(&doors);
    let jobs: Vec<Job> = std::iter::from_fn(|| bench.next()).collect();
    assert_eq!(jobs.len(), 8, "the address admits no more at once");
    let sharing = bench.finish(&jobs[0], TIMED_OUT).unwrap();
    assert_eq!(
        sharing.len(),
        5000 - 8,
        "those under way tell for themselves"
    );
    for job in &jobs[1..] {
        assert_eq!(bench.finish(job, TIMED_OUT), Some(vec![]));
    }
    assert!(bench.queue.is_settled());
    let start = bench.now;
    let canary = bench.advance().unwrap();
    assert_eq!(canary.door, jobs[0].door);
    assert!(bench.now <= start + CANARY_INTERVAL);
    assert_eq!(bench.next(), None, "nobody else dials");
    assert_eq!(bench.finish(&canary, TIMED_OUT).unwrap().len(), 4999);
    let canary = bench.advance().unwrap();
    assert_eq!(bench.finish(&canary, SEEN), Some(vec![]));
    let back = bench.drain(SEEN);
    let regular = back
        .iter()
        .filter(|(_, kind)| *kind == Kind::Regular)
        .count();
    assert_eq!(regular, 4999, "all of them are asked as soon as it answers");
}

#[test]
fn a_door_that_joins_a_dead_port_waits_for_its_canary_which_is_asked_at_once() {
    let mut bench = Bench::new(64);
    bench.add(&[tls(1, 0)]);
    assert_eq!(bench.drain(REFUSED), [(tls(1, 0), Kind::Regular)]);
    let joining: Vec<Door> = (1..=1000).map(|name| tls(1, name)).collect();
    bench.add(&joining);
    assert!(!bench.queue.is_settled());
    let canary = bench.next().unwrap();
    assert_eq!(canary.door, tls(1, 0));
    assert_eq!(bench.next(), None, "nobody else dials");
    assert_eq!(bench.finish(&canary, REFUSED).unwrap().len(), 1000);
    assert!(bench.queue.is_settled());
    bench.add(&[tls(1, 1001)]);
    let canary = bench.next().unwrap();
    bench.finish(&canary, SEEN);
    let back = bench.drain(SEEN);
    let regular = |(_, kind): &&(Door, Kind)| *kind == Kind::Regular;
    assert_eq!(back.iter().filter(regular).count(), 1001);
}

#[test]
fn doors_that_join_a_dead_port_one_by_one_share_its_failure_alone() {
    let mut bench = Bench::new(64);
    let doors: Vec<Door> = (0..10).map(|name| tls(1, name)).collect();
    bench.add(&doors);
    bench.drain(REFUSED);
    for name in 10..13 {
        bench.add(&[tls(1, name)]);
        let canary = bench.next().unwrap();
        let sharing = bench.finish(&canary, REFUSED).unwrap();
        assert_eq!(sharing, [tls(1, name)]);
    }
    // Its own turn is everybody's.
    let canary = bench.advance().unwrap();
    assert_eq!(bench.finish(&canary, REFUSED).unwrap().len(), 12);
}

#[test]
fn the_canary_that_is_removed_has_an_heir() {
    let mut bench = Bench::new(64);
    bench.add(&[tls(1, 1), tls(1, 2)]);
    let job = bench.next().unwrap();
    bench.finish(&job, REFUSED);
    bench.queue.release(&job.door, bench.now);
    let heir = bench.next().unwrap();
    assert_ne!(heir.door, job.door);
    bench.finish(&heir, SEEN);
    assert_eq!(bench.drain(SEEN).len(), 1, "its deep probe");
}

#[test]
fn a_closed_port_80_says_nothing_about_port_443() {
    let mut bench = Bench::new(64);
    bench.add(&[plain(1, 1), tls(1, 1)]);
    let job = bench.next().unwrap();
    assert_eq!(job.door, plain(1, 1));
    assert_eq!(bench.finish(&job, REFUSED), Some(vec![]));
    assert_eq!(bench.next().unwrap().door, tls(1, 1));
}

#[test]
fn an_address_with_thousands_of_hosts_delays_nobody_else() {
    let mut bench = Bench::new(64);
    let crowd: Vec<Door> = (0..5000).map(|name| tls(1, name)).collect();
    bench.add(&crowd);
    bench.add(&[tls(2, 1)]);
    let started: Vec<Door> = std::iter::from_fn(|| bench.next())
        .map(|job| job.door)
        .collect();
    assert!(started.contains(&tls(2, 1)));
}
