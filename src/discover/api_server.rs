//! The source `api_server`: the Kubernetes API server, at the address that clients are given and
//! at every replica.
//!
//! The replicas are those of the `EndpointSlice` `default/kubernetes`, which the API servers keep
//! themselves. Each is asked for [`INTERNAL_NAME`], which every API server's certificate carries,
//! because what pods use must be right on all of them; and for [`LOOPBACK_NAME`], which shows the
//! certificate that it made for its calls to itself when it was started: when that expires, it
//! cannot call itself any more. Besides, the names under which clients know it ([`faces`]).

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::bundle::from_ders;
use super::faces;
use super::host::dns_name;
use super::join::join;
use super::kind::Kind;
use super::object::{Targets, declared};
use super::own_names;
use super::watch::Watch;
use super::{Access, Cluster, Context, Declared, Health, Source, Start, Update};
use crate::model::{
    Address, Clients, Expectation, Owner, PlainDoor, PlaintextRule, RequestPath, Requests,
    RootsRef, RowParts, Target, TlsDoor, Usage,
};

pub(super) const SOURCE: Source = Source {
    name: NAME,
    help: "The API server: the address that clients are given, every replica, and the names under which it is known.",
    access: &[
        Access {
            namespace: Some(NAMESPACE),
            names: &[SLICE],
            ..ENDPOINT_SLICES.access()
        },
        faces::CLUSTER_INFO,
        faces::OPENSHIFT,
        own_names::NODES,
    ],
    enabled: |config| config.discovery.api_server.enabled,
    start: Start::Cluster(start),
};

const NAME: &str = "api_server";

const ENDPOINT_SLICES: Kind = Kind::namespaced::<EndpointSlice>();

/// Where the API servers publish themselves.
const NAMESPACE: &str = "default";

/// The slice that they keep there.
const SLICE: &str = "kubernetes";

/// The Service's name, as pods look it up.
const INTERNAL_NAME: &str = "kubernetes.default.svc";

/// The name by which an API server knows itself (`k8s.io/apiserver/pkg/server`,
/// `LoopbackClientServerNameOverride`): asked for it, it shows a certificate that is in memory
/// alone, valid for three years since Kubernetes 1.33 and for one before.
const LOOPBACK_NAME: &str = "apiserver-loopback-client";

fn start(context: &Context, cluster: &Cluster) -> BoxStream<'static, Update> {
    let replicas = Watch::new(
        cluster,
        ENDPOINT_SLICES,
        Some(NAMESPACE),
        |owner, slice| replicas(owner, &slice),
        context.clock,
    )
    .named(SLICE);
    let info = Watch::new(
        cluster,
        faces::CONFIG_MAPS,
        Some(faces::PUBLIC_NAMESPACE),
        |owner, info| faces::cluster_info(owner, &info),
        context.clock,
    )
    .named(faces::CLUSTER_INFO_NAME);
    let mut parts = vec![
        at_its_address(context, cluster),
        replicas.stream().map(declared).boxed(),
        info.optional().stream().map(declared).boxed(),
    ];
    // In no namespace: Roles in some cannot permit to read it.
    if context.config.namespaces.is_empty() {
        let openshift = Watch::new(
            cluster,
            faces::INFRASTRUCTURES,
            None,
            |owner, infrastructure| faces::openshift(owner, &infrastructure),
            context.clock,
        )
        .named(faces::INFRASTRUCTURE_NAME);
        parts.push(openshift.optional().stream().map(declared).boxed());
    }
    join(parts)
}

/// The address that clients are given, and in a moment, and as it changes, what is known there.
fn at_its_address(context: &Context, cluster: &Cluster) -> BoxStream<'static, Update> {
    let configured = context.config.discovery.api_server.public_names.clone();
    let (clock, cluster) = (context.clock, cluster.clone());
    let first = Update::Listed(vec![given(&cluster, &configured, &[])]);
    let mut known = Vec::new();
    let later = own_names::read(&cluster).flat_map(move |names| {
        let new = names.filter(|names| *names != known);
        let changed = new.map(|names| {
            known = names;
            Update::Changed(given(&cluster, &configured, &known))
        });
        let synced = Update::Health(Health::Synced(clock()));
        stream::iter(changed.into_iter().chain([synced]))
    });
    stream::iter([first]).chain(later).boxed()
}

/// The address that clients are given, the authority that they verify it by, and the names that
/// are configured or its own certificate's.
fn given(cluster: &Cluster, configured: &[(Arc<str>, u16)], own_names: &[Arc<str>]) -> Declared {
    let owner = Owner {
        created: None,
        kind: "Cluster",
        namespace: Arc::default(),
        name: Arc::clone(&cluster.context),
    };
    let address = Address::parse(&cluster.host);
    let name = cluster.tls_server_name.as_deref().unwrap_or(&cluster.host);
    let roots = if cluster.ca.is_empty() {
        RootsRef::Public
    } else {
        RootsRef::Cluster
    };
    let expect = Expectation {
        tls: cluster.https,
        name: Some(dns_name(name).unwrap_or_else(|| Address::parse(name).to_string().into())),
        roots,
        plaintext: PlaintextRule::Forbidden,
        clients: if cluster.skip_verify {
            Clients::Unverifying
        } else {
            Clients::Verifying
        },
        ..Expectation::default()
    };
    let server_name = dns_name(name);
    let own = target(&owner, address, cluster.port, server_name, false, expect);
    let faces = faces::own(&own, &owner, own_names);
    let mut targets = vec![own];
    for face in faces::configured(&owner, configured)
        .into_iter()
        .chain(faces)
    {
        if !targets
            .iter()
            .any(|known| known.row.place() == face.row.place())
        {
            targets.push(face);
        }
    }
    let mut declared = Declared {
        targets,
        ..Declared::nothing(owner, Arc::default())
    };
    if !cluster.ca.is_empty() {
        let read = from_ders("certificate-authority", Usage::ClusterCa, &cluster.ca);
        declared.store(read);
    }
    declared
}

/// Every address and port of the slice.
fn replicas(owner: &Owner, slice: &EndpointSlice) -> Targets {
    let name: Arc<str> = INTERNAL_NAME.into();
    let ports = slice.ports.iter().flatten().filter_map(|port| {
        let tcp = port
            .protocol
            .as_deref()
            .is_none_or(|protocol| protocol == "TCP");
        port.port
            .filter(|_| tcp)
            .and_then(|port| u16::try_from(port).ok())
    });
    let targets = ports.flat_map(|port| {
        let name = &name;
        let addresses = slice
            .endpoints
            .iter()
            .flatten()
            .flat_map(|endpoint| &endpoint.addresses);
        addresses.flat_map(move |address| {
            let address = Address::parse(address);
            let expect = Expectation {
                name: Some(Arc::clone(name)),
                roots: RootsRef::Cluster,
                plaintext: PlaintextRule::Forbidden,
                ..Expectation::default()
            };
            let name = Some(Arc::clone(name));
            [
                target(owner, address.clone(), port, name, false, expect),
                loopback(owner, address, port),
            ]
        })
    });
    (targets.collect(), Vec::new())
}

/// The certificate that an API server shows itself, of which the dates alone count: nobody else
/// verifies it. What else there is to say of the door is said of the replica.
fn loopback(owner: &Owner, address: Address, port: u16) -> Target {
    let expect = Expectation {
        tls: false,
        roots: RootsRef::Any,
        plaintext: PlaintextRule::Allowed,
        ..Expectation::default()
    };
    let name = Some(Arc::from(LOOPBACK_NAME));
    let mut target = target(owner, address, port, name, false, expect);
    target.plaintext.clear();
    Arc::make_mut(&mut target.tls).requests = Requests::Nothing;
    target
}

/// An API server at this address. `guarded` says that the address is not the operator's own word.
///
/// Plaintext is looked for on the TLS port alone: there, an API server refuses it.
pub(super) fn target(
    owner: &Owner,
    address: Address,
    port: u16,
    server_name: Option<Arc<str>>,
    guarded: bool,
    expect: Expectation,
) -> Target {
    let host = server_name.clone().unwrap_or_default();
    Target {
        row: RowParts {
            source: NAME,
            namespace: Arc::clone(&owner.namespace),
            host: Arc::clone(&host),
            port,
            address: address.to_string().into(),
            name: Arc::clone(&owner.name),
        }
        .into(),
        plaintext: vec![Arc::new(PlainDoor {
            address: address.clone(),
            port,
            host,
            path: RequestPath::default(),
            guarded,
        })],
        tls: Arc::new(TlsDoor {
            address,
            port,
            server_name,
            starttls: None,
            guarded,
            requests: Requests::ApiServer,
        }),
        expect,
        owners: vec![owner.clone()],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn an_ip_address_is_dialled_without_a_server_name_and_must_be_in_the_certificate() {
        let cluster = Cluster::for_tests("https://[2001:db8::1]:6443");
        let target = &given(&cluster, &[], &[]).targets[0];
        assert_eq!(&*target.row.address, "2001:db8::1");
        assert_eq!((&*target.row.host, target.row.port), ("", 6443));
        assert_eq!(&*target.row.name, "test");
        assert_eq!(target.tls.server_name, None);
        assert_eq!(target.expect.name.as_deref(), Some("2001:db8::1"));
        assert!(target.expect.tls && !target.tls.guarded);
    }

    #[tokio::test]
    async fn a_name_is_asked_for_and_a_tls_server_name_takes_its_place() {
        let mut cluster = Cluster::for_tests("https://API.example.com");
        let target = given(&cluster, &[], &[]).targets.remove(0);
        assert_eq!(
            (&*target.row.host, target.row.port),
            ("api.example.com", 443)
        );
        assert_eq!(target.tls.server_name.as_deref(), Some("api.example.com"));

        cluster.tls_server_name = Some("kubernetes".into());
        let target = given(&cluster, &[], &[]).targets.remove(0);
        assert_eq!(&*target.row.host, "kubernetes");
        assert_eq!(&*target.row.address, "api.example.com");
        assert_eq!(target.expect.name.as_deref(), Some("kubernetes"));
    }

    #[tokio::test]
    async fn without_a_ca_in_the_kubeconfig_the_systems_roots_are_expected() {
        let mut cluster = Cluster::for_tests("https://api.example.com");
        assert_eq!(
            given(&cluster, &[], &[]).targets[0].expect.roots,
            RootsRef::Public
        );
        cluster.ca = vec![vec![0].into()];
        assert_eq!(
            given(&cluster, &[], &[]).targets[0].expect.roots,
            RootsRef::Cluster
        );
    }

    #[tokio::test]
    async fn a_kubeconfig_that_skips_verification_says_so_of_its_server() {
        let mut cluster = Cluster::for_tests("https://api.example.com");
        let clients = |cluster: &Cluster| given(cluster, &[], &[]).targets[0].expect.clients;
        assert_eq!(clients(&cluster), Clients::Verifying);
        cluster.skip_verify = true;
        assert_eq!(clients(&cluster), Clients::Unverifying);
    }

    #[tokio::test]
    async fn names_of_its_own_certificate_are_asked_for_at_its_own_address() {
        let mut cluster = Cluster::for_tests("https://10.96.0.1");
        cluster.ca = vec![vec![0].into()];
        let own = ["api.example.com".into(), "api.example.net".into()];
        let targets = given(&cluster, &[], &own).targets;
        let asked: Vec<_> = (targets.iter())
            .map(|target| (&*target.row.host, &*target.row.address, target.tls.guarded))
            .collect();
        assert_eq!(
            asked,
            [
                ("", "10.96.0.1", false),
                ("api.example.com", "10.96.0.1", false),
                ("api.example.net", "10.96.0.1", false)
            ]
        );
        assert_eq!(targets[0].expect.roots, RootsRef::Cluster);
        assert_eq!(targets[1].expect.roots, RootsRef::PublicOrCluster);
        assert_eq!(targets[1].expect.name.as_deref(), Some("api.example.com"));
        assert_eq!(
            targets[1].tls.server_name.as_deref(),
            Some("api.example.com")
        );

        // Its own address stays what it is.
        let cluster = Cluster::for_tests("https://api.example.com");
        let targets = given(&cluster, &[("api.example.com".into(), 443)], &own).targets;
        assert_eq!(targets.len(), 2);
        assert_eq!(targets[0].expect.roots, RootsRef::Public);
    }

    #[tokio::test]
    async fn a_plain_http_address_declares_no_tls() {
        let cluster = Cluster::for_tests("http://127.0.0.1:8001");
        assert!(!given(&cluster, &[], &[]).targets[0].expect.tls);
    }

    #[test]
    fn every_replica_is_asked_for_the_name_that_pods_use() {
        let slice = serde_json::from_value(json!({
            "metadata": {"name": "kubernetes", "namespace": "default"},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["192.0.2.1"]}, {"addresses": ["192.0.2.2"]}],
            "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}],
        }))
        .unwrap();
        let owner = Owner {
            created: None,
            kind: "EndpointSlice",
            namespace: "default".into(),
            name: "kubernetes".into(),
        };
        let (targets, dropped) = replicas(&owner, &slice);
        let addresses: Vec<_> = targets
            .iter()
            .map(|t| (&*t.row.address, t.row.port))
            .collect();
        let (one, two) = (("192.0.2.1", 6443), ("192.0.2.2", 6443));
        assert_eq!(addresses, [one, one, two, two]);
        let is_loopback = |target: &&Target| &*target.row.host == LOOPBACK_NAME;
        let (loopbacks, replicas): (Vec<_>, Vec<_>) = targets.iter().partition(is_loopback);
        for target in loopbacks {
            assert_eq!(target.tls.server_name.as_deref(), Some(LOOPBACK_NAME));
            assert_eq!(
                (&target.expect.name, &target.expect.roots),
                (&None, &RootsRef::Any)
            );
            assert!(!target.expect.tls && target.plaintext.is_empty());
        }
        for target in replicas {
            assert_eq!(
                target.tls.server_name.as_deref(),
                Some("kubernetes.default.svc")
            );
            assert_eq!(
                target.expect.name.as_deref(),
                Some("kubernetes.default.svc")
            );
            assert_eq!(target.expect.roots, RootsRef::Cluster);
            assert_eq!(
                (&*target.row.namespace, &*target.row.name),
                ("default", "kubernetes")
            );
            assert_eq!(target.plaintext.len(), 1);
        }
        assert_eq!(dropped, []);
    }
}
