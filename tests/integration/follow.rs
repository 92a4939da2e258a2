//! Watches of a real API server through what happens to them: a version that was forgotten, a
//! permission that is taken away, and a kind that is removed, each for a while.

use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::ApiResource;
use kube_https_exporter::config::Config;
use kube_https_exporter::discover::{Context, Health, permissions};
use kube_https_exporter::model::{PlaintextRule, UnixTime};
use serde_json::json;

use crate::ca::CA;
use crate::cluster::Cluster;
use crate::discovery::{ACCOUNT, Discovered, publish};
use crate::gateway::{GATEWAY, ROUTES, definition, rows};
use crate::relay::Relay;

/// A cluster with two Ingresses, discovered by way of a relay.
async fn relayed() -> (Cluster, Relay, Discovered) {
    let cluster = Cluster::start_as(&CA.leaf(&["127.0.0.1"])).await;
    cluster.grant_all(ACCOUNT).await;
    publish(&cluster, "default", "stays", &["stays.test"]).await;
    publish(&cluster, "default", "goes", &["goes.test"]).await;
    let relay = Relay::before(cluster.address).await;
    let search = cluster.search_at(ACCOUNT, &relay.url()).await;
    let mut found = Discovered::of(search, Config::default()).await;
    found.until("synced", |found| found.synced("ingress")).await;
    assert_eq!(found.hosts(), ["goes.test", "stays.test"]);
    (cluster, relay, found)
}

/// One Ingress goes, another comes.
async fn change(cluster: &Cluster) {
    cluster.delete::<Ingress>("default", "goes").await;
    publish(cluster, "default", "comes", &["comes.test"]).await;
}

async fn is_followed(cluster: &Cluster, found: &mut Discovered) {
    found
        .until("what happened meanwhile", |found| {
            found.synced("ingress") && found.hosts() == ["comes.test", "stays.test"]
        })
        .await;
    publish(cluster, "default", "later", &["later.test"]).await;
    found
        .until("followed", |found| found.hosts().contains(&"later.test"))
        .await;
}

#[tokio::test]
async fn a_watch_that_ends_is_taken_up_where_it_was() {
    let (cluster, relay, mut found) = relayed().await;
    relay.hold(true);
    relay.cut();
    change(&cluster).await;
    relay.hold(false);
    is_followed(&cluster, &mut found).await;
    let listed = cluster
        .requests(ACCOUNT)
        .into_iter()
        .filter(|event| event["verb"] == "list" && event["objectRef"]["resource"] == "ingresses");
    assert_eq!(listed.count(), 1);
}

#[tokio::test]
async fn a_version_that_the_api_server_has_forgotten_is_answered_by_listing_anew() {
    let (mut cluster, relay, mut found) = relayed().await;
    relay.hold(true);
    relay.cut();
    change(&cluster).await;
    // It begins with what there is, and knows nothing of how that came about.
    cluster.kill_api_server();
    cluster.restart_api_server().await;
    relay.hold(false);
    found
        .until("forgotten", |found| {
            matches!(found.failure("ingress"), Some(("gone", _)))
        })
        .await;
    // Whichever of the source's watches was the last to say so.
    let (_, detail) = found.failure("ingress").unwrap();
    assert!(detail.starts_with("cannot watch ingress"), "{detail}");
    assert_eq!(found.hosts(), ["goes.test", "stays.test"]);
    is_followed(&cluster, &mut found).await;
}

/// Waits until the API server says of Ingresses what it should.
async fn until_permitted(cluster: &Cluster, should: bool) {
    let context = Context {
        config: Arc::new(Config::default()),
        cluster: Some(cluster.search(ACCOUNT).await.find().await.unwrap()),
        clock: || UnixTime::from_secs(1),
    };
    for _ in 0..100 {
        // Its authorizer hears of roles by a watch of its own.
        let said = permissions(&context).next().await.unwrap();
        let mut of_ingresses = said.iter().filter(|(what, _)| what.resource == "ingresses");
        if of_ingresses.all(|(_, permitted)| *permitted == should) {
            return;
        }
    }
    panic!("Ingresses may still not be read as they should: {should}");
}

#[tokio::test]
async fn a_permission_that_is_taken_away_and_given_back_loses_nothing() {
    let (cluster, relay, mut found) = relayed().await;
    cluster.delete::<ClusterRoleBinding>("", ACCOUNT).await;
    until_permitted(&cluster, false).await;
    relay.cut();
    found
        .until("refused", |found| {
            matches!(found.failure("ingress"), Some(("forbidden", _)))
        })
        .await;
    // What is known is still looked at: that it may not be read says nothing about it.
    assert_eq!(found.hosts(), ["goes.test", "stays.test"]);

    change(&cluster).await;
    cluster.grant_all(ACCOUNT).await;
    until_permitted(&cluster, true).await;
    is_followed(&cluster, &mut found).await;
}

#[tokio::test]
async fn kinds_that_are_removed_take_their_targets_along_and_bring_them_back() {
    const SOURCE: &str = "gateway";
    const KINDS: [&str; 3] = ["gateways", "httproutes", "grpcroutes"];
    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    cluster.namespace("trade").await;
    let install = async || {
        for kind in KINDS {
            cluster.install(&definition("standard", kind)).await;
        }
        cluster.apply_yaml(GATEWAY).await;
        cluster.apply_yaml(ROUTES).await;
    };
    install().await;
    let mut found = Discovered::start(&cluster, Config::default()).await;
    found
        .until("synced", |found| {
            found.synced(SOURCE) && !rows(found).is_empty()
        })
        .await;
    let all = rows(&found);

    for kind in KINDS {
        let name = format!("{kind}.gateway.networking.k8s.io");
        cluster.delete::<CustomResourceDefinition>("", &name).await;
    }
    found
        .until("absent", |found| {
            matches!(found.health.get(SOURCE), Some(Health::Absent(_))) && rows(found).is_empty()
        })
        .await;

    install().await;
    found
        .until("as before", |found| {
            found.synced(SOURCE) && rows(found) == all
        })
        .await;
}

const FRONTEND: &str = "
apiVersion: networking.gke.io/v1beta1
kind: FrontendConfig
metadata: {name: frontend, namespace: default}
spec: {redirectToHttps: {enabled: false}}
";

const INGRESS: &str = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
  namespace: default
  annotations: {kubernetes.io/ingress.class: gce, networking.gke.io/v1beta1.FrontendConfig: frontend}
spec:
  tls: [{secretName: shop-tls}]
  rules: [{host: shop.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: s, port: {number: 80}}}}]}}]
status: {loadBalancer: {ingress: [{ip: 127.0.0.1}]}}
";

#[tokio::test]
async fn what_says_more_of_ingresses_counts_while_the_cluster_has_it() {
    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    cluster.apply_yaml(INGRESS).await;
    let rule = |found: &Discovered| {
        let mut targets = found.targets("ingress");
        targets.next().map(|target| target.expect.plaintext)
    };
    let mut found = Discovered::start(&cluster, Config::default()).await;
    found.until("synced", |found| found.synced("ingress")).await;
    assert_eq!(rule(&found), Some(PlaintextRule::Redirect));

    let kind = ApiResource {
        group: "networking.gke.io".to_owned(),
        version: "v1beta1".to_owned(),
        api_version: "networking.gke.io/v1beta1".to_owned(),
        kind: "FrontendConfig".to_owned(),
        plural: "frontendconfigs".to_owned(),
    };
    cluster.custom_kind(&kind).await;
    cluster.apply_yaml(FRONTEND).await;
    found
        .until("installed", |found| {
            rule(found) == Some(PlaintextRule::Declared)
        })
        .await;
    let name = "frontendconfigs.networking.gke.io";
    cluster.delete::<CustomResourceDefinition>("", name).await;
    found
        .until("removed", |found| {
            rule(found) == Some(PlaintextRule::Redirect)
        })
        .await;
    assert!(found.synced("ingress"));
}

/// An Ingress of EKS Auto Mode, as one whose class has the certificate.
const AUTO_MODE: &str = "
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: edge}
spec: {controller: eks.amazonaws.com/alb, parameters: {apiGroup: eks.amazonaws.com, kind: IngressClassParams, name: edge}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: default}
spec:
  ingressClassName: edge
  rules: [{host: shop.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: s, port: {number: 80}}}}]}}]
status: {loadBalancer: {ingress: [{ip: 127.0.0.1}]}}
";

const AUTO_MODE_PARAMS: &str = "
apiVersion: eks.amazonaws.com/v1
kind: IngressClassParams
metadata: {name: edge}
spec: {scheme: internet-facing, certificateARNs: ['arn:aws:acm:eu-west-1:1:certificate/1']}
";

#[tokio::test]
async fn the_certificates_of_a_class_of_eks_auto_mode_count_while_they_may_be_read() {
    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    cluster.apply_yaml(AUTO_MODE).await;
    let declares_tls = |found: &Discovered| {
        let mut targets = found.targets("ingress");
        targets.next().map(|target| target.expect.tls)
    };
    let mut found = Discovered::start(&cluster, Config::default()).await;
    found.until("synced", |found| found.synced("ingress")).await;
    assert_eq!(declares_tls(&found), Some(false));

    // In no namespace, as AWS has it.
    let properties = json!({
        "scheme": {"type": "string"},
        "certificateARNs": {"type": "array", "items": {"type": "string"}},
    });
    let spec = json!({"type": "object", "properties": properties});
    let schema = json!({"type": "object", "properties": {"spec": spec}});
    let definition = json!({
        "metadata": {"name": "ingressclassparams.eks.amazonaws.com"},
        "spec": {
            "group": "eks.amazonaws.com",
            "scope": "Cluster",
            "names": {
                "kind": "IngressClassParams",
                "listKind": "IngressClassParamsList",
                "plural": "ingressclassparams",
                "singular": "ingressclassparam",
            },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": schema},
            }],
        },
    });
    cluster.install(&definition).await;
    cluster.apply_yaml(AUTO_MODE_PARAMS).await;
    found
        .until("installed", |found| declares_tls(found) == Some(true))
        .await;
    let name = "ingressclassparams.eks.amazonaws.com";
    cluster.delete::<CustomResourceDefinition>("", name).await;
    found
        .until("removed", |found| declares_tls(found) == Some(false))
        .await;
    assert!(found.synced("ingress"));
}
