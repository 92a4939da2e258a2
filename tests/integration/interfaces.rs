//! What people and other programs read: the page in a real browser, the API by its published
//! schema, and `http_sd` by a real Prometheus.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rcgen::{DnType, KeyPair};
use serde_json::{Value, json};

use crate::ca::{CA, Ca, ECDSA};
use crate::exporter::{Exporter, run};
use crate::peers;
use crate::process::{Peer, Site, command, tool};
use crate::prometheus::{self, ask, until};

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/tools")
        .join(name)
}

/// Fails where the document is not as the published schema says, or has what it does not name.
fn assert_valid(document: &str) {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/targets.schema.json");
    let mut checker = command("python")
        .arg(script("check_schema.py"))
        .arg(schema)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = checker.stdin.take().unwrap();
    stdin.write_all(document.as_bytes()).unwrap();
    drop(stdin);
    let output = checker.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{document}");
}

#[tokio::test]
async fn what_is_told_is_as_the_published_schema_says() {
    let demo = Exporter::demo().await;
    demo.ready().await;
    let told = demo.get("/api/v1/targets").await.body;
    assert_valid(&told);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert!(told["targets"].as_array().unwrap().len() > 10, "{told}");

    // A host that is refused, one that is not resolved, and what a baseline adds.
    let site = Site::new("schema");
    let hosts = ["127.0.0.1:1", "nowhere.invalid"];
    let report = run(&site, &[&["check", "-o", "json"], &hosts[..]].concat()).await;
    let report = String::from_utf8(report.stdout).unwrap();
    assert_valid(&report);
    let baseline = site.write("baseline.json", &report);
    let flags = ["check", "-o", "json", "--baseline", &baseline];
    let report = run(&site, &[&flags, &hosts[..]].concat()).await;
    let report = String::from_utf8(report.stdout).unwrap();
    assert!(report.contains(r#""new": false"#), "{report}");
    assert_valid(&report);
}

#[tokio::test]
async fn a_real_prometheus_discovers_what_was_discovered() {
    let demo = Exporter::demo().await;
    demo.ready().await;
    let groups: Value = serde_json::from_str(&demo.get("/sd").await.body).unwrap();
    let groups = groups.as_array().unwrap();
    // Dropped again: Prometheus shows what it found, and leaves the demo's doors alone.
    let config = json!({"scrape_configs": [{
        "job_name": "doors",
        "http_sd_configs": [{"url": format!("http://{}/sd", demo.address), "refresh_interval": "1s"}],
        "relabel_configs": [{"action": "drop"}],
    }]});
    let prometheus = prometheus::start(&config);
    let found = async || ask(&prometheus, "targets?state=dropped").await["droppedTargets"].take();
    let all = |found: &Value| {
        found
            .as_array()
            .is_some_and(|found| found.len() == groups.len())
    };
    let found = until("every target is found", &prometheus, found, all).await;
    let found = found.as_array().unwrap().iter();
    let labels: Vec<&Value> = found.map(|target| &target["discoveredLabels"]).collect();
    for group in groups {
        // An empty label is none to Prometheus.
        let same = |labels: &&&Value| {
            let own = group["labels"].as_object().unwrap();
            let text = |name: &String| labels[name].as_str().unwrap_or_default();
            labels["__address__"] == group["targets"][0]
                && own.iter().all(|(name, value)| text(name) == value)
        };
        assert!(labels.iter().find(same).is_some(), "{group}: {labels:?}");
    }
}

#[tokio::test]
async fn a_real_blackbox_exporter_is_sent_where_was_discovered() {
    let server = peers::nginx(&ECDSA, "TLSv1.3");
    let port = server.address.port();
    let config = json!({"targets": [
        {"name": "good", "url": format!("https://127.0.0.1:{port}")},
        {"name": "shut", "url": "https://127.0.0.1:1"},
    ]});
    let exporter = Exporter::serve(&config, None).await;
    exporter.ready().await;
    let blackbox = Peer::start("blackbox", |site| {
        let tls = json!({"prober": "tcp", "tcp": {"tls": true, "tls_config": {"insecure_skip_verify": true}}});
        let modules = json!({"modules": {"tls": tls}});
        let file = site.write("blackbox.yml", &modules.to_string());
        let mut command = command("prometheus-blackbox-exporter");
        command
            .arg(format!("--config.file={file}"))
            .arg(format!("--web.listen-address=127.0.0.1:{}", site.port));
        command
    });
    // As docs/api.md has it.
    let job = json!({
        "job_name": "blackbox", "metrics_path": "/probe", "params": {"module": ["tls"]}, "scrape_interval": "1s",
        "http_sd_configs": [{"url": format!("http://{}/sd", exporter.address), "refresh_interval": "1s"}],
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"source_labels": ["__param_target"], "target_label": "instance"},
            {"target_label": "__address__", "replacement": blackbox.address.to_string()},
        ],
    });
    let config = json!({"scrape_configs": [job]});
    let prometheus = prometheus::start(&config);
    let probed = async || ask(&prometheus, "query?query=probe_success").await["result"].take();
    let both = |found: &Value| found.as_array().is_some_and(|found| found.len() == 2);
    let found = until("both are probed", &prometheus, probed, both).await;
    let mut said: Vec<String> = (found.as_array().unwrap().iter())
        .map(|one| format!("{} {}", one["metric"]["instance"], one["value"][1]))
        .collect();
    said.sort();
    assert_eq!(
        said,
        [
            "\"127.0.0.1:1\" \"0\"".to_owned(),
            format!("\"127.0.0.1:{port}\" \"1\"")
        ]
    );
}

/// An exporter that looks at one host whose certificate would take over the page, and at others.
async fn hostile_exporter(subject: &str) -> (Exporter, Peer) {
    let mut params = Ca::params(&["127.0.0.1"]);
    params.distinguished_name.push(DnType::CommonName, subject);
    let leaf = CA.issue(&params, &KeyPair::generate().unwrap());
    let peer = peers::nginx(&leaf, "TLSv1.2 TLSv1.3");
    let port = peer.address.port();
    let target = |name: &str, port: u16| json!({"name": name, "url": format!("https://{name}.test:{port}"), "address": "127.0.0.1"});
    let config = json!({
        "timeout": "2s",
        "targets": [target("hostile", port), target("shut", 1), target("shut-too", 2)],
    });
    let exporter = Exporter::serve(&config, None).await;
    exporter.ready().await;
    (exporter, peer)
}

#[tokio::test]
async fn the_page_is_used_in_a_real_browser() {
    let subject = "\"><script>alert(1)</script><img src=x onerror=alert(2)>";
    let (exporter, peer) = hostile_exporter(subject).await;
    let door = format!("hostile.test:{}", peer.address.port());
    let url = format!("http://{}/", exporter.address);
    let probes = async || {
        let scrape = exporter.scrape().await;
        scrape.metric("kube_https_probes_total").get().unwrap()
    };
    let before = probes().await;
    let output = command("python")
        .arg(script("browser.py"))
        .arg(tool("chromium"))
        .args([&url, "HOSTILE"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(seen["before"].as_array().unwrap().len(), 3, "{seen}");
    assert_eq!(seen["filtered"], json!([door]), "{seen}");
    assert_eq!(seen["address"], "?q=HOSTILE");
    assert_eq!(seen["title"], door.as_str());
    let text = seen["target"].as_str().unwrap();
    assert!(
        text.contains(subject) && text.contains("Not after"),
        "{text}"
    );
    assert_eq!(seen["probed"], door.as_str());
    let more = exporter.until("it is probed", |scrape| {
        scrape.metric("kube_https_probes_total").get() > Some(before)
    });
    more.await;
    assert_eq!(seen["images"], 0);
    assert_eq!(seen["without_script"], json!([door]), "{seen}");
    // Nothing was blocked by the page's policy, thrown or popped up.
    assert_eq!(seen["complaints"], json!([]), "{seen}");
}
