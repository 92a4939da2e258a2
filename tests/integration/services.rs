//! Ports of Services and nodes: from a real cluster to what Prometheus scrapes, with real listeners
//! in the place of nodes.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;

use k8s_openapi::api::core::v1::{Node, Service};
use serde_json::json;

use crate::ca::CA;
use crate::cluster::Cluster;
use crate::exporter::Exporter;
use crate::peers::{etcd, nginx};
use crate::scrape::{Metric, Scrape};

const ACCOUNT: &str = "exporter";

/// A node that nobody else listens at.
const NODE: Ipv4Addr = Ipv4Addr::new(127, 77, 0, 1);

/// A node of the control plane, of which only etcd listens at an address of the node.
const CONTROL_PLANE: Ipv4Addr = Ipv4Addr::new(127, 77, 0, 2);

/// Where a cluster's node ports are (`--service-node-port-range`).
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30_000..=32_767;

/// The kubelet's read-only port.
const READ_ONLY: u16 = 10_255;

/// Answers whatever it is asked as a server of HTTP in clear does, for as long as the tests run.
pub(crate) fn in_clear(listener: TcpListener) {
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap_or(0);
            let status = if request[..length].starts_with(b"GET ") {
                "200 OK"
            } else {
                "400 Bad Request"
            };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).ok();
        }
    });
}

async fn set_node(cluster: &Cluster, name: &str, address: &str, kubelet: u16) {
    let metadata = json!({"name": name});
    cluster
        .apply::<Node>("", json!({"metadata": metadata}))
        .await;
    let status = json!({"metadata": metadata, "status": {
        "conditions": [{"type": "Ready", "status": "True"}],
        "addresses": [{"type": "InternalIP", "address": address}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet}},
    }});
    cluster.apply_status::<Node>("", status).await;
}

/// This metric of the door at `port` of `address`.
fn of<'a>(scrape: &'a Scrape, name: &'a str, address: &'a str, port: &'a str) -> Metric<'a> {
    let metric = scrape.metric(name);
    metric.label("address", address).label("port", port)
}

#[tokio::test]
async fn a_node_port_in_clear_an_open_port_and_a_kubelet_are_told_for_what_they_are() {
    let bound = NODE_PORTS.filter_map(|port| TcpListener::bind((NODE, port)).ok());
    let node_port = { bound }.next().unwrap();
    let number = node_port.local_addr().unwrap().port();
    in_clear(node_port);
    in_clear(TcpListener::bind((NODE, READ_ONLY)).unwrap());
    let kubelet = nginx(&CA.leaf(&["node-a"]), "TLSv1.3");
    let kubelet_port = kubelet.address.port();

    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    set_node(&cluster, "a", "127.0.0.1", kubelet_port).await;
    set_node(&cluster, "b", &NODE.to_string(), 10_250).await;
    let port = json!({"name": "http", "port": 80, "nodePort": number, "protocol": "TCP"});
    let service = json!({
        "metadata": {"name": "open"},
        "spec": {"type": "NodePort", "ports": [port]},
    });
    cluster.apply::<Service>("default", service).await;

    let config = json!({"security": {"allow_networks": ["127.0.0.0/8"]}});
    let kubeconfig = cluster.kubeconfig(&cluster.token(ACCOUNT).await);
    let exporter = Exporter::serve(&config, Some(&kubeconfig)).await;
    exporter.ready().await;
    let (node, number) = (NODE.to_string(), number.to_string());
    let kubelet_port = kubelet_port.to_string();
    let finding = "kube_https_finding";
    let scrape = exporter
        .until("all is found", |scrape| {
            of(scrape, "kube_https_plaintext_exposed", &node, &number)
                .get()
                .is_some()
                && of(scrape, finding, &node, "10255")
                    .label("finding", "insecure_port_open")
                    .get()
                    .is_some()
                && of(
                    scrape,
                    "kube_https_probe_success",
                    "127.0.0.1",
                    &kubelet_port,
                )
                .get()
                .is_some()
        })
        .await;

    let served = of(&scrape, finding, &node, &number);
    let served = served.label("source", "service").label("name", "open");
    let served = served.label("finding", "plaintext_served");
    served.label("severity", "critical").holds();
    let open = of(&scrape, finding, &node, "10255").label("finding", "insecure_port_open");
    open.label("severity", "critical").holds();
    for port in ["2375", "10251", "10252"] {
        of(&scrape, finding, &node, port).absent();
        of(&scrape, "kube_https_probe_success", &node, port).absent();
    }
    let kubelet = || of(&scrape, finding, "127.0.0.1", &kubelet_port);
    let untrusted = kubelet().label("finding", "certificate_untrusted");
    untrusted.label("severity", "info").holds();
    let open = kubelet().label("finding", "client_certificate_not_required");
    open.label("severity", "warning").holds();
    let gone = of(&scrape, finding, &node, "10250").label("finding", "unreachable");
    gone.label("severity", "warning").holds();
}

#[tokio::test]
async fn of_the_control_plane_what_answers_is_told_and_what_does_not_is_as_it_should_be() {
    let _etcd = etcd(&CA.leaf(&["node-c"]), CONTROL_PLANE);
    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    let address = CONTROL_PLANE.to_string();
    set_node(&cluster, "c", &address, 10_250).await;
    let labels = json!({"node-role.kubernetes.io/control-plane": ""});
    let node = json!({"metadata": {"name": "c", "labels": labels}});
    cluster.apply::<Node>("", node).await;

    let kubeconfig = cluster.kubeconfig(&cluster.token(ACCOUNT).await);
    let exporter = Exporter::serve(&json!({}), Some(&kubeconfig)).await;
    exporter.ready().await;
    let scrape = exporter
        .until("etcd was asked", |scrape| {
            let versions = of(scrape, "kube_https_tls_version_accepted", &address, "2379");
            versions.label("version", "TLS 1.3").get().is_some()
        })
        .await;
    let etcd = |name| of(&scrape, name, &address, "2379");
    etcd("kube_https_probe_success").holds();
    etcd("kube_https_tls_client_certificate_info")
        .label("mode", "required")
        .holds();
    etcd("kube_https_finding").absent();
    let ends = etcd("kube_https_certificate_not_after_timestamp_seconds");
    assert!(ends.label("position", "leaf").get().is_some());
    for port in ["2380", "10257", "10259", "8080"] {
        of(&scrape, "kube_https_finding", &address, port).absent();
        of(&scrape, "kube_https_probe_success", &address, port).absent();
    }
}
