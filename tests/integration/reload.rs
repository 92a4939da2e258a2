//! The configuration is read again while the program runs.

use serde_json::{Value, json};

use crate::exporter::Exporter;
use crate::http::Answer;
use crate::process::Site;
use crate::scrape::Scrape;

const OUTCOME: &str = "kube_https_config_last_reload_successful";

/// These hosts at a port of this machine where nobody listens.
fn targets(hosts: &[&str]) -> String {
    let target = |host: &&str| json!({"name": host, "url": format!("https://{host}:1"), "address": "127.0.0.1"});
    let targets: Vec<Value> = hosts.iter().map(target).collect();
    json!({"targets": targets}).to_string()
}

async fn started(config: &str, flags: &[&str]) -> Exporter {
    let site = Site::new("reload");
    let mut arguments = vec![format!(
        "--config.file={}",
        site.write("config.yaml", config)
    )];
    arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
    let exporter = Exporter::start(site, "serve", &arguments).await;
    exporter.ready().await;
    exporter
}

/// The hosts that have a verdict.
async fn hosts(exporter: &Exporter) -> Vec<String> {
    of(&exporter.scrape().await)
}

fn of(scrape: &Scrape) -> Vec<String> {
    let hosts = scrape.metric("kube_https_probe_success").each("host");
    hosts.into_iter().map(str::to_owned).collect()
}

fn assert_is(answer: &Answer, status: u16, says: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert!(answer.body.contains(says), "{}", answer.body);
}

#[tokio::test]
async fn a_new_configuration_takes_over_once_it_is_known_what_it_looks_at() {
    let exporter = started(&targets(&["old", "kept"]), &["--web.enable-lifecycle"]).await;
    assert_eq!(hosts(&exporter).await, ["kept", "old"]);

    exporter.configure(&targets(&["kept", "new"]));
    assert_is(&exporter.post("/-/reload").await, 200, "in force");
    // It is never less than one of the two, whenever it is asked.
    let mut seen = hosts(&exporter).await;
    while seen == ["kept", "old"] {
        seen = hosts(&exporter).await;
    }
    assert_eq!(seen, ["kept", "new"]);
    assert_eq!(exporter.get("/-/ready").await.status, 200);
    exporter.scrape().await.metric(OUTCOME).value(1.0);
    assert_eq!(exporter.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_wrong_configuration_leaves_the_one_before_in_force_and_says_so() {
    let exporter = started(&targets(&["shop"]), &["--web.enable-lifecycle"]).await;
    exporter.configure("intervall: 5m");
    let refused = exporter.post("/-/reload").await;
    assert_is(&refused, 500, "intervall");
    assert_is(&refused, 500, "did you mean `interval`?");
    assert!(
        exporter.log().contains("could not be reloaded"),
        "{}",
        exporter.log()
    );
    assert_eq!(hosts(&exporter).await, ["shop"]);
    exporter.scrape().await.metric(OUTCOME).value(0.0);

    exporter.configure(&targets(&["shop", "cart"]));
    assert_is(&exporter.post("/-/reload").await, 200, "in force");
    let mended = |scrape: &Scrape| {
        of(scrape) == ["cart", "shop"] && scrape.metric(OUTCOME).get() == Some(1.0)
    };
    exporter.until("the second host is looked at", mended).await;
}

#[tokio::test]
async fn signals_reload_however_many_come() {
    let exporter = started(&targets(&["old"]), &[]).await;
    assert_is(
        &exporter.post("/-/reload").await,
        403,
        "--web.enable-lifecycle",
    );
    assert_eq!(hosts(&exporter).await, ["old"]);
    exporter.configure(&targets(&["new"]));
    for _ in 0..100 {
        exporter.signal("HUP");
    }
    let new = |scrape: &Scrape| of(scrape) == ["new"];
    exporter.until("the new host alone is looked at", new).await;
    assert_eq!(exporter.stop().await.code, Some(0));
}
