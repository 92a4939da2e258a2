//! `check` with hosts: what it prints, and the code it ends with.

use std::net::TcpListener;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::KeyPair;
use serde_json::{Value, json};

use crate::ca::{CA, Ca, Leaf};
use crate::cluster::Cluster;
use crate::discovery::publish;
use crate::exporter::run;
use crate::hostile::{Hostile, Manner};
use crate::peers;
use crate::process::Site;

/// Checks that port of loopback, trusting the test's authority, and gives the exit code and what
/// was printed.
async fn check(port: u16, more: &[&str]) -> (Option<i32>, String) {
    let site = Site::new("check");
    let ca = site.write("ca.pem", &CA.issuer.pem());
    let config = json!({"trust": {"ca_files": [ca]}, "timeout": "2s"});
    let file = site.write("config.yaml", &config.to_string());
    let host = format!("127.0.0.1:{port}");
    let output = run(
        &site,
        &[&["check", "--config.file", &file, &host], more].concat(),
    )
    .await;
    let printed = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), printed)
}

/// The words of the table's first row, which begins at the second line.
fn row(table: &str) -> Vec<&str> {
    let row = table.lines().nth(1).unwrap_or_default();
    row.split_whitespace().collect()
}

fn loopback(expired: bool) -> Leaf {
    let mut params = Ca::params(&["127.0.0.1"]);
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(if expired { 2021 } else { 2100 }, 1, 1);
    CA.issue(&params, &KeyPair::generate().unwrap())
}

/// nginx serves what no client takes, and everything but the one date is told of it.
#[tokio::test]
async fn a_date_that_cannot_be_read_loses_nothing_else() {
    let mut leaf = loopback(false);
    let end = b"21000101000000Z";
    let mut windows = leaf.der.windows(end.len());
    let at = windows.position(|window| window == end).unwrap();
    leaf.der[at..at + end.len()].copy_from_slice(b"21000230000000Z");
    let lines = STANDARD.encode(&leaf.der);
    leaf.cert_pem = format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n");
    let peer = peers::nginx(&leaf, "TLSv1.2 TLSv1.3");
    let port = peer.address.port();
    let (code, json) = check(port, &["-o", "json"]).await;
    assert_eq!(code, Some(1), "{json}");
    let told: Value = serde_json::from_str(&json).unwrap();
    let target = &told["targets"][0];
    let found = target["findings"].as_array().unwrap().iter();
    let found: Vec<_> = found.map(|one| (&one["finding"], &one["detail"])).collect();
    let expected = (
        &json!("certificate_date_unreadable"),
        &json!("its notAfter cannot be read"),
    );
    assert_eq!(found, [expected]);
    assert_eq!(target.get("not_after"), None);
    let shown = &target["addresses"][0]["chain"][0];
    assert_eq!(shown["not_before"], "2020-01-01T00:00:00Z");
    assert_eq!(shown.get("not_after"), None);
    assert_eq!(shown["unreadable"], "notAfter");
    assert_eq!(shown["ip_names"], json!(["127.0.0.1"]));
    let (_, csv) = check(port, &["-o", "csv"]).await;
    let line = csv.lines().nth(1).unwrap();
    let fields: Vec<_> = line.split(',').collect();
    assert_eq!((fields[0], fields[8]), ("critical", ""), "{line}");
    let (_, table) = check(port, &[]).await;
    assert_eq!(row(&table)[2], "-", "{table}");
    assert!(table.contains("unreadable          notAfter\n"), "{table}");
}

#[tokio::test]
async fn a_good_host_is_ok() {
    let peer = peers::nginx(&loopback(false), "TLSv1.2 TLSv1.3");
    let port = peer.address.port();
    let (code, table) = check(port, &["--fail-on=info"]).await;
    assert_eq!(code, Some(0), "{table}");
    let row = row(&table);
    assert_eq!(row[..2], ["ok", &format!("127.0.0.1:{port}")], "{table}");
    assert_eq!(row.last(), Some(&"1.3"), "{table}");
    assert!(table.contains("\n\n1 door: 1 ok.\n"), "{table}");
    // Of one host, what was seen stands below.
    for line in [
        "accepts               TLS 1.2, TLS 1.3",
        "refuses               SSL 3.0, TLS 1.0, TLS 1.1",
        "client certificate    not requested",
        "not after           2100-01-01T00:00:00Z",
    ] {
        assert!(table.contains(line), "{line}: {table}");
    }
}

#[tokio::test]
async fn a_baseline_lets_a_check_fail_on_new_trouble_only() {
    let peer = peers::nginx(&loopback(true), "TLSv1.2 TLSv1.3");
    let (_, report) = check(peer.address.port(), &["-o", "json"]).await;
    let site = Site::new("baseline");
    let known = site.write("known.json", &report);
    let nothing = site.write("nothing.json", r#"{"targets": []}"#);
    let port = peer.address.port();
    let (code, table) = check(port, &["--baseline", &known]).await;
    assert_eq!(code, Some(0), "{table}");
    let (code, table) = check(port, &["--baseline", &nothing]).await;
    assert_eq!(code, Some(1), "{table}");
    assert!(table.contains("certificate_expired (new)"), "{table}");
    let (code, _) = check(port, &["--baseline", "/nowhere"]).await;
    assert_eq!(code, Some(2));
}

#[tokio::test]
async fn what_does_not_match_is_neither_printed_nor_counted() {
    let peer = peers::nginx(&loopback(true), "TLSv1.2 TLSv1.3");
    let (code, table) = check(peer.address.port(), &["--source", "ingress"]).await;
    assert_eq!((code, &*table), (Some(0), "No doors were found.\n"));
}

#[tokio::test]
async fn a_finding_is_explained_without_a_look() {
    let site = Site::new("explain");
    let output = run(&site, &["check", "--explain", "unreachable"]).await;
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.starts_with(b"# unreachable\n"));
    let output = run(&site, &["check", "--explain", "unreachabel"]).await;
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("did you mean unreachable?"), "{said}");
}

#[tokio::test]
async fn an_expired_certificate_ends_with_1_unless_nothing_is_to() {
    let peer = peers::nginx(&loopback(true), "TLSv1.2 TLSv1.3");
    let (code, table) = check(peer.address.port(), &[]).await;
    assert_eq!(code, Some(1), "{table}");
    let row = row(&table);
    assert_eq!(row[0], "critical", "{table}");
    assert_eq!(row.last(), Some(&"certificate_expired"), "{table}");

    let (code, same) = check(peer.address.port(), &["--fail-on=never"]).await;
    assert_eq!(code, Some(0), "{same}");
    assert_eq!(same, table);
}

#[tokio::test]
async fn a_warning_ends_with_1_only_where_that_was_asked_for() {
    let peer = peers::nginx(&loopback(false), "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3");
    let (code, table) = check(peer.address.port(), &[]).await;
    assert_eq!(code, Some(0), "{table}");
    assert_eq!(row(&table)[0], "warning", "{table}");
    assert!(table.contains("tls_version_outdated"), "{table}");
    let (code, _) = check(peer.address.port(), &["--fail-on=warning"]).await;
    assert_eq!(code, Some(1));
}

#[tokio::test]
async fn http_where_tls_should_be_is_a_finding() {
    let peer = Hostile::start(Manner::Http).await;
    let (code, table) = check(peer.address.port(), &[]).await;
    assert_eq!(code, Some(1), "{table}");
    assert!(table.contains("tls_not_spoken"), "{table}");
}

#[tokio::test]
async fn what_cannot_be_reached_ends_with_3() {
    // Bound, and nobody listens once it is dropped.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let (code, table) = check(port, &[]).await;
    assert_eq!(code, Some(3), "{table}");
    let row = row(&table);
    assert_eq!(row[0], "warning", "{table}");
    assert!(row.ends_with(&["unreachable", "(refused)"]), "{table}");

    // A finding outranks it.
    let (code, _) = check(port, &["--fail-on=warning"]).await;
    assert_eq!(code, Some(1));

    let (code, _) = check(port, &["--allow-unprobed"]).await;
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn an_expectation_that_was_not_found_to_hold_ends_with_3() {
    let peer = peers::nginx(&loopback(false), "TLSv1.2 TLSv1.3");
    let listening = peer.address.port();
    // Bound, and nobody listens once it is dropped.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let shut = listener.local_addr().unwrap().port();
    drop(listener);
    for (expect, port, control, code, row) in [
        ("unreachable", shut, listening, 0, None),
        ("unreachable", shut, shut, 3, Some("unknown")),
        ("reachable", shut, listening, 3, Some("unknown")),
        ("unreachable", listening, listening, 1, Some("critical")),
    ] {
        let site = Site::new("expectation");
        let config = json!({"timeout": "1s", "expectations": [{
            "name": "it", "address": "127.0.0.1", "port": port, "expect": expect,
            "control": format!("127.0.0.1:{control}"),
        }]});
        let file = site.write("config.yaml", &config.to_string());
        let asked = ["check", "--source=expectation", "--config.file", &file];
        let output = run(&site, &asked).await;
        let table = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{expect} {port} {control}: {table}"
        );
        match row {
            Some(status) => assert!(table.contains(&format!("\n{status}")), "{table}"),
            None => assert!(table.contains("1 closed as they must be"), "{table}"),
        }
    }
}

#[tokio::test]
async fn what_hangs_ends_with_3_after_its_deadline() {
    let peer = Hostile::start(Manner::Hang).await;
    let (code, table) = check(peer.address.port(), &[]).await;
    assert_eq!(code, Some(3), "{table}");
    assert!(table.contains("unreachable"), "{table}");
}

#[tokio::test]
async fn why_a_host_is_probed_or_not_is_told_from_the_object_on() {
    let cluster = Cluster::start().await;
    publish(&cluster, "default", "shop", &["shop.test", "*.wild.test"]).await;
    let kubeconfig = cluster.admin_kubeconfig();
    let site = Site::new("why");
    let why = async |host: &str| {
        let asked = ["check", "--why", host, "--fail-on=never", "--kubeconfig"];
        let output = run(
            &site,
            &[&asked[..], &[kubeconfig.to_str().unwrap()]].concat(),
        )
        .await;
        String::from_utf8(output.stdout).unwrap()
    };
    let text = why("shop.test").await;
    let start = "\
Ingress default/shop (source ingress)
  shop.test is probed at 127.0.0.1:8443
    TLS is declared; shop.test is asked for (SNI)
    the certificate must name shop.test, and lead to the system's roots
";
    assert!(text.starts_with(start), "{text}");
    // Loopback is where no tenant may lead.
    let end = "the last probe failed: `security` denies the address\n\nSources read:";
    assert!(text.contains(end), "{text}");
    assert!(!text.contains("wild"), "{text}");
    let text = why("a.wild.test").await;
    assert!(text.contains("\n  *.wild.test is probed at "), "{text}");
    let text = why("other.test").await;
    let nothing = "Nothing that was read declares other.test.\n\nSources read: api_server, node,";
    assert!(text.starts_with(nothing), "{text}");
}

#[tokio::test]
async fn a_certificate_that_no_door_shows_is_found_and_known_from_a_baseline() {
    let peer = peers::nginx(&loopback(false), "TLSv1.2 TLSv1.3");
    let site = Site::new("stored");
    let ca = site.write("ca.pem", &CA.issuer.pem());
    let old = site.write("old.pem", &loopback(true).cert_pem);
    let url = format!("https://127.0.0.1:{}", peer.address.port());
    let config = json!({
        "trust": {"ca_files": [ca]}, "files": {"certificates": [old]},
        "targets": [{"name": "good", "url": url, "address": "127.0.0.1"}],
    });
    let file = site.write("config.yaml", &config.to_string());
    let config = ["check", "--config.file", &file];
    let output = run(&site, &config).await;
    assert_eq!(output.status.code(), Some(1));
    let table = String::from_utf8(output.stdout).unwrap();
    let line = format!("\n\nNot shown by any door:\ncritical  file {old}  certificate_expired: ");
    assert!(table.contains(&line), "{table}");

    let output = run(&site, &[&config[..], &["-o", "json"]].concat()).await;
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["stored"][0]["name"], old.as_str());
    assert_eq!(json["stored"][0]["certificates"][0]["usage"], "server");
    let baseline = site.write("baseline.json", &json.to_string());
    let again = run(&site, &[&config[..], &["--baseline", &baseline]].concat()).await;
    assert_eq!(again.status.code(), Some(0));
}
