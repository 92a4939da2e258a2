//! From objects in a real cluster to what Prometheus scrapes, with a real server in between.

use std::time::Duration;

use k8s_openapi::api::networking::v1::Ingress;
use kube_https_exporter::clock;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};

use crate::ca::{CA, Ca, Leaf};
use crate::cluster::Cluster;
use crate::exporter::{Exporter, program};
use crate::peers::{FRONT_CIPHER, Front, HSTS, OPEN_HOST};
use crate::process::Site;
use crate::scrape::{Metric, Scrape};

/// The exporter's service account.
pub(crate) const ACCOUNT: &str = "exporter";

pub(crate) const DAY: i64 = 24 * 60 * 60;

/// An Ingress of these hosts, the second part of which have TLS declared, as the controller
/// behind `front` leaves it.
pub(crate) async fn publish(
    cluster: &Cluster,
    name: (&str, &str),
    hosts: &[&str],
    tls: &[&str],
    at: &Front,
) {
    publish_paths(cluster, name, (hosts, &["/"]), tls, at).await;
}

/// Likewise, of these hosts with these paths each.
pub(crate) async fn publish_paths(
    cluster: &Cluster,
    name: (&str, &str),
    (hosts, paths): (&[&str], &[&str]),
    tls: &[&str],
    at: &Front,
) {
    let (namespace, name) = name;
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    let path = |path| json!({"path": path, "pathType": "Prefix", "backend": backend});
    let paths: Value = paths.iter().map(path).collect();
    let rules = hosts
        .iter()
        .map(|host| json!({"host": host, "http": {"paths": paths}}));
    let tls = (!tls.is_empty()).then(|| json!({"hosts": tls, "secretName": "tls"}));
    let spec = json!({"rules": rules.collect::<Value>(), "tls": Vec::from_iter(tls)});
    let metadata = json!({"name": name});
    cluster
        .apply::<Ingress>(namespace, json!({"metadata": metadata, "spec": spec}))
        .await;
    let ports = [at.tls_port(), at.plaintext_port];
    let ports = ports.map(|port| json!({"port": port, "protocol": "TCP"}));
    let balancer = json!({"ingress": [{"ip": "127.0.0.1", "ports": ports}]});
    let status = json!({"metadata": metadata, "status": {"loadBalancer": balancer}});
    cluster.apply_status::<Ingress>(namespace, status).await;
}

/// A certificate for `host` of the test's authority, issued yesterday, that expires at this Unix
/// time in seconds.
pub(crate) fn leaf(host: &str, not_after: i64) -> Leaf {
    let mut params = Ca::params(&[host]);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let date = |at: i64| epoch + Duration::from_secs(at.unsigned_abs());
    params.not_before = date(now() - DAY);
    params.not_after = date(not_after);
    CA.issue(
        &params,
        &KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(),
    )
}

pub(crate) fn now() -> i64 {
    clock::now().as_secs()
}

/// The configuration of these tests: loopback is allowed, and the test's authority is trusted.
/// The authority's certificate is written to `site`.
pub(crate) fn config(site: &Site) -> Value {
    let ca = site.write("ca.pem", &CA.issuer.pem());
    json!({
        "security": {"allow_networks": ["127.0.0.0/8"]},
        "trust": {"ca_files": [ca]},
    })
}

/// Every deep fact about these hosts is there.
pub(crate) fn asked(scrape: &Scrape, hosts: &[&str]) -> bool {
    let version = |host| {
        let accepted = scrape.metric("kube_https_tls_version_accepted");
        accepted.label("host", host).label("version", "TLS 1.3")
    };
    hosts.iter().all(|host| version(host).get().is_some())
}

#[tokio::test]
async fn what_ingresses_declare_is_scraped_as_it_is_served() {
    let (modern, old) = (
        Front::start("TLSv1.2 TLSv1.3"),
        Front::start("TLSv1 TLSv1.1 TLSv1.2"),
    );
    let not_after = now() + 80 * DAY;
    modern.show("shop.test", &leaf("shop.test", not_after));
    modern.show(OPEN_HOST, &leaf(OPEN_HOST, now() + 80 * DAY));
    old.show("old.test", &leaf("old.test", now() + 2 * DAY));

    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    let shop = (cluster.namespace("shop").await, "shop").1;
    cluster.namespace("legacy").await;
    let hosts = ["shop.test", OPEN_HOST];
    publish(&cluster, (shop, "web"), &hosts, &["shop.test"], &modern).await;
    let host = ["shop.test"];
    publish(&cluster, (shop, "api"), &host, &host, &modern).await;
    let host = ["old.test"];
    publish(&cluster, ("legacy", "web"), &host, &host, &old).await;

    let site = Site::new("trust");
    let config = config(&site);
    let kubeconfig = cluster.kubeconfig(&cluster.token(ACCOUNT).await);
    let exporter = Exporter::serve(&config, Some(&kubeconfig)).await;
    exporter.ready().await;
    let scrape = exporter
        .until("every version was asked for", |scrape| {
            asked(scrape, &["shop.test", OPEN_HOST, "old.test"])
        })
        .await;

    discovery_is_told(&scrape);
    the_certificate_is_told(&scrape, not_after);
    the_handshake_is_told(&scrape);
    plaintext_is_told(&scrape, &modern);
    the_old_server_is_told(&scrape);
    the_api_server_is_told(&scrape);
    assert_eq!(exporter.complaints(), [""; 0]);

    // The same, once and as a table.
    let file = site.write("config.yaml", &config.to_string());
    let kubeconfig = kubeconfig.display().to_string();
    let arguments = ["check", "--config.file", &file, "--kubeconfig", &kubeconfig];
    let checked = program(&site, &arguments).output().await.unwrap();
    let table = String::from_utf8(checked.stdout).unwrap();
    assert_eq!(checked.status.code(), Some(1), "{table}");
    let row = |host: &str| {
        let row = table.lines().find(|line| line.contains(host));
        row.unwrap_or_else(|| panic!("no row of {host}: {table}"))
            .split_whitespace()
            .collect::<Vec<_>>()
    };
    assert_eq!(row("shop.test")[0], "ok", "{table}");
    assert_eq!(row("old.test")[0], "warning", "{table}");
    assert_eq!(row(OPEN_HOST)[0], "critical", "{table}");
    assert_eq!(row("127.0.0.1")[0], "ok", "{table}");
}

fn discovery_is_told(scrape: &Scrape) {
    for source in ["ingress", "api_server"] {
        let synced = scrape.metric("kube_https_discovery_synced");
        synced.label("source", source).holds();
    }
    let targets = |source| scrape.metric("kube_https_targets").label("source", source);
    targets("ingress").value(3.0);
    targets("api_server").value(1.0);

    let owners = scrape.metric("kube_https_target_owner_info");
    let owners = owners
        .label("host", "shop.test")
        .label("owner_kind", "Ingress");
    owners.clone().label("owner_name", "web").holds();
    owners.label("owner_name", "api").holds();
    let declared = |host| {
        scrape
            .metric("kube_https_tls_declared")
            .label("host", host)
            .label("source", "ingress")
    };
    declared("shop.test").value(1.0);
    declared(OPEN_HOST).value(0.0);

    let doors = |namespace, state| {
        let doors = scrape.metric("kube_https_doors").label("state", state);
        doors.label("namespace", namespace)
    };
    doors("shop", "https_only").value(1.0);
    doors("shop", "exposed").value(1.0);
}

fn the_certificate_is_told(scrape: &Scrape, not_after: i64) {
    let shop = |name| scrape.metric(name).label("host", "shop.test");
    shop("kube_https_probe_success").value(1.0);
    shop("kube_https_probe_failure_info").absent();
    shop("kube_https_certificate_not_after_timestamp_seconds")
        .label("position", "leaf")
        .value(not_after as f64);
    shop("kube_https_certificate_valid").value(1.0);
    shop("kube_https_certificate_trust_info")
        .label("trust", "configured")
        .holds();
    shop("kube_https_certificate_info")
        .label("subject_common_name", "shop.test")
        .label("issuer_common_name", "Test CA")
        .holds();
    shop("kube_https_hsts_max_age_seconds").value(f64::from(HSTS));
    shop("kube_https_finding").absent();
}

fn the_handshake_is_told(scrape: &Scrape) {
    let shop = |name| scrape.metric(name).label("host", "shop.test");
    shop("kube_https_tls_negotiated_info")
        .label("version", "TLS 1.3")
        .label("cipher", FRONT_CIPHER)
        .label("group", "X25519")
        .label("alpn", "h2")
        .holds();
    shop("kube_https_tls_client_certificate_info")
        .label("mode", "not_requested")
        .holds();
    versions(scrape, "shop.test", [0.0, 0.0, 0.0, 1.0, 1.0]);
}

/// Asserts which versions are accepted, the oldest first.
#[track_caller]
fn versions(scrape: &Scrape, host: &str, accepted: [f64; 5]) {
    let names = ["SSL 3.0", "TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"];
    for (version, accepted) in names.into_iter().zip(accepted) {
        let metric = scrape.metric("kube_https_tls_version_accepted");
        let metric = metric.label("host", host).label("version", version);
        metric.value(accepted);
    }
}

fn plaintext_is_told(scrape: &Scrape, front: &Front) {
    let (tls, plaintext) = (
        front.tls_port().to_string(),
        front.plaintext_port.to_string(),
    );
    let at = |name, host, port| {
        let metric = scrape.metric(name).label("host", host);
        metric.label("plaintext_port", port)
    };
    for (host, port, exposed, state) in [
        ("shop.test", &tls, 0.0, "tls_only"),
        ("shop.test", &plaintext, 0.0, "redirect"),
        (OPEN_HOST, &plaintext, 1.0, "served"),
    ] {
        at("kube_https_plaintext_exposed", host, port).value(exposed);
        let info = at("kube_https_plaintext_info", host, port);
        info.label("state", state).holds();
    }
    finding(scrape, OPEN_HOST, "plaintext_served", "critical").holds();
    // TLS is spoken there all the same.
    finding(scrape, OPEN_HOST, "plaintext_declared", "info").holds();
}

fn finding<'a>(
    scrape: &'a Scrape,
    host: &'a str,
    finding: &'a str,
    severity: &'a str,
) -> Metric<'a> {
    scrape
        .metric("kube_https_finding")
        .label("host", host)
        .label("finding", finding)
        .label("severity", severity)
}

fn the_old_server_is_told(scrape: &Scrape) {
    versions(scrape, "old.test", [0.0, 1.0, 1.0, 1.0, 0.0]);
    finding(scrape, "old.test", "tls_version_outdated", "warning").holds();
    finding(scrape, "old.test", "tls_1_3_missing", "info").holds();
    // Two days left of three is early for so short a life.
    finding(scrape, "old.test", "certificate_expiring", "warning").absent();
    let findings = scrape.metric("kube_https_findings");
    findings
        .label("namespace", "legacy")
        .label("finding", "tls_version_outdated")
        .value(1.0);
}

fn the_api_server_is_told(scrape: &Scrape) {
    let own = |name| {
        let metric = scrape.metric(name).label("source", "api_server");
        metric.label("name", "test").label("address", "127.0.0.1")
    };
    own("kube_https_probe_success").value(1.0);
    own("kube_https_certificate_valid").value(1.0);
    own("kube_https_certificate_trust_info")
        .label("trust", "cluster")
        .holds();
    assert_eq!(own("kube_https_plaintext_exposed").get(), Some(0.0));
}

/// A door's first probe comes at once, whatever the interval.
const AT_ONCE: Duration = Duration::from_secs(15);

#[tokio::test]
async fn what_changes_in_the_cluster_and_on_the_wire_changes_in_the_scrape() {
    let front = Front::start("TLSv1.2 TLSv1.3");
    for host in ["shop.test", "new.test", "gone.test"] {
        front.show(host, &leaf(host, now() + 80 * DAY));
    }
    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    for (name, host) in [("shop", "shop.test"), ("gone", "gone.test")] {
        publish(&cluster, ("default", name), &[host], &[host], &front).await;
    }
    let kubeconfig = cluster.kubeconfig(&cluster.token(ACCOUNT).await);
    let site = Site::new("trust");
    // Looks again in five minutes only, so that what it sees before that comes of the change.
    let patient = Exporter::serve(&config(&site), Some(&kubeconfig)).await;
    let mut config = config(&site);
    config["interval"] = "1s".into();
    let quick = Exporter::serve(&config, Some(&kubeconfig)).await;
    patient.ready().await;
    quick.ready().await;

    a_rotated_certificate_shows(&quick, &front).await;
    a_deleted_ingress_goes(&patient, &cluster).await;
    a_new_host_is_probed_at_once(&patient, &cluster, &front).await;
}

async fn a_rotated_certificate_shows(exporter: &Exporter, front: &Front) {
    let info = |scrape: &Scrape| {
        let info = scrape.metric("kube_https_certificate_info");
        let info = info.label("host", "shop.test").each("fingerprint_sha256");
        info.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let before = info(&exporter.scrape().await);
    assert_eq!(before.len(), 1, "{before:?}");
    let not_after = now() + 90 * DAY;
    front.show("shop.test", &leaf("shop.test", not_after));
    let rotated = |scrape: &Scrape| {
        let date = scrape.metric("kube_https_certificate_not_after_timestamp_seconds");
        date.label("host", "shop.test").get() == Some(not_after as f64)
    };
    let scrape = exporter.until("the new certificate's date", rotated).await;
    let after = info(&scrape);
    assert_eq!(after.len(), 1, "the old one's series stayed: {after:?}");
    assert_ne!(before, after);
}

async fn a_deleted_ingress_goes(exporter: &Exporter, cluster: &Cluster) {
    let before = exporter
        .until("deep facts", |scrape| {
            asked(scrape, &["shop.test", "gone.test"])
        })
        .await;
    cluster.delete::<Ingress>("default", "gone").await;
    let gone = |scrape: &Scrape| scrape.names_with("host", "gone.test").is_empty();
    let scrape = exporter
        .within(AT_ONCE, "all its series are gone", gone)
        .await;
    let shop = |scrape: &Scrape| format!("{:?}", scrape.names_with("host", "shop.test"));
    assert_eq!(shop(&before), shop(&scrape), "the other's series stay");
    let targets = scrape.metric("kube_https_targets");
    targets.label("source", "ingress").value(1.0);
}

async fn a_new_host_is_probed_at_once(exporter: &Exporter, cluster: &Cluster, front: &Front) {
    let hosts = ["shop.test", "new.test"];
    publish(cluster, ("default", "shop"), &hosts, &hosts, front).await;
    let scrape = exporter
        .within(AT_ONCE, "it is probed", |scrape| {
            asked(scrape, &["new.test"])
        })
        .await;
    for host in hosts {
        let success = scrape.metric("kube_https_probe_success");
        success.label("host", host).value(1.0);
    }
}
