//! The API server's public faces: names under which clients outside the cluster know it, besides
//! the address of the kubeconfig.
//!
//! They are in the `ConfigMap` `kube-public/cluster-info`, by which kubeadm lets nodes join, in
//! `OpenShift`'s `Infrastructure`, in its own certificate ([`own_names`]), and in the configuration
//! (`public_names`). Whoever is given the
//! cluster's authority verifies by that, everybody else by the system's roots, and the names that
//! an API server has certificates of its own for (`--tls-sni-cert-key`) are there for these: so
//! either will do, and `kube_https_certificate_trust_info` says which it is. With `cluster-info`
//! comes the authority that it is verified by.
//!
//! What `cluster-info` names is meant for nodes, whose names a pod may not be able to look up: that
//! it is not reached is no finding.

use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;

use super::api_server::target;
use super::host::{dialled, dns_name};
use super::kind::Kind;
use super::object::Targets;
#[cfg(doc)]
use super::own_names;
use super::{Access, DropReason, Dropped, yaml};
use crate::model::{Address, Clients, Expectation, Owner, PlaintextRule, RootsRef, Target};

/// Where kubeadm publishes the cluster's address, for everybody to read.
pub(super) const CLUSTER_INFO: Access = Access {
    namespace: Some(PUBLIC_NAMESPACE),
    names: &[CLUSTER_INFO_NAME],
    ..CONFIG_MAPS.access()
};

pub(super) const CONFIG_MAPS: Kind = Kind::namespaced::<ConfigMap>();

/// The namespace of what everybody may read. Every API server makes it.
pub(super) const PUBLIC_NAMESPACE: &str = "kube-public";

pub(super) const CLUSTER_INFO_NAME: &str = "cluster-info";

/// Its only entry (`k8s.io/cluster-bootstrap`), beside signatures.
const KUBECONFIG: &str = "kubeconfig";

/// `OpenShift`'s own account of the cluster.
pub(super) const OPENSHIFT: Access = Access {
    names: &[INFRASTRUCTURE_NAME],
    ..INFRASTRUCTURES.access()
};

pub(super) const INFRASTRUCTURES: Kind = Kind {
    cluster_scoped: true,
    ..Kind::custom(
        "config.openshift.io",
        "Infrastructure",
        "infrastructures",
        &["v1"],
    )
};

/// There is one.
pub(super) const INFRASTRUCTURE_NAME: &str = "cluster";

/// The port of an `https` URL that has none (RFC 9110 section 4.2.2).
const HTTPS: u16 = 443;

/// A face: where it is, and the name that its certificate must carry.
struct Face {
    address: Address,
    port: u16,
    name: Arc<str>,
}

impl Face {
    /// Of a URL, where it is an `https` one of something that can be dialled.
    fn of(url: &str) -> Option<Self> {
        let url: axum::http::Uri = url.parse().ok()?;
        if url.scheme_str() != Some("https") {
            return None;
        }
        let address = dialled(url.host()?)?;
        Some(Self {
            name: address.to_string().into(),
            address,
            port: url.port_u16().unwrap_or(HTTPS),
        })
    }

    fn target(self, owner: &Owner, roots: RootsRef, clients: Clients, expected: bool) -> Target {
        let server_name = dns_name(&self.name);
        let expect = Expectation {
            tls: expected,
            name: Some(self.name),
            roots,
            plaintext: PlaintextRule::Forbidden,
            clients,
            ..Expectation::default()
        };
        target(owner, self.address, self.port, server_name, true, expect)
    }
}

/// The names that the configuration gives.
pub(super) fn configured(owner: &Owner, names: &[(Arc<str>, u16)]) -> Vec<Target> {
    let face = |(name, port): &(Arc<str>, u16)| {
        let face = Face {
            address: Address::parse(name),
            port: *port,
            name: Arc::clone(name),
        };
        face.target(owner, RootsRef::PublicOrCluster, Clients::Verifying, true)
    };
    names.iter().map(face).collect()
}

/// The names of its own certificate, at the address that it showed that at: what it shows to whoever
/// asks by one of them. The address is as good a one as the kubeconfig's.
pub(super) fn own(at: &Target, owner: &Owner, names: &[Arc<str>]) -> Vec<Target> {
    let face = |name: &Arc<str>| {
        let expect = Expectation {
            tls: true,
            name: Some(Arc::clone(name)),
            roots: RootsRef::PublicOrCluster,
            ..at.expect.clone()
        };
        let (address, name) = (at.tls.address.clone(), Some(Arc::clone(name)));
        target(owner, address, at.row.port, name, at.tls.guarded, expect)
    };
    names.iter().map(face).collect()
}

/// What of a kubeconfig is read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Kubeconfig {
    clusters: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    cluster: Entry,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Entry {
    server: String,
    tls_server_name: Option<String>,
    certificate_authority_data: Option<ByteString>,
    insecure_skip_tls_verify: bool,
}

/// The servers of `cluster-info`.
pub(super) fn cluster_info(owner: &Owner, written: &ConfigMap) -> Targets {
    let text = written.data.as_ref().and_then(|data| data.get(KUBECONFIG));
    let Some(text) = text else {
        return (Vec::new(), Vec::new());
    };
    let Ok(kubeconfig) = yaml::read::<Kubeconfig>(text) else {
        return (Vec::new(), vec![unusable()]);
    };
    let (mut targets, mut dropped) = (Vec::new(), Vec::new());
    for Named { cluster } in kubeconfig.clusters {
        match Face::of(&cluster.server) {
            Some(face) => targets.push(joined(owner, face, cluster)),
            None => dropped.push(unusable()),
        }
    }
    (targets, dropped)
}

/// As who joins connects.
fn joined(owner: &Owner, mut face: Face, cluster: Entry) -> Target {
    if let Some(name) = cluster.tls_server_name.as_deref().and_then(dns_name) {
        face.name = name;
    }
    let clients = if cluster.insecure_skip_tls_verify {
        Clients::Unverifying
    } else {
        Clients::Verifying
    };
    let roots = match cluster.certificate_authority_data {
        Some(ByteString(pem)) if !pem.is_empty() => {
            let ders = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
            RootsRef::Given(ders.map(|der| Box::from(&*der)).collect())
        }
        _ => RootsRef::Public,
    };
    face.target(owner, roots, clients, false)
}

/// What of an `Infrastructure` is read.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Infrastructure {
    status: InfrastructureStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InfrastructureStatus {
    #[serde(rename = "apiServerURL")]
    public: String,
    #[serde(rename = "apiServerInternalURI")]
    internal: String,
}

/// The public address of `OpenShift`'s API server, and that of its nodes.
pub(super) fn openshift(owner: &Owner, written: &Infrastructure) -> Targets {
    let (mut targets, mut dropped) = (Vec::new(), Vec::new());
    let status = &written.status;
    let faces = [
        (&status.public, RootsRef::PublicOrCluster),
        (&status.internal, RootsRef::Cluster),
    ];
    for (url, roots) in faces.into_iter().filter(|(url, _)| !url.is_empty()) {
        match Face::of(url) {
            Some(face) => targets.push(face.target(owner, roots, Clients::Verifying, true)),
            None => dropped.push(unusable()),
        }
    }
    (targets, dropped)
}

fn unusable() -> Dropped {
    Dropped {
        host: Arc::default(),
        reason: DropReason::Unsupported,
    }
}

#[cfg(test)]
#[path = "faces_test.rs"]
mod tests;
