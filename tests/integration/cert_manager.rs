//! cert-manager's definitions in a real API server, its objects as it would leave them, and a real
//! server that shows what was issued, or something else.

use std::fs;

use k8s_openapi::ByteString;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::ca::Leaf;
use crate::cluster::Cluster;
use crate::cluster_to_scrape::{ACCOUNT, DAY, config, leaf, now, publish};
use crate::exporter::Exporter;
use crate::peers::Front;
use crate::process::{Site, tool};
use crate::scrape::{Metric, Scrape};

const HOST: &str = "shop.test";

/// The definition of a kind.
fn definition(plural: &str) -> Value {
    // Beside the folder of programs.
    let path = format!("../crds/cert-manager/cert-manager.io_{plural}.yaml");
    serde_saphyr::from_str(&fs::read_to_string(tool(&path)).unwrap()).unwrap()
}

/// An instant as the API writes it.
fn date(at: i64) -> String {
    Timestamp::from_second(at).unwrap().to_string()
}

/// The Certificate of [`HOST`], whose Secret has the issuance `revision`, to be renewed then.
fn certificate(revision: u32, renewal: i64) -> String {
    let object = json!({
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"secretName": "tls", "dnsNames": [HOST], "issuerRef": {"name": "ca"}},
        "status": {
            "revision": revision,
            "renewalTime": date(renewal),
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Ready", "message": "",
                "lastTransitionTime": date(now() - DAY),
            }],
        },
    });
    object.to_string()
}

/// The request of that issuance, which was answered then with this certificate.
fn request(revision: u32, leaf: &Leaf, ready: i64) -> String {
    let bytes = |text: &str| serde_json::to_value(ByteString(text.into())).unwrap();
    let object = json!({
        "apiVersion": "cert-manager.io/v1",
        "kind": "CertificateRequest",
        "metadata": {
            "name": format!("web-{revision}"),
            "namespace": "shop",
            "annotations": {
                "cert-manager.io/certificate-name": "web",
                "cert-manager.io/certificate-revision": revision.to_string(),
            },
            "ownerReferences": [{
                "apiVersion": "cert-manager.io/v1", "kind": "Certificate", "name": "web",
                "uid": "0d9a0f6c-9b4e-4d63-8f52-6d5f4d2f0a11", "controller": true,
            }],
        },
        "spec": {"request": bytes("a request"), "issuerRef": {"name": "ca"}},
        "status": {
            "certificate": bytes(&leaf.cert_pem),
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Issued", "message": "",
                "lastTransitionTime": date(ready),
            }],
        },
    });
    object.to_string()
}

fn as_issued(scrape: &Scrape) -> Metric<'_> {
    let metric = scrape.metric("kube_https_certificate_as_issued");
    metric.label("host", HOST)
}

fn finding<'a>(scrape: &'a Scrape, finding: &'a str) -> Metric<'a> {
    scrape
        .metric("kube_https_finding")
        .label("finding", finding)
}

#[tokio::test]
async fn a_renewal_that_the_controller_does_not_load_is_found_until_it_does() {
    let front = Front::start("TLSv1.2 TLSv1.3");
    let (old, new) = (leaf(HOST, now() + 60 * DAY), leaf(HOST, now() + 80 * DAY));
    front.show(HOST, &old);
    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    cluster.namespace("shop").await;
    publish(&cluster, ("shop", "web"), &[HOST], &[HOST], &front).await;

    let site = Site::new("trust");
    let mut config = config(&site);
    config["interval"] = "1s".into();
    let kubeconfig = cluster.kubeconfig(&cluster.token(ACCOUNT).await);
    let exporter = Exporter::serve(&config, Some(&kubeconfig)).await;
    // Without cert-manager there is nothing to wait for, and nothing to compare with.
    exporter.ready().await;
    let scrape = exporter.scrape().await;
    let synced = scrape.metric("kube_https_discovery_synced");
    synced.label("source", "cert_manager").holds();
    as_issued(&scrape).absent();

    // It is installed, and has issued what is served.
    for kind in ["certificates", "certificaterequests"] {
        cluster.install(&definition(kind)).await;
    }
    let renewal = now() + 40 * DAY;
    cluster.apply_yaml(&certificate(1, renewal)).await;
    cluster.apply_yaml(&request(1, &old, now() - 3600)).await;
    let scrape = exporter
        .until("what is served was issued", |scrape| {
            as_issued(scrape).get() == Some(1.0)
        })
        .await;
    let planned = scrape.metric("kube_https_certificate_renewal_timestamp_seconds");
    let planned = planned.label("source", "cert_manager");
    planned
        .label("namespace", "shop")
        .label("name", "web")
        .value(renewal as f64);
    let served = scrape.metric("kube_https_certificates_served");
    served.label("host", HOST).value(1.0);
    finding(&scrape, "certificate_not_as_issued").absent();

    // It has issued another, a while ago, and was to have done so again.
    cluster.apply_yaml(&request(2, &new, now() - 1800)).await;
    cluster.apply_yaml(&certificate(2, now() - 7 * DAY)).await;
    let scrape = exporter
        .until("another is served", |scrape| {
            finding(scrape, "certificate_not_as_issued").get().is_some()
        })
        .await;
    as_issued(&scrape).value(0.0);
    let found = finding(&scrape, "certificate_not_as_issued");
    found
        .label("source", "ingress")
        .label("severity", "warning")
        .label("host", HOST)
        .holds();
    let overdue = finding(&scrape, "certificate_renewal_overdue");
    let overdue = overdue
        .label("source", "cert_manager")
        .label("namespace", "shop");
    overdue
        .label("name", "web")
        .label("host", "")
        .label("port", "")
        .label("address", "")
        .holds();

    // The controller loads it.
    front.show(HOST, &new);
    let scrape = exporter
        .until("what was issued is served", |scrape| {
            as_issued(scrape).get() == Some(1.0)
        })
        .await;
    finding(&scrape, "certificate_not_as_issued").absent();

    // Nothing is known any more.
    cluster.delete_yaml(&request(2, &new, 0)).await;
    exporter
        .until("what was issued is unknown", |scrape| {
            as_issued(scrape).get().is_none()
        })
        .await;
}
