//! What tenants could do with names and numbers: be led to where nobody may go, or flood.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::networking::v1::Ingress;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::ca::CA;
use crate::cluster::Cluster;
use crate::cluster_to_scrape::{ACCOUNT, DAY, config, leaf, now, publish};
use crate::exporter::Exporter;
use crate::names::Names;
use crate::peers::Front;
use crate::process::Site;
use crate::scrape::Scrape;

/// Where tenants may be led in these tests, and where not.
const OPEN: Ipv4Addr = Ipv4Addr::new(127, 66, 0, 1);
const DENIED: Ipv4Addr = Ipv4Addr::new(127, 66, 0, 2);

/// Notes at which of this machine's addresses somebody connects to a port, and closes.
async fn visited() -> (u16, Arc<Mutex<BTreeSet<IpAddr>>>) {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let visited = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = Arc::clone(&visited);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let at = stream.local_addr().unwrap().ip();
            seen.lock().unwrap().insert(at);
        }
    });
    (port, visited)
}

fn reasons<'a>(scrape: &'a Scrape, host: &'a str) -> Vec<&'a str> {
    let failures = scrape.metric("kube_https_probe_failure_info");
    failures
        .label("host", host)
        .each("reason")
        .into_iter()
        .collect()
}

fn is_denied(scrape: &Scrape, address: &str) -> bool {
    let failures = scrape.metric("kube_https_probe_failure_info");
    failures
        .label("address", address)
        .each("reason")
        .into_iter()
        .eq(["denied"])
}

/// Addresses as `inet_aton` takes them: one number, octal, hexadecimal, fewer parts.
const NUMBERS: [&str; 6] = [
    "2130706433",
    "0x7f000001",
    "017700000001",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "127.1",
];

#[tokio::test]
async fn names_that_change_what_they_lead_to_and_odd_numbers_reach_nobody_who_is_denied() {
    let (port, visited) = visited().await;
    let mut asked = 0_usize;
    // The one and the other (of every three questions: two come at once, for IPv4 and IPv6); both; and
    // nothing for what is no name.
    let names = Names::start(54, move |name| match name {
        "both.test" => Some(vec![DENIED, OPEN]),
        "rebinds.test" => {
            asked += 1;
            Some(vec![if asked.is_multiple_of(3) {
                DENIED
            } else {
                OPEN
            }])
        }
        _ => Some(Vec::new()),
    });
    let site = Site::new("rebinding");
    let hosts = [
        "both.test",
        "rebinds.test",
        "127.66.0.2",
        "[::ffff:127.66.0.2]",
    ];
    let targets: Value = hosts
        .into_iter()
        .chain(NUMBERS)
        .map(|host| format!("{host}:{port}"))
        .collect();
    let list = site.write("list.json", &json!([{"targets": targets}]).to_string());
    let config = json!({
        "interval": "1s", "timeout": "1s",
        "security": {"allow_networks": [format!("{OPEN}/32")]},
        "files": {"targets": [list]},
    });
    let file = site.write("config.yaml", &config.to_string());
    let launcher = names.launcher(&site);
    let launcher: Vec<&str> = launcher.iter().map(String::as_str).collect();
    let flags = [format!("--config.file={file}")];
    let exporter = Exporter::start_by(&launcher, site, "serve", &flags).await;

    let (mut denied, mut dialled) = (false, false);
    let until = Instant::now() + Duration::from_secs(30);
    while !(denied && dialled) && Instant::now() < until {
        let scrape = exporter.scrape().await;
        let told = reasons(&scrape, "rebinds.test");
        denied |= told == ["denied"];
        dialled |= !told.is_empty() && told != ["denied"];
        sleep(Duration::from_millis(200)).await;
    }
    assert!(denied && dialled, "it leads to both: {denied} {dialled}");
    let told = |scrape: &Scrape| {
        // What is no address for anybody else is none here, and no name either.
        let dropped = scrape.metric("kube_https_targets_dropped");
        let dropped = dropped
            .label("source", "file")
            .label("reason", "unsupported");
        dropped.get() == Some(NUMBERS.len() as f64)
            && is_denied(scrape, "127.66.0.2")
            && is_denied(scrape, "::ffff:127.66.0.2")
    };
    exporter.until("none is reached", told).await;
    let visited = visited.lock().unwrap().clone();
    assert_eq!(Vec::from_iter(visited), [IpAddr::from(OPEN)]);
    assert_eq!(exporter.stop().await.code, Some(0));
}

/// So many hosts of one namespace, in objects that etcd takes.
const HOSTS: usize = 50_000;
const HOSTS_PER_OBJECT: usize = 1_000;

/// As the configuration's default.
const PER_NAMESPACE: usize = 5_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_with_fifty_thousand_hosts_is_held_to_its_cap_and_delays_nobody() {
    let front = Front::start("TLSv1.2 TLSv1.3");
    let cluster = Cluster::start_as(&CA.leaf(&["127.0.0.1"])).await;
    cluster.grant_all(ACCOUNT).await;
    front.show("good.test", &leaf("good.test", now() + 80 * DAY));
    publish(
        &cluster,
        ("default", "good"),
        &["good.test"],
        &["good.test"],
        &front,
    )
    .await;
    cluster.namespace("flood").await;
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    let http = json!({"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]});
    for object in 0..HOSTS / HOSTS_PER_OBJECT {
        let rule = |host| json!({"host": format!("h{host}.o{object}.test"), "http": http});
        let rules: Value = (0..HOSTS_PER_OBJECT).map(rule).collect();
        let metadata = json!({"name": format!("o{object}")});
        cluster
            .apply::<Ingress>(
                "flood",
                json!({"metadata": metadata, "spec": {"rules": rules}}),
            )
            .await;
        // An address that hangs, or refuses: both cost one probe for all of them.
        let balancer = json!({"ingress": [{"ip": "127.66.0.9"}]});
        let status = json!({"metadata": metadata, "status": {"loadBalancer": balancer}});
        cluster.apply_status::<Ingress>("flood", status).await;
    }
    let kubeconfig = cluster.kubeconfig(&cluster.token(ACCOUNT).await);
    let site = Site::new("flood");
    let mut config = config(&site);
    config["interval"] = json!("2s");
    config["timeout"] = json!("1s");
    let exporter = Exporter::serve(&config, Some(&kubeconfig)).await;
    let held = |scrape: &Scrape| {
        let dropped = scrape.metric("kube_https_targets_dropped");
        let dropped = dropped.label("source", "ingress").label("reason", "cap");
        dropped.get() == Some((HOSTS - PER_NAMESPACE) as f64)
    };
    let scrape = exporter
        .within(Duration::from_mins(2), "what is over is counted", held)
        .await;
    let success = scrape.metric("kube_https_probe_success");
    let rows = success.label("namespace", "flood").each("host").len();
    assert!(rows <= PER_NAMESPACE, "{rows}");

    let last = |scrape: &Scrape| {
        let last = scrape.metric("kube_https_probe_last_success_timestamp_seconds");
        last.label("host", "good.test").get()
    };
    let mut before = last(&exporter.until("it is seen", |s| last(s).is_some()).await).unwrap();
    for _ in 0..3 {
        let scrape = exporter
            .until("another turn", |s| last(s) > Some(before))
            .await;
        let after = last(&scrape).unwrap();
        assert!(after - before < 5.0, "{before} {after}");
        before = after;
    }
    let memory = exporter.peak_memory() >> 10;
    assert!(memory < 160, "{memory} MiB");
    assert_eq!(exporter.stop().await.code, Some(0));
}
