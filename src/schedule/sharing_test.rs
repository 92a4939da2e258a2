//! Tests of sharing, through the task that schedules: on paused time, and a network where every
//! host of one address answers.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::config::{Config, PerAddress};
use crate::discover::{Catalog, Declared, Health, Update};
use crate::model::{
    Address, Chain, CipherSupport, ClientAuth, DeepSeen, Expectation, Fingerprint, GroupSupport,
    Handshake, Owner, PlainDoor, PlainReport, Requests, RowParts, Target, TlsAttempt, TlsReport,
    TlsVersion, Trace, UnixTime, VersionSupport,
};
use crate::schedule::{Event, Part, Probe, Schedule, run};

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const DEEP_INTERVAL: Duration = Duration::from_hours(6);

/// Every host shows a certificate, by a number; a deep probe takes a second.
struct Serving {
    certificate: Mutex<fn(&str) -> u8>,
    versions: [Acceptance; 5],
    asked: Mutex<Vec<String>>,
}

impl Serving {
    fn new(certificate: fn(&str) -> u8, versions: [Acceptance; 5]) -> Arc<Self> {
        Arc::new(Self {
            certificate: Mutex::new(certificate),
            versions,
            asked: Mutex::default(),
        })
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Probe for Serving {
    async fn tls(&self, door: &TlsDoor) -> TlsReport {
        let certificate = *self.certificate.lock().unwrap();
        let number = certificate(door.server_name.as_deref().unwrap());
        let handshake = Handshake {
            chain: Arc::new(Chain {
                id: Fingerprint([number; 32]),
                certificates: Vec::new(),
            }),
            version: TlsVersion::Tls13,
            cipher: 0x1301,
            group: None,
            alpn: None,
            client_auth: ClientAuth::NotRequested,
            key_proven: Some(true),
            stapled: None,
        };
        let attempt = TlsAttempt {
            trace: Trace::default(),
            ip: ADDRESS,
            outcome: Ok(handshake),
            connect: Some(Duration::ZERO),
            handshake: Some(Duration::ZERO),
        };
        TlsReport {
            at: UnixTime::from_secs(1),
            resolve: None,
            attempts: Ok(vec![attempt]),
        }
    }

    async fn deep(&self, door: &TlsDoor, known: &[(IpAddr, TlsVersion)]) -> DeepReport {
        assert_eq!(known, [(ADDRESS, TlsVersion::Tls13)]);
        let name = door.server_name.as_deref().unwrap().to_owned();
        self.asked.lock().unwrap().push(name);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let seen = DeepSeen {
            versions: VersionSupport(self.versions),
            ciphers: CipherSupport([Acceptance::Refused; 12]),
            groups: GroupSupport([Acceptance::Unknown; 10]),
            https: Vec::new(),
            by_key: Box::default(),
        };
        DeepReport {
            at: UnixTime::from_secs(2),
            took: Duration::from_secs(1),
            addresses: vec![(ADDRESS, seen)],
        }
    }

    async fn plain(&self, _: &PlainDoor) -> PlainReport {
        panic!("no plaintext doors")
    }
}

fn declared(hosts: usize) -> Declared {
    let object = Owner {
        created: None,
        kind: "Ingress",
        namespace: "shop".into(),
        name: "web".into(),
    };
    let target = |number| {
        let host: Arc<str> = format!("h{number}.test").into();
        Target {
            row: RowParts {
                source: "ingress",
                namespace: "shop".into(),
                host: Arc::clone(&host),
                port: 443,
                address: "192.0.2.1".into(),
                name: "web".into(),
            }
            .into(),
            tls: Arc::new(TlsDoor {
                address: Address::Ip(ADDRESS),
                port: 443,
                server_name: Some(host),
                starttls: None,
                requests: Requests::Nothing,
                guarded: true,
            }),
            plaintext: Vec::new(),
            expect: Expectation::default(),
            owners: vec![object.clone()],
        }
    };
    Declared {
        targets: (0..hosts).map(target).collect(),
        ..Declared::nothing(object.clone(), Arc::default())
    }
}

/// What was told of deep probes.
#[derive(Debug, Default, PartialEq)]
struct Told {
    made: usize,
    shared: usize,
}

struct Bench {
    events: mpsc::Receiver<Event>,
    _updates: mpsc::Sender<(&'static str, Update)>,
}

impl Bench {
    /// So many hosts, listed once.
    async fn start(hosts: usize, probe: &Arc<Serving>) -> Self {
        let (updates, from_sources) = mpsc::channel(16);
        let (to_record, events) = mpsc::channel(16);
        let config = Config {
            deep_interval: DEEP_INTERVAL,
            per_address: PerAddress {
                in_flight: 8,
                connections_per_second: 100_000,
            },
            ..Config::default()
        };
        let schedule = Schedule {
            catalog: Catalog::new(&config),
            sources: vec!["ingress"],
            updates: from_sources,
            events: to_record,
            questions: mpsc::channel(1).1,
            part: Part::default(),
        };
        let probe = Arc::clone(probe);
        tokio::spawn(async move { run(schedule, &config, probe, CancellationToken::new()).await });
        let listed = Update::Listed(vec![declared(hosts)]);
        let synced = Update::Health(Health::Synced(UnixTime::from_secs(1)));
        for update in [listed, synced] {
            updates.send(("ingress", update)).await.unwrap();
        }
        Self {
            events,
            _updates: updates,
        }
    }

    /// What is told until the first pass is over.
    async fn first_pass(&mut self) -> Told {
        let mut told = Told::default();
        loop {
            match self.events.recv().await.unwrap() {
                Event::FirstPass => return told,
                event => told.count(&event),
            }
        }
    }

    /// What is told in the time that follows.
    async fn follow(&mut self, time: Duration) -> Told {
        let mut told = Told::default();
        let end = Instant::now() + time;
        while let Ok(event) = tokio::time::timeout_at(end, self.events.recv()).await {
            told.count(&event.unwrap());
        }
        told
    }
}

impl Told {
    fn count(&mut self, event: &Event) {
        self.made += usize::from(matches!(event, Event::Deep(..)));
        self.shared += usize::from(matches!(event, Event::SharedDeep(..)));
    }
}

const ALL: [Acceptance; 5] = [Acceptance::Accepted; 5];

#[tokio::test(start_paused = true)]
async fn a_thousand_hosts_behind_one_address_and_certificate_cost_one_deep_probe() {
    let probe = Serving::new(|_| 1, ALL);
    let mut bench = Bench::start(1000, &probe).await;
    let told = bench.first_pass().await;
    assert_eq!(
        told,
        Told {
            made: 1,
            shared: 999
        },
        "and every host has its facts"
    );
    assert_eq!(probe.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_shared_for_half_an_interval_and_every_host_has_its_turn() {
    let probe = Serving::new(|_| 1, ALL);
    let mut bench = Bench::start(1000, &probe).await;
    bench.first_pass().await;
    let told = bench.follow(DEEP_INTERVAL).await;
    assert_eq!(told.made + told.shared, 1000);
    assert!((1..=2).contains(&told.made), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn hosts_that_show_different_certificates_do_not_share() {
    let probe = Serving::new(|name| u8::from(name == "h7.test"), ALL);
    let mut bench = Bench::start(100, &probe).await;
    let told = bench.first_pass().await;
    assert_eq!(
        told,
        Told {
            made: 2,
            shared: 98
        }
    );
    assert!(probe.asked.lock().unwrap().contains(&"h7.test".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_changed_certificate_is_asked_about_anew() {
    let probe = Serving::new(|_| 1, ALL);
    let mut bench = Bench::start(100, &probe).await;
    bench.first_pass().await;
    *probe.certificate.lock().unwrap() = |_| 2;
    let told = bench.follow(Config::default().interval * 2).await;
    assert_eq!(probe.asked(), 2);
    assert!(told.made == 1 && told.shared >= 99, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_with_gaps_is_for_those_who_waited_for_it_alone() {
    let mut versions = ALL;
    versions[0] = Acceptance::Unknown;
    let probe = Serving::new(|_| 1, versions);
    let mut bench = Bench::start(100, &probe).await;
    bench.first_pass().await;
    let first = probe.asked();
    let told = bench.follow(DEEP_INTERVAL).await;
    assert_eq!(told.made + told.shared, 100);
    assert!(
        told.made > 90,
        "turns that do not coincide ask for themselves: {first}, {told:?}"
    );
}

#[test]
fn what_is_remembered_is_bounded_and_what_is_used_stays() {
    let mut sharing = Sharing::new(DEEP_INTERVAL);
    let start = Instant::now();
    let report = DeepReport {
        at: UnixTime::from_secs(1),
        took: Duration::ZERO,
        addresses: Vec::new(),
    };
    let likeness = |port| Likeness {
        faces: Faces::default(),
        port,
        guarded: true,
        requests: Requests::Nothing,
    };
    let count = u16::try_from(ANSWERS).unwrap() * 2;
    for port in 0..count {
        let now = start + Duration::from_millis(port.into());
        sharing.answered(&likeness(port), &report, now);
        if let Some(entry) = sharing.answers.get_mut(&likeness(0)) {
            entry.used = now;
        }
    }
    assert_eq!(sharing.answers.len(), ANSWERS);
    assert!(sharing.answers.contains_key(&likeness(0)));
    assert!(sharing.answers.contains_key(&likeness(count - 1)));
    sharing.answered(&likeness(0), &report, start + DEEP_INTERVAL);
    assert_eq!(sharing.answers.len(), 1, "what is stale is forgotten");
}
