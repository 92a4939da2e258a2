//! The source `node`: each node's kubelet, and the ports that no node may have open.
//!
//! A kubelet's certificate is one that it signed itself, unless the cluster's authority is made to
//! sign it (`serverTLSBootstrap`): then it is judged in full, otherwise for information.

use std::net::IpAddr;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use k8s_openapi::api::core::v1::{Node, NodeAddress};

use super::join::join;
use super::kind::Kind;
use super::object::{Targets, declared};
use super::watch::Watch;
use super::{Cluster, Context, DropReason, Dropped, Source, Start, Update};
use crate::model::{
    Address, ClientAuth, Clients, Expectation, Owner, PlainDoor, PlaintextRule, RootsRef, Row,
    Target, TlsDoor,
};

pub(super) const SOURCE: Source = Source {
    name: NAME,
    help: "Every node's kubelet, and the ports that must be closed on nodes.",
    access: &[KIND.access()],
    // Nodes are in no namespace: whoever looks at some namespaces does not mean them.
    enabled: |config| config.discovery.node && config.namespaces.is_empty(),
    start: Start::Cluster(start),
};

const NAME: &str = "node";

/// Nodes.
pub(super) const KIND: Kind = Kind::cluster_scoped::<Node>();

/// Ports that give whoever asks access to the node or the cluster, and that nothing else is known
/// to use: Docker's API, the kubelet's read-only port, and the scheduler's and the controller
/// manager's ports in clear. (The API server's, 8080, is used by too much else.)
const MUST_BE_CLOSED: [u16; 4] = [2375, 10255, 10251, 10252];

fn start(context: &Context, cluster: &Cluster) -> BoxStream<'static, Update> {
    let watches = Watch::all(context, cluster, KIND, |owner, node| {
        targets(owner, &facts(&node))
    });
    let parts = watches.into_iter().map(Watch::stream);
    join(parts.collect()).map(declared).boxed()
}

/// What of a node matters here.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NodeFacts {
    /// Its addresses inside the cluster's network.
    pub(super) addresses: Vec<IpAddr>,
    /// Whether it takes part.
    pub(super) ready: bool,
    /// Where its kubelet listens, if it says so.
    kubelet: Option<u16>,
}

/// Reads a node: `status.addresses` of the type `InternalIP`, the condition `Ready` and
/// `status.daemonEndpoints.kubeletEndpoint.Port`.
pub(super) fn facts(node: &Node) -> NodeFacts {
    let status = node.status.as_ref();
    let addresses = status.and_then(|status| status.addresses.as_deref());
    let conditions = status.and_then(|status| status.conditions.as_deref());
    let internal = |address: &&NodeAddress| address.type_ == "InternalIP";
    let mut ips: Vec<IpAddr> = Vec::new();
    for address in addresses.unwrap_or_default().iter().filter(internal) {
        match address.address.parse() {
            Ok(ip) if !ips.contains(&ip) => ips.push(ip),
            _ => {}
        }
    }
    let daemons = status.and_then(|status| status.daemon_endpoints.as_ref());
    let kubelet = daemons.and_then(|daemons| daemons.kubelet_endpoint.as_ref());
    NodeFacts {
        addresses: ips,
        ready: (conditions.unwrap_or_default().iter())
            .any(|condition| condition.type_ == "Ready" && condition.status == "True"),
        kubelet: kubelet
            .and_then(|endpoint| u16::try_from(endpoint.port).ok())
            .filter(|port| *port != 0),
    }
}

/// The targets of a node, and what cannot be one.
pub(super) fn targets(owner: &Owner, node: &NodeFacts) -> Targets {
    let kubelet = |ip: &IpAddr| Some(target(owner, *ip, node.kubelet?, true));
    let closed = |ip: &IpAddr| {
        let (owner, ip) = (owner.clone(), *ip);
        MUST_BE_CLOSED.map(move |port| target(&owner, ip, port, false))
    };
    let addresses = node.addresses.iter();
    let targets = addresses.flat_map(|ip| kubelet(ip).into_iter().chain(closed(ip)));
    let missing = node.addresses.is_empty() || node.kubelet.is_none();
    let dropped = missing.then(|| Dropped {
        host: Arc::default(),
        reason: DropReason::NoAddress,
    });
    (targets.collect(), dropped.into_iter().collect())
}

/// A kubelet's port, or one that must be closed.
fn target(owner: &Owner, ip: IpAddr, port: u16, kubelet: bool) -> Target {
    let address = Address::Ip(ip);
    let plain_door = PlainDoor {
        address: address.clone(),
        port,
        host: Arc::default(),
        guarded: false,
    };
    let (plaintext, clients) = if kubelet {
        (PlaintextRule::Forbidden, Clients::Unknown)
    } else {
        (PlaintextRule::Allowed, Clients::Nobody)
    };
    Target {
        row: Row {
            source: NAME,
            namespace: Arc::default(),
            host: Arc::default(),
            port,
            address: ip.to_string().into(),
            name: Arc::clone(&owner.name),
        },
        plaintext: kubelet.then(|| Arc::new(plain_door)).into_iter().collect(),
        tls: Arc::new(TlsDoor {
            address,
            port,
            server_name: None,
            guarded: false,
        }),
        expect: Expectation {
            tls: kubelet,
            name: kubelet.then(|| ip.to_string().into()),
            roots: RootsRef::Cluster,
            plaintext,
            clients,
            client_auth: if kubelet {
                ClientAuth::Requested
            } else {
                ClientAuth::NotRequested
            },
            ..Expectation::default()
        },
        owners: vec![owner.clone()],
    }
}

#[cfg(test)]
#[path = "node_test.rs"]
mod tests;
