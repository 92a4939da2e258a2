//! The source `authority`: the certificate authorities that the cluster itself publishes.
//!
//! The API server keeps what it verifies its clients by, and those who speak for others, in a
//! `ConfigMap` that extension API servers read; it holds no secret. `ClusterTrustBundle`s are what
//! pods get roots from; every service account may read them. (The authority of the API server's own
//! certificate comes with the connection: see `api_server`.)

use futures::StreamExt;
use futures::stream::BoxStream;
use k8s_openapi::api::core::v1::ConfigMap;
use serde::Deserialize;

use super::bundle::{Bundles, from_pem};
use super::join::join;
use super::kind::Kind;
use super::object::declared;
use super::watch::Watch;
use super::{Access, Cluster, Context, Source, Start, Update};
use crate::model::Usage;

pub(super) const SOURCE: Source = Source {
    name: NAME,
    help: "The certificate authorities that the cluster publishes, and `ClusterTrustBundle`s: when they expire.",
    access: &[
        Access {
            namespace: Some(NAMESPACE),
            names: &[CONFIG_MAP],
            ..CONFIG_MAPS.access()
        },
        BUNDLES.access(),
    ],
    enabled: |config| config.discovery.has(NAME),
    start: Start::Cluster(start),
};

const NAME: &str = "authority";

const CONFIG_MAPS: Kind = Kind::namespaced::<ConfigMap>();

/// Where the API server publishes its authorities (`pkg/controlplane/controller/clusterauthenticationtrust`).
const NAMESPACE: &str = "kube-system";

/// See [`NAMESPACE`].
const CONFIG_MAP: &str = "extension-apiserver-authentication";

/// Beta from Kubernetes 1.33 on, and stable from 1.37 on.
const BUNDLES: Kind = Kind {
    cluster_scoped: true,
    ..Kind::custom(
        "certificates.k8s.io",
        "ClusterTrustBundle",
        "clustertrustbundles",
        &["v1", "v1beta1", "v1alpha1"],
    )
};

/// What is read of a `ClusterTrustBundle`.
#[derive(Deserialize)]
struct ClusterTrustBundle {
    spec: BundleSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BundleSpec {
    trust_bundle: String,
}

fn start(context: &Context, cluster: &Cluster) -> BoxStream<'static, Update> {
    let published = Watch::new(
        cluster,
        CONFIG_MAPS,
        Some(NAMESPACE),
        |_, published| published_by_the_api_server(&published),
        context.clock,
    );
    let bundles = Watch::new(
        cluster,
        BUNDLES,
        None,
        |_, bundle: ClusterTrustBundle| trust_bundle(&bundle),
        context.clock,
    );
    let published = published.named(CONFIG_MAP).optional().stream();
    let bundles = bundles.optional().stream();
    join(vec![published, bundles]).map(declared).boxed()
}

/// An API server that knows no such clients publishes no such authority.
fn published_by_the_api_server(published: &ConfigMap) -> Bundles {
    let keys = [
        ("client-ca-file", Usage::ClusterCa),
        ("requestheader-client-ca-file", Usage::FrontProxyCa),
    ];
    let data = published.data.iter();
    let found = keys.into_iter().filter_map(|(key, usage)| {
        let pem = data.clone().find_map(|data| data.get(key))?;
        Some(from_pem(key, usage, pem.as_bytes()))
    });
    Bundles(found.collect())
}

fn trust_bundle(bundle: &ClusterTrustBundle) -> Bundles {
    let pem = bundle.spec.trust_bundle.as_bytes();
    Bundles(vec![from_pem("trustBundle", Usage::CaBundle, pem)])
}

#[cfg(test)]
#[path = "authority_test.rs"]
mod tests;
