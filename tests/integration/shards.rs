//! Several exporters that share what a real cluster has.

use std::collections::BTreeSet;

use serde_json::json;

use crate::cluster::Cluster;
use crate::cluster_to_scrape::{ACCOUNT, config, publish};
use crate::exporter::{Exporter, run};
use crate::peers::Front;
use crate::process::Site;
use crate::scrape::Scrape;

const SHARDS: usize = 3;

/// Enough that a shard without a host is as good as impossible: 3 × (2/3)^24.
const HOSTS: usize = 24;

/// The hosts of Ingresses that an exporter tells of.
fn hosts(scrape: &Scrape) -> BTreeSet<String> {
    let rows = scrape.metric("kube_https_probe_success");
    let hosts = rows.label("source", "ingress").each("host");
    hosts.into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn shards_divide_the_hosts_of_a_cluster_among_them() {
    let front = Front::start("TLSv1.2 TLSv1.3");
    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    cluster.namespace("shop").await;
    let all: Vec<String> = (0..HOSTS).map(|n| format!("h{n}.shop.test")).collect();
    for (n, host) in all.iter().enumerate() {
        let host = [host.as_str()];
        publish(
            &cluster,
            ("shop", &format!("web-{n}")),
            &host,
            &host,
            &front,
        )
        .await;
    }
    let kubeconfig = cluster.kubeconfig(&cluster.token(ACCOUNT).await);
    let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());

    let mut told = Vec::new();
    let mut stored = Vec::new();
    let mut counted = 0.0;
    for ordinal in 0..SHARDS {
        let site = Site::new("shard");
        let mut config = config(&site);
        // One that no shard may look at, which is counted.
        config["rules"] = json!([{"match": {"host": "h0.shop.test"}, "probe": false}]);
        let file = site.write("config.yaml", &config.to_string());
        let arguments = [
            format!("--config.file={file}"),
            kubeconfig.clone(),
            format!("--shard.count={SHARDS}"),
            format!("--shard.ordinal=kube-https-exporter-{ordinal}"),
        ];
        let exporter = Exporter::start(site, "serve", &arguments).await;
        exporter.ready().await;
        let scrape = exporter.scrape().await;
        let dropped = scrape.metric("kube_https_targets_dropped");
        let dropped = dropped.label("source", "ingress").label("reason", "denied");
        dropped.value(if ordinal == 0 { 1.0 } else { 0.0 });
        let ends = scrape.metric("kube_https_stored_certificate_not_after_timestamp_seconds");
        let authorities = ends.label("usage", "cluster_ca").each("name");
        stored.extend(authorities.into_iter().map(str::to_owned));
        let shard = ordinal.to_string();
        let known = scrape.metric("kube_https_targets");
        let known = known.label("source", "ingress").label("shard", &shard);
        counted += known.get().unwrap();
        told.push(hosts(&scrape));
    }
    assert!(told.iter().all(|hosts| !hosts.is_empty()), "{told:?}");
    let sum: usize = told.iter().map(BTreeSet::len).sum();
    let union: BTreeSet<_> = told.into_iter().flatten().collect();
    assert_eq!(sum, union.len(), "none is probed twice");
    assert_eq!(union, all.into_iter().skip(1).collect());
    assert_eq!(counted, sum as f64, "the counts of shards add up");
    assert!(!stored.is_empty());
    let objects = BTreeSet::from_iter(&stored).len();
    assert_eq!(stored.len(), objects, "what is stored is one shard's, too");
}

#[tokio::test]
async fn a_shard_that_is_none_is_refused() {
    let site = Site::new("shard");
    for (arguments, expected) in [
        (
            ["--shard.count=2", "--shard.ordinal=2"].as_slice(),
            "--shard.ordinal 2 is none of 2 shards (--shard.count): they are numbered from 0",
        ),
        (
            &["--shard.count=2"],
            "which of 2 shards (--shard.count) is this? --shard.ordinal says so, from 0",
        ),
    ] {
        let ended = run(&site, &[&["serve"], arguments].concat()).await;
        assert_eq!(ended.status.code(), Some(2));
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(said, format!("kube-https-exporter: {expected}\n"));
    }
}
