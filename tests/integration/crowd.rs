//! A crowd of hostile servers at once, each at an address of its own: good ones have their turns.

use std::env;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::ca::{CA, NAME};
use crate::exporter::Exporter;
use crate::hostile::{Hostile, Manner};
use crate::peers;
use crate::process::Site;
use crate::scrape::Scrape;

/// One in five hangs to its deadline; the others say as much as they may.
const MANNERS: [Manner; 10] = [
    Manner::Hang,
    Manner::Drip,
    Manner::Close,
    Manner::ResetMidHandshake,
    Manner::EndlessZeros,
    Manner::EndlessEmptyRecords,
    Manner::EndlessWarnings,
    Manner::EndlessCertificate,
    Manner::EndlessHttp,
    Manner::EndlessRetries,
];

/// What a debug build on two cores probes within the interval beside other tests. `HOSTILE_PEERS` says
/// another number, up to 10,000 or so, for a build with optimisations.
fn size() -> usize {
    let said = env::var_os("HOSTILE_PEERS");
    said.map_or(300, |count| count.to_str().unwrap().parse().unwrap())
}

/// In seconds.
const INTERVAL: f64 = 10.0;

/// What a good server's probe may come after its turn, in seconds.
const SLACK: f64 = 3.0;

/// One: a second one would need an address of its own.
const GOOD: usize = 1;

fn last(scrape: &Scrape, name: &str) -> Option<f64> {
    let last = scrape.metric("kube_https_probe_last_success_timestamp_seconds");
    last.label("name", name).get()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_hostile_servers_makes_no_good_one_late() {
    let good = peers::openssl(&CA.leaf(&[NAME]), &[]);
    let mut hostiles = Vec::new();
    for manner in MANNERS {
        hostiles.push(Hostile::start_everywhere(manner).await);
    }
    let site = Site::new("crowd");
    let ca = site.write("ca.pem", &CA.issuer.pem());
    let mut targets: Vec<Value> = (0..size())
        .map(|n| {
            let port = hostiles[n % MANNERS.len()].address.port();
            let address = format!("127.20.{}.{}", n / 250, n % 250 + 1);
            json!({"name": format!("bad-{n}"), "url": format!("https://bad-{n}.test:{port}"), "address": address})
        })
        .collect();
    let names: Vec<String> = (0..GOOD).map(|n| format!("good-{n}")).collect();
    for (n, name) in names.iter().enumerate() {
        let url = format!("https://{NAME}:{}", good.address.port());
        targets.push(json!({"name": name, "url": url, "address": format!("127.0.0.{}", n + 1)}));
    }
    let config = json!({
        "interval": format!("{INTERVAL}s"), "timeout": "1s",
        "trust": {"ca_files": [ca]}, "targets": targets,
    });
    let started = Instant::now();
    let exporter = Exporter::serve(&config, None).await;
    let all_seen = |scrape: &Scrape| names.iter().all(|name| last(scrape, name).is_some());
    let first_pass = Duration::from_mins(20);
    exporter
        .within(first_pass, "each good one is seen", all_seen)
        .await;
    let all = scrape_count(size());
    exporter
        .within(first_pass, "each hostile one is told", all)
        .await;
    eprintln!(
        "{} hostile servers were told after {:?}",
        size(),
        started.elapsed()
    );

    // Of a large crowd, so many that what is probed in clear has had its turns as well.
    let rounds = if size() < 1_000 { 2.5 } else { 8.0 };
    let rounds = Instant::now() + Duration::from_secs_f64(rounds * INTERVAL);
    let mut worst = 0.0_f64;
    let mut scrape = exporter.scrape().await;
    while Instant::now() < rounds {
        let next = exporter.scrape().await;
        for name in &names {
            let (before, after) = (last(&scrape, name).unwrap(), last(&next, name).unwrap());
            worst = worst.max(after - before);
        }
        scrape = next;
        sleep(Duration::from_millis(500)).await;
    }
    eprintln!("{worst} s at most from one probe of a good server to the next");
    assert!(worst > 0.0 && worst < INTERVAL + SLACK, "{worst}");
    let memory = exporter.peak_memory() >> 10;
    assert!(memory < 48 + size() as u64 / 50, "{memory} MiB");
    assert_eq!(exporter.stop().await.code, Some(0));
}

/// Whether so many hostile servers are told of.
fn scrape_count(count: usize) -> impl Fn(&Scrape) -> bool {
    move |scrape| {
        let told = scrape.metric("kube_https_probe_failure_info").each("name");
        told.len() == count
    }
}
