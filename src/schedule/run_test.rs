//! Tests of the task, on paused time and a network that is made up.

use std::net::IpAddr;
use std::num::NonZero;
use std::sync::Mutex;

use super::*;
use crate::discover::{Declared, Health, Issuance, ObjectKey};
use crate::model::{
    Address, Expectation, Issued, Owner, PlainDoor, PlaintextRule, RequestPath, Requests, RootsRef,
    RowParts, SecretName, TlsAttempt, TlsVersion, Trace, UnixTime,
};
use crate::schedule::Shard;

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
            trace: Trace::default(),
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
        row: RowParts {
            source: "ingress",
            namespace: "shop".into(),
            host: (*host).into(),
            port: 443,
            address: "127.0.0.1".into(),
            name: name.into(),
        }
        .into(),
        tls: Arc::new(TlsDoor {
            address: Address::Ip(LOOPBACK),
            port: 443,
            server_name: Some((*host).into()),
            starttls: None,
            requests: Requests::Nothing,
            guarded: true,
        }),
        plaintext: vec![Arc::new(PlainDoor {
            address: Address::Ip(LOOPBACK),
            port: 80,
            host: (*host).into(),
            path: RequestPath::default(),
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
    questions: mpsc::Sender<Question>,
    probe: Arc<Refusing>,
    stop: CancellationToken,
}

fn start() -> Bench {
    start_with(&Config::default())
}

fn start_with(config: &Config) -> Bench {
    start_part(config, Part::default())
}

fn start_part(config: &Config, part: Part) -> Bench {
    let (updates, from_sources) = mpsc::channel(16);
    let (to_record, events) = mpsc::channel(16);
    let (questions, asked) = mpsc::channel(1);
    let config = config.clone();
    let schedule = Schedule {
        catalog: Catalog::new(&config),
        sources: vec!["ingress"],
        updates: from_sources,
        events: to_record,
        questions: asked,
        part,
    };
    let probe = Arc::new(Refusing::default());
    let stop = CancellationToken::new();
    let running = (Arc::clone(&probe), stop.clone());
    tokio::spawn(async move { run(schedule, &config, running.0, running.1).await });
    Bench {
        updates,
        events,
        questions,
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
                | Event::SharedDeep(..)
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
async fn who_asks_has_a_row_probed_at_once_and_hears_whether_there_is_one() {
    let mut bench = start();
    let listed = Update::Listed(vec![declared("web", &["a.example"])]);
    bench.say(listed).await;
    bench
        .say(Update::Health(Health::Synced(clock::now())))
        .await;
    bench.until("first pass").await;
    let place_of = |host: &str| declared("web", &[host]).targets[0].row.place().clone();
    let (place, other) = (place_of("a.example"), place_of("b.example"));
    let started = Instant::now();
    for (place, known) in [(other, false), (place, true)] {
        let (answer, answered) = oneshot::channel();
        bench
            .questions
            .send(Question::Now(place, answer))
            .await
            .unwrap();
        assert_eq!(answered.await, Ok(known));
    }
    bench.until("tls a.example").await;
    // Long before its next turn.
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
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
    // A door's turn comes at any time of the interval: in 100 years, not within these seconds.
    let mut bench = start_with(&Config {
        interval: Duration::from_hours(100 * 365 * 24),
        ..Config::default()
    });
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

#[tokio::test(start_paused = true)]
async fn a_shard_probes_its_own_targets_and_hears_of_the_others_nothing() {
    let hosts: Vec<String> = (0..16).map(|n| format!("{n}.example")).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let mut told = Vec::new();
    for ordinal in 0..2 {
        let shard = Shard::new(ordinal, NonZero::new(2).unwrap()).unwrap();
        let mut bench = start_part(&Config::default(), Part { host: None, shard });
        bench
            .say(Update::Listed(vec![declared("web", &hosts)]))
            .await;
        bench
            .say(Update::Health(Health::Synced(UnixTime::from_secs(1))))
            .await;
        let words = bench.until("first pass").await;
        let count = |kind: &str| words.iter().filter(|word| word.starts_with(kind)).count();
        assert!(count("target") > 0);
        assert_eq!(count("tls"), count("target"));
        let targets = words.iter().filter(|word| word.starts_with("target"));
        told.extend(targets.cloned());
    }
    told.sort_unstable();
    let mut all: Vec<_> = hosts.iter().map(|host| format!("target {host}")).collect();
    all.sort_unstable();
    assert_eq!(told, all);
}
