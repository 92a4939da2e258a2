//! The source `api_server`: the Kubernetes API server, at the address that clients are given and
//! at every replica.
//!
//! The replicas are those of the `EndpointSlice` `default/kubernetes`, which the API servers keep
//! themselves. Each is asked for [`INTERNAL_NAME`], which every API server's certificate carries,
//! because what pods use must be right on all of them.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::bundle::from_ders;
use super::host::dns_name;
use super::join::join;
use super::kind::Kind;
use super::object::{Targets, declared};
use super::watch::Watch;
use super::{Access, Cluster, Context, Declared, Health, Source, Start, Update};
use crate::model::{
    Address, Expectation, Owner, PlainDoor, PlaintextRule, RootsRef, Row, Target, TlsDoor, Usage,
};

pub(super) const SOURCE: Source = Source {
    name: NAME,
    help: "The API server: the address that clients are given, and every replica.",
    access: &[Access {
        namespace: Some(NAMESPACE),
        names: &[SLICE],
        ..ENDPOINT_SLICES.access()
    }],
    enabled: |config| config.discovery.api_server,
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

fn start(context: &Context, cluster: &Cluster) -> BoxStream<'static, Update> {
    let synced = Health::Synced((context.clock)());
    let address = [Update::Listed(vec![given(cluster)]), Update::Health(synced)];
    let replicas = Watch::new(
        cluster,
        ENDPOINT_SLICES,
        Some(NAMESPACE),
        |owner, slice| replicas(owner, &slice),
        context.clock,
    )
    .named(SLICE);
    join(vec![
        stream::iter(address).boxed(),
        replicas.stream().map(declared).boxed(),
    ])
}

/// The address that clients are given, and the authority that they verify it by.
fn given(cluster: &Cluster) -> Declared {
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
        ..Expectation::default()
    };
    let mut declared = Declared {
        targets: vec![target(
            &owner,
            address,
            cluster.port,
            dns_name(name),
            expect,
        )],
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
        addresses.map(move |address| {
            let expect = Expectation {
                tls: true,
                name: Some(Arc::clone(name)),
                roots: RootsRef::Cluster,
                plaintext: PlaintextRule::Forbidden,
                ..Expectation::default()
            };
            target(
                owner,
                Address::parse(address),
                port,
                Some(Arc::clone(name)),
                expect,
            )
        })
    });
    (targets.collect(), Vec::new())
}

/// An API server at this address.
///
/// Plaintext is looked for on the TLS port alone: there, an API server refuses it.
pub(super) fn target(
    owner: &Owner,
    address: Address,
    port: u16,
    server_name: Option<Arc<str>>,
    expect: Expectation,
) -> Target {
    let host = server_name.clone().unwrap_or_default();
    Target {
        row: Row {
            source: NAME,
            namespace: Arc::clone(&owner.namespace),
            host: Arc::clone(&host),
            port,
            address: address.to_string().into(),
            name: Arc::clone(&owner.name),
        },
        plaintext: vec![Arc::new(PlainDoor {
            address: address.clone(),
            port,
            host,
            guarded: false,
        })],
        tls: Arc::new(TlsDoor {
            address,
            port,
            server_name,
            guarded: false,
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
        let target = &given(&cluster).targets[0];
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
        let target = given(&cluster).targets.remove(0);
        assert_eq!(
            (&*target.row.host, target.row.port),
            ("api.example.com", 443)
        );
        assert_eq!(target.tls.server_name.as_deref(), Some("api.example.com"));

        cluster.tls_server_name = Some("kubernetes".into());
        let target = given(&cluster).targets.remove(0);
        assert_eq!(&*target.row.host, "kubernetes");
        assert_eq!(&*target.row.address, "api.example.com");
        assert_eq!(target.expect.name.as_deref(), Some("kubernetes"));
    }

    #[tokio::test]
    async fn without_a_ca_in_the_kubeconfig_the_systems_roots_are_expected() {
        let mut cluster = Cluster::for_tests("https://api.example.com");
        assert_eq!(given(&cluster).targets[0].expect.roots, RootsRef::Public);
        cluster.ca = vec![vec![0].into()];
        assert_eq!(given(&cluster).targets[0].expect.roots, RootsRef::Cluster);
    }

    #[tokio::test]
    async fn a_plain_http_address_declares_no_tls() {
        let cluster = Cluster::for_tests("http://127.0.0.1:8001");
        assert!(!given(&cluster).targets[0].expect.tls);
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
        assert_eq!(addresses, [("192.0.2.1", 6443), ("192.0.2.2", 6443)]);
        for target in &targets {
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
