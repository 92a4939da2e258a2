//! From a host that breaks to the page, and from its mending to the resolution: a real server, the
//! program, a real Prometheus with the shipped rules, a real Alertmanager, and a webhook that is
//! the pager. Only the rules' waiting times are shortened.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::post;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::ca::{CA, Ca, Leaf, NAME};
use crate::exporter::{Exporter, PATIENCE};
use crate::peers::nginx_server;
use crate::process::{Peer, Site, command, free_port};
use crate::prometheus;

/// What the broken host is paged for, with its severity.
const PAGES: [(&str, &str); 3] = [
    ("KubeHttpsCertificateExpired", "critical"),
    ("KubeHttpsOutdatedTlsAccepted", "warning"),
    ("KubeHttpsPlaintextServed", "warning"),
];

/// What the pager has received: the alerts of all notifications, in order.
type Pager = Arc<Mutex<Vec<Value>>>;

/// A webhook, as Alertmanager calls it.
async fn pager() -> (SocketAddr, Pager) {
    let received = Pager::default();
    let into = Arc::clone(&received);
    let receive = move |body: String| async move {
        let mut notification: Value = serde_json::from_str(&body).unwrap();
        let alerts = notification["alerts"].as_array_mut().unwrap();
        into.lock().unwrap().append(alerts);
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().route("/", post(receive));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, received)
}

/// An Alertmanager that sends everything to the pager at once, and inhibits as
/// kube-prometheus-stack has it.
fn alertmanager(pager: SocketAddr) -> Peer {
    let inhibit = |source: &str, target: &str| {
        json!({
            "source_matchers": [format!("severity = {source}")],
            "target_matchers": [format!("severity =~ {target}")],
            "equal": ["namespace", "alertname"],
        })
    };
    let config = json!({
        "route": {
            "receiver": "pager", "group_by": ["..."],
            "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h",
        },
        "inhibit_rules": [inhibit("critical", "warning|info"), inhibit("warning", "info")],
        "receivers": [{
            "name": "pager",
            "webhook_configs": [{"url": format!("http://{pager}/"), "send_resolved": true}],
        }],
    });
    Peer::start("alertmanager", |site| {
        let file = site.write("alertmanager.yml", &config.to_string());
        let mut command = command("prometheus-alertmanager");
        command
            .arg(format!("--config.file={file}"))
            .arg(format!("--storage.path={}", site.path("data")))
            .arg(format!("--web.listen-address=127.0.0.1:{}", site.port))
            .arg("--cluster.listen-address=");
        command
    })
}

/// The shipped rules, which wait seconds where they wait minutes.
fn hasty_rules(site: &Site) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("alerts/kube-https-exporter.rules.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let hasty = text.lines().map(|line| {
        let (before, _) = line.split_once("for: ").unwrap_or((line, ""));
        match before.trim_start() {
            "" | "keep_firing_" if before != line => format!("{before}for: 3s\n"),
            _ => format!("{line}\n"),
        }
    });
    site.write("hasty.rules.yaml", &hasty.collect::<String>())
}

/// A Prometheus that scrapes the exporter, and tells Alertmanager.
fn prometheus(site: &Site, exporter: SocketAddr, alertmanager: SocketAddr) -> Peer {
    let at = |address: SocketAddr| json!([{"targets": [address.to_string()]}]);
    prometheus::start(&json!({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [hasty_rules(site)],
        "alerting": {"alertmanagers": [{"static_configs": at(alertmanager)}]},
        "scrape_configs": [
            {"job_name": "exporter", "honor_labels": true, "static_configs": at(exporter)},
        ],
    }))
}

/// The host's ports, whichever server has them.
struct Ports {
    tls: u16,
    plaintext: u16,
}

/// A certificate for the host until this year.
fn leaf(last_year: i32) -> Leaf {
    let mut params = Ca::params(&[NAME]);
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(last_year, 12, 31);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    CA.issue(&params, &key)
}

impl Ports {
    fn serve(&self, leaf: &Leaf, versions: &str, plaintext: &str) -> Peer {
        let Self {
            tls,
            plaintext: port,
        } = self;
        nginx_server(
            leaf,
            &format!(
                "listen 127.0.0.1:{tls} ssl; ssl_protocols {versions};
                 listen 127.0.0.1:{port};
                 if ($scheme = http) {{ {plaintext} }}"
            ),
        )
    }

    /// The host as it should be.
    fn sound(&self) -> Peer {
        let redirect = format!("return 308 https://$host:{}$request_uri;", self.tls);
        self.serve(&leaf(2100), "TLSv1.2 TLSv1.3", &redirect)
    }

    /// Expired, downgraded, and open in clear.
    fn broken(&self) -> Peer {
        let versions = "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3";
        self.serve(&leaf(2021), versions, "return 200 in-clear;")
    }
}

/// Waits until the last word about each of [`PAGES`] is this status, and gives it.
async fn told(pager: &Pager, status: &str, prometheus: &Peer) -> Vec<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let received = pager.lock().unwrap().clone();
        let last = |(name, _): &(&str, &str)| {
            let mut of = received.iter().rev();
            of.find(|alert| alert["labels"]["alertname"] == *name)
                .cloned()
        };
        let last: Vec<Value> = PAGES.iter().filter_map(last).collect();
        if last.len() == PAGES.len() && last.iter().all(|alert| alert["status"] == status) {
            return last;
        }
        let late = Instant::now() > deadline;
        assert!(
            !late,
            "not all {status}: {received:#?}; {}",
            prometheus.site.log()
        );
        sleep(prometheus::LOOK_EVERY).await;
    }
}

#[tokio::test]
async fn a_host_that_breaks_pages_and_resolves_when_it_is_mended() {
    let site = Site::new("paging");
    let ports = Ports {
        tls: free_port(),
        plaintext: free_port(),
    };
    let host = ports.sound();
    let exporter = Exporter::serve(&config(&site, &ports), None).await;
    exporter.ready().await;
    let (address, pager) = pager().await;
    let alertmanager = alertmanager(address);
    let prometheus = prometheus(&site, exporter.address, alertmanager.address);
    let valid = "kube_https_certificate_valid == 1";
    let seen = async || prometheus::series(&prometheus, valid).await.len();
    prometheus::until("the sound host is seen", &prometheus, seen, |seen| {
        *seen == 1
    })
    .await;
    // Other alerts may: in such haste, the exporter is absent before it is first scraped.
    let early = pager.lock().unwrap().clone();
    let mut hosts = early.iter().map(|alert| &alert["labels"]["host"]);
    assert!(
        hosts.all(|host| *host != NAME),
        "the sound host pages: {early:#?}"
    );

    drop(host);
    let host = ports.broken();
    for ((name, severity), alert) in PAGES.iter().zip(told(&pager, "firing", &prometheus).await) {
        the_page_says_all(&alert, &ports, name, severity);
    }

    drop(host);
    let _host = ports.sound();
    told(&pager, "resolved", &prometheus).await;
}

fn config(site: &Site, ports: &Ports) -> Value {
    json!({
        "interval": "2s", "deep_interval": "4s",
        "trust": {"ca_files": [site.write("ca.pem", &CA.issuer.pem())]},
        "targets": [{
            "name": "shop", "url": format!("https://{NAME}:{}", ports.tls),
            "address": "127.0.0.1", "http_port": ports.plaintext,
        }],
    })
}

fn the_page_says_all(alert: &Value, ports: &Ports, name: &str, severity: &str) {
    let labels = json!({
        "severity": severity,
        "source": "static", "namespace": "kube-https-exporter", "name": "shop",
        "host": NAME, "port": ports.tls.to_string(), "address": "127.0.0.1",
    });
    for (label, value) in labels.as_object().unwrap() {
        assert_eq!(alert["labels"][label], *value, "{label} of {alert:#}");
    }
    // Replicas are told apart by these, and must not be.
    for label in ["instance", "pod"] {
        assert!(alert["labels"].get(label).is_none(), "{alert:#}");
    }
    let said = |annotation: &str| alert["annotations"][annotation].as_str().unwrap();
    assert!(said("summary").contains(NAME), "{alert:#}");
    assert!(
        said("description").ends_with("Declared by static shop."),
        "{alert:#}"
    );
    assert!(
        said("runbook_url").ends_with(&format!("/{name}.md")),
        "{alert:#}"
    );
    assert!(said("dashboard_url").ends_with(&format!("var-source=static&var-host={NAME}")));
}
