//! The source `istio`: the hosts of Istio's Gateways (`networking.istio.io`).
//!
//! A Gateway publishes no address: its selector picks the pods that serve it, and it is dialled at
//! the Services whose pods all have the selector's labels, at the servers' port numbers, which are
//! those of Services. Servers that only meshes use (`ISTIO_MUTUAL`, `AUTO_PASSTHROUGH`) are left
//! alone: their certificates have no host names.
//!
//! A host that is served over HTTP alone, without `httpsRedirect`, is published in clear: a row at
//! the HTTP port that declares no TLS.

use std::collections::{BTreeMap, HashSet};

use futures::stream::BoxStream;
use serde::Deserialize;

use super::edge::{Edge, Edges, Kept, SERVICES, Served};
use super::host::Host;
use super::index::indexed;
use super::kind::Kind;
use super::object::Targets;
use super::paths::Paths;
use super::published::{Exposed, targets, unusable};
use super::speaks::Speaks;
use super::watch::Watch;
use super::{Cluster, Context, DropReason, Dropped, Object, Source, Start, Update};
use crate::model::{Owner, PlaintextRule};

pub(super) const SOURCE: Source = Source {
    name: NAME,
    help: "Hosts of Istio's Gateways, at the Services in front of the pods that they select.",
    access: &[GATEWAYS.access(), SERVICES.access()],
    enabled: |config| config.discovery.has(NAME),
    start: Start::Cluster(start),
};

const NAME: &str = "istio";

const GATEWAYS: Kind = Kind::custom(
    "networking.istio.io",
    "Gateway",
    "gateways",
    &["v1", "v1beta1", "v1alpha3"],
);

fn start(context: &Context, cluster: &Cluster) -> BoxStream<'static, Update> {
    let gateways = Watch::all(context, cluster, GATEWAYS, |_, gateway| {
        Kept::Route(Hosts::of(gateway))
    });
    let services = Watch::all(context, cluster, SERVICES, |_, service| {
        Kept::Edge(Edge::of(service))
    });
    let mut parts: Vec<BoxStream<'static, Update<Object<Kept<Hosts>>>>> = Vec::new();
    parts.extend(gateways.into_iter().map(Watch::stream));
    parts.extend(services.into_iter().map(Watch::stream));
    indexed(Edges::default(), parts)
}

/// The fields that are read of a Gateway.
#[derive(Debug, Deserialize)]
struct Gateway {
    #[serde(default)]
    spec: Spec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    selector: BTreeMap<String, String>,
    servers: Vec<Server>,
}

#[derive(Debug, Deserialize)]
struct Server {
    port: Port,
    /// Names, each with or without a namespace and a slash before it.
    #[serde(default)]
    hosts: Vec<String>,
    tls: Option<Tls>,
}

#[derive(Debug, Deserialize)]
struct Port {
    number: u16,
    /// `HTTP`, `HTTPS`, `GRPC`, `HTTP2`, `MONGO`, `TCP` or `TLS`.
    #[serde(default)]
    protocol: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Tls {
    /// `PASSTHROUGH` where it is absent.
    mode: Option<String>,
    https_redirect: bool,
}

/// What is spoken at a server.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Spoken {
    Tls,
    /// HTTP in clear.
    Http,
    /// Nothing but redirects to https.
    Redirects,
    /// Something that is left alone.
    Other,
}

impl Server {
    fn spoken(&self) -> Spoken {
        let protocol = self.port.protocol.to_ascii_uppercase();
        let mode = self.tls.as_ref().and_then(|tls| tls.mode.as_deref());
        let redirects = self.tls.as_ref().is_some_and(|tls| tls.https_redirect);
        match (protocol.as_str(), mode) {
            (_, Some("ISTIO_MUTUAL" | "AUTO_PASSTHROUGH")) => Spoken::Other,
            ("HTTP" | "HTTP2" | "GRPC" | "GRPC-WEB", _) if redirects => Spoken::Redirects,
            ("HTTP" | "HTTP2" | "GRPC" | "GRPC-WEB", _) => Spoken::Http,
            // Anything may be inside the TLS that is terminated here.
            ("HTTPS" | "TLS", _) | (_, Some(_)) => Spoken::Tls,
            (_, None) => Spoken::Other,
        }
    }
}

/// What is kept of a Gateway.
#[derive(Debug, PartialEq)]
struct Hosts {
    selector: BTreeMap<String, String>,
    /// By port, each host once.
    served: BTreeMap<u16, Vec<Exposed>>,
    dropped: Vec<Dropped>,
}

impl Hosts {
    fn of(gateway: Gateway) -> Self {
        let mut hosts = Self {
            selector: gateway.spec.selector,
            served: BTreeMap::new(),
            dropped: Vec::new(),
        };
        let servers = gateway.spec.servers;
        let spoken = |spoken| {
            servers
                .iter()
                .filter(move |server| server.spoken() == spoken)
        };
        spoken(Spoken::Tls).for_each(|server| hosts.add(server, true));
        // A host that has TLS is not published in clear, only looked for there.
        let over_tls: HashSet<_> = hosts.all().cloned().collect();
        spoken(Spoken::Http).for_each(|server| hosts.add(server, false));
        for exposed in hosts.served.values_mut() {
            exposed.retain(|exposed| exposed.tls || !over_tls.contains(&exposed.host));
        }
        let other = spoken(Spoken::Other).flat_map(|server| &server.hosts);
        hosts.dropped.extend(other.map(|text| unusable(text)));
        hosts
    }

    fn all(&self) -> impl Iterator<Item = &Host> {
        let exposed = self.served.values().flatten();
        exposed.map(|exposed| &exposed.host)
    }

    fn add(&mut self, server: &Server, tls: bool) {
        let exposed = self.served.entry(server.port.number).or_default();
        let mut seen: HashSet<_> = exposed.iter().map(|known| known.host.clone()).collect();
        for text in &server.hosts {
            match host(text) {
                Some(host) if seen.insert(host.clone()) => exposed.push(Exposed {
                    host,
                    tls,
                    plaintext: PlaintextRule::Redirect,
                    paths: Paths::default(),
                    secret: None,
                }),
                Some(_) => {}
                None => self.dropped.push(unusable(text)),
            }
        }
    }
}

/// The host of `namespace/host`, `./host`, `*/host` or `host`.
fn host(text: &str) -> Option<Host> {
    match text.rsplit_once('/').map_or(text, |(_, host)| host) {
        "" => None,
        "*" => Some(Host::Any),
        name => Host::parse(name),
    }
}

impl Served for Hosts {
    fn targets(&self, owner: &Owner, edges: &[&Edge]) -> Targets {
        let edges = edges.iter().filter(|edge| edge.leads_to(&self.selector));
        let edges: Vec<_> = edges.collect();
        let (mut all, mut dropped) = (Vec::new(), self.dropped.clone());
        for (port, exposed) in &self.served {
            let fronts = edges.iter().flat_map(|edge| {
                let ports = edge.ports(|has| has.number == *port);
                let http = edge.ports(|has| has.speaks == Some(Speaks::Http));
                edge.fronts(&ports, &http)
            });
            let fronts: Vec<_> = fronts.collect();
            let fronts = match fronts.as_slice() {
                [] => Err(DropReason::NoAddress),
                fronts => Ok(fronts),
            };
            let (more, lost) = targets(NAME, owner, exposed, fronts);
            all.extend(more);
            dropped.extend(lost);
        }
        (all, dropped)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::json;

    use super::super::Declared;
    use super::super::fixtures::{Objects, check, folded};
    use super::*;

    /// What these objects come to.
    fn discovered(objects: &Objects) -> Vec<Declared> {
        let gateway = |_: &Owner, gateway| Kept::Route(Hosts::of(gateway));
        let mut read = objects.kept("Gateway", gateway);
        read.extend(objects.kept("Service", |_, service| Kept::Edge(Edge::of(service))));
        folded(Edges::default(), read)
    }

    #[test]
    fn every_fixture_declares_exactly_what_is_written_beside_it() {
        check(NAME, discovered);
    }

    #[test]
    fn three_hundred_hosts_at_two_addresses_are_six_hundred_rows() {
        let hosts: Vec<_> = (0..300).map(|n| format!("h{n}.test")).collect();
        let gateway = json!({"kind": "Gateway", "spec": {
            "selector": {"a": "b"},
            "servers": [{"port": {"number": 443, "protocol": "HTTPS"}, "hosts": hosts, "tls": {"mode": "SIMPLE"}}],
        }});
        let service = json!({"kind": "Service",
            "spec": {"selector": {"a": "b"}, "ports": [{"name": "https", "port": 443}]},
            "status": {"loadBalancer": {"ingress": [{"hostname": "lb0.test"}, {"hostname": "lb1.test"}]}},
        });
        let declared = discovered(&Objects::of(vec![gateway, service])).remove(0);
        let places: HashSet<_> = (declared.targets.iter())
            .map(|target| target.row.place())
            .collect();
        assert_eq!((places.len(), declared.dropped.len()), (600, 0));
    }
}
