//! The source `service`: ports of Services that are open to the outside of the cluster.
//!
//! Those of load balancers at the addresses that their controller published, those of external IP
//! addresses, and node ports at some nodes, since every node serves them alike. A load balancer's
//! node ports are looked at too: they are a side door around whatever the load balancer does.
//!
//! No host is declared, so none is asked for and none must be in the certificate. Only ports that
//! are said to speak HTTP or TLS are looked at ([`speaks`]).
//!
//! From inside the cluster, a load balancer's IP address may lead past it, straight to the pods
//! (`ipMode: VIP`, the default): what is seen there is not what clients get. Nothing is expected of
//! such a door, and plaintext is not looked for.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use futures::stream::BoxStream;
use k8s_openapi::api::core::v1::{LoadBalancerIngress, Service, ServicePort, ServiceSpec};

use super::host::dns_name;
use super::index::indexed;
use super::kind::Kind;
use super::node;
use super::node_ports::{Kept, NodePorts};
use super::object::Targets;
use super::published::{TARGETS_PER_OBJECT, nameless};
use super::speaks::{Speaks, speaks};
use super::watch::Watch;
use super::world::{Reach, open_service};
use super::{Cluster, Context, DropReason, Dropped, Source, Start, Update};
use crate::model::{Address, Owner, PlaintextRule};

pub(super) const SOURCE: Source = Source {
    name: NAME,
    help: "Ports of Services that are said to speak HTTP or TLS: load balancers, external IP addresses, and node ports at some nodes.",
    access: &[SERVICES.access(), node::KIND.access()],
    enabled: |config| config.discovery.service.enabled,
    start: Start::Cluster(start),
};

const NAME: &str = "service";

const SERVICES: Kind = Kind::namespaced::<Service>();

/// Roles in some namespaces cannot permit to read nodes: there, node ports may have to be left out.
fn start(context: &Context, cluster: &Cluster) -> BoxStream<'static, Update> {
    let services = Watch::all(context, cluster, SERVICES, |_, service| {
        Kept::Service(exposed(&service))
    });
    let nodes = Watch::all(context, cluster, node::KIND, |_, node| {
        Kept::Node(node::facts(&node))
    });
    let namespaced = !context.config.namespaces.is_empty();
    let nodes = nodes
        .into_iter()
        .map(|watch| if namespaced { watch.optional() } else { watch }.stream());
    let parts = services.into_iter().map(Watch::stream).chain(nodes);
    let count = context.config.discovery.service.nodes;
    indexed(NodePorts::new(cluster.inside, count), parts.collect())
}

/// What of a Service can be dialled from outside.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Exposed {
    /// At addresses of its own.
    fronts: Vec<Front>,
    /// At every node.
    node_ports: Vec<NodePort>,
    /// The families of addresses that it is served on; empty where all are.
    families: Vec<Family>,
    /// What cannot be dialled, and why.
    dropped: Vec<DropReason>,
}

impl Exposed {
    /// Whether it depends on the nodes what it comes to.
    pub(super) fn has_node_ports(&self) -> bool {
        !self.node_ports.is_empty()
    }
}

/// A port at one address.
#[derive(Clone, Debug, PartialEq)]
struct Front {
    address: Address,
    port: u16,
    speaks: Speaks,
    /// From inside the cluster it leads past the load balancer.
    bypassed_inside: bool,
    /// The Service has the load balancer there let the whole Internet in.
    open: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct NodePort {
    port: u16,
    speaks: Speaks,
    /// Clients are meant to come this way, and every node lets them.
    promised: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn has(self, ip: IpAddr) -> bool {
        match self {
            Self::V4 => ip.is_ipv4(),
            Self::V6 => ip.is_ipv6(),
        }
    }
}

/// What `service` has open to the outside.
pub(super) fn exposed(service: &Service) -> Exposed {
    let Some(spec) = &service.spec else {
        return Exposed::default();
    };
    let families = spec.ip_families.iter().flatten();
    let mut exposed = Exposed {
        families: families.filter_map(|text| family(text)).collect(),
        ..Exposed::default()
    };
    let headless = spec.cluster_ip.as_deref() == Some("None");
    let kind = spec.type_.as_deref().unwrap_or_default();
    if headless || kind == "ExternalName" {
        return exposed;
    }
    let entrances = Entrances::of(kind, spec, service);
    if entrances.is_none() {
        return exposed;
    }
    let is_tcp = |port: &&ServicePort| matches!(port.protocol.as_deref(), None | Some("" | "TCP"));
    for port in spec.ports.iter().flatten().filter(is_tcp) {
        match speaks(port, service.metadata.annotations.as_ref()) {
            Some(speaks) => entrances.add(port, speaks, &mut exposed),
            None => exposed.dropped.push(DropReason::Unsupported),
        }
    }
    exposed
}

fn family(text: &str) -> Option<Family> {
    match text {
        "IPv4" => Some(Family::V4),
        "IPv6" => Some(Family::V6),
        _ => None,
    }
}

/// The ways into a Service, whatever the port.
struct Entrances<'a> {
    /// What its load balancer published; `None` where it is to have none.
    balancer: Option<&'a [LoadBalancerIngress]>,
    external: BTreeSet<IpAddr>,
    has_node_ports: bool,
    node_ports_promised: bool,
    reach: Reach,
}

impl<'a> Entrances<'a> {
    fn of(kind: &str, spec: &'a ServiceSpec, service: &'a Service) -> Self {
        let status = service.status.as_ref();
        let status = status.and_then(|status| status.load_balancer.as_ref());
        let published = status.and_then(|balancer| balancer.ingress.as_deref());
        let external = spec.external_ips.iter().flatten();
        let local = spec.external_traffic_policy.as_deref() == Some("Local");
        Self {
            balancer: (kind == "LoadBalancer").then(|| published.unwrap_or_default()),
            external: external.filter_map(|ip| ip.parse().ok()).collect(),
            has_node_ports: matches!(kind, "NodePort" | "LoadBalancer"),
            // A load balancer's clients are not meant to come this way, and may lose their TLS at
            // it; and with `Local`, a node without a pod of the Service drops what comes.
            node_ports_promised: kind == "NodePort" && !local,
            reach: Reach::of(service),
        }
    }

    fn is_none(&self) -> bool {
        self.balancer.is_none() && self.external.is_empty() && !self.has_node_ports
    }

    /// Adds every way to `port`.
    fn add(&self, port: &ServicePort, speaks: Speaks, exposed: &mut Exposed) {
        let Some(number) = number(port.port) else {
            exposed.dropped.push(DropReason::Unsupported);
            return;
        };
        // Whether node ports were to be allocated does not matter: one that is there is served.
        if let Some(node_port) = port.node_port.and_then(self::number)
            && self.has_node_ports
        {
            exposed.node_ports.push(NodePort {
                port: node_port,
                speaks,
                promised: self.node_ports_promised,
            });
        }
        let addresses = match self.addresses(number) {
            Ok(addresses) => addresses,
            Err(reason) => {
                exposed.dropped.push(reason);
                self.external()
            }
        };
        if exposed.fronts.len() + addresses.len() > TARGETS_PER_OBJECT {
            exposed.dropped.push(DropReason::Cap);
            return;
        }
        let front = |(address, bypassed_inside)| Front {
            open: self.is_open(&address),
            address,
            port: number,
            speaks,
            bypassed_inside,
        };
        exposed.fronts.extend(addresses.into_iter().map(front));
    }

    /// Every address of its own that serves `port`, once, and whether it is bypassed from inside; or
    /// why its load balancer has none.
    fn addresses(&self, port: u16) -> Result<Vec<(Address, bool)>, DropReason> {
        let mut addresses = self.external();
        let mut seen: BTreeSet<_> = addresses.iter().map(|(at, _)| at.clone()).collect();
        let Some(published) = self.balancer else {
            return Ok(addresses);
        };
        let found: Vec<_> = published.iter().filter_map(address).collect();
        match (found.is_empty(), published.is_empty()) {
            (true, true) => return Err(DropReason::NoAddress),
            (true, false) => return Err(DropReason::Unsupported),
            (false, _) => {}
        }
        for (address, entry) in found {
            if serves(entry, port) && seen.insert(address.clone()) {
                let is_ip = matches!(address, Address::Ip(_));
                addresses.push((address, is_ip && entry.ip_mode.as_deref() != Some("Proxy")));
            }
        }
        Ok(addresses)
    }

    /// Whether the load balancer's `address` is open to the world.
    fn is_open(&self, address: &Address) -> bool {
        let external = matches!(address, Address::Ip(ip) if self.external.contains(ip));
        self.balancer.is_some() && !external && self.reach.has_everybody(address)
    }

    /// The external IP addresses: inside and outside the cluster they lead to the same pods.
    fn external(&self) -> Vec<(Address, bool)> {
        let each = self.external.iter();
        each.map(|ip| (Address::Ip(*ip), false)).collect()
    }
}

fn number(port: i32) -> Option<u16> {
    u16::try_from(port).ok().filter(|port| *port != 0)
}

/// The entry's IP address, else its host name; `None` where neither can be dialled.
fn address(entry: &LoadBalancerIngress) -> Option<(Address, &LoadBalancerIngress)> {
    let text = [&entry.ip, &entry.hostname]
        .into_iter()
        .find_map(|field| field.as_deref().filter(|text| !text.is_empty()))?;
    let address = match Address::parse(text) {
        Address::Name(_) => dns_name(text).map(Address::Name)?,
        ip @ Address::Ip(_) => ip,
    };
    Some((address, entry))
}

/// Whether the load balancer took the port: where it lists any, it lists all, those that it could
/// not take with an error (`PortStatus`).
fn serves(entry: &LoadBalancerIngress, port: u16) -> bool {
    let listed = entry.ports.as_deref().unwrap_or_default();
    let takes = |status: &&k8s_openapi::api::core::v1::PortStatus| {
        status.port == i32::from(port) && matches!(&*status.protocol, "" | "TCP")
    };
    listed.is_empty()
        || listed
            .iter()
            .filter(takes)
            .any(|status| status.error.is_none())
}

/// The targets that a Service comes to, with its node ports at `nodes`, and what cannot be one.
/// `inside` says that this program runs in the cluster.
pub(super) fn targets(owner: &Owner, exposed: &Exposed, nodes: &[IpAddr], inside: bool) -> Targets {
    let mut dropped = exposed.dropped.clone();
    let fronts = exposed.fronts.iter().map(|front| {
        let inconclusive = inside && front.bypassed_inside;
        let plaintext = if inconclusive {
            PlaintextRule::Allowed
        } else {
            PlaintextRule::Redirect
        };
        let tls = front.speaks == Speaks::Tls && !inconclusive;
        let mut target = nameless(NAME, owner, &front.address, front.port, tls, plaintext);
        if front.open {
            target.expect.remarks = [open_service()].into();
        }
        target
    });
    let mut targets: Vec<_> = fronts.collect();
    let families = &exposed.families;
    let is_served = |ip: &IpAddr| families.is_empty() || families.iter().any(|f| f.has(*ip));
    let nodes: Vec<_> = nodes.iter().copied().filter(is_served).collect();
    for node_port in &exposed.node_ports {
        if nodes.is_empty() {
            dropped.push(DropReason::NoAddress);
        } else if targets.len() + nodes.len() > TARGETS_PER_OBJECT {
            dropped.push(DropReason::Cap);
        } else {
            let tls = node_port.speaks == Speaks::Tls && node_port.promised;
            targets.extend(nodes.iter().map(|ip| {
                let address = Address::Ip(*ip);
                let plaintext = PlaintextRule::Redirect;
                nameless(NAME, owner, &address, node_port.port, tls, plaintext)
            }));
        }
    }
    let nameless = |reason| Dropped {
        host: Arc::default(),
        reason,
    };
    (targets, dropped.into_iter().map(nameless).collect())
}

#[cfg(test)]
#[path = "service_test.rs"]
mod tests;
