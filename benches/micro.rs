//! What the steps of a probe cost by themselves, without the network: time and allocations each.
//!
//! `make bench-micro` prints both.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot be set up has nothing to measure"
)]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};
use kube_https_exporter::config::Config;
use kube_https_exporter::judge::{CHECKS, Case, Policy, Roots, judge};
use kube_https_exporter::model::{
    Acceptance, Address, AddressSeen, At, Chain, ClientAuth, DeepReport, DeepSeen, Expectation,
    Handshake, Requests, RootsRef, RowParts, Target, TlsAttempt, TlsDoor, TlsReport, TlsSeen,
    TlsVersion, Trace, UnixTime, Verdict, VersionSupport,
};
use kube_https_exporter::probe::answer::{Answer, Message};
use kube_https_exporter::probe::chain::{Chains, read_chain};
use kube_https_exporter::probe::hello::{Offer, client_hello};
use kube_https_exporter::record::{
    Format, Ledger, Own, Progress, Records, Standing, Store, own_families,
};
use kube_https_exporter::schedule::Event;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::sync::{broadcast, mpsc};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .unwrap();
    divan::main();
}

const HOST: &str = "shop.example.com";
const IP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Rows of one scrape.
const ROWS: usize = 1000;

/// What real servers sent, as `src/probe/testdata/README.md` says.
const TLS12: &[u8] = include_bytes!("../src/probe/testdata/tls12.bin");
const TLS13: &[u8] = include_bytes!("../src/probe/testdata/tls13.bin");

/// A root, and what a server sends: its leaf and the intermediate. All are ECDSA P-256.
struct Issued {
    root: Vec<u8>,
    sent: [Vec<u8>; 2],
}

fn issued() -> Issued {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let root = CertifiedIssuer::self_signed(authority("root"), KeyPair::generate().unwrap());
    let root = root.unwrap();
    let key = KeyPair::generate().unwrap();
    let middle = CertifiedIssuer::signed_by(authority("intermediate"), key, &root).unwrap();
    let leaf = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    let leaf = leaf.signed_by(&KeyPair::generate().unwrap(), &middle);
    Issued {
        root: root.der().to_vec(),
        sent: [leaf.unwrap().der().to_vec(), middle.der().to_vec()],
    }
}

fn policy(issued: &Issued) -> Policy {
    let roots = Roots::empty().with_public(std::slice::from_ref(&issued.root));
    Policy::new(&Config::default(), roots)
}

fn now() -> UnixTime {
    kube_https_exporter::clock::now()
}

fn target(number: usize) -> Target {
    let host: Arc<str> = HOST.into();
    let row = RowParts {
        source: "ingress",
        namespace: "shop".into(),
        host: Arc::clone(&host),
        port: 443,
        address: IP.to_string().into(),
        name: format!("web-{number}").into(),
    };
    let row = RowParts {
        namespace: format!("shop-{number}").into(),
        ..row
    };
    Target {
        row: row.into(),
        tls: Arc::new(TlsDoor {
            address: Address::Ip(IP),
            port: 443,
            server_name: Some(Arc::clone(&host)),
            starttls: None,
            guarded: true,
            requests: Requests::Nothing,
        }),
        plaintext: Vec::new(),
        expect: Expectation {
            name: Some(host),
            roots: RootsRef::Public,
            ..Expectation::default()
        },
        owners: Vec::new(),
    }
}

fn handshake(chain: &Arc<Chain>) -> Handshake {
    Handshake {
        chain: Arc::clone(chain),
        version: TlsVersion::Tls13,
        cipher: 0x1301,
        group: Some(29),
        alpn: Some("h2".into()),
        client_auth: ClientAuth::NotRequested,
        key_proven: Some(true),
        stapled: Some(false),
    }
}

fn regular(chain: &Arc<Chain>) -> TlsReport {
    let attempt = TlsAttempt {
        ip: IP,
        outcome: Ok(handshake(chain)),
        connect: Some(Duration::from_millis(1)),
        handshake: Some(Duration::from_millis(3)),
        trace: Trace::default(),
    };
    TlsReport {
        at: now(),
        resolve: None,
        attempts: Ok(vec![attempt]),
    }
}

fn deep() -> DeepReport {
    use Acceptance::{Accepted, Refused};
    let versions = VersionSupport([Refused, Refused, Refused, Accepted, Accepted]);
    DeepReport {
        at: now(),
        took: Duration::from_millis(20),
        addresses: vec![(IP, DeepSeen::of_versions(versions))],
    }
}

/// A ledger, and the store that it fills, with so many targets of which all is known.
fn recorded(rows: usize) -> (Ledger, Arc<Store>, Vec<Target>, Arc<Chain>) {
    let issued = issued();
    let families: Vec<_> = CHECKS
        .iter()
        .flat_map(|check| check.families)
        .chain(own_families())
        .collect();
    let interval = Duration::from_mins(5);
    let store = Arc::new(Store::new(&families, &[], Standing::default()));
    let records = Records {
        store: Arc::clone(&store),
        own: Arc::new(Own::new(&["ingress"], interval, interval, "")),
        progress: Arc::new(Progress::new(&["ingress"])),
        interval,
        questions: mpsc::channel(1).0,
    };
    let mut ledger = Ledger::new(
        Arc::new(policy(&issued)),
        records,
        broadcast::Sender::new(1),
    );
    let chain = Arc::new(read_chain(&issued.sent).unwrap());
    let targets: Vec<_> = (0..rows).map(target).collect();
    for target in &targets {
        ledger.apply(Event::Target(Arc::new(target.clone())), now());
    }
    if let Some(any) = targets.first() {
        // All rows point at the same door.
        let door = Arc::clone(&any.tls);
        ledger.apply(Event::Tls(Arc::clone(&door), regular(&chain)), now());
        ledger.apply(Event::Deep(door, deep()), now());
    }
    (ledger, store, targets, chain)
}

#[divan::bench]
fn hello_in_tls_1_2() -> Vec<u8> {
    client_hello(
        &Offer::of(black_box(TlsVersion::Tls12)),
        Some(HOST),
        [7; 32],
    )
}

#[divan::bench]
fn hello_in_tls_1_3() -> Vec<u8> {
    client_hello(
        &Offer::of(black_box(TlsVersion::Tls13)),
        Some(HOST),
        [7; 32],
    )
}

#[divan::bench]
fn answer_in_tls_1_2_with_its_certificates() -> usize {
    messages(black_box(TLS12))
}

#[divan::bench]
fn answer_in_tls_1_3() -> usize {
    messages(black_box(TLS13))
}

fn messages(bytes: &[u8]) -> usize {
    let mut answer = Answer::new(1 << 20);
    answer.feed(bytes).unwrap();
    let mut read = 0;
    while let Ok(Some(message)) = answer.next_message() {
        black_box::<Message>(message);
        read += 1;
    }
    read
}

#[divan::bench]
fn chain_read(bencher: Bencher<'_, '_>) {
    let issued = issued();
    bencher.bench_local(|| read_chain(black_box(&issued.sent)));
}

#[divan::bench]
fn chain_seen_before(bencher: Bencher<'_, '_>) {
    let issued = issued();
    let chains = Chains::default();
    let _held = chains.intern(&issued.sent);
    bencher.bench_local(|| chains.intern(black_box(&issued.sent)));
}

/// With its chain verified anew.
#[divan::bench]
fn target_judged_cold(bencher: Bencher<'_, '_>) {
    let issued = issued();
    let (target, tls) = shown(&issued);
    bencher
        .with_inputs(|| policy(&issued))
        .bench_local_refs(|policy| verdict(&target, &tls, policy));
}

/// With what was remembered of its chain.
#[divan::bench]
fn target_judged_warm(bencher: Bencher<'_, '_>) {
    let issued = issued();
    let (target, tls) = shown(&issued);
    let policy = policy(&issued);
    bencher.bench_local(|| verdict(&target, &tls, &policy));
}

fn shown(issued: &Issued) -> (Target, TlsSeen) {
    let chain = Arc::new(read_chain(&issued.sent).unwrap());
    (target(0), seen(&chain))
}

fn verdict(target: &Target, tls: &TlsSeen, policy: &Policy) -> Verdict {
    judge(&Case {
        target,
        tls,
        plain: &[],
        policy,
        now: now(),
    })
}

fn seen(chain: &Arc<Chain>) -> TlsSeen {
    let at = now();
    TlsSeen {
        addresses: vec![AddressSeen {
            ip: IP,
            failure: None,
            handshake: Some(At {
                at,
                value: handshake(chain),
            }),
            trace: Trace::default(),
            deep: deep()
                .addresses
                .into_iter()
                .next()
                .map(|(_, value)| At { at, value }),
        }],
        last_attempt: Some(at),
        ..TlsSeen::default()
    }
}

/// From what a probe saw to what a scrape finds.
#[divan::bench]
fn probe_recorded(bencher: Bencher<'_, '_>) {
    let (mut ledger, _store, targets, chain) = recorded(1);
    let door = targets
        .first()
        .map(|target| Arc::clone(&target.tls))
        .unwrap();
    bencher
        .with_inputs(|| Event::Tls(Arc::clone(&door), regular(&chain)))
        .bench_local_values(|event| ledger.apply(event, now()));
}

#[divan::bench]
fn scrape_of_1000_rows(bencher: Bencher<'_, '_>) {
    let (_ledger, store, _, _) = recorded(ROWS);
    bencher.counter(ItemsCount::new(ROWS)).bench_local(|| {
        store
            .encode(Format::OpenMetrics)
            .map(|chunk| chunk.len())
            .sum::<usize>()
    });
}
