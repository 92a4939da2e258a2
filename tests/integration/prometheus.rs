//! A real Prometheus: it reads both formats alike, and evaluates the alert rules on what it read.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::ca::{CA, NAME};
use crate::exporter::{self, Exporter, PATIENCE};
use crate::http;
use crate::peers;
use crate::process::{Peer, Site, command};

/// Between two looks at what is waited for.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The jobs, and the one format that each of them takes.
const JOBS: [(&str, &str); 2] = [
    ("openmetrics", "OpenMetricsText1.0.0"),
    ("text", "PrometheusText0.0.4"),
];

/// A Prometheus that scrapes `exporter` twice, each time in another format, and evaluates the
/// alert rules.
fn prometheus(exporter: SocketAddr) -> Peer {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("alerts/*.rules.yaml");
    let jobs = JOBS.map(|(job, protocol)| {
        json!({
            "job_name": job,
            "scrape_protocols": [protocol],
            // The rows' own `namespace` is that of the object behind them.
            "honor_labels": true,
            "static_configs": [{"targets": [exporter.to_string()]}],
        })
    });
    start(&json!({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [rules],
        "scrape_configs": jobs,
    }))
}

/// A Prometheus by this configuration.
pub(crate) fn start(config: &Value) -> Peer {
    Peer::start("prometheus", |site| {
        let file = site.write("prometheus.yml", &config.to_string());
        let mut command = command("prometheus");
        command
            .arg(format!("--config.file={file}"))
            .arg(format!("--storage.tsdb.path={}", site.path("data")))
            .arg(format!("--web.listen-address=127.0.0.1:{}", site.port));
        command
    })
}

/// What Prometheus answers at this path of its API; `Null` until it is ready.
pub(crate) async fn ask(prometheus: &Peer, path: &str) -> Value {
    let answer = http::get(prometheus.address, &format!("/api/v1/{path}")).await;
    let body = answer.map(|answer| answer.body).unwrap_or_default();
    let mut answer: Value = serde_json::from_str(&body).unwrap_or_default();
    answer["data"].take()
}

/// The series of an instant query.
pub(crate) async fn series(prometheus: &Peer, query: &str) -> Vec<Value> {
    let escaped: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let mut data = ask(prometheus, &format!("query?query={escaped}")).await;
    let series = data["result"].as_array_mut().map(std::mem::take);
    series.unwrap_or_default()
}

/// The values of an instant query, by this label.
async fn query(prometheus: &Peer, query: &str, label: &str) -> BTreeMap<String, f64> {
    let series = series(prometheus, query).await;
    series
        .iter()
        .map(|series| {
            let label = series["metric"][label].as_str().unwrap();
            let value = series["value"][1].as_str().unwrap();
            (label.to_owned(), value.parse().unwrap())
        })
        .collect()
}

/// Asks until `done`, and gives the last answer.
pub(crate) async fn until<T: std::fmt::Debug>(
    what: &str,
    prometheus: &Peer,
    ask: impl AsyncFn() -> T,
    done: impl Fn(&T) -> bool,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask().await;
        if done(&answer) {
            return answer;
        }
        let late = Instant::now() > deadline;
        assert!(!late, "{what}: {answer:?}; {}", prometheus.site.log());
        sleep(LOOK_EVERY).await;
    }
}

#[tokio::test]
async fn both_formats_are_read_and_hold_the_same() {
    let exporter = Exporter::demo().await;
    exporter.ready().await;
    let prometheus = prometheus(exporter.address);

    let up = async || query(&prometheus, "up", "job").await;
    let both = |up: &BTreeMap<String, f64>| up.len() == 2 && up.values().all(|up| *up == 1.0);
    until("both are up", &prometheus, up, both).await;

    // What is found out between the two scrapes of a second shows in the next ones.
    let counts = async || {
        let mut counts = Vec::new();
        for (job, _) in JOBS {
            let of = format!("count by (__name__) ({{__name__=~\"kube_https_.*\",job=\"{job}\"}})");
            counts.push(query(&prometheus, &of, "__name__").await);
        }
        counts
    };
    let alike = |counts: &Vec<BTreeMap<String, f64>>| {
        let of = |name| counts[0].get(name).copied().unwrap_or_default();
        let shown = of("kube_https_certificate_info");
        // Whoever shows a certificate is asked for five versions.
        let complete = shown > 0.0 && of("kube_https_tls_version_accepted") == 5.0 * shown;
        complete && counts[0] == counts[1]
    };
    let counts = until("both hold the same", &prometheus, counts, alike).await;
    assert!(counts[0].len() > 25, "{counts:?}");

    the_rules_are_evaluated(&prometheus).await;
}

/// A rule that joins several series to one ends in an error only once it meets them.
async fn the_rules_are_evaluated(prometheus: &Peer) {
    let rules = async || {
        let mut groups = ask(prometheus, "rules").await["groups"].take();
        let groups = groups.as_array_mut().into_iter().flatten();
        let rules = groups.filter_map(|group| group["rules"].as_array_mut().map(std::mem::take));
        let rules = rules.flatten().map(|rule| {
            let text = |field: &str| rule[field].as_str().unwrap_or_default().to_owned();
            (
                text("name"),
                [text("state"), text("health"), text("lastError")],
            )
        });
        rules.collect::<BTreeMap<_, _>>()
    };
    let state = |rules: &BTreeMap<String, [String; 3]>, name: &str| {
        rules.get(name).map(|[state, ..]| state.clone())
    };
    let waits = Some("pending".to_owned());
    let expected = |rules: &BTreeMap<String, [String; 3]>| {
        ["KubeHttpsCertificateExpired", "KubeHttpsPlaintextServed"]
            .iter()
            .all(|alert| state(rules, alert) == waits)
    };
    let rules = until("the demo's alerts are pending", prometheus, rules, expected).await;
    for (name, [_, health, error]) in &rules {
        assert_eq!(health, "ok", "{name}: {error}");
    }
    let sound = Some("inactive".to_owned());
    assert_eq!(state(&rules, "KubeHttpsDiscoveryFailing"), sound);
}

#[tokio::test]
async fn promtool_finds_nothing_to_complain_about() {
    let peer = peers::openssl(&CA.leaf(&[NAME]), &[]);
    let port = peer.address.port();
    let url = format!("https://{NAME}:{port}");
    let target = json!({"name": "good", "url": url, "address": "127.0.0.1"});
    let exporter = Exporter::serve(&json!({"targets": [target]}), None).await;
    exporter.ready().await;
    let body = exporter.get("/metrics").await.body;

    let site = Site::new("promtool");
    let mut promtool = command("promtool")
        .args(["check", "metrics"])
        .current_dir(&site.dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Dropped when written, which ends what it reads.
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(body.as_bytes())
        .unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[tokio::test]
async fn the_examples_for_many_targets_are_ones_that_each_program_takes() {
    let document = include_str!("../../docs/scale.md");
    let blocks = document.split("```yaml\n").skip(1);
    let examples: Vec<&str> = blocks.filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 4, "{examples:?}");
    let site = Site::new("examples");
    for example in examples {
        let (title, _) = example.split_once('\n').unwrap();
        let file = site.write("example.yml", example);
        let output = if title.starts_with("# config.yaml") {
            exporter::run(&site, &["--config.check", "--config.file", &file]).await
        } else {
            let mut promtool = command("promtool");
            promtool.args(["check", "config", "--lint=all", "--lint-fatal"]);
            if title.contains("--agent") {
                promtool.arg("--agent");
            }
            promtool.arg(&file).output().unwrap()
        };
        assert!(output.status.success(), "{title}: {output:?}");
    }
}
