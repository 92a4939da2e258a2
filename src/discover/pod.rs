//! The source `pod`: ports that pods have at the addresses of their nodes (`hostPort`).
//!
//! Off unless the configuration asks for it, because it takes reading pods, whose environment may
//! have credentials. None of it is read here: the shape that a pod is read into has no such field.
//!
//! As with Services, only ports that are said to speak HTTP or TLS are looked at, by their name or
//! number ([`said_by`]). A pod without any declares nothing and is not kept.

use std::collections::BTreeSet;
use std::net::IpAddr;

use futures::StreamExt;
use futures::stream::BoxStream;
use k8s_openapi::api::core::v1;
use serde::Deserialize;

use super::join::join;
use super::kind::Kind;
use super::object::{Keyed, Targets, declared};
use super::published::nameless;
use super::speaks::{Speaks, said_by};
use super::watch::Watch;
use super::{Cluster, Context, DropReason, Dropped, Object, Source, Start, Update};
use crate::model::{Address, Owner, PlaintextRule};

pub(super) const SOURCE: Source = Source {
    name: NAME,
    help: "Ports of pods at their nodes' addresses that are said to speak HTTP or TLS; off by default, because pods may carry credentials.",
    access: &[PODS.access()],
    enabled: |config| config.discovery.has(NAME),
    start: Start::Cluster(start),
};

const NAME: &str = "pod";

const PODS: Kind = Kind::namespaced::<v1::Pod>();

/// The phase of a pod whose containers may listen.
const RUNNING: &str = "Running";

/// Pods in one page of a listing: some 10 kB each, many times what most objects have.
const PAGE_OBJECTS: u32 = 100;

fn start(context: &Context, cluster: &Cluster) -> BoxStream<'static, Update> {
    let watches =
        Watch::all(context, cluster, PODS, |owner, pod| discovered(owner, &pod)).into_iter();
    // To the API server, a pod that leaves the phase is gone.
    let running = watches.map(|watch| watch.selected("status.phase=Running").paged(PAGE_OBJECTS));
    let parts = running.map(|watch| watch.stream().map(with_ports).boxed());
    join(parts.collect()).map(declared).boxed()
}

/// Leaves out the pods that declare nothing, most of them.
fn with_ports(update: Update<Object<Targets>>) -> Update<Object<Targets>> {
    let declares = |object: &Object<Targets>| {
        let kept = object.kept.as_ref();
        kept.is_none_or(|(targets, dropped)| !(targets.is_empty() && dropped.is_empty()))
    };
    match update {
        Update::Listed(mut pods) => {
            pods.retain(declares);
            pods.shrink_to_fit();
            Update::Listed(pods)
        }
        Update::Changed(pod) if !declares(&pod) => Update::Gone(pod.key()),
        other => other,
    }
}

/// The fields that are read of a pod.
#[derive(Debug, Deserialize)]
struct Pod {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    deletion_timestamp: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    host_network: bool,
    containers: Vec<Container>,
    init_containers: Vec<Container>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    ports: Vec<Port>,
    /// `Always` makes an init container one that stays (a sidecar).
    restart_policy: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Port {
    name: String,
    #[serde(rename = "containerPort")]
    own: i32,
    #[serde(rename = "hostPort")]
    at_node: i32,
    #[serde(rename = "hostIP")]
    host_ip: String,
    protocol: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    phase: String,
    #[serde(rename = "hostIP")]
    host_ip: String,
    #[serde(rename = "hostIPs")]
    host_ips: Vec<StatusIp>,
    #[serde(rename = "podIPs")]
    pod_ips: Vec<StatusIp>,
}

#[derive(Debug, Deserialize)]
struct StatusIp {
    ip: String,
}

/// Those that are IP addresses.
fn parsed(ips: &[StatusIp]) -> impl Iterator<Item = IpAddr> {
    ips.iter().filter_map(|ip| ip.ip.parse().ok())
}

impl Spec {
    /// Every TCP port at the node, of containers that stay. In the node's own network, the API server
    /// gives each port of a container its own number as `hostPort`.
    fn host_ports(&self) -> impl Iterator<Item = (&Port, u16)> {
        let sidecars = self.init_containers.iter();
        let sidecars = sidecars.filter(|container| container.restart_policy == "Always");
        let ports = sidecars.chain(&self.containers).flat_map(|c| &c.ports);
        let tcp = ports.filter(|port| matches!(&*port.protocol, "" | "TCP"));
        tcp.filter_map(|port| match u16::try_from(port.at_node) {
            Ok(0) | Err(_) => None,
            Ok(number) => Some((port, number)),
        })
    }
}

impl Pod {
    /// Where its host ports are: at the node's address, and at the one that the node has of the
    /// other family where the pod has that family too, for only then is there anything to lead there
    /// (CNI's plugin `portmap`); in the node's own network, at all of its addresses that the pod has.
    fn addresses(&self) -> BTreeSet<IpAddr> {
        let own: Vec<_> = parsed(&self.status.pod_ips).collect();
        let family = |ip: &IpAddr| own.iter().any(|own| own.is_ipv4() == ip.is_ipv4());
        let first = self.status.host_ip.parse::<IpAddr>().ok();
        let mut all: BTreeSet<_> = parsed(&self.status.host_ips).filter(family).collect();
        all.extend(first);
        if self.spec.host_network {
            all.extend(own);
        }
        all
    }
}

impl Port {
    /// As the container's own number says where the name does not: 8443 for what the node has at
    /// 30001, or the node's for what the container has at 10443.
    fn speaks(&self) -> Option<Speaks> {
        let by_own = || said_by("", self.own);
        said_by(&self.name, self.at_node).or_else(by_own)
    }

    /// Which of the node's addresses it is at: all, those of a family where it names that one's
    /// unspecified address, or the one that it names. At a loopback address nobody else can reach it.
    fn at(&self, addresses: &BTreeSet<IpAddr>) -> BTreeSet<IpAddr> {
        match self.host_ip.parse::<IpAddr>() {
            Ok(ip) if ip.is_loopback() => BTreeSet::new(),
            Ok(ip) if !ip.is_unspecified() => [ip].into(),
            Ok(IpAddr::V4(_)) => addresses.iter().copied().filter(IpAddr::is_ipv4).collect(),
            // What listens at `::` is at both, as a rule.
            Ok(IpAddr::V6(_)) | Err(_) => addresses.clone(),
        }
    }
}

/// What a pod comes to.
fn discovered(owner: &Owner, pod: &Pod) -> Targets {
    let (mut targets, mut dropped) = Targets::default();
    if pod.status.phase != RUNNING || pod.metadata.deletion_timestamp.is_some() {
        return (targets, dropped);
    }
    let nameless_host = |reason| Dropped {
        host: "".into(),
        reason,
    };
    let addresses = pod.addresses();
    let mut seen = BTreeSet::new();
    for (port, number) in pod.spec.host_ports() {
        let Some(speaks) = port.speaks() else {
            dropped.push(nameless_host(DropReason::Unsupported));
            continue;
        };
        if addresses.is_empty() {
            dropped.push(nameless_host(DropReason::NoAddress));
        }
        for ip in port.at(&addresses) {
            if seen.insert((ip, number)) {
                let (address, tls) = (Address::Ip(ip), speaks == Speaks::Tls);
                let rule = PlaintextRule::Redirect;
                targets.push(nameless(NAME, owner, &address, number, tls, rule));
            }
        }
    }
    (targets, dropped)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::json;

    use super::super::fixtures::check;
    use super::*;

    #[test]
    fn every_fixture_declares_exactly_what_is_written_beside_it() {
        check(NAME, |objects| {
            objects.each("Pod", |owner, pod| discovered(owner, &pod))
        });
    }

    fn owner(name: &str) -> Owner {
        Owner {
            created: None,
            kind: "Pod",
            namespace: "edge".into(),
            name: name.into(),
        }
    }

    fn object(name: &str, host_port: u16) -> Object<Targets> {
        let port = json!({"name": "https", "containerPort": 8443, "hostPort": host_port});
        let pod = json!({
            "spec": {"containers": [{"ports": [port], "env": [{"name": "P", "value": "secret"}]}]},
            "status": {"phase": "Running", "hostIP": "192.0.2.1"},
        });
        let pod: Pod = serde_json::from_value(pod).unwrap();
        assert!(!format!("{pod:?}").contains("secret"));
        Object {
            owner: owner(name),
            marks: std::sync::Arc::default(),
            kept: Some(discovered(&owner(name), &pod)),
        }
    }

    #[test]
    fn three_hundred_host_ports_at_two_addresses_are_six_hundred_rows() {
        let port = |n| json!({"name": format!("https-{n}"), "containerPort": 443, "hostPort": n});
        let ports: Vec<_> = (1..=300).map(port).collect();
        let pod = serde_json::from_value(json!({
            "spec": {"hostNetwork": true, "containers": [{"ports": ports}]},
            "status": {"phase": "Running", "podIPs": [{"ip": "192.0.2.1"}, {"ip": "2001:db8::1"}]},
        }));
        let (targets, dropped) = discovered(&owner("edge"), &pod.unwrap());
        let places: HashSet<_> = targets.iter().map(|target| target.row.place()).collect();
        assert_eq!((places.len(), dropped.len()), (600, 0));
    }

    #[test]
    fn pods_without_host_ports_are_not_kept_and_those_that_cannot_be_read_are_told() {
        let mut unreadable = object("c", 0);
        unreadable.kept = None;
        let pods = vec![object("a", 443), object("b", 0), unreadable];
        let Update::Listed(left) = with_ports(Update::Listed(pods)) else {
            panic!("a listing stays one");
        };
        let left: Vec<_> = left.iter().map(|pod| &*pod.owner.name).collect();
        assert_eq!(left, ["a", "c"]);
        let changed = |port| with_ports(Update::Changed(object("a", port)));
        assert!(matches!(changed(443), Update::Changed(_)));
        assert!(matches!(changed(0), Update::Gone(key) if &*key.name == "a"));
    }
}
