//! What a real API server permits everybody, and which of its namespaces deny by default: under
//! exactly the access that it takes to ask.

use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube_https_exporter::discover::{SOURCES, rbac};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::exporter::Exporter;
use crate::scrape::Scrape;

const ACCOUNT: &str = "exporter";

/// Two sources alone, which are off unless they are asked for.
fn config() -> Value {
    json!({"discovery": {
        "access_review": {"enabled": true},
        "network_policy": {"enabled": true},
        "service": {"enabled": false},
        "ingress": {"enabled": false},
        "gateway": {"enabled": false},
    }})
}

/// What a new exporter finds, once it has asked.
async fn found(cluster: &Cluster) -> Scrape {
    let kubeconfig = cluster.kubeconfig(&cluster.token(ACCOUNT).await);
    let exporter = Exporter::serve(&config(), Some(&kubeconfig)).await;
    exporter.ready().await;
    let scrape = exporter
        .until("both sources have read", |scrape| {
            ["access_review", "network_policy"].iter().all(|source| {
                let synced = scrape.metric("kube_https_discovery_synced");
                synced.label("source", source).get() == Some(1.0)
            })
        })
        .await;
    exporter.stop().await;
    scrape
}

/// Name and severity of each object with this finding.
fn objects(scrape: &Scrape, finding: &str) -> Vec<String> {
    let metric = |severity| {
        let all = scrape
            .metric("kube_https_finding")
            .label("finding", finding);
        let of_severity = all.label("severity", severity).each("name").into_iter();
        of_severity.map(move |name| format!("{name} {severity}"))
    };
    ["critical", "warning", "info"]
        .into_iter()
        .flat_map(metric)
        .collect()
}

#[tokio::test]
async fn what_is_permitted_to_everybody_is_found_and_gone_when_it_is_taken_back() {
    let cluster = Cluster::start().await;
    let own = ["api_server", "access_review", "network_policy"];
    let sources = SOURCES.iter().filter(|source| own.contains(&source.name));
    for (grant, rules) in rbac::rules(sources.flat_map(|source| source.access), &[]) {
        cluster.grant(ACCOUNT, &grant, &rules).await;
    }
    let permitted = |scrape: &Scrape| objects(scrape, "public_permissions");
    let before = found(&cluster).await;
    assert_eq!(permitted(&before), [""; 0]);

    let bind = |name: &str, role: &str, group: &str| {
        json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}],
        })
    };
    let open = [
        bind("open", "system:kube-scheduler", "system:unauthenticated"),
        bind("wide", "cluster-admin", "system:authenticated"),
    ];
    for binding in &open {
        cluster
            .apply::<ClusterRoleBinding>("", binding.clone())
            .await;
    }
    let scrape = found(&cluster).await;
    let expected = [
        "system:unauthenticated critical",
        "system:authenticated warning",
    ];
    assert_eq!(permitted(&scrape), expected);

    for name in ["open", "wide"] {
        cluster.delete::<ClusterRoleBinding>("", name).await;
    }
    assert_eq!(permitted(&found(&cluster).await), [""; 0]);
}

#[tokio::test]
async fn namespaces_that_do_not_deny_by_default_are_found() {
    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    cluster.namespace("shop").await;
    cluster.namespace("lab").await;
    for (namespace, ingress) in [("shop", json!([])), ("lab", json!([{}]))] {
        let policy = json!({
            "metadata": {"name": "default"},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": ingress},
        });
        cluster.apply::<NetworkPolicy>(namespace, policy).await;
    }
    let open = |scrape: &Scrape| objects(scrape, "default_deny_missing");
    let scrape = found(&cluster).await;
    let others = [
        "default info",
        "kube-system info",
        "lab info",
        "monitoring info",
    ];
    assert_eq!(open(&scrape), others);
    let of_lab = scrape.metric("kube_https_finding").label("name", "lab");
    of_lab
        .label("namespace", "lab")
        .label("finding", "default_deny_missing")
        .holds();

    cluster.delete::<NetworkPolicy>("shop", "default").await;
    let all = [&others[..], &["shop info"]].concat();
    assert_eq!(open(&found(&cluster).await), all);
}
