//! The ledger from its one input, events, to what a scrape shows.

use super::*;
use crate::config::Config;
use crate::discover::{DropReason, Health};
use crate::judge::Roots;
use crate::model::{
    Acceptance, Address, Certificate, DeepReport, DeepSeen, PlainAnswer, PlainReport, Reason,
    Stored, TlsReport, Usage, VersionSupport,
};
use crate::record::samples::{
    DECLARED, NOT_AFTER, SUCCESS, VERSION, attempt, failure, row, target,
};
use crate::record::{Format, Standing, own_families};

/// Says what it was given: which certificate was last seen, how many addresses accept something
/// old, what the plaintext doors answered, and the instant.
fn repeat(case: &Case<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    let addresses = &case.tls.addresses;
    let handshakes = addresses.iter().filter_map(|a| a.handshake.as_ref());
    for leaf in handshakes.filter_map(|seen| seen.value.chain.leaf()) {
        verdict.gauge(&SUCCESS, f64::from(leaf.fingerprint.0[0]));
    }
    let asked = addresses.iter().filter(|a| a.deep.is_some()).count();
    verdict.word(&VERSION, "asked", asked as f64);
    for (door, seen) in case
        .plain
        .iter()
        .filter(|(_, seen)| !seen.addresses.is_empty())
    {
        verdict.gauge(
            &DECLARED,
            f64::from(door.port) + seen.addresses.len() as f64 / 10.0,
        );
    }
    verdict.word(&NOT_AFTER, "now", case.now.as_secs_f64());
    verdict
}

const FRESH: Duration = Duration::from_secs(100);

fn ledger() -> Ledger {
    let mut families = vec![&SUCCESS, &NOT_AFTER, &VERSION, &DECLARED];
    families.extend(own_families());
    let records = Records {
        store: Arc::new(Store::new(&families, &[], Standing::default())),
        own: Arc::new(Own::new(&["ingress"], FRESH, FRESH, "")),
        progress: Arc::new(Progress::new(&["ingress"])),
        interval: FRESH,
        questions: mpsc::channel(1).0,
    };
    let mut ledger = Ledger::new(policy(), records, broadcast::Sender::new(16));
    ledger.judge = repeat;
    ledger
}

fn policy() -> Arc<Policy> {
    Arc::new(Policy::new(&Config::default(), Roots::empty()))
}

fn at(secs: i64) -> UnixTime {
    UnixTime::from_secs(secs)
}

/// What a scrape shows of a family: `host address value` by row.
fn shown(ledger: &Ledger, family: &str) -> Vec<String> {
    let body: Vec<u8> = ledger.store.encode(Format::Text).flatten().collect();
    crate::record::grammar::read(std::str::from_utf8(&body).unwrap(), Format::Text)
        .into_iter()
        .filter(|(name, ..)| name == family)
        .map(|(_, labels, value)| {
            let label = |name: &str| labels.iter().find(|l| l.0 == name).map_or("-", |l| &l.1);
            format!("{} {} {value}", label("host"), label("address"))
        })
        .collect()
}

fn declare(ledger: &mut Ledger, target: &Arc<Target>) {
    ledger.apply(Event::Target(Arc::clone(target)), at(0));
}

fn tls_report(secs: i64, outcome: Result<u8, Reason>) -> TlsReport {
    TlsReport {
        at: at(secs),
        resolve: None,
        attempts: Ok(vec![attempt("192.0.2.1", outcome)]),
    }
}

fn probe(ledger: &mut Ledger, target: &Target, secs: i64, outcome: Result<u8, Reason>) {
    let event = Event::Tls(Arc::clone(&target.tls), tls_report(secs, outcome));
    ledger.apply(event, at(secs));
}

fn shop() -> Arc<Target> {
    Arc::new(target(row("shop.test", "192.0.2.1")))
}

/// The row of another namespace that points at the same doors.
fn twin() -> Arc<Target> {
    let mut twin = (*shop()).clone();
    twin.row.edit(|row| row.namespace = "other".into());
    Arc::new(twin)
}

#[tokio::test]
async fn a_report_shows_at_every_row_that_points_at_the_door() {
    let mut ledger = ledger();
    declare(&mut ledger, &shop());
    declare(&mut ledger, &twin());
    probe(&mut ledger, &shop(), 1, Ok(7));
    assert_eq!(shown(&ledger, "t_success"), ["shop.test 192.0.2.1 7"; 2]);
}

#[tokio::test]
async fn a_row_taken_from_the_store_keeps_what_was_seen_when_it_was_judged() {
    let mut ledger = ledger();
    declare(&mut ledger, &shop());
    probe(&mut ledger, &shop(), 1, Ok(7));
    let before = ledger.store.row(shop().row.place()).unwrap();
    probe(&mut ledger, &shop(), 2, Err(Reason::Refused));
    let after = ledger.store.row(shop().row.place()).unwrap();
    assert_eq!(before.seen.tls.addresses[0].failure, None);
    let [address] = after.seen.tls.addresses.as_slice() else {
        panic!("{:?}", after.seen);
    };
    assert_eq!(address.failure, Some(failure(Reason::Refused)));
    assert!(address.handshake.is_some());
    assert_eq!(after.seen.plain.len(), 2);
    assert_eq!(after.seen.tls.last_attempt, Some(at(2)));
}

#[tokio::test]
async fn a_row_that_joins_a_known_door_shows_what_is_known_at_once() {
    let mut ledger = ledger();
    declare(&mut ledger, &shop());
    probe(&mut ledger, &shop(), 1, Ok(7));
    declare(&mut ledger, &twin());
    assert_eq!(shown(&ledger, "t_success").len(), 2);
}

#[tokio::test]
async fn a_door_that_no_row_points_at_is_forgotten() {
    let mut ledger = ledger();
    declare(&mut ledger, &shop());
    declare(&mut ledger, &twin());
    probe(&mut ledger, &shop(), 1, Ok(7));
    ledger.apply(Event::Gone(shop().row.place().clone()), at(2));
    assert_eq!(shown(&ledger, "t_success").len(), 1);
    ledger.apply(Event::Gone(twin().row.place().clone()), at(2));
    assert!(ledger.tls.is_empty() && ledger.plain.is_empty() && ledger.rows.is_empty());
    declare(&mut ledger, &shop());
    assert_eq!(shown(&ledger, "t_success"), Vec::<String>::new());
}

#[tokio::test]
async fn a_report_for_a_door_that_went_meanwhile_shows_nowhere() {
    let mut ledger = ledger();
    declare(&mut ledger, &shop());
    ledger.apply(Event::Gone(shop().row.place().clone()), at(1));
    probe(&mut ledger, &shop(), 2, Ok(7));
    assert_eq!(shown(&ledger, "t_success"), Vec::<String>::new());
    assert!(ledger.tls.is_empty());
}

#[tokio::test]
async fn a_changed_row_keeps_what_is_known_of_the_doors_that_stay() {
    let mut ledger = ledger();
    declare(&mut ledger, &shop());
    probe(&mut ledger, &shop(), 1, Ok(7));
    let mut changed = (*shop()).clone();
    changed.row.name = "renamed".into();
    changed.plaintext.pop();
    declare(&mut ledger, &Arc::new(changed));
    assert_eq!(shown(&ledger, "t_success"), ["shop.test 192.0.2.1 7"]);
    assert_eq!(ledger.plain.len(), 1);
}

#[tokio::test]
async fn a_row_that_moves_to_another_door_shows_nothing_of_the_old_one() {
    let mut ledger = ledger();
    declare(&mut ledger, &shop());
    probe(&mut ledger, &shop(), 1, Ok(7));
    let mut moved = (*shop()).clone();
    moved.tls = Arc::new(TlsDoor {
        address: Address::parse("192.0.2.9"),
        ..(*moved.tls).clone()
    });
    declare(&mut ledger, &Arc::new(moved));
    assert_eq!(shown(&ledger, "t_success"), Vec::<String>::new());
    assert_eq!(ledger.tls.len(), 1);
}

#[tokio::test]
async fn deep_and_plaintext_answers_reach_their_rows() {
    let mut ledger = ledger();
    declare(&mut ledger, &shop());
    probe(&mut ledger, &shop(), 1, Ok(7));
    let ip = "192.0.2.1".parse().unwrap();
    let deep = DeepReport {
        at: at(2),
        took: Duration::ZERO,
        addresses: vec![(
            ip,
            DeepSeen::of_versions(VersionSupport([Acceptance::Accepted; 5])),
        )],
    };
    ledger.apply(Event::Deep(Arc::clone(&shop().tls), deep), at(2));
    assert_eq!(shown(&ledger, "t_version"), ["shop.test 192.0.2.1 1"]);
    let plain = PlainReport {
        at: at(3),
        answers: Ok(vec![(ip, PlainAnswer::Closed)]),
    };
    ledger.apply(Event::Plain(Arc::clone(&shop().plaintext[1]), plain), at(3));
    assert_eq!(shown(&ledger, "t_declared"), ["shop.test - 80.1"]);
}

#[tokio::test]
async fn facts_that_another_door_was_asked_for_reach_the_rows_and_are_counted_as_no_probe() {
    let mut ledger = ledger();
    declare(&mut ledger, &shop());
    probe(&mut ledger, &shop(), 1, Ok(7));
    let deep = || DeepReport {
        at: at(2),
        took: Duration::from_secs(1),
        addresses: vec![(
            "192.0.2.1".parse().unwrap(),
            DeepSeen::of_versions(VersionSupport([Acceptance::Accepted; 5])),
        )],
    };
    let made = |ledger: &Ledger| {
        let own = ledger.own.encode(Format::Text);
        own.contains("kube_https_probe_phase_duration_seconds_count{phase=\"deep\"} 1")
    };
    ledger.apply(Event::SharedDeep(Arc::clone(&shop().tls), deep()), at(2));
    assert_eq!(shown(&ledger, "t_version"), ["shop.test 192.0.2.1 1"]);
    assert!(!made(&ledger));
    ledger.apply(Event::Deep(Arc::clone(&shop().tls), deep()), at(2));
    assert!(made(&ledger));
}

#[tokio::test]
async fn a_verdict_is_judged_again_when_it_has_grown_old() {
    let mut ledger = ledger();
    let unprobed = Arc::new(target(row("unprobed.test", "192.0.2.1")));
    declare(&mut ledger, &unprobed);
    declare(&mut ledger, &shop());
    probe(&mut ledger, &shop(), 1, Ok(7));
    let judged_at = |ledger: &Ledger, secs| {
        let rows = ["shop.test", "unprobed.test"].into_iter().zip([secs, 0]);
        let expected: Vec<_> = rows
            .map(|(host, at)| format!("{host} 192.0.2.1 {at}"))
            .collect();
        assert_eq!(shown(ledger, "t_not_after"), expected);
    };
    ledger.rejudge(at(100));
    judged_at(&ledger, 1);
    ledger.rejudge(at(101));
    judged_at(&ledger, 101);
    ledger.rejudge(at(200));
    judged_at(&ledger, 101);
}

#[tokio::test]
async fn sources_and_dropped_targets_show_and_readiness_follows() {
    let mut ledger = ledger();
    let failed = Health::Failed {
        reason: "forbidden",
        detail: String::new(),
    };
    ledger.apply(Event::Source("ingress", failed), at(1));
    ledger.apply(Event::Dropped("ingress", vec![(DropReason::Cap, 2)]), at(1));
    assert!(ledger.progress.waiting().is_some());
    ledger.apply(Event::FirstPass, at(1));
    assert_eq!(ledger.progress.waiting(), None);
    assert_eq!(shown(&ledger, "kube_https_targets"), ["- - 0"]);
    assert!(shown(&ledger, "kube_https_targets_dropped").contains(&"- - 2".to_owned()));
}

#[tokio::test]
async fn cases_give_every_row_with_what_is_known_of_it() {
    let mut ledger = ledger();
    declare(&mut ledger, &twin());
    declare(&mut ledger, &shop());
    probe(&mut ledger, &shop(), 1, Err(Reason::Refused));
    let mut seen = Vec::new();
    ledger.cases(at(2), |case| {
        let refused = case.tls.addresses[0].failure == Some(failure(Reason::Refused));
        seen.push((
            case.target.row.namespace.to_string(),
            refused,
            case.plain.len(),
        ));
    });
    let expected = ["default", "other"].map(|name| (name.to_owned(), true, 2));
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn the_task_ends_when_its_events_do() {
    let (events, receiver) = mpsc::channel(1);
    let ledger = ledger();
    let store = Arc::clone(&ledger.store);
    let task = tokio::spawn(ledger.run(receiver));
    events.send(Event::Target(shop())).await.unwrap();
    drop(events);
    task.await.unwrap();
    assert_eq!(store.rows().len(), 1);
}

const KINDS: &[u8] = include_bytes!("../../../tests/certificates/kinds.pem");

/// An authority that is stored, and that lived from 0 to 1000 days.
fn stored(namespace: &str) -> Arc<StoredObject> {
    use rustls_pki_types::{CertificateDer, pem::PemObject};
    let der = CertificateDer::pem_slice_iter(KINDS).next().unwrap();
    let mut certificate = Certificate::read(&der.unwrap());
    let facts = certificate.facts.as_mut().unwrap();
    facts.validity = crate::model::Validity::between(at(0), at(1000 * 86_400));
    Arc::new(StoredObject {
        place: StoredPlace {
            source: "ingress",
            namespace: namespace.into(),
            name: "roots".into(),
        },
        stored: vec![Stored {
            key: "ca.crt".into(),
            usage: Usage::CaBundle,
            certificates: vec![certificate],
            renewal: None,
        }],
        flaws: vec![],
        accept: Arc::default(),
    })
}

/// The lines of a scrape that begin so.
fn lines(ledger: &Ledger, start: &str) -> Vec<String> {
    let body: Vec<u8> = ledger.store.encode(Format::Text).flatten().collect();
    let body = String::from_utf8(body).unwrap();
    crate::record::grammar::read(&body, Format::Text);
    let lines = body.lines().filter(|line| line.starts_with(start));
    lines.map(str::to_owned).collect()
}

#[test]
fn stored_certificates_are_shown_until_they_go_and_judged_again_as_the_clock_goes_on() {
    let families: Vec<_> = judge::CHECKS
        .iter()
        .flat_map(|check| check.families)
        .collect();
    let families: Vec<_> = families.into_iter().chain(own_families()).collect();
    let mut ledger = ledger();
    ledger.store = Arc::new(Store::new(&families, &[], Standing::default()));

    ledger.apply(Event::Stored(stored("trade")), at(0));
    assert_eq!(
        lines(&ledger, "kube_https_stored_certificate_not_after"),
        [
            "kube_https_stored_certificate_not_after_timestamp_seconds{source=\"ingress\",\
          namespace=\"trade\",name=\"roots\",key=\"ca.crt\",usage=\"ca_bundle\"} 86400000"
        ]
    );
    assert_eq!(lines(&ledger, "kube_https_finding"), [""; 0]);

    ledger.rejudge(at(990 * 86_400));
    assert_eq!(
        lines(&ledger, "kube_https_finding{"),
        [
            "kube_https_finding{source=\"ingress\",namespace=\"trade\",name=\"roots\",host=\"\",\
          port=\"\",address=\"\",finding=\"ca_bundle_expiring\",severity=\"critical\"} 1"
        ]
    );
    assert_eq!(
        lines(&ledger, "kube_https_doors{"),
        [""; 0],
        "it is no door"
    );
    let counted = "kube_https_findings{source=\"ingress\",namespace=\"trade\",\
                   finding=\"ca_bundle_expiring\",severity=\"critical\"} 1";
    assert_eq!(lines(&ledger, "kube_https_findings{"), [counted]);

    ledger.apply(Event::StoredGone(stored("trade").place.clone()), at(0));
    ledger.rejudge(at(999 * 86_400));
    for family in ["kube_https_stored", "kube_https_finding"] {
        assert_eq!(lines(&ledger, family), [""; 0]);
    }
}

/// How long a ledger takes for so many events that wait, by its own pauses.
async fn taken_in(events: usize) -> Duration {
    let (sender, waiting) = mpsc::channel(events);
    for _ in 0..events {
        sender.send(Event::Lateness(Duration::ZERO)).await.unwrap();
    }
    drop(sender);
    let began = tokio::time::Instant::now();
    ledger().run(waiting).await;
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn few_events_wait_for_each_other_and_many_for_nothing() {
    assert_eq!(taken_in(1).await, PAUSE);
    assert_eq!(taken_in(BATCH - 1).await, PAUSE);
    assert_eq!(taken_in(BATCH).await, Duration::ZERO);
    assert_eq!(taken_in(3 * BATCH).await, Duration::ZERO);
    assert_eq!(taken_in(3 * BATCH + 1).await, PAUSE);
}

#[tokio::test(start_paused = true)]
async fn what_comes_a_moment_after_another_is_seen_together_with_it() {
    let ledger = ledger();
    let store = Arc::clone(&ledger.store);
    let (sender, waiting) = mpsc::channel(8);
    let running = tokio::spawn(ledger.run(waiting));
    for host in ["a.test", "b.test"] {
        let target = Arc::new(target(row(host, "192.0.2.1")));
        sender.send(Event::Target(target)).await.unwrap();
        sleep(PAUSE / 3).await;
        assert_eq!(store.rows().len(), 0);
    }
    sleep(PAUSE / 2).await;
    assert_eq!(store.rows().len(), 2);
    drop(sender);
    running.await.unwrap();
}
