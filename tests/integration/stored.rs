//! Certificates that no handshake shows: in a real cluster, under exactly the access that they
//! take, and in files that change under the exporter.

use std::fs;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube_https_exporter::clock;
use kube_https_exporter::config::SecretName;
use kube_https_exporter::discover::rbac;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
use serde_json::json;

use crate::ca::CA;
use crate::cluster::Cluster;
use crate::exporter::Exporter;
use crate::peers::nginx;
use crate::process::Site;
use crate::scrape::{Metric, Scrape};

const ACCOUNT: &str = "exporter";

const NOT_AFTER: &str = "kube_https_stored_certificate_not_after_timestamp_seconds";

/// An authority that lives for ten years, of which so many days are left, in PEM.
fn authority(name: &str, days: i64) -> String {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let day = |days: i64| {
        let at = clock::now().as_secs() + days * 86_400;
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(at.try_into().unwrap())
    };
    (params.not_before, params.not_after) = (day(days - 3_650), day(days));
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().pem()
}

/// When what is stored there ends.
fn stored<'a>(scrape: &'a Scrape, source: &'a str, key: &'a str, usage: &'a str) -> Metric<'a> {
    let metric = scrape.metric(NOT_AFTER).label("source", source);
    metric.label("key", key).label("usage", usage)
}

/// How bad `finding` is at the object of this name.
fn severity(scrape: &Scrape, finding: &str, name: &str) -> Vec<String> {
    let found = scrape
        .metric("kube_https_finding")
        .label("finding", finding);
    let found = found
        .label("name", name)
        .label("host", "")
        .label("port", "");
    found
        .each("severity")
        .into_iter()
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn a_clusters_authorities_bundles_and_named_secrets_are_shown_under_their_own_access() {
    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    cluster.namespace("shop").await;
    let wanted = SecretName {
        namespace: "shop".to_owned(),
        name: "shop-tls".to_owned(),
    };
    for (grant, rules) in rbac::secrets(&[wanted]) {
        cluster.grant(ACCOUNT, &grant, &rules).await;
    }
    let leaf = CA.leaf(&["shop.test"]);
    let data =
        json!({"tls.crt": leaf.cert_pem, "tls.key": leaf.key_pem, "ca.crt": CA.issuer.pem()});
    for name in ["shop-tls", "other-tls"] {
        let secret = json!({
            "metadata": {"name": name}, "type": "kubernetes.io/tls", "stringData": data,
        });
        cluster.apply::<Secret>("shop", secret).await;
    }
    let bundle = |days| {
        let spec = json!({"trustBundle": authority("Corp", days)});
        json!({
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "ClusterTrustBundle",
            "metadata": {"name": "corp"},
            "spec": spec,
        })
        .to_string()
    };
    cluster.apply_yaml(&bundle(20)).await;

    let config = json!({
        "security": {"allow_networks": ["127.0.0.0/8"]},
        "secrets": [
            {"namespace": "shop", "name": "shop-tls"},
            {"namespace": "shop", "name": "other-tls"},
        ],
    });
    let kubeconfig = cluster.kubeconfig(&cluster.token(ACCOUNT).await);
    let exporter = Exporter::serve(&config, Some(&kubeconfig)).await;
    let ends = "ca_bundle_expiring";
    let scrape = exporter
        .until("all is shown", |scrape| {
            let shown = |source, key, usage| stored(scrape, source, key, usage).get().is_some();
            shown("api_server", "certificate-authority", "cluster_ca")
                && shown("authority", "client-ca-file", "cluster_ca")
                && shown(
                    "authority",
                    "requestheader-client-ca-file",
                    "front_proxy_ca",
                )
                && shown("authority", "trustBundle", "ca_bundle")
                && shown("secret", "tls.crt", "server")
                && shown("secret", "ca.crt", "ca_bundle")
        })
        .await;
    assert_eq!(severity(&scrape, ends, "corp"), ["critical"]);
    let secrets = scrape.metric(NOT_AFTER).label("source", "secret");
    let names: Vec<_> = secrets.each("name").into_iter().collect();
    assert_eq!(names, ["shop-tls"], "the other one may not be read");
    let refused = scrape.metric("kube_https_discovery_errors_total");
    let refused = refused
        .label("source", "secret")
        .label("reason", "forbidden");
    assert!(refused.get().unwrap() > 0.0);
    assert!(!exporter.log().contains("PRIVATE KEY"));

    cluster.apply_yaml(&bundle(100)).await;
    let warned = |scrape: &Scrape| severity(scrape, ends, "corp") == ["warning"];
    exporter.until("the bundle is replaced", warned).await;
    cluster.delete_yaml(&bundle(100)).await;
    let gone = |scrape: &Scrape| severity(scrape, ends, "corp").is_empty();
    let scrape = exporter.until("the bundle is gone", gone).await;
    stored(&scrape, "authority", "trustBundle", "ca_bundle").absent();
}

#[tokio::test]
async fn files_are_followed_as_they_change() {
    let site = Site::new("files");
    let pem = site.write("ca.pem", &authority("Corp", 20));
    let served = nginx(&CA.leaf(&["127.0.0.1"]), "TLSv1.3");
    let port = served.address.port();
    let clusters = json!([
        {"name": "good", "cluster": {
            "server": format!("https://127.0.0.1:{port}"), "insecure-skip-tls-verify": true,
        }},
        {"name": "clear", "cluster": {"server": "http://k.test:8080"}},
    ]);
    let kubeconfig =
        json!({"clusters": clusters, "users": [{"name": "u", "user": {"token": "hunter2"}}]});
    let kubeconfig = site.write("kubeconfig", &kubeconfig.to_string());
    let list = |port: u16| json!([{"targets": [format!("127.0.0.1:{port}")]}]).to_string();
    let targets = site.write("targets.json", &list(port));

    let config = json!({
        "security": {"allow_networks": ["127.0.0.0/8"]},
        "files": {"certificates": [pem], "kubeconfigs": [kubeconfig], "targets": [targets]},
    });
    let exporter = Exporter::serve(&config, None).await;
    let ends = "ca_bundle_expiring";
    let scrape = exporter
        .until("all is read and probed", |scrape| {
            severity(scrape, ends, &pem) == ["critical"] && probed(scrape, port)
        })
        .await;
    stored(&scrape, "file", "ca.pem", "ca_bundle")
        .label("name", &pem)
        .get()
        .unwrap();
    let of_kubeconfig = |finding| severity(&scrape, finding, &kubeconfig);
    assert_eq!(of_kubeconfig("verification_disabled"), ["warning"]);
    assert_eq!(of_kubeconfig("kubeconfig_plaintext"), ["critical"]);
    assert!(!exporter.log().contains("hunter2"));

    // As an editor does, and as Kubernetes does: the old file is there until the new one is.
    fs::write(site.path("next"), authority("Corp", 1_000)).unwrap();
    fs::rename(site.path("next"), &pem).unwrap();
    fs::write(&targets, "no list").unwrap();
    let renewed = |scrape: &Scrape| severity(scrape, ends, &pem).is_empty();
    let scrape = exporter.until("the renewed file is read", renewed).await;
    let malformed = scrape.metric("kube_https_discovery_errors_total");
    let malformed = malformed
        .label("source", "file")
        .label("reason", "malformed");
    malformed.value(1.0);
    assert!(probed(&scrape, port), "a broken list keeps the old one");
    assert!(exporter.log().contains("not a list of groups"));
}

/// Whether a certificate was seen at this port.
fn probed(scrape: &Scrape, port: u16) -> bool {
    let port = port.to_string();
    let success = scrape.metric("kube_https_probe_success");
    success.label("source", "file").label("port", &port).get() == Some(1.0)
}
