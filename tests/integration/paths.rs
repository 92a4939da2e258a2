//! Hosts whose plaintext differs from path to path, as real objects declare it and a real server
//! does it.

use serde_json::json;

use crate::cluster::Cluster;
use crate::cluster_to_scrape::{ACCOUNT, DAY, config, leaf, now, publish, publish_paths};
use crate::exporter::Exporter;
use crate::peers::{Front, OPEN_PATH, PARTLY_OPEN_HOST};
use crate::process::Site;
use crate::scrape::{Metric, Scrape};

const HOSTS: &[&str] = &[PARTLY_OPEN_HOST];

#[tokio::test]
async fn a_path_that_is_served_in_clear_is_found_once_an_object_declares_it() {
    let front = Front::start("TLSv1.2 TLSv1.3");
    front.show(PARTLY_OPEN_HOST, &leaf(PARTLY_OPEN_HOST, now() + 80 * DAY));
    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    cluster.namespace("shop").await;
    publish(&cluster, ("shop", "web"), HOSTS, HOSTS, &front).await;

    let site = Site::new("trust");
    let mut config = config(&site);
    config["interval"] = json!("1s");
    config["timeout"] = json!("1s");
    let kubeconfig = cluster.kubeconfig(&cluster.token(ACCOUNT).await);
    let exporter = Exporter::serve(&config, Some(&kubeconfig)).await;
    exporter.ready().await;
    let port = front.plaintext_port.to_string();
    let is = |scrape: &Scrape, state| {
        let info = scrape.metric("kube_https_plaintext_info");
        of_the_port(info, &port)
            .label("state", state)
            .get()
            .is_some()
    };
    let scrape = exporter
        .until("`/` was asked for", |scrape| is(scrape, "redirect"))
        .await;
    exposed(&scrape, &port).value(0.0);
    scrape
        .metric("kube_https_finding")
        .label("host", PARTLY_OPEN_HOST)
        .absent();

    let more = (HOSTS, &["/docs", OPEN_PATH][..]);
    publish_paths(&cluster, ("shop", "api"), more, HOSTS, &front).await;
    let scrape = exporter
        .until("the declared path was asked for", |scrape| {
            is(scrape, "served")
        })
        .await;
    exposed(&scrape, &port).value(1.0);
    let finding = scrape.metric("kube_https_finding");
    let finding = finding.label("host", PARTLY_OPEN_HOST);
    let finding = finding.label("finding", "plaintext_served");
    finding.label("severity", "critical").holds();
}

fn exposed<'a>(scrape: &'a Scrape, port: &'a str) -> Metric<'a> {
    of_the_port(scrape.metric("kube_https_plaintext_exposed"), port)
}

fn of_the_port<'a>(metric: Metric<'a>, port: &'a str) -> Metric<'a> {
    let metric = metric.label("host", PARTLY_OPEN_HOST);
    metric.label("plaintext_port", port)
}
