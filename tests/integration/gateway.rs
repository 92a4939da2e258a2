//! Gateway API against a real API server with the definitions that the project publishes, as its
//! users would write the objects and their controllers the status.

use std::fs;

use kube::core::ApiResource;
use kube_https_exporter::config::Config;
use kube_https_exporter::discover::{DropReason, Health};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::discovery::{ACCOUNT, Discovered};
use crate::process::tool;

const SOURCE: &str = "gateway";

/// The definition of a kind in this channel: `standard` or `experimental`.
pub(crate) fn definition(channel: &str, plural: &str) -> Value {
    // Beside the folder of programs.
    let path = format!("../crds/gateway-api/{channel}/gateway.networking.k8s.io_{plural}.yaml");
    serde_saphyr::from_str(&fs::read_to_string(tool(&path)).unwrap()).unwrap()
}

/// Each row as `namespace/name host:port`, and whether TLS is declared.
pub(crate) fn rows(found: &Discovered) -> Vec<String> {
    let rows = found.targets(SOURCE).map(|target| {
        let row = &target.row;
        let tls = if target.expect.tls {
            ""
        } else {
            " without TLS"
        };
        format!(
            "{}/{} {}:{}{tls}",
            row.namespace, row.name, row.host, row.port
        )
    });
    rows.collect()
}

pub(crate) const GATEWAY: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec:
  gatewayClassName: test
  allowedListeners: {namespaces: {from: All}}
  listeners:
    - {name: http, port: 80, protocol: HTTP}
    - {name: https, hostname: \"*.shop.test\", port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: c}]}, allowedRoutes: {namespaces: {from: All}}}
    - {name: tls, port: 8443, protocol: TLS, tls: {mode: Passthrough}}
status:
  addresses: [{type: IPAddress, value: 127.0.0.1}]
";

pub(crate) const ROUTES: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: www, namespace: trade}
spec:
  parentRefs: [{name: edge, namespace: default, sectionName: https}]
  hostnames: [www.shop.test, a.b.shop.test, shop.test]
  rules: [{backendRefs: [{name: s, port: 80}]}]
status:
  parents:
    - parentRef: {name: edge, namespace: default, sectionName: https}
      controllerName: example.com/test
      conditions: [{type: Accepted, status: \"True\", reason: Accepted, message: \"\", lastTransitionTime: 2026-01-02T03:04:05Z}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: api, namespace: trade}
spec:
  parentRefs: [{name: edge, namespace: default, sectionName: https}]
  hostnames: [api.shop.test]
  rules: [{backendRefs: [{name: s, port: 80}]}]
status:
  parents:
    - parentRef: {name: edge, namespace: default, sectionName: https}
      controllerName: example.com/test
      conditions: [{type: Accepted, status: \"True\", reason: Accepted, message: \"\", lastTransitionTime: 2026-01-02T03:04:05Z}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: plain, namespace: default}
spec:
  parentRefs: [{name: edge, sectionName: http}]
  hostnames: [plain.test]
  rules: [{backendRefs: [{name: s, port: 80}]}]
status:
  parents:
    - parentRef: {name: edge, sectionName: http}
      controllerName: example.com/test
      conditions: [{type: Accepted, status: \"True\", reason: Accepted, message: \"\", lastTransitionTime: 2026-01-02T03:04:05Z}]
";

/// A `TLSRoute` in this version.
fn tls_route(version: &str) -> String {
    format!(
        "
apiVersion: gateway.networking.k8s.io/{version}
kind: TLSRoute
metadata: {{name: mail, namespace: default}}
spec:
  parentRefs: [{{name: edge, sectionName: tls}}]
  hostnames: [mail.test]
  rules: [{{backendRefs: [{{name: s, port: 443}}]}}]
status:
  parents:
    - parentRef: {{name: edge, sectionName: tls}}
      controllerName: example.com/test
      conditions: [{{type: Accepted, status: \"True\", reason: Accepted, message: \"\", lastTransitionTime: 2026-01-02T03:04:05Z}}]
"
    )
}

/// A set with one listener, of this kind.
fn listener_set(api_version: &str, kind: &str) -> String {
    format!(
        "
apiVersion: {api_version}
kind: {kind}
metadata: {{name: more, namespace: trade}}
spec:
  parentRef: {{name: edge, namespace: default}}
  listeners:
    - {{name: https, hostname: set.test, port: 9443, protocol: HTTPS, tls: {{certificateRefs: [{{name: c}}]}}}}
status:
  conditions: [{{type: Accepted, status: \"True\", reason: Accepted, message: \"\", lastTransitionTime: 2026-01-02T03:04:05Z}}]
"
    )
}

const ALL: [&str; 6] = [
    "default/edge a.b.shop.test:443",
    "default/edge api.shop.test:443",
    "default/edge mail.test:8443",
    "default/edge plain.test:80 without TLS",
    "default/edge www.shop.test:443",
    "trade/more set.test:9443",
];

#[tokio::test]
async fn gateway_api_that_is_installed_later_is_found_with_all_its_kinds() {
    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    let mut found = Discovered::start(&cluster, Config::default()).await;
    found
        .until("absent", |found| {
            matches!(found.health.get(SOURCE), Some(Health::Absent(_)))
        })
        .await;

    for kind in [
        "gateways",
        "listenersets",
        "httproutes",
        "grpcroutes",
        "tlsroutes",
    ] {
        cluster.install(&definition("standard", kind)).await;
    }
    cluster.namespace("trade").await;
    cluster.apply_yaml(GATEWAY).await;
    cluster.apply_yaml(ROUTES).await;
    cluster.apply_yaml(&tls_route("v1")).await;
    let set = listener_set("gateway.networking.k8s.io/v1", "ListenerSet");
    cluster.apply_yaml(&set).await;
    found.until("everything", |found| rows(found) == ALL).await;

    let www = found
        .targets(SOURCE)
        .find(|target| &*target.row.host == "www.shop.test");
    let www = www.unwrap();
    assert_eq!(&*www.row.address, "127.0.0.1");
    let owners: Vec<_> = www
        .owners
        .iter()
        .map(|owner| (owner.kind, &*owner.name))
        .collect();
    assert_eq!(owners, [("Gateway", "edge"), ("HTTPRoute", "www")]);
    assert!(www.owners.iter().all(|owner| owner.created.is_some()));

    cluster.delete_yaml(ROUTES).await;
    // Without a route, a listener that terminates TLS is asked for by its own hostname.
    let left = [
        "default/edge *.shop.test:443",
        "default/edge mail.test:8443",
        "trade/more set.test:9443",
    ];
    found
        .until("routes gone", |found| rows(found) == left)
        .await;

    cluster.delete_yaml(GATEWAY).await;
    let waiting = (DropReason::NoAddress, 1);
    found
        .until("the Gateway gone, its set without an address", |found| {
            rows(found).is_empty() && found.catalog.dropped(SOURCE).contains(&waiting)
        })
        .await;
}

#[tokio::test]
async fn what_an_old_cluster_calls_it_is_read_too() {
    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    cluster.namespace("trade").await;
    // Before v1.5: TLSRoute in v1alpha2 alone, and XListenerSet.
    let mut tls_routes = definition("experimental", "tlsroutes");
    for version in tls_routes["spec"]["versions"].as_array_mut().unwrap() {
        version["served"] = (version["name"] == "v1alpha2").into();
    }
    for kind in ["gateways", "httproutes", "grpcroutes"] {
        cluster.install(&definition("standard", kind)).await;
    }
    cluster.install(&tls_routes).await;
    let x_listener_set = ApiResource {
        group: "gateway.networking.x-k8s.io".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "gateway.networking.x-k8s.io/v1alpha1".to_owned(),
        kind: "XListenerSet".to_owned(),
        plural: "xlistenersets".to_owned(),
    };
    cluster.custom_kind(&x_listener_set).await;
    cluster.apply_yaml(GATEWAY).await;
    cluster.apply_yaml(ROUTES).await;
    cluster.apply_yaml(&tls_route("v1alpha2")).await;
    let set = listener_set(&x_listener_set.api_version, "XListenerSet");
    cluster.apply_yaml(&set).await;

    let mut found = Discovered::start(&cluster, Config::default()).await;
    found
        .until("everything", |found| {
            rows(found) == ALL && found.synced(SOURCE)
        })
        .await;
}
