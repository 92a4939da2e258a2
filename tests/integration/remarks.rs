//! What objects of a real cluster declare that is worth a finding, and pods' host ports. Nothing is
//! dialled: the addresses are other people's.

use k8s_openapi::api::core::v1::{Pod, Service, ServiceAccount};
use kube_https_exporter::config::Config;
use kube_https_exporter::model::RemarkKind;
use serde_json::json;

use crate::cluster::{Cluster, needed};
use crate::discovery::{ACCOUNT, Discovered};
use crate::gateway::definition;

const EDGE: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec:
  gatewayClassName: test
  listeners: [{name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: c}]}}]
status:
  addresses: [{type: IPAddress, value: 127.0.0.1}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: www, namespace: default}
spec:
  parentRefs: [{name: edge}]
  hostnames: [www.shop.test]
  rules: [{backendRefs: [{name: shop, port: 80}]}]
status:
  parents:
    - parentRef: {name: edge}
      controllerName: example.com/test
      conditions: [{type: Accepted, status: \"True\", reason: Accepted, message: \"\", lastTransitionTime: 2026-01-02T03:04:05Z}]
";

const POLICY: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: shop, namespace: default}
spec:
  targetRefs: [{group: \"\", kind: Service, name: shop}]
  validation: {hostname: shop.test, wellKnownCACertificates: System}
";

/// Each row of a source as `host address:port`, with the kinds of its remarks.
fn rows(found: &Discovered, source: &str) -> Vec<(String, Vec<RemarkKind>)> {
    let rows = found.targets(source).map(|target| {
        let row = &target.row;
        let kinds = target.expect.remarks.iter().map(|remark| remark.kind);
        let named = format!("{} {}:{}", row.host, row.address, row.port);
        (named, kinds.collect())
    });
    rows.collect()
}

fn row(named: &str, kinds: &[RemarkKind]) -> Vec<(String, Vec<RemarkKind>)> {
    vec![(named.to_owned(), kinds.to_vec())]
}

async fn open_service(cluster: &Cluster) {
    let metadata = json!({"name": "open"});
    let port = json!({"name": "https", "port": 443, "protocol": "TCP"});
    let spec = json!({
        "type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": [port],
    });
    let service = json!({"metadata": metadata, "spec": spec});
    cluster.apply::<Service>("default", service).await;
    let status = json!({"loadBalancer": {"ingress": [{"ip": "8.8.8.8"}]}});
    let service = json!({"metadata": metadata, "status": status});
    cluster.apply_status::<Service>("default", service).await;
}

async fn pod(cluster: &Cluster, name: &str, phase: &str) {
    let port = json!({"name": "https", "containerPort": 8443, "hostPort": 443, "protocol": "TCP"});
    let spec = json!({
        "serviceAccountName": ACCOUNT, "automountServiceAccountToken": false, "nodeName": "a",
        "containers": [{"name": "c", "image": "c", "ports": [port]}],
    });
    let metadata = json!({"name": name});
    let pod = json!({"metadata": metadata, "spec": spec});
    cluster.apply::<Pod>("default", pod).await;
    let status = json!({"phase": phase, "hostIP": "127.0.0.9", "hostIPs": [{"ip": "127.0.0.9"}]});
    let pod = json!({"metadata": metadata, "status": status});
    cluster.apply_status::<Pod>("default", pod).await;
}

#[tokio::test]
async fn what_objects_declare_and_the_host_ports_of_pods_are_found() {
    use RemarkKind::{BackendInClear, OpenToTheWorld};
    let cluster = Cluster::start().await;
    for (grant, mut rules) in needed(&[]) {
        for rule in &mut rules {
            let resources = rule.resources.iter_mut().flatten();
            // As an older version of the chart has it.
            resources
                .filter(|resource| *resource == "backendtlspolicies")
                .for_each(|resource| *resource = "nothing".to_owned());
        }
        cluster.grant(ACCOUNT, &grant, &rules).await;
    }
    for kind in ["gateways", "httproutes", "backendtlspolicies"] {
        cluster.install(&definition("standard", kind)).await;
    }
    let mut config = Config::default();
    config.discovery.switch("pod", true);
    let mut found = Discovered::start(&cluster, config).await;
    cluster.apply_yaml(EDGE).await;
    let account = json!({"metadata": {"name": ACCOUNT}});
    cluster.apply::<ServiceAccount>("default", account).await;
    open_service(&cluster).await;
    pod(&cluster, "edge-1", "Running").await;
    pod(&cluster, "edge-2", "Pending").await;

    let in_clear = row("www.shop.test 127.0.0.1:443", &[BackendInClear]);
    let unknown = row("www.shop.test 127.0.0.1:443", &[]);
    found
        .until("all but what may not be read", |found| {
            rows(found, "gateway") == unknown
                && rows(found, "service") == row(" 8.8.8.8:443", &[OpenToTheWorld])
                && rows(found, "pod") == row(" 127.0.0.9:443", &[])
        })
        .await;
    cluster.grant_all(ACCOUNT).await;
    found
        .until("it may be read that there is no policy", |found| {
            rows(found, "gateway") == in_clear
        })
        .await;
    cluster.apply_yaml(POLICY).await;
    found
        .until("a policy", |found| rows(found, "gateway") == unknown)
        .await;
    cluster.delete_yaml(POLICY).await;
    found
        .until("none again", |found| rows(found, "gateway") == in_clear)
        .await;
    pod(&cluster, "edge-1", "Succeeded").await;
    found
        .until("the pod is over", |found| rows(found, "pod").is_empty())
        .await;
}
