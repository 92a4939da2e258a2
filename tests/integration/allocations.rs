//! What a probe takes of the heap. A count, unlike a time, is the same on every machine.

use std::sync::Arc;
use std::time::Duration;

use allocation_counter::measure;
use kube_https_exporter::config::Config;
use kube_https_exporter::judge::{CHECKS, Policy, Roots};
use kube_https_exporter::model::{
    Address, Expectation, Requests, RootsRef, RowParts, Target, TlsDoor,
};
use kube_https_exporter::probe::Prober;
use kube_https_exporter::record::{
    Format, Ledger, Own, Progress, Records, Standing, Store, own_families,
};
use kube_https_exporter::schedule::{Event, Probe};
use tokio::runtime::Builder;
use tokio::sync::{broadcast, mpsc};

use crate::ca::{CA, ECDSA, NAME};
use crate::peers;

const PROBES: usize = 20;

/// Of those in a probe that are made before anything is judged. The TLS library alone makes some 80
/// (measured with rustls 0.23).
const MOST_IN_THE_PROBE: u64 = 100;

/// To judge it by what is remembered of the chain, and to render what a scrape finds.
const MOST_TO_RECORD: u64 = 60;

fn target(port: u16) -> Target {
    let name: Arc<str> = NAME.into();
    let address = [127, 0, 0, 1].into();
    Target {
        row: RowParts {
            source: "static",
            namespace: "".into(),
            host: Arc::clone(&name),
            port,
            address: "127.0.0.1".into(),
            name: "allocations".into(),
        }
        .into(),
        tls: Arc::new(TlsDoor {
            address: Address::Ip(address),
            port,
            server_name: Some(Arc::clone(&name)),
            starttls: None,
            guarded: false,
            requests: Requests::Nothing,
        }),
        plaintext: Vec::new(),
        expect: Expectation {
            name: Some(name),
            roots: RootsRef::Public,
            ..Expectation::default()
        },
        owners: Vec::new(),
    }
}

fn ledger() -> (Ledger, Arc<Store>) {
    let checked = CHECKS.iter().flat_map(|check| check.families);
    let families: Vec<_> = checked.chain(own_families()).collect();
    let interval = Duration::from_mins(5);
    let store = Arc::new(Store::new(&families, &[], Standing::default()));
    let records = Records {
        store: Arc::clone(&store),
        own: Arc::new(Own::new(&["static"], interval, interval, "")),
        progress: Arc::new(Progress::new(&["static"])),
        interval,
        questions: mpsc::channel(1).0,
    };
    let roots = Roots::empty().with_public(&[CA.issuer.der()]);
    let policy = Arc::new(Policy::new(&Config::default(), roots));
    (
        Ledger::new(policy, records, broadcast::Sender::new(1)),
        store,
    )
}

#[test]
fn a_verified_probe_makes_few_allocations() {
    let peer = peers::nginx_as_it_comes(&ECDSA, "ssl_protocols TLSv1.2 TLSv1.3;");
    let target = Arc::new(target(peer.address.port()));
    let door = Arc::clone(&target.tls);
    let prober = Prober::new(&Config::default()).unwrap();
    let (mut ledger, store) = ledger();
    let now = kube_https_exporter::clock::now;
    ledger.apply(Event::Target(target), now());

    // One thread, so that all of it is counted, and nothing of the other tests.
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    // The least of several: what a server sends may come in more pieces than one.
    let (mut probing, mut recording) = (u64::MAX, u64::MAX);
    for _ in 0..PROBES {
        let mut report = None;
        let seen = measure(|| report = Some(runtime.block_on(prober.tls(&door))));
        let event = Event::Tls(Arc::clone(&door), report.unwrap());
        let recorded = measure(|| ledger.apply(event, now()));
        probing = probing.min(seen.count_total);
        recording = recording.min(recorded.count_total);
    }
    let body: Vec<u8> = store.encode(Format::Text).flatten().collect();
    let valid = "kube_https_certificate_valid{";
    let body = String::from_utf8(body).unwrap();
    let line = body.lines().find(|line| line.starts_with(valid)).unwrap();
    assert!(line.ends_with(" 1"), "{line}");

    println!("{probing} allocations in a probe, {recording} to judge and record it");
    assert!(
        probing <= MOST_IN_THE_PROBE,
        "{probing} allocations in a probe"
    );
    assert!(
        recording <= MOST_TO_RECORD,
        "{recording} allocations to record it"
    );
}
