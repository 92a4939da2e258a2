//! The source `traefik`: the hosts of Traefik's `IngressRoute` and `IngressRouteTCP` objects
//! (`traefik.io/v1alpha1`).
//!
//! They publish no address: each is dialled at the Services that are labelled as Traefik's (as its
//! chart labels them, and k3s), whose ports the chart names after the entry points. A route
//! with `tls` is TLS, by whatever certificate; one without is served in clear.

mod matcher;

use std::collections::HashMap;

use futures::stream::BoxStream;
use serde::Deserialize;

use super::edge::{Edge, Edges, Kept, Port, SERVICES, Served};
use super::host::Host;
use super::index::indexed;
use super::kind::Kind;
use super::object::Targets;
use super::paths::Paths;
use super::published::{Exposed, Front, targets, unusable};
use super::speaks::Speaks;
use super::watch::Watch;
use super::{Cluster, Context, DropReason, Dropped, Object, Source, Start, Update};
use crate::model::{Owner, PlaintextRule, RequestPath};
use matcher::{hosts, paths};

pub(super) const SOURCE: Source = Source {
    name: NAME,
    help: "Hosts of Traefik's IngressRoutes and IngressRouteTCPs, at the Services labelled app.kubernetes.io/name=traefik.",
    access: &[ROUTES.access(), TCP_ROUTES.access(), SERVICES.access()],
    enabled: |config| config.discovery.has(NAME),
    start: Start::Cluster(start),
};

const NAME: &str = "traefik";

const GROUP: &str = "traefik.io";
const ROUTES: Kind = Kind::custom(GROUP, "IngressRoute", "ingressroutes", &["v1alpha1"]);
const TCP_ROUTES: Kind = Kind::custom(GROUP, "IngressRouteTCP", "ingressroutetcps", &["v1alpha1"]);

/// The label of Traefik's Service, and its value.
const LABEL: (&str, &str) = ("app.kubernetes.io/name", "traefik");

fn start(context: &Context, cluster: &Cluster) -> BoxStream<'static, Update> {
    let mut parts: Vec<BoxStream<'static, Update<Object<Kept<Routed>>>>> = Vec::new();
    for kind in [ROUTES, TCP_ROUTES] {
        let watches = Watch::all(context, cluster, kind, |owner, route| {
            Kept::Route(Routed::of(owner, route))
        });
        parts.extend(watches.into_iter().map(Watch::stream));
    }
    let services = Watch::all(context, cluster, SERVICES, |_, service| {
        let edge = Edge::of(service);
        Kept::Edge(edge.filter(|edge| edge.is_labelled(LABEL.0, LABEL.1)))
    });
    parts.extend(services.into_iter().map(Watch::stream));
    indexed(Edges::default(), parts)
}

/// The fields that are read of either kind.
#[derive(Debug, Deserialize)]
struct Route {
    spec: Spec,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    /// All that the static configuration makes default ones, where empty.
    #[serde(default)]
    entry_points: Vec<String>,
    #[serde(default)]
    routes: Vec<Rule>,
    /// TLS, even where it is empty.
    tls: Option<Tls>,
}

#[derive(Debug, Deserialize)]
struct Rule {
    #[serde(default, rename = "match")]
    matched: String,
}

/// What is in it changes nothing here.
#[derive(Debug, Deserialize)]
struct Tls {}

/// What is kept of a route.
#[derive(Debug, PartialEq)]
struct Routed {
    entry_points: Vec<String>,
    hosts: Vec<Exposed>,
    dropped: Vec<Dropped>,
    tcp: bool,
}

/// What the rules of a route name.
#[derive(Default)]
struct Named {
    /// Each once.
    hosts: Vec<Host>,
    paths: HashMap<Host, Vec<RequestPath>>,
    dropped: Vec<Dropped>,
}

impl Named {
    fn add(&mut self, rule: &str, is_asked: bool) {
        let paths = paths(rule);
        let paths = RequestPath::few(paths.iter().map(String::as_str));
        for written in hosts(rule) {
            let host = written.as_ref().ok().and_then(|text| Host::parse(text));
            if let Some(host) = host.filter(|_| is_asked) {
                if !self.paths.contains_key(&host) {
                    self.hosts.push(host.clone());
                }
                let known = self.paths.entry(host).or_default();
                known.extend_from_slice(&paths);
            } else {
                let unusable = unusable(&written.unwrap_or_else(|pattern| pattern));
                if !self.dropped.contains(&unusable) {
                    self.dropped.push(unusable);
                }
            }
        }
    }
}

impl Routed {
    fn of(owner: &Owner, route: Route) -> Self {
        let (tcp, tls) = (owner.kind == TCP_ROUTES.name, route.spec.tls.is_some());
        let mut named = Named::default();
        for rule in &route.spec.routes {
            // What is behind TCP without TLS may be anything, and is left alone.
            named.add(&rule.matched, tls || !tcp);
        }
        let exposed = named.hosts.into_iter().map(|host| {
            let paths = named.paths.get(&host).into_iter().flatten();
            let paths = RequestPath::few(paths.map(RequestPath::as_str));
            Exposed {
                host,
                tls,
                plaintext: PlaintextRule::Redirect,
                paths: Paths::new(paths, PlaintextRule::Redirect),
                secret: None,
            }
        });
        let hosts = exposed.collect();
        Self {
            entry_points: route.spec.entry_points,
            hosts,
            dropped: named.dropped,
            tcp,
        }
    }

    /// Where it is served at a Service: at the TLS ports among its entry points, or, where none is
    /// known to speak TLS, at all of them. Plaintext is looked for at the Service's HTTP ports.
    fn fronts(&self, edge: &Edge) -> Vec<Front> {
        let entered = |port: &Port| {
            let by_default = self.entry_points.is_empty() && port.speaks.is_some();
            by_default || self.entry_points.contains(&port.name)
        };
        let http = edge.ports(|port| !self.tcp && port.speaks == Some(Speaks::Http));
        let is_tls = |port: &Port| port.speaks == Some(Speaks::Tls);
        // A route in clear is a property of its host: its row is where TLS is, or should be.
        let in_clear = self.hosts.iter().all(|exposed| !exposed.tls);
        let entries = edge.ports(entered);
        let mut ports = edge.ports(|port| is_tls(port) && (entered(port) || in_clear));
        if ports.is_empty() || entries.is_empty() {
            ports = entries;
        }
        edge.fronts(&ports, &http)
    }
}

impl Served for Routed {
    fn targets(&self, owner: &Owner, edges: &[&Edge]) -> Targets {
        let fronts: Vec<_> = edges.iter().flat_map(|edge| self.fronts(edge)).collect();
        let fronts = match fronts.as_slice() {
            [] => Err(DropReason::NoAddress),
            fronts => Ok(fronts),
        };
        let (targets, mut dropped) = targets(NAME, owner, &self.hosts, fronts);
        dropped.extend(self.dropped.iter().cloned());
        (targets, dropped)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::ObjectKey;
    use super::super::fixtures::{check, folded};
    use super::super::index::Index;
    use super::*;

    #[test]
    fn every_fixture_declares_exactly_what_is_written_beside_it() {
        check(NAME, |objects| {
            let service = |_: &Owner, service| {
                Kept::Edge(Edge::of(service).filter(|edge| edge.is_labelled(LABEL.0, LABEL.1)))
            };
            let route = |owner: &Owner, route| Kept::Route(Routed::of(owner, route));
            let mut read = objects.kept("IngressRoute", route);
            read.extend(objects.kept("IngressRouteTCP", route));
            read.extend(objects.kept("Service", service));
            folded(Edges::default(), read)
        });
    }

    fn object(kind: &'static str, kept: Kept<Routed>) -> Object<Kept<Routed>> {
        let owner = Owner {
            created: None,
            kind,
            namespace: "trade".into(),
            name: "one".into(),
        };
        Object {
            owner,
            marks: Arc::default(),
            kept: Some(kept),
        }
    }

    /// A Service at this many addresses.
    fn service(addresses: usize) -> Kept<Routed> {
        let ips: Vec<_> = (0..addresses)
            .map(|n| json!({"hostname": format!("lb{n}.test")}))
            .collect();
        let service = serde_json::from_value(json!({
            "spec": {"ports": [{"name": "websecure", "port": 443}]},
            "status": {"loadBalancer": {"ingress": ips}},
        }));
        Kept::Edge(Edge::of(service.unwrap()))
    }

    #[test]
    fn a_service_that_comes_changes_and_goes_changes_the_routes_and_only_then() {
        let rules: Vec<_> = (0..300)
            .map(|n| json!({"match": format!("Host(`h{n}.test`)")}))
            .collect();
        let route = serde_json::from_value(json!({"spec": {"routes": rules, "tls": {}}}));
        let mut edges = Edges::default();
        let route = object(
            "IngressRoute",
            Kept::Route(Routed::of(&owner(), route.unwrap())),
        );
        let key = ObjectKey::from(&route.owner);
        assert_eq!(edges.put(route), std::slice::from_ref(&key));
        let count = |edges: &Edges<Routed>| edges.declared(&key).unwrap().targets.len();
        for (addresses, touched) in [(1, 1), (2, 1), (2, 0), (0, 1), (0, 0), (2, 1)] {
            let put = edges.put(object("Service", service(addresses)));
            assert_eq!((put.len(), count(&edges)), (touched, 300 * addresses));
        }
        let gone = ObjectKey::from(&object("Service", service(0)).owner);
        assert_eq!((edges.take(&gone).len(), count(&edges)), (1, 0));
    }

    fn owner() -> Owner {
        object("IngressRoute", service(0)).owner
    }
}
