//! The dashboards: every query of every panel, asked of a real Prometheus that scrapes the demo and
//! a real API server, has an answer, or a reason for none.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::exporter::Exporter;
use crate::golden::NOT_IN_THE_DEMO;
use crate::process::Peer;
use crate::prometheus;

/// Panels with queries that have no answer here, by design, each with the reason.
const EMPTY: &[(&str, &str)] = &[
    ("Errors of discovery", "the demo's cluster always answers"),
    ("Dropped, and why", "the demo drops no target"),
    ("Permissions refused", "the demo's cluster refuses none"),
    (
        "Open access and blind trust",
        "the demo's doors let nobody in",
    ),
    ("Kubelets' certificates", "no kubelet runs in the tests"),
    (
        "Kubelets' renewals that failed",
        "no kubelet runs in the tests",
    ),
];

/// A query of a panel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Query {
    panel: String,
    expr: String,
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The queries of a board, with everything chosen.
fn queries_of(board: &Value) -> Vec<Query> {
    let panels = board["panels"].as_array().into_iter().flatten();
    let queries = panels.flat_map(|panel| {
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(|target| Query {
            panel: panel["title"].as_str().unwrap().to_owned(),
            expr: chosen(target["expr"].as_str().unwrap()),
        })
    });
    queries.collect()
}

/// A query as Grafana asks it while every variable is at "All".
fn chosen(expr: &str) -> String {
    let variables = ["$cluster", "$namespace", "$source", "$host"];
    let all = variables
        .iter()
        .fold(expr.to_owned(), |expr, name| expr.replace(name, ".*"));
    // Ten scrapes.
    all.replace("$__rate_interval", "10s")
}

fn queries() -> Vec<Query> {
    let entries = fs::read_dir(root("dashboards")).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    let boards = files.filter(|file| file.extension().is_some_and(|ending| ending == "json"));
    let queries: Vec<Query> = boards
        .flat_map(|file| {
            queries_of(&serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap())
        })
        .collect();
    assert!(queries.len() > 80, "only {} queries", queries.len());
    queries
}

/// The families of ours that a text names; of a histogram's series, the histogram.
fn families(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("kube_https_"));
    ours.map(|name| name.trim_end_matches("_bucket")).collect()
}

/// Whether a family that the query needs is documented, and shown by the demo.
fn is_shown(query: &Query, documented: &BTreeSet<&str>) -> bool {
    let missing = |family: &&str| NOT_IN_THE_DEMO.iter().any(|(name, _)| name == family);
    let mut families = families(&query.expr).into_iter();
    families.all(|family| documented.contains(family) && !missing(&family))
}

/// Those of the queries that have no answer.
async fn unanswered(prometheus: &Peer, queries: &[Query]) -> Vec<Query> {
    let mut unanswered = Vec::new();
    for query in queries {
        if prometheus::series(prometheus, &query.expr).await.is_empty() {
            unanswered.push(query.clone());
        }
    }
    unanswered
}

#[tokio::test]
async fn every_query_of_every_panel_has_an_answer() {
    let cluster = Cluster::start().await;
    let exporter = Exporter::demo().await;
    exporter.ready().await;
    let prometheus = prometheus::start(&json!({
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [
            {
                "job_name": "exporter", "honor_labels": true,
                "static_configs": [{"targets": [exporter.address.to_string()]}],
            },
            cluster.scrape_config(),
        ],
    }));

    let documents = fs::read_to_string(root("docs/metrics.md")).unwrap();
    let documented = families(&documents);
    let mut queries = queries();
    queries.retain(|query| is_shown(query, &documented));
    let excused = |query: &Query| EMPTY.iter().any(|(panel, _)| *panel == query.panel);
    let (empty, answered): (Vec<Query>, Vec<Query>) = queries.into_iter().partition(excused);

    let left = async || unanswered(&prometheus, &answered).await;
    let what = "queries without an answer: mend them, let the demo show what they ask for, or say \
                in EMPTY why there is none";
    prometheus::until(what, &prometheus, left, Vec::is_empty).await;

    let still = unanswered(&prometheus, &empty).await;
    let panels: BTreeSet<&str> = still.iter().map(|query| query.panel.as_str()).collect();
    for (panel, _) in EMPTY {
        assert!(
            panels.contains(panel),
            "{panel} has answers: take it from EMPTY"
        );
    }
}
