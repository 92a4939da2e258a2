//! Deep facts that several doors share: where one address serves thousands of hosts alike, it is
//! asked once, and the answer holds for all of them. No input or output, no clock.
//!
//! Doors are alike where they lead to the same port of the same addresses, and their last
//! handshakes there showed the same chain and agreed on the same. A server that has settings by
//! name can still differ in what only the deep probe sees; it then shows another certificate, or
//! agrees on something else, more often than not.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::faces::Faces;
use super::queue::Job;
use crate::model::{Acceptance, DeepReport, Requests, TlsDoor};

/// Answers that are remembered, some 300 bytes each. One that is forgotten costs another probe;
/// those that are asked for most recently stay, and they are those of most doors.
const ANSWERS: usize = 1024;

/// What a deep probe asks, by which doors are alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Likeness {
    faces: Faces,
    port: u16,
    guarded: bool,
    requests: Requests,
}

impl Likeness {
    /// Of a door whose last handshakes showed `faces`.
    pub(super) fn of(door: &TlsDoor, faces: Faces) -> Self {
        Self {
            faces,
            port: door.port,
            guarded: door.guarded,
            requests: door.requests,
        }
    }
}

/// What to do about a deep probe that is due.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    /// This holds for it.
    Known(DeepReport),
    /// Another door is being asked the same: the job is kept until that is over.
    Awaited,
    /// It has to ask.
    Ask,
}

#[derive(Debug)]
struct Entry {
    report: DeepReport,
    made: Instant,
    used: Instant,
}

/// The answers that are known, and the jobs that wait for one.
#[derive(Debug)]
pub(super) struct Sharing {
    fresh_for: Duration,
    answers: HashMap<Likeness, Entry>,
    asking: HashMap<Likeness, Vec<Job>>,
}

impl Sharing {
    /// Half the interval between deep probes is how old an answer may be when it is shared, so
    /// that no door's facts are older than one and a half when its next turn comes.
    pub(super) fn new(deep_interval: Duration) -> Self {
        Self {
            fresh_for: deep_interval / 2,
            answers: HashMap::new(),
            asking: HashMap::new(),
        }
    }

    /// A deep probe of a door is due. Who is told to ask has to tell [`Self::answered`].
    pub(super) fn due(&mut self, likeness: &Likeness, job: &Job, now: Instant) -> Answer {
        let fresh_for = self.fresh_for;
        if let Some(entry) = self.answers.get_mut(likeness)
            && now.saturating_duration_since(entry.made) < fresh_for
        {
            entry.used = now;
            return Answer::Known(entry.report.clone());
        }
        if let Some(waiting) = self.asking.get_mut(likeness) {
            waiting.push(job.clone());
            return Answer::Awaited;
        }
        self.asking.insert(likeness.clone(), Vec::new());
        Answer::Ask
    }

    /// A door that had to ask has its report. Gives the jobs that waited for it, for which it holds
    /// too. One with gaps is not kept for others: they may come of a moment's trouble.
    pub(super) fn answered(
        &mut self,
        likeness: &Likeness,
        report: &DeepReport,
        now: Instant,
    ) -> Vec<Job> {
        if has_no_gap(report) {
            self.make_room(now);
            let entry = Entry {
                report: report.clone(),
                made: now,
                used: now,
            };
            self.answers.insert(likeness.clone(), entry);
        }
        self.asking.remove(likeness).unwrap_or_default()
    }

    /// A deep probe was lost without a report, nobody knows which: gives all jobs that wait.
    pub(super) fn lost(&mut self) -> Vec<Job> {
        self.asking.drain().flat_map(|(_, jobs)| jobs).collect()
    }

    /// Forgets what is stale, and for one more answer the one that was last asked for longest ago.
    fn make_room(&mut self, now: Instant) {
        let fresh_for = self.fresh_for;
        self.answers
            .retain(|_, entry| now.saturating_duration_since(entry.made) < fresh_for);
        if self.answers.len() < ANSWERS {
            return;
        }
        let idlest = self.answers.iter().min_by_key(|(_, entry)| entry.used);
        if let Some(likeness) = idlest.map(|(likeness, _)| likeness.clone()) {
            self.answers.remove(&likeness);
        }
    }
}

/// Whether every address said of every version and class whether it takes it. Of groups a server
/// may have nothing to say.
fn has_no_gap(report: &DeepReport) -> bool {
    let known = |answer: &Acceptance| answer.known().is_some();
    let mut seen = report.addresses.iter().map(|(_, seen)| seen);
    seen.all(|seen| seen.versions.0.iter().all(known) && seen.ciphers.0.iter().all(known))
}

#[cfg(test)]
#[path = "sharing_test.rs"]
mod tests;
