//! The task that keeps the schedule: sources in, probes out and back, events on.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::queue::{Job, Kind, Limits, Outcome, Queue};
use super::{Event, Probe};
use crate::clock;
use crate::config::Config;
use crate::discover::Update;
use crate::discover::{Catalog, Change, Declaration, is_about};
use crate::model::{
    DeepReport, Door, Failure, Place, PlainAnswer, PlainReport, Reason, Target, TlsReport,
    TlsVersion,
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
    /// Questions about what was declared.
    pub questions: mpsc::Receiver<Question>,
    /// Where there is one, only what is about this host is probed.
    pub only: Option<Arc<str>>,
}

/// A question: what was declared of a host, and what became of it.
#[derive(Debug)]
pub struct Question {
    /// The host, as [`Catalog::why`] takes it.
    pub host: Arc<str>,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Vec<Declaration>>,
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
        doors: HashMap::new(),
        targets: HashMap::new(),
        catalog: schedule.catalog,
        only: schedule.only,
        unheard: schedule.sources.into_iter().collect(),
        first_pass: false,
        running: JoinSet::new(),
        events: schedule.events,
        probe,
        started: Instant::now(),
    };
    task.run(schedule.updates, schedule.questions, stop).await;
}

/// What a probe saw.
#[derive(Debug)]
enum Report {
    Tls(TlsReport),
    Deep(DeepReport),
    Plain(PlainReport),
}

/// A door as long as some target points at it.
#[derive(Debug, Default)]
struct Known {
    targets: usize,
    /// The addresses of its last handshakes, and their versions: what the deep probe asks.
    handshakes: Vec<(IpAddr, TlsVersion)>,
}

#[derive(Debug)]
struct Task<P> {
    queue: Queue,
    doors: HashMap<Door, Known>,
    targets: HashMap<Place, Arc<Target>>,
    catalog: Catalog,
    only: Option<Arc<str>>,
    /// The sources that have neither listed nor failed yet.
    unheard: HashSet<&'static str>,
    first_pass: bool,
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
                Some(Question { host, answer }) = questions.recv() => {
                    // Who asked may not be waiting any more.
                    drop(answer.send(self.catalog.why(&host)));
                    Ok(())
                }
                Some(done) = self.running.join_next() => match done {
                    Ok((job, report)) => self.report(job, report).await,
                    // Probes do not panic; if one does, it is lost and the rest goes on.
                    Err(failed) => { error!(%failed, "a probe ended abnormally"); Ok(()) }
                },
                () = sleep_until(wake) => Ok(()),
            };
            if ended.is_err() {
                return;
            }
        }
    }

    async fn start_due(&mut self) -> Result<(), Closed> {
        while let Some(job) = self.queue.next(Instant::now()) {
            self.tell(Event::Lateness(job.late)).await?;
            let probe = Arc::clone(&self.probe);
            let known = match job.kind {
                Kind::Deep => self
                    .doors
                    .get(&job.door)
                    .map(|door| door.handshakes.clone()),
                Kind::Regular => None,
            };
            self.running.spawn(async move {
                let report = match &job.door {
                    Door::Plain(door) => Report::Plain(probe.plain(door).await),
                    Door::Tls(door) => match known {
                        Some(known) => Report::Deep(probe.deep(door, &known).await),
                        None => Report::Tls(probe.tls(door).await),
                    },
                };
                (job, report)
            });
        }
        let all_heard = self.unheard.is_empty();
        if !self.first_pass && all_heard && self.queue.is_settled() {
            self.first_pass = true;
            self.tell(Event::FirstPass).await?;
        }
        Ok(())
    }

    async fn update(&mut self, source: &'static str, update: Update) -> Result<(), Closed> {
        let health = match &update {
            Update::Health(health) => Some(health.clone()),
            Update::Listed(_) | Update::Changed(_) | Update::Gone(_) => None,
        };
        for change in self.catalog.apply(source, update) {
            match change {
                Change::Target(target) if !self.is_wanted(&target) => {}
                Change::Target(target) => self.set_target(target).await?,
                Change::Gone(place) => self.remove_target(place).await?,
                // Nothing is probed.
                Change::Stored(object) => self.tell(Event::Stored(object)).await?,
                Change::StoredGone(place) => self.tell(Event::StoredGone(place)).await?,
            }
        }
        self.tell(Event::Dropped(source, self.catalog.dropped(source)))
            .await?;
        if let Some(health) = health {
            // A listing comes before the word that it is complete.
            self.unheard.remove(source);
            self.tell(Event::Source(source, health)).await?;
        }
        Ok(())
    }

    fn is_wanted(&self, target: &Target) -> bool {
        let only = self.only.as_deref();
        only.is_none_or(|host| is_about(&target.row.place(), host))
    }

    /// Everything that a new or changed target points at is due at once, but where no more has
    /// changed than what was issued for it: servers load that within minutes rather than now.
    async fn set_target(&mut self, target: Arc<Target>) -> Result<(), Closed> {
        let place = target.row.place();
        let before = self.targets.insert(place, Arc::clone(&target));
        let only_issued = before.as_ref().is_some_and(|before| {
            doors_of(before) == doors_of(&target) && before.expect.issued != target.expect.issued
        });
        let now = Instant::now();
        for door in doors_of(&target) {
            self.doors.entry(door.clone()).or_default().targets += 1;
            if !only_issued {
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
            let Some(known) = self.doors.get_mut(&door) else {
                continue;
            };
            known.targets -= 1;
            if known.targets == 0 {
                self.doors.remove(&door);
                self.queue.remove(&door, Instant::now());
            }
        }
    }

    async fn report(&mut self, job: Job, report: Report) -> Result<(), Closed> {
        let outcome = outcome(&report);
        let Some(sharing) = self.queue.finish(&job, outcome, Instant::now()) else {
            return Ok(());
        };
        if let (Report::Tls(seen), Some(known)) = (&report, self.doors.get_mut(&job.door)) {
            known.handshakes = handshakes(seen);
        }
        for door in sharing.into_iter().chain([job.door]) {
            let event = match (&report, door) {
                (Report::Tls(report), Door::Tls(door)) => Event::Tls(door, report.clone()),
                (Report::Deep(report), Door::Tls(door)) => Event::Deep(door, report.clone()),
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

fn handshakes(report: &TlsReport) -> Vec<(IpAddr, TlsVersion)> {
    let attempts = report.attempts.as_deref().unwrap_or_default();
    attempts
        .iter()
        .filter_map(|attempt| Some((attempt.ip, attempt.outcome.as_ref().ok()?.version)))
        .collect()
}

/// What the queue has to know of a report.
fn outcome(report: &Report) -> Outcome {
    match report {
        Report::Deep(_) => Outcome {
            connected: true,
            succeeded: true,
            timed_out: false,
            identity: None,
        },
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
        identity: succeeded.then(|| hasher.finish()),
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
    let timed_out =
        |answer: &PlainAnswer| matches!(answer, PlainAnswer::Filtered | PlainAnswer::Silent);
    Outcome {
        connected: answers.iter().any(|(_, answer)| !no_connection(answer)),
        succeeded: true,
        timed_out: answers.iter().any(|(_, answer)| timed_out(answer)),
        identity: None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::discover::{Declared, Health, Issuance, ObjectKey};
    use crate::model::{
        Address, Expectation, Issued, Owner, PlainDoor, PlaintextRule, Requests, RootsRef, Row,
        SecretName, TlsAttempt, TlsDoor, UnixTime,
    };

    /// A network where every connection is refused, but for port 80, which is silent. Each probe
    /// takes a second.
    #[derive(Debug, Default)]
    struct Refusing {
        probed: Mutex<Vec<u16>>,
    }

    impl Refusing {
        async fn dial(&self, port: u16) {
            self.probed.lock().unwrap().push(port);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    impl Probe for Refusing {
        async fn tls(&self, door: &TlsDoor) -> TlsReport {
            self.dial(door.port).await;
            let refused = Failure {
                reason: Reason::Refused,
                detail: "refused".into(),
            };
            let outcome = Err(refused);
            let attempt = TlsAttempt {
                ip: LOOPBACK,
                outcome,
                connect: None,
                handshake: None,
            };
            TlsReport {
                at: UnixTime::from_secs(1),
                resolve: None,
                attempts: Ok(vec![attempt]),
            }
        }

        async fn deep(&self, _: &TlsDoor, _: &[(IpAddr, TlsVersion)]) -> DeepReport {
            panic!("nothing succeeded")
        }

        async fn plain(&self, door: &PlainDoor) -> PlainReport {
            self.dial(door.port).await;
            let answers = Ok(vec![(LOOPBACK, PlainAnswer::Silent)]);
            PlainReport {
                at: UnixTime::from_secs(1),
                answers,
            }
        }
    }

    fn declared(name: &str, hosts: &[&str]) -> Declared {
        let object = Owner {
            created: None,
            kind: "Ingress",
            namespace: "shop".into(),
            name: name.into(),
        };
        let target = |host: &&str| Target {
            row: Row {
                source: "ingress",
                namespace: "shop".into(),
                host: (*host).into(),
                port: 443,
                address: "127.0.0.1".into(),
                name: name.into(),
            },
            tls: Arc::new(TlsDoor {
                address: Address::Ip(LOOPBACK),
                port: 443,
                server_name: Some((*host).into()),
                guarded: true,
                requests: Requests::Nothing,
            }),
            plaintext: vec![Arc::new(PlainDoor {
                address: Address::Ip(LOOPBACK),
                port: 80,
                host: (*host).into(),
                guarded: true,
            })],
            expect: Expectation {
                tls: true,
                name: None,
                roots: RootsRef::Public,
                plaintext: PlaintextRule::Redirect,
                ..Expectation::default()
            },
            owners: vec![object.clone()],
        };
        let targets = hosts.iter().map(target).collect();
        Declared {
            targets,
            ..Declared::nothing(object, Arc::default())
        }
    }

    struct Bench {
        updates: mpsc::Sender<(&'static str, Update)>,
        events: mpsc::Receiver<Event>,
        probe: Arc<Refusing>,
        stop: CancellationToken,
    }

    fn start() -> Bench {
        let (updates, from_sources) = mpsc::channel(16);
        let (to_record, events) = mpsc::channel(16);
        let config = Config::default();
        let schedule = Schedule {
            catalog: Catalog::new(&config),
            sources: vec!["ingress"],
            updates: from_sources,
            events: to_record,
            questions: mpsc::channel(1).1,
            only: None,
        };
        let probe = Arc::new(Refusing::default());
        let stop = CancellationToken::new();
        let running = (Arc::clone(&probe), stop.clone());
        tokio::spawn(async move { run(schedule, &config, running.0, running.1).await });
        Bench {
            updates,
            events,
            probe,
            stop,
        }
    }

    impl Bench {
        async fn say(&self, update: Update) {
            self.updates.send(("ingress", update)).await.unwrap();
        }

        /// The events until one that matters is there, in words.
        async fn until(&mut self, last: &str) -> Vec<String> {
            let mut words = Vec::new();
            while words.last().is_none_or(|word: &String| word != last) {
                let event = self.events.recv().await.expect("the schedule goes on");
                words.push(match event {
                    Event::Target(target) => format!("target {}", target.row.host),
                    Event::Gone(place) => format!("gone {}", place.host),
                    Event::Tls(door, _) => format!("tls {}", door.server_name.as_deref().unwrap()),
                    Event::Plain(door, _) => format!("plain {}", door.host),
                    Event::Stored(object) => format!("stored {}", object.place.name),
                    Event::StoredGone(place) => format!("stored gone {}", place.name),
                    Event::FirstPass => "first pass".to_owned(),
                    Event::Deep(..)
                    | Event::Lateness(_)
                    | Event::Source(..)
                    | Event::Dropped(..) => {
                        continue;
                    }
                });
            }
            words
        }
    }

    #[test]
    fn what_comes_due_between_two_beats_starts_at_the_second() {
        let started = Instant::now();
        let at = |nanos| started + Duration::from_nanos(nanos);
        let length = u64::try_from(BEAT.as_nanos()).unwrap();
        assert_eq!(beat(started, at(0)), at(0));
        assert_eq!(beat(started, at(1)), at(length));
        assert_eq!(beat(started, at(length)), at(length));
        assert_eq!(beat(started, at(length + 1)), at(2 * length));
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_source_lists_is_probed_and_the_first_pass_is_told() {
        let mut bench = start();
        bench
            .say(Update::Listed(vec![declared("web", &["a.example"])]))
            .await;
        bench
            .say(Update::Health(Health::Synced(UnixTime::from_secs(1))))
            .await;
        let words = bench.until("first pass").await;
        assert_eq!(
            words,
            [
                "target a.example",
                "tls a.example",
                "plain a.example",
                "first pass"
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_pass_waits_for_every_source() {
        let mut bench = start();
        bench
            .say(Update::Listed(vec![declared("web", &["a.example"])]))
            .await;
        bench.until("plain a.example").await;
        let failed = Health::Failed {
            reason: "forbidden",
            detail: String::new(),
        };
        assert!(bench.events.try_recv().is_err());
        bench.say(Update::Health(failed)).await;
        assert_eq!(bench.until("first pass").await, ["first pass"]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_that_vanishes_takes_its_row_and_is_not_probed_again() {
        let mut bench = start();
        bench
            .say(Update::Listed(vec![declared("web", &["a.example"])]))
            .await;
        bench.until("plain a.example").await;
        let (namespace, name) = ("shop".into(), "web".into());
        bench
            .say(Update::Gone(ObjectKey {
                kind: "Ingress",
                namespace,
                name,
            }))
            .await;
        assert_eq!(bench.until("gone a.example").await, ["gone a.example"]);
        tokio::time::sleep(Duration::from_hours(1)).await;
        assert_eq!(bench.probe.probed.lock().unwrap().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_object_keeps_the_doors_it_still_has_and_probes_them_at_once() {
        let mut bench = start();
        bench
            .say(Update::Listed(vec![declared("web", &["a.example"])]))
            .await;
        bench.until("plain a.example").await;
        bench
            .say(Update::Changed(declared(
                "web",
                &["a.example", "b.example"],
            )))
            .await;
        let words = bench.until("plain b.example").await;
        assert!(words.contains(&"tls b.example".to_owned()), "{words:?}");
        assert!(
            !words.iter().any(|word| word.starts_with("gone")),
            "{words:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_issued_for_a_target_makes_no_probe_due() {
        let mut bench = start();
        let mut web = declared("web", &["a.example"]);
        let secret = SecretName {
            namespace: "shop".into(),
            name: "web-tls".into(),
        };
        web.targets[0].expect.secret = Some(secret.clone());
        bench.say(Update::Listed(vec![web.clone()])).await;
        bench.until("plain a.example").await;
        let certificate = Owner {
            kind: "Certificate",
            ..web.object.clone()
        };
        let issued = Declared {
            issuance: Some(Issuance {
                secret,
                leaf: Some(Arc::new(Issued::for_tests(1))),
            }),
            ..Declared::nothing(certificate, Arc::default())
        };
        bench.say(Update::Changed(issued)).await;
        assert_eq!(bench.until("target a.example").await, ["target a.example"]);
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(bench.probe.probed.lock().unwrap().len(), 2);
        web.targets[0].expect.tls = false;
        bench.say(Update::Changed(web)).await;
        bench.until("plain a.example").await;
        assert_eq!(bench.probe.probed.lock().unwrap().len(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_it_is_told_to_although_a_probe_is_under_way() {
        let mut bench = start();
        bench
            .say(Update::Listed(vec![declared("web", &["a.example"])]))
            .await;
        bench.until("target a.example").await;
        bench.stop.cancel();
        while bench.events.recv().await.is_some() {}
    }
}
