//! The task that keeps the schedule: sources in, probes out and back, events on.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::faces::Faces;
use super::part::Part;
use super::queue::{Job, Kind, Limits, Outcome, Queue};
use super::sharing::{Answer, Likeness, Sharing};
use super::{Event, Probe};
use crate::clock;
use crate::config::Config;
use crate::discover::Update;
use crate::discover::{Catalog, Change, Declaration};
use crate::model::{
    DeepReport, Door, Failure, Place, PlainAnswer, PlainReport, Reason, Target, TlsDoor, TlsReport,
};

/// Probes that come due start together, at the next beat: a process that wakes for several at once
/// spends less on each than one that wakes for every one alone. Short against any deadline and
/// against how late anyone minds, and short enough that a beat has few probes.
const BEAT: Duration = Duration::from_millis(25);

/// What the task is given.
#[derive(Debug)]
pub struct Schedule {
    /// Merges what the sources say into rows.
    pub catalog: Catalog,
    /// The names of the sources that are on.
    pub sources: Vec<&'static str>,
    /// What the sources say.
    pub updates: mpsc::Receiver<(&'static str, Update)>,
    /// Where to pass on what became of it.
    pub events: mpsc::Sender<Event>,
    /// What people ask.
    pub questions: mpsc::Receiver<Question>,
    /// What is looked at, of all that the sources say.
    pub part: Part,
}

/// What is asked of the schedule, and where the answer goes; nobody need be waiting for it.
#[derive(Debug)]
pub enum Question {
    /// What was declared of a host, as [`Catalog::why`] takes it, and what became of it.
    Why(Arc<str>, oneshot::Sender<Vec<Declaration>>),
    /// To probe a row's doors at once; whether there is such a row.
    Now(Place, oneshot::Sender<bool>),
}

/// Runs until `stop`, or until nobody listens to the events any more. Probes that are under way
/// at the end are dropped.
pub async fn run(
    schedule: Schedule,
    config: &Config,
    probe: Arc<impl Probe>,
    stop: CancellationToken,
) {
    let limits = Limits {
        interval: config.interval,
        deep_interval: config.deep_interval,
        concurrency: config.concurrency,
        per_address: config.per_address,
    };
    let mut task = Task {
        queue: Queue::new(limits, Instant::now(), clock::now()),
        targets: HashMap::new(),
        catalog: schedule.catalog,
        part: schedule.part,
        unheard: schedule.sources.into_iter().collect(),
        first_pass: false,
        running: JoinSet::new(),
        events: schedule.events,
        probe,
        started: Instant::now(),
        sharing: Sharing::new(config.deep_interval),
    };
    task.run(schedule.updates, schedule.questions, stop).await;
}

/// What a probe saw.
#[derive(Debug)]
enum Report {
    Tls(TlsReport),
    Deep(Likeness, DeepReport),
    Plain(PlainReport),
}

#[derive(Debug)]
struct Task<P> {
    queue: Queue,
    targets: HashMap<Place, Arc<Target>>,
    catalog: Catalog,
    part: Part,
    /// The sources that have neither listed nor failed yet.
    unheard: HashSet<&'static str>,
    first_pass: bool,
    sharing: Sharing,
    running: JoinSet<(Job, Report)>,
    events: mpsc::Sender<Event>,
    probe: Arc<P>,
    /// When the first beat was.
    started: Instant,
}

/// Nobody listens any more.
struct Closed;

impl<P: Probe> Task<P> {
    async fn run(
        &mut self,
        mut updates: mpsc::Receiver<(&'static str, Update)>,
        mut questions: mpsc::Receiver<Question>,
        stop: CancellationToken,
    ) {
        let mut sources_go_on = true;
        loop {
            if self.start_due().await.is_err() {
                return;
            }
            let wake = self.queue.wake_at().map(|at| beat(self.started, at));
            let ended = tokio::select! {
                () = stop.cancelled() => return,
                update = updates.recv(), if sources_go_on => {
                    if let Some((source, update)) = update {
                        self.update(source, update).await
                    } else {
                        sources_go_on = false;
                        Ok(())
                    }
                }
                Some(question) = questions.recv() => {
                    self.answer(question);
                    Ok(())
                }
                Some(done) = self.running.join_next() => match done {
                    Ok((job, report)) => self.report(job, report).await,
                    // Probes do not panic; if one does, it is lost and the rest goes on.
                    Err(failed) => {
                        error!(%failed, "a probe ended abnormally");
                        self.lost();
                        Ok(())
                    }
                },
                () = sleep_until(wake) => Ok(()),
            };
            if ended.is_err() {
                return;
            }
        }
    }

    fn answer(&mut self, question: Question) {
        match question {
            Question::Why(host, answer) => drop(answer.send(self.catalog.why(&host))),
            Question::Now(place, answer) => {
                let target = self.targets.get(&place);
                for door in target.into_iter().flat_map(|target| doors_of(target)) {
                    self.queue.request(&door, Instant::now());
                }
                let known = target.is_some();
                // Who asked may not be waiting any more.
                let (Ok(()) | Err(_)) = answer.send(known);
            }
        }
    }

    async fn start_due(&mut self) -> Result<(), Closed> {
        while let Some(job) = self.queue.next(Instant::now()) {
            self.tell(Event::Lateness(job.late)).await?;
            match (&job.door, job.kind) {
                (Door::Tls(door), Kind::Deep) => {
                    let door = Arc::clone(door);
                    self.start_deep(job, door).await?;
                }
                _ => self.start_regular(job),
            }
        }
        let all_heard = self.unheard.is_empty();
        if !self.first_pass && all_heard && self.queue.is_settled() {
            self.first_pass = true;
            self.tell(Event::FirstPass).await?;
        }
        Ok(())
    }

    fn start_regular(&mut self, job: Job) {
        let probe = Arc::clone(&self.probe);
        self.running.spawn(async move {
            let report = match &job.door {
                Door::Plain(door) => Report::Plain(probe.plain(door).await),
                Door::Tls(door) => Report::Tls(probe.tls(door).await),
            };
            (job, report)
        });
    }

    /// Asks, unless another door that is alike has asked, or is being asked.
    async fn start_deep(&mut self, job: Job, door: Arc<TlsDoor>) -> Result<(), Closed> {
        let now = Instant::now();
        let faces = self.queue.faces(job.id);
        let asked = faces.versions();
        let likeness = Likeness::of(&door, faces);
        match self.sharing.due(&likeness, &job, now) {
            Answer::Known(report) => {
                self.queue.spare(&job, now);
                self.share(&job, &report, now).await
            }
            Answer::Awaited => {
                self.queue.spare(&job, now);
                Ok(())
            }
            Answer::Ask => {
                let probe = Arc::clone(&self.probe);
                self.running.spawn(async move {
                    let report = probe.deep(&door, &asked).await;
                    (job, Report::Deep(likeness, report))
                });
                Ok(())
            }
        }
    }

    /// Ends a deep probe that was not made, with another door's report.
    async fn share(&mut self, job: &Job, report: &DeepReport, now: Instant) -> Result<(), Closed> {
        match (&job.door, self.queue.end(job, DEEP, now)) {
            (Door::Tls(door), Some(_)) => {
                let report = report.for_other(door.requests);
                self.tell(Event::SharedDeep(Arc::clone(door), report)).await
            }
            _ => Ok(()),
        }
    }

    /// A probe is lost: if it was a deep one, those that wait for it have their next turn.
    fn lost(&mut self) {
        for job in self.sharing.lost() {
            self.queue.end(&job, DEEP, Instant::now());
        }
    }

    async fn update(&mut self, source: &'static str, update: Update) -> Result<(), Closed> {
        let health = match &update {
            Update::Health(health) => Some(health.clone()),
            Update::Listed(_) | Update::Changed(_) | Update::Gone(_) => None,
        };
        for change in self.catalog.apply(source, update) {
            match change {
                Change::Target(target) if !self.part.has(&target) => {}
                Change::Stored(object) if !self.part.has_stored(&object.place) => {}
                Change::Target(target) => self.set_target(target).await?,
                Change::Gone(place) => self.remove_target(place).await?,
                // Nothing is probed.
                Change::Stored(object) => self.tell(Event::Stored(object)).await?,
                Change::StoredGone(place) => self.tell(Event::StoredGone(place)).await?,
            }
        }
        // Every shard knows of it, and one tells.
        if self.part.shard.is_first() {
            let dropped = self.catalog.dropped(source);
            self.tell(Event::Dropped(source, dropped)).await?;
        }
        if let Some(health) = health {
            // A listing comes before the word that it is complete.
            self.unheard.remove(source);
            self.tell(Event::Source(source, health)).await?;
        }
        Ok(())
    }

    /// Everything that a new or changed target points at is due at once, but where no more has
    /// changed than what was issued for it: servers load that within minutes rather than now.
    async fn set_target(&mut self, target: Arc<Target>) -> Result<(), Closed> {
        let place = target.row.place().clone();
        let before = self.targets.insert(place, Arc::clone(&target));
        let only_issued = before.as_ref().is_some_and(|before| {
            doors_of(before) == doors_of(&target) && before.expect.issued != target.expect.issued
        });
        let now = Instant::now();
        for door in doors_of(&target) {
            let is_new = self.queue.add(&door, now);
            if !is_new && !only_issued {
                self.queue.request(&door, now);
            }
        }
        self.release(before.as_ref());
        self.tell(Event::Target(target)).await
    }

    async fn remove_target(&mut self, place: Place) -> Result<(), Closed> {
        let before = self.targets.remove(&place);
        self.release(before.as_ref());
        self.tell(Event::Gone(place)).await
    }

    fn release(&mut self, target: Option<&Arc<Target>>) {
        for door in target.into_iter().flat_map(|target| doors_of(target)) {
            self.queue.release(&door, Instant::now());
        }
    }

    async fn report(&mut self, job: Job, report: Report) -> Result<(), Closed> {
        if let Report::Deep(likeness, report) = &report {
            let now = Instant::now();
            for job in self.sharing.answered(likeness, report, now) {
                self.share(&job, report, now).await?;
            }
        }
        let outcome = outcome(&report);
        let Some(sharing) = self.queue.finish(&job, outcome, Instant::now()) else {
            return Ok(());
        };
        if let Report::Tls(seen) = &report {
            self.queue.note_faces(job.id, Faces::of(seen));
        }
        for door in sharing.into_iter().chain([job.door]) {
            let event = match (&report, door) {
                (Report::Tls(report), Door::Tls(door)) => Event::Tls(door, report.clone()),
                (Report::Deep(_, report), Door::Tls(door)) => Event::Deep(door, report.clone()),
                (Report::Plain(report), Door::Plain(door)) => Event::Plain(door, report.clone()),
                // Doors of one kind share with their kind only.
                _ => continue,
            };
            self.tell(event).await?;
        }
        Ok(())
    }

    async fn tell(&self, event: Event) -> Result<(), Closed> {
        self.events.send(event).await.map_err(|_| Closed)
    }
}

/// The first beat at or after an instant.
fn beat(started: Instant, at: Instant) -> Instant {
    let since = at.saturating_duration_since(started).as_nanos();
    let beats = u32::try_from(since.div_ceil(BEAT.as_nanos()));
    // After more beats than can be counted (some three years), turns come when they are due.
    beats.map_or(at, |beats| started + BEAT * beats)
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn doors_of(target: &Target) -> Vec<Door> {
    let plain = target
        .plaintext
        .iter()
        .map(|door| Door::Plain(Arc::clone(door)));
    std::iter::once(Door::Tls(Arc::clone(&target.tls)))
        .chain(plain)
        .collect()
}

/// How a deep probe ends, whatever it saw.
const DEEP: Outcome = Outcome {
    connected: true,
    succeeded: true,
    timed_out: false,
    identity: None,
};

/// What the queue has to know of a report.
fn outcome(report: &Report) -> Outcome {
    match report {
        Report::Deep(..) => DEEP,
        Report::Plain(report) => plain_outcome(report),
        Report::Tls(report) => tls_outcome(report),
    }
}

fn tls_outcome(report: &TlsReport) -> Outcome {
    let attempts = report.attempts.as_deref().unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    let mut seen = attempts
        .iter()
        .filter_map(|attempt| attempt.outcome.as_ref().ok())
        .peekable();
    let succeeded = seen.peek().is_some();
    seen.for_each(|handshake| handshake.chain.id.hash(&mut hasher));
    let timed_out = |failed: &Failure| failed.reason == Reason::Timeout;
    Outcome {
        connected: attempts.iter().any(|attempt| attempt.connect.is_some()),
        succeeded,
        timed_out: attempts
            .iter()
            .any(|a| a.outcome.as_ref().err().is_some_and(timed_out))
            || report.attempts.as_ref().err().is_some_and(timed_out),
        identity: NonZero::new(hasher.finish()).filter(|_| succeeded),
    }
}

fn plain_outcome(report: &PlainReport) -> Outcome {
    let answers = report.answers.as_deref().unwrap_or_default();
    let no_connection = |answer: &PlainAnswer| {
        matches!(
            answer,
            PlainAnswer::Closed | PlainAnswer::Filtered | PlainAnswer::Unknown(_)
        )
    };
    // What any server of HTTP does; of what closes or babbles, a crowd could be hostile.
    let is_clear = |answer: &PlainAnswer| {
        matches!(
            answer,
            PlainAnswer::Closed
                | PlainAnswer::Http { .. }
                | PlainAnswer::Http2
                | PlainAnswer::Document
        )
    };
    let timed_out =
        |answer: &PlainAnswer| matches!(answer, PlainAnswer::Filtered | PlainAnswer::Silent);
    Outcome {
        connected: answers.iter().any(|(_, answer)| !no_connection(answer)),
        succeeded: answers.iter().any(|(_, answer)| is_clear(answer)),
        timed_out: answers.iter().any(|(_, answer)| timed_out(answer)),
        identity: None,
    }
}

#[cfg(test)]
#[path = "run_test.rs"]
mod tests;
