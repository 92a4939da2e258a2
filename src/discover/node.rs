//! The source `node`: each node's kubelet, and the ports that no node may have open.
//!
//! A kubelet's certificate is one that it signed itself, unless the cluster's authority is made to
//! sign it (`serverTLSBootstrap`): then it is judged in full, otherwise for information.
//!
//! On nodes of the control plane, the scheduler, the controller manager and etcd are looked at too.
//! Where they listen on loopback alone, as kubeadm has the first two, that they do not answer is
//! as it should be: it is no finding. Etcd asks for a client's certificate, after it has shown its
//! own, which an authority of its own has signed: its dates alone are judged.

use std::net::IpAddr;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use k8s_openapi::api::core::v1::{Node, NodeAddress};

use super::demands::demanded_at;
use super::join::join;
use super::kind::Kind;
use super::object::{Targets, declared};
use super::watch::Watch;
use super::{Cluster, Context, DropReason, Dropped, Source, Start, Update};
use crate::model::{
    Address, ClientAuth, Clients, Expectation, Owner, PlainDoor, PlaintextRule, RequestPath,
    Requests, RootsRef, RowParts, Target, TlsDoor,
};

pub(super) const SOURCE: Source = Source {
    name: NAME,
    help: "Every node's kubelet, the control plane's components on its nodes, and the ports that must be closed on nodes.",
    access: &[KIND.access()],
    // Nodes are in no namespace: whoever looks at some namespaces does not mean them.
    enabled: |config| config.discovery.has(NAME) && config.namespaces.is_empty(),
    start: Start::Cluster(start),
};

const NAME: &str = "node";

/// Nodes.
pub(super) const KIND: Kind = Kind::cluster_scoped::<Node>();

/// Ports that give whoever asks access to the node or the cluster, and that nothing else is known
/// to use: Docker's API, the kubelet's read-only port, and the scheduler's and the controller
/// manager's ports in clear.
const MUST_BE_CLOSED: [u16; 4] = [2375, 10255, 10251, 10252];

/// What must be closed besides on nodes of the control plane: the API server's port in clear, which
/// asks nobody who they are (`--insecure-port`, gone since Kubernetes 1.20). On other nodes, too
/// much else uses it.
const INSECURE_API: u16 = 8080;

/// Labels of nodes of the control plane: that of kubeadm since Kubernetes 1.20, and before.
const CONTROL_PLANE: [&str; 2] = [
    "node-role.kubernetes.io/control-plane",
    "node-role.kubernetes.io/master",
];

/// A component that may listen at a node's address.
struct Component {
    port: u16,
    /// Who connects to it.
    clients: Clients,
}

/// The controller manager and the scheduler make their certificates themselves, anew at each
/// start, and nobody verifies them; etcd is verified by API servers (2379) and by its peers (2380).
const COMPONENTS: [Component; 4] = [
    Component {
        port: 10_257,
        clients: Clients::Unknown,
    },
    Component {
        port: 10_259,
        clients: Clients::Unknown,
    },
    Component {
        port: 2379,
        clients: Clients::Verifying,
    },
    Component {
        port: 2380,
        clients: Clients::Verifying,
    },
];

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
    /// Whether it has a part of the control plane.
    control_plane: bool,
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
        control_plane: (node.metadata.labels.iter().flatten())
            .any(|(label, _)| CONTROL_PLANE.contains(&label.as_str())),
    }
}

/// The targets of a node, and what cannot be one.
pub(super) fn targets(owner: &Owner, node: &NodeFacts) -> Targets {
    let addresses = node.addresses.iter();
    let targets = addresses.flat_map(|ip| at(owner, *ip, node));
    let missing = node.addresses.is_empty() || node.kubelet.is_none();
    let dropped = missing.then(|| Dropped {
        host: Arc::default(),
        reason: DropReason::NoAddress,
    });
    (targets.collect(), dropped.into_iter().collect())
}

/// The targets at one address of a node.
fn at(owner: &Owner, ip: IpAddr, node: &NodeFacts) -> Vec<Target> {
    let kubelet = node.kubelet.map(|port| kubelet(owner, ip, port));
    let in_clear = node.control_plane.then_some(INSECURE_API);
    let closed = MUST_BE_CLOSED.into_iter().chain(in_clear);
    let closed = closed.map(|port| closed_port(owner, ip, port));
    let components = COMPONENTS.iter().filter(|_| node.control_plane);
    let components = components.map(|component| component.target(owner, ip));
    kubelet
        .into_iter()
        .chain(closed)
        .chain(components)
        .collect()
}

fn kubelet(owner: &Owner, ip: IpAddr, port: u16) -> Target {
    let expect = Expectation {
        name: Some(ip.to_string().into()),
        roots: RootsRef::Cluster,
        plaintext: PlaintextRule::Forbidden,
        clients: Clients::Unknown,
        client_auth: ClientAuth::Requested,
        ..Expectation::default()
    };
    let mut target = target(owner, ip, port, expect);
    Arc::make_mut(&mut target.tls).requests = Requests::Kubelet;
    target
}

fn closed_port(owner: &Owner, ip: IpAddr, port: u16) -> Target {
    let expect = Expectation {
        tls: false,
        roots: RootsRef::Cluster,
        plaintext: PlaintextRule::Allowed,
        clients: Clients::Nobody,
        ..Expectation::default()
    };
    target(owner, ip, port, expect)
}

impl Component {
    fn target(&self, owner: &Owner, ip: IpAddr) -> Target {
        let expect = Expectation {
            tls: false,
            roots: RootsRef::Any,
            plaintext: PlaintextRule::Forbidden,
            clients: self.clients,
            client_auth: demanded_at(self.port),
            ..Expectation::default()
        };
        target(owner, ip, self.port, expect)
    }
}

/// Plaintext is looked for on the very port, if at all.
fn target(owner: &Owner, ip: IpAddr, port: u16, expect: Expectation) -> Target {
    let looked_for = expect.plaintext != PlaintextRule::Allowed;
    let address = Address::Ip(ip);
    let plain_door = PlainDoor {
        address: address.clone(),
        port,
        host: Arc::default(),
        path: RequestPath::default(),
        guarded: false,
    };
    Target {
        row: RowParts {
            source: NAME,
            namespace: Arc::default(),
            host: Arc::default(),
            port,
            address: ip.to_string().into(),
            name: Arc::clone(&owner.name),
        }
        .into(),
        plaintext: looked_for
            .then(|| Arc::new(plain_door))
            .into_iter()
            .collect(),
        tls: Arc::new(TlsDoor {
            address,
            port,
            server_name: None,
            starttls: None,
            guarded: false,
            requests: Requests::Nothing,
        }),
        expect,
        owners: vec![owner.clone()],
    }
}

#[cfg(test)]
#[path = "node_test.rs"]
mod tests;
