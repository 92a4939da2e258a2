//! What the API server does to the program: what was discovered is looked at on, each source says
//! how old its knowledge is, and what happened meanwhile is known as soon as it can be.

use std::fs;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::networking::v1::Ingress;
use serde_json::json;
use tokio::time::sleep;

use crate::ca::CA;
use crate::cluster::{Cluster, MONITORING};
use crate::cluster_to_scrape::{ACCOUNT, DAY, config, leaf, now, publish};
use crate::exporter::Exporter;
use crate::peers::Front;
use crate::process::Site;
use crate::relay::Relay;
use crate::scrape::Scrape;

const LAST_SUCCESS: &str = "kube_https_probe_last_success_timestamp_seconds";
const LAST_SYNC: &str = "kube_https_discovery_last_sync_timestamp_seconds";

/// What the API server says who has too much to do (API priority and fairness).
const TOO_MANY: &str = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Type: application/json\r\n\
    Content-Length: 138\r\nConnection: close\r\n\r\n{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\
    \"message\":\"too many requests\",\"reason\":\"TooManyRequests\",\"code\":429,\"details\":{}   }";

/// From a failure to the next try, and some room: what lasts a few seconds is tried again within 7 s
/// after it.
const SOON: Duration = Duration::from_secs(30);

fn last(scrape: &Scrape, host: &str) -> Option<f64> {
    scrape.metric(LAST_SUCCESS).label("host", host).get()
}

fn synced(scrape: &Scrape) -> bool {
    let synced = scrape.metric("kube_https_discovery_synced");
    synced.label("source", "ingress").get() == Some(1.0)
}

fn last_sync(scrape: &Scrape) -> Option<f64> {
    scrape.metric(LAST_SYNC).label("source", "ingress").get()
}

/// Waits until `host` is probed, and well.
async fn is_seen(exporter: &Exporter, host: &str) {
    let before = last(&exporter.scrape().await, host);
    let seen = |scrape: &Scrape| last(scrape, host) > before && synced(scrape);
    exporter
        .within(SOON, &format!("{host} is seen"), seen)
        .await;
}

/// Waits until Ingresses are known not to be followed, while `host` is looked at on.
async fn goes_on_without(exporter: &Exporter, host: &str, what: &str) {
    let lost = |scrape: &Scrape| !synced(scrape);
    let scrape = exporter.within(SOON, what, lost).await;
    let (before, at) = (last(&scrape, host), last_sync(&scrape));
    let on = |scrape: &Scrape| last(scrape, host) > before;
    let scrape = exporter.within(SOON, "it is looked at on", on).await;
    assert_eq!(last_sync(&scrape), at, "{what}");
}

/// Publishes a host that the server shows a certificate for.
async fn comes(cluster: &Cluster, front: &Front, host: &str) {
    front.show(host, &leaf(host, now() + 80 * DAY));
    let name = host.split('.').next().unwrap();
    publish(cluster, ("default", name), &[host], &[host], front).await;
}

#[tokio::test]
async fn an_api_server_that_goes_lags_or_refuses_costs_nothing_that_was_known() {
    let front = Front::start("TLSv1.2 TLSv1.3");
    let mut cluster = Cluster::start_as(&CA.leaf(&["127.0.0.1"])).await;
    cluster.grant_all(ACCOUNT).await;
    comes(&cluster, &front, "stays.test").await;
    comes(&cluster, &front, "goes.test").await;
    let relay = Relay::before(cluster.address).await;
    let token = cluster.token(ACCOUNT).await;
    let kubeconfig = cluster.kubeconfig_at(&relay.url(), &token);
    let site = Site::new("faults");
    let mut config = config(&site);
    config["interval"] = json!("1s");
    config["timeout"] = json!("1s");
    let exporter = Exporter::serve(&config, Some(&kubeconfig)).await;
    is_seen(&exporter, "stays.test").await;
    is_seen(&exporter, "goes.test").await;

    // Overload, for some seconds.
    relay.answer(Some(TOO_MANY));
    relay.cut();
    goes_on_without(&exporter, "stays.test", "too many requests").await;
    comes(&cluster, &front, "overload.test").await;
    relay.answer(None);
    is_seen(&exporter, "overload.test").await;

    // It flaps.
    for _ in 0..10 {
        relay.answer(Some(""));
        relay.cut();
        sleep(Duration::from_millis(200)).await;
        relay.answer(None);
        sleep(Duration::from_millis(200)).await;
        assert!(last(&exporter.scrape().await, "stays.test").is_some());
    }
    comes(&cluster, &front, "flapping.test").await;
    is_seen(&exporter, "flapping.test").await;

    // It is slow to answer whoever comes.
    relay.hold(true);
    relay.cut();
    comes(&cluster, &front, "slow.test").await;
    sleep(Duration::from_secs(4)).await;
    relay.hold(false);
    is_seen(&exporter, "slow.test").await;

    // It is down, and starts again.
    cluster.kill_api_server();
    goes_on_without(&exporter, "goes.test", "it is down").await;
    cluster.restart_api_server().await;
    cluster.delete::<Ingress>("default", "goes").await;
    comes(&cluster, &front, "restarted.test").await;
    is_seen(&exporter, "restarted.test").await;
    let scrape = exporter
        .within(SOON, "gone", |scrape| last(scrape, "goes.test").is_none())
        .await;
    let hosts = scrape
        .metric(LAST_SUCCESS)
        .label("source", "ingress")
        .each("host");
    let all = [
        "flapping.test",
        "overload.test",
        "restarted.test",
        "slow.test",
        "stays.test",
    ];
    assert_eq!(Vec::from_iter(hosts), all);
    assert_eq!(exporter.stop().await.code, Some(0));
}

/// kube reads a token's file again after a minute.
const REREAD: Duration = Duration::from_secs(100);

#[tokio::test]
async fn a_token_that_ran_out_is_read_again_from_its_file() {
    let front = Front::start("TLSv1.2 TLSv1.3");
    let mut cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    comes(&cluster, &front, "before.test").await;
    cluster
        .apply::<Secret>(MONITORING, json!({"metadata": {"name": "pod"}}))
        .await;
    let site = Site::new("token");
    let token = cluster.token_while(ACCOUNT, Some("pod")).await;
    let file = site.write("token", &token);
    let mut config = config(&site);
    config["interval"] = json!("1s");
    config["timeout"] = json!("1s");
    let exporter = Exporter::serve(&config, Some(&cluster.kubeconfig_by_file(&file))).await;
    is_seen(&exporter, "before.test").await;

    // As when a pod's token is no longer good; and watches end, as they do every few minutes.
    cluster.delete::<Secret>(MONITORING, "pod").await;
    cluster.kill_api_server();
    cluster.restart_api_server().await;
    goes_on_without(&exporter, "before.test", "the old token is refused").await;
    let errors = exporter.scrape().await;
    let errors = errors
        .metric("kube_https_discovery_errors_total")
        .label("source", "ingress");
    assert!(errors.label("reason", "forbidden").get() > Some(0.0));
    fs::write(&file, cluster.token(ACCOUNT).await).unwrap();
    comes(&cluster, &front, "after.test").await;
    let known = |scrape: &Scrape| last(scrape, "after.test").is_some() && synced(scrape);
    exporter
        .within(REREAD, "the new token is used", known)
        .await;
    assert_eq!(exporter.stop().await.code, Some(0));
}
