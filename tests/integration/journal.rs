//! What the log says of changes, and in which form.

use serde_json::{Value, json};

use crate::exporter::{Exporter, PATIENCE};
use crate::process::Site;
use tokio::time::{Instant, sleep};

/// Two doors at which nobody listens; of the second that is accepted where `accepted`.
fn config(accepted: bool) -> String {
    let target = |name: &str| json!({"name": name, "url": format!("https://{name}.test:1"), "address": "127.0.0.1"});
    let accept = json!([{
        "match": {"host": "b.test"},
        "accept": [{"finding": "unreachable", "until": "2999-01-01", "reason": "torn down"}],
    }]);
    let rules = if accepted { accept } else { json!([]) };
    json!({"targets": [target("a"), target("b")], "rules": rules}).to_string()
}

/// The documents of the log that say of a finding.
fn told(exporter: &Exporter) -> Vec<Value> {
    let log = exporter.log();
    let read = |line: &str| -> Value {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    let documents = log.lines().map(read);
    documents
        .filter(|one| one["event"]["dataset"] == "kube_https_exporter.finding")
        .collect()
}

/// `ACTION RULE DOMAIN` of each.
fn words(documents: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let words = documents.iter().map(|one| {
        [
            &one["event"]["action"],
            &one["rule"]["name"],
            &one["server"]["domain"],
        ]
        .map(text)
        .join(" ")
    });
    let mut words: Vec<_> = words.collect();
    words.sort();
    words
}

#[tokio::test]
async fn each_change_of_a_verdict_is_one_document_and_a_reload_repeats_none() {
    let site = Site::new("journal");
    let file = site.write("config.yaml", &config(false));
    let arguments = [
        format!("--config.file={file}"),
        "--web.enable-lifecycle".to_owned(),
        "--log.format=ecs".to_owned(),
        "--web.external-url=https://tools.example.com/tls".to_owned(),
        "--web.route-prefix=/".to_owned(),
    ];
    let exporter = Exporter::start(site, "serve", &arguments).await;
    let unreachable = |scrape: &crate::scrape::Scrape, count| {
        let found = scrape
            .metric("kube_https_finding")
            .label("finding", "unreachable");
        found.each("host").len() == count
    };
    exporter
        .until("both are found to be down", |scrape| unreachable(scrape, 2))
        .await;
    let appeared = ["a.test", "b.test"].map(|host| format!("finding-appeared unreachable {host}"));
    assert_eq!(words(&told(&exporter)), appeared);

    exporter.configure(&config(true));
    assert_eq!(exporter.post("/-/reload").await.status, 200);
    exporter
        .until("one is accepted", |scrape| unreachable(scrape, 1))
        .await;
    let gone = [
        &appeared[..],
        &["finding-gone unreachable b.test".to_owned()],
    ]
    .concat();
    let deadline = Instant::now() + PATIENCE;
    while words(&told(&exporter)) != gone && Instant::now() < deadline {
        sleep(std::time::Duration::from_millis(20)).await;
    }
    let documents = told(&exporter);
    assert_eq!(words(&documents), gone);

    let first = &documents[0];
    assert_eq!(first["event"]["kind"], "alert");
    assert_eq!(first["server"]["port"], 1);
    assert_eq!(first["labels"]["source"], "static");
    let runbook = "https://tools.example.com/tls/runbooks/unreachable";
    assert_eq!(first["rule"]["reference"], runbook);
    let summaries = exporter
        .log()
        .matches("kube_https_exporter.summary")
        .count();
    assert_eq!(summaries, 1, "{}", exporter.log());
}
