//! What real servers answer HTTP requests over TLS that carry no credentials, and whether ports can
//! be reached at all.

use std::net::TcpListener;
use std::time::Duration;

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube_https_exporter::config::Config;
use kube_https_exporter::model::{Address, HttpsAnswer, Requests, TlsDoor, TlsVersion};
use kube_https_exporter::probe::Prober;
use kube_https_exporter::schedule::Probe;
use serde_json::json;

use crate::ca::{CA, ECDSA, NAME};
use crate::cluster::Cluster;
use crate::exporter::Exporter;
use crate::peers;
use crate::process::{Peer, Site, free_port};
use crate::scrape::Scrape;

/// What the deep probe is answered, as a browser.
async fn answers(peer: &Peer) -> Vec<HttpsAnswer> {
    let config = Config {
        timeout: Duration::from_secs(20),
        ..Config::default()
    };
    let ip = peer.address.ip();
    let door = TlsDoor {
        address: Address::Ip(ip),
        port: peer.address.port(),
        server_name: Some(NAME.into()),
        starttls: None,
        guarded: false,
        requests: Requests::Browser,
    };
    let prober = Prober::new(&config).unwrap();
    let report = prober.deep(&door, &[(ip, TlsVersion::Tls13)]).await;
    report.addresses[0].1.https.clone()
}

#[tokio::test]
async fn a_header_of_nginx_is_read() {
    let header = "add_header Strict-Transport-Security max-age=300;";
    let answers = answers(&peers::nginx_server(&ECDSA, header)).await;
    assert_eq!((answers[0].path, answers[0].status), ("/", 200));
    assert_eq!(answers[0].hsts.as_deref(), Some("max-age=300"));
    assert!(!answers[0].misses_certificate);
}

#[tokio::test]
async fn nginx_finishes_the_handshake_and_refuses_whoever_has_no_certificate() {
    let site = Site::new("verifying");
    let ca = site.write("ca.pem", &CA.issuer.pem());
    let demand = format!("ssl_client_certificate {ca}; ssl_verify_client on;");
    let answers = answers(&peers::nginx_server(&ECDSA, &demand)).await;
    assert_eq!(answers[0].status, 400);
    assert!(answers[0].misses_certificate);
}

/// The paths that this scrape says are open, and those that are not.
fn access(scrape: &Scrape) -> [String; 2] {
    let metric = |path| {
        let metric = scrape.metric("kube_https_anonymous_access");
        metric.label("source", "api_server").label("path", path)
    };
    let paths = ["/livez", "/version", "/api", "/apis", "/metrics"];
    let paths = paths.into_iter().chain(["/api/v1/namespaces"]);
    [1.0, 0.0].map(|wanted| {
        let paths = paths.clone();
        let of = paths.filter(|path| metric(*path).get() == Some(wanted));
        of.collect::<Vec<_>>().join(" ")
    })
}

#[tokio::test]
async fn an_api_server_that_was_opened_to_strangers_is_found() {
    let cluster = Cluster::start().await;
    let config = json!({"interval": "1s", "deep_interval": "2s"});
    let kubeconfig = cluster.admin_kubeconfig();
    let exporter = Exporter::serve(&config, Some(&kubeconfig)).await;
    let found = |scrape: &Scrape| {
        let finding = scrape.metric("kube_https_finding");
        let finding = finding.label("finding", "anonymous_access");
        finding.label("severity", "critical").get().is_some()
    };
    let as_it_comes = |scrape: &Scrape| {
        access(scrape) == ["/livez /version", "/api /apis /metrics /api/v1/namespaces"]
    };
    let scrape = exporter.until("strangers were refused", as_it_comes).await;
    assert!(!found(&scrape));

    let rules = json!([{"nonResourceURLs": ["/api"], "verbs": ["get"]}]);
    let role = json!({"metadata": {"name": "open"}, "rules": rules});
    cluster.apply::<ClusterRole>("", role).await;
    let group = "rbac.authorization.k8s.io";
    let strangers = json!({"kind": "Group", "apiGroup": group, "name": "system:unauthenticated"});
    let binding = json!({
        "metadata": {"name": "open"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "open"},
        "subjects": [strangers],
    });
    cluster.apply::<ClusterRoleBinding>("", binding).await;
    let opened = |scrape: &Scrape| {
        access(scrape) == ["/livez /version /api", "/apis /metrics /api/v1/namespaces"]
    };
    let scrape = exporter.until("a stranger was let in", opened).await;
    assert!(found(&scrape));
}

#[tokio::test]
async fn what_can_be_reached_is_compared_with_what_is_expected() {
    // Connections wait to be accepted, and are none the less.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (open, shut) = (listener.local_addr().unwrap().port(), free_port());
    let expectation = |name: &str, port, expect: &str, control: u16| {
        json!({
            "name": name, "address": "127.0.0.1", "port": port, "expect": expect,
            "control": format!("127.0.0.1:{control}"),
        })
    };
    let config = json!({"timeout": "1s", "expectations": [
        expectation("reached", open, "reachable", open),
        expectation("open", open, "unreachable", open),
        expectation("shut", shut, "unreachable", open),
        expectation("blind", shut, "unreachable", shut),
    ]});
    let exporter = Exporter::serve(&config, None).await;
    let met = |scrape: &Scrape, name| {
        let metric = scrape.metric("kube_https_expectation_met");
        metric
            .label("source", "expectation")
            .label("name", name)
            .get()
    };
    let names = ["reached", "open", "shut", "blind"];
    let judged = |scrape: &Scrape| {
        names.map(|name| met(scrape, name)) == [Some(1.0), Some(0.0), Some(1.0), None]
    };
    let scrape = exporter.until("every expectation was judged", judged).await;
    let findings = scrape
        .metric("kube_https_finding")
        .label("source", "expectation");
    let severe = findings.label("severity", "critical");
    let found = severe.label("finding", "reachable_unexpectedly");
    assert_eq!(Vec::from_iter(found.each("name")), ["open"]);
    // What is as expected is no door.
    let doors = scrape
        .metric("kube_https_doors")
        .label("source", "expectation");
    doors.label("state", "exposed").value(1.0);
    let doors = scrape
        .metric("kube_https_doors")
        .label("source", "expectation");
    doors.label("state", "unknown").value(0.0);
}
