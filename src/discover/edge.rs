//! Services in front of a controller whose own objects publish no address (Traefik's, Istio's):
//! each such object is served wherever the Services that belong to it are open to the outside.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::api::networking::v1::IngressLoadBalancerIngress;

use super::balancer::addresses;
use super::index::Index;
use super::kind::Kind;
use super::object::Targets;
use super::published::Front;
use super::speaks::{Speaks, speaks};
use super::{Declared, Object, ObjectKey};
use crate::model::{Address, Owner};

/// Services.
pub(super) const SERVICES: Kind = Kind::namespaced::<Service>();

/// What is kept of a Service that is open to the outside, at addresses of its own.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Edge {
    /// `metadata.labels`.
    labels: BTreeMap<String, String>,
    /// `spec.selector`: the pods behind it.
    selector: BTreeMap<String, String>,
    addresses: Vec<Address>,
    ports: Vec<Port>,
}

/// A TCP port of a Service.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Port {
    /// Its name; empty where it has none.
    pub(super) name: String,
    /// `spec.ports[].port`.
    pub(super) number: u16,
    /// As far as its Service says.
    pub(super) speaks: Option<Speaks>,
}

impl Edge {
    /// Reads `status.loadBalancer` and `spec.externalIPs`; `None` where there is no address.
    pub(super) fn of(service: Service) -> Option<Self> {
        let spec = service.spec.unwrap_or_default();
        let balancer = (service.status).and_then(|status| status.load_balancer);
        let published = balancer.and_then(|balancer| balancer.ingress);
        let external = spec.external_ips.unwrap_or_default().into_iter();
        let mut entries: Vec<_> = (published.unwrap_or_default().into_iter())
            .map(|entry| (entry.ip, entry.hostname))
            .collect();
        entries.extend(external.map(|ip| (Some(ip), None)));
        let entries = entries.into_iter().map(|(ip, hostname)| {
            let ports = None;
            IngressLoadBalancerIngress {
                hostname,
                ip,
                ports,
            }
        });
        let annotations = service.metadata.annotations;
        let addresses = addresses(&entries.collect::<Vec<_>>()).ok()?;
        Some(Self {
            labels: service.metadata.labels.unwrap_or_default(),
            selector: spec.selector.unwrap_or_default(),
            addresses: addresses.into_iter().map(|(address, _)| address).collect(),
            ports: (spec.ports.iter().flatten())
                .filter_map(|written| port(written, annotations.as_ref()))
                .collect(),
        })
    }

    /// Whether it has this label.
    pub(super) fn is_labelled(&self, key: &str, value: &str) -> bool {
        self.labels.get(key).is_some_and(|label| label == value)
    }

    /// Whether all pods behind it have these labels, of which there is at least one.
    pub(super) fn leads_to(&self, labels: &BTreeMap<String, String>) -> bool {
        let mut each = labels.iter();
        !labels.is_empty() && each.all(|(key, value)| self.selector.get(key) == Some(value))
    }

    /// The ports that `picked` says.
    pub(super) fn ports(&self, picked: impl Fn(&Port) -> bool) -> Vec<u16> {
        let ports = self.ports.iter().filter(|port| picked(port));
        ports.map(|port| port.number).collect()
    }

    /// One front for each of these ports at each address; plaintext is looked for at `http`, too.
    pub(super) fn fronts(&self, ports: &[u16], http: &[u16]) -> Vec<Front> {
        let at = |address: &Address, port: u16| Front {
            address: address.clone(),
            port,
            plaintext: http.iter().copied().filter(|http| *http != port).collect(),
        };
        let addresses = self.addresses.iter();
        addresses
            .flat_map(|address| ports.iter().map(move |port| at(address, *port)))
            .collect()
    }
}

fn port(port: &ServicePort, annotations: Option<&BTreeMap<String, String>>) -> Option<Port> {
    let is_tcp = matches!(port.protocol.as_deref(), None | Some("" | "TCP"));
    let number = u16::try_from(port.port).ok().filter(|number| *number != 0);
    Some(Port {
        name: port.name.clone().unwrap_or_default(),
        number: number.filter(|_| is_tcp)?,
        speaks: speaks(port, annotations),
    })
}

/// An object that is served at Services.
pub(super) trait Served: PartialEq + Send + 'static {
    /// What the object comes to with these Services in the cluster.
    fn targets(&self, owner: &Owner, edges: &[&Edge]) -> Targets;
}

/// What is kept of an object of either kind.
pub(super) enum Kept<S> {
    /// An object that declares hosts.
    Route(S),
    /// A Service; `None` where it is not open to the outside.
    Edge(Option<Edge>),
}

/// All objects of a source that are served at Services.
pub(super) struct Edges<S> {
    routes: HashMap<ObjectKey, Object<S>>,
    /// By name, so that rows come in the same order in every run.
    edges: BTreeMap<ObjectKey, Edge>,
}

impl<S> Default for Edges<S> {
    fn default() -> Self {
        Self {
            routes: HashMap::new(),
            edges: BTreeMap::new(),
        }
    }
}

impl<S> Edges<S> {
    /// Puts a Service, or takes it away. Gives every route, if that changed anything: few Services
    /// are open to the outside, and they seldom change.
    fn set(&mut self, key: &ObjectKey, edge: Option<Edge>) -> Vec<ObjectKey> {
        if self.edges.get(key) == edge.as_ref() {
            return Vec::new();
        }
        match edge {
            Some(edge) => self.edges.insert(key.clone(), edge),
            None => self.edges.remove(key),
        };
        self.routes.keys().cloned().collect()
    }
}

impl<S: Served> Index for Edges<S> {
    type Kept = Kept<S>;

    fn put(&mut self, object: Object<Kept<S>>) -> Vec<ObjectKey> {
        let key = ObjectKey::from(&object.owner);
        let kept = match object.kept {
            Some(Kept::Edge(edge)) => return self.set(&key, edge),
            None if key.kind == SERVICES.name => return self.set(&key, None),
            Some(Kept::Route(route)) => Some(route),
            None => None,
        };
        let route = Object {
            owner: object.owner,
            marks: object.marks,
            kept,
        };
        self.routes.insert(key.clone(), route);
        vec![key]
    }

    fn take(&mut self, key: &ObjectKey) -> Vec<ObjectKey> {
        if key.kind == SERVICES.name {
            return self.set(key, None);
        }
        self.routes.remove(key);
        vec![key.clone()]
    }

    fn declared(&self, key: &ObjectKey) -> Option<Declared> {
        let route = self.routes.get(key)?;
        let edges: Vec<_> = self.edges.values().collect();
        let object = Object {
            owner: route.owner.clone(),
            marks: Arc::clone(&route.marks),
            kept: (route.kept.as_ref()).map(|kept| kept.targets(&route.owner, &edges)),
        };
        Some(object.into())
    }
}
