//! The routes of Traefik, Istio, Contour and `OpenShift` against a real API server with the
//! definitions that the projects publish, as users write the objects and controllers the status.

use std::fs;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::ApiResource;
use kube_https_exporter::config::Config;
use kube_https_exporter::discover::Health;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::discovery::{ACCOUNT, Discovered};
use crate::process::tool;

/// The definition of this name in a project's file of definitions.
fn definition(project: &str, name: &str) -> Value {
    // Beside the folder of programs.
    let path = tool(&format!("../crds/{project}.yaml"));
    let all: Vec<Value> = serde_saphyr::from_multiple(&fs::read_to_string(path).unwrap()).unwrap();
    let named = all.into_iter().find(|one| one["metadata"]["name"] == name);
    named.unwrap()
}

/// Each row as `namespace/name host:port at address`, and whether TLS is declared.
fn rows(found: &Discovered, source: &str) -> Vec<String> {
    let rows = found.targets(source).map(|target| {
        let row = &target.row;
        let tls = if target.expect.tls {
            ""
        } else {
            " without TLS"
        };
        format!(
            "{}/{} {}:{} at {}{tls}",
            row.namespace, row.name, row.host, row.port, row.address
        )
    });
    rows.collect()
}

const TRAEFIK: &str = "
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: shop, namespace: default}
spec:
  entryPoints: [websecure]
  routes:
    - kind: Rule
      match: Host(`shop.test`) && PathPrefix(`/api`)
      services: [{name: s, port: 80}]
  tls: {secretName: c}
---
apiVersion: traefik.io/v1alpha1
kind: IngressRouteTCP
metadata: {name: mail, namespace: default}
spec:
  entryPoints: [websecure]
  routes: [{match: HostSNI(`mail.test`), services: [{name: s, port: 993}]}]
  tls: {passthrough: true}
";

const ISTIO: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers:
    - {port: {number: 80, name: http, protocol: HTTP}, hosts: [plain.test]}
    - {port: {number: 443, name: https, protocol: HTTPS}, hosts: [default/mesh.test], tls: {mode: SIMPLE, credentialName: c}}
";

const CONTOUR: &str = "
apiVersion: projectcontour.io/v1
kind: HTTPProxy
metadata: {name: shop, namespace: default}
spec:
  virtualhost: {fqdn: contour.test, tls: {secretName: c}}
  routes: [{services: [{name: s, port: 80}]}]
status:
  currentStatus: valid
  loadBalancer: {ingress: [{ip: 127.0.0.4}]}
";

const OPENSHIFT: &str = "
apiVersion: route.openshift.io/v1
kind: Route
metadata: {name: shop, namespace: default}
spec: {host: openshift.test, to: {kind: Service, name: s}, tls: {termination: edge, key: a private key}}
status:
  ingress:
    - host: openshift.test
      routerCanonicalHostname: router.test
      conditions: [{type: Admitted, status: \"True\"}]
";

/// A Service that its load balancer has published at this address.
async fn publish(cluster: &Cluster, name: &str, ip: &str, object: Value) {
    let mut service = object;
    service["metadata"]["name"] = name.into();
    service["spec"]["type"] = "LoadBalancer".into();
    service["spec"]["ports"] = json!([
        {"name": "web", "port": 80, "protocol": "TCP"},
        {"name": "websecure", "port": 443, "protocol": "TCP"},
    ]);
    cluster.apply::<Service>("default", service).await;
    let balancer = json!({"ingress": [{"ip": ip}]});
    let status = json!({"metadata": {"name": name}, "status": {"loadBalancer": balancer}});
    cluster.apply_status::<Service>("default", status).await;
}

#[tokio::test]
async fn vendors_routes_that_are_installed_later_are_found_and_go_with_their_kind() {
    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    let mut config = Config::default();
    config.discovery.switch("openshift", true);
    let mut found = Discovered::start(&cluster, config).await;
    found
        .until("none there", |found| {
            let absent = |source| matches!(found.health.get(source), Some(Health::Absent(_)));
            absent("contour")
                && absent("openshift")
                && found.synced("traefik")
                && found.synced("istio")
        })
        .await;

    for name in ["ingressroutes.traefik.io", "ingressroutetcps.traefik.io"] {
        cluster.install(&definition("traefik", name)).await;
    }
    cluster
        .install(&definition("istio", "gateways.networking.istio.io"))
        .await;
    cluster
        .install(&definition("contour", "httpproxies.projectcontour.io"))
        .await;
    let routes = ApiResource {
        group: "route.openshift.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "route.openshift.io/v1".to_owned(),
        kind: "Route".to_owned(),
        plural: "routes".to_owned(),
    };
    cluster.custom_kind(&routes).await;
    let labels = json!({"metadata": {"labels": {"app.kubernetes.io/name": "traefik"}}, "spec": {}});
    publish(&cluster, "traefik", "127.0.0.2", labels).await;
    let selector = json!({"spec": {"selector": {"app": "gateway", "istio": "ingressgateway"}}});
    publish(&cluster, "gateway", "127.0.0.3", selector).await;
    for objects in [TRAEFIK, ISTIO, CONTOUR, OPENSHIFT] {
        cluster.apply_yaml(objects).await;
    }

    let expected = [
        (
            "traefik",
            &[
                "default/mail mail.test:443 at 127.0.0.2",
                "default/shop shop.test:443 at 127.0.0.2",
            ][..],
        ),
        (
            "istio",
            &[
                "default/edge mesh.test:443 at 127.0.0.3",
                "default/edge plain.test:80 at 127.0.0.3 without TLS",
            ],
        ),
        ("contour", &["default/shop contour.test:443 at 127.0.0.4"]),
        (
            "openshift",
            &["default/shop openshift.test:443 at router.test"],
        ),
    ];
    found
        .until("everything", |found| {
            expected
                .iter()
                .all(|(source, expected)| rows(found, source) == *expected)
        })
        .await;

    cluster
        .delete::<CustomResourceDefinition>("", "httpproxies.projectcontour.io")
        .await;
    found
        .until("a kind gone", |found| rows(found, "contour").is_empty())
        .await;
    assert_eq!(rows(&found, "traefik").len(), 2);
}
