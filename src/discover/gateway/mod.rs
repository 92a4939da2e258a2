//! The source `gateway`: the hosts of Gateway API (`gateway.networking.k8s.io`).
//!
//! A Gateway has addresses and listeners, a `ListenerSet` has more listeners for it, and routes name
//! hosts and the listeners that serve them. Each host is dialled at the addresses that the
//! controller published in the Gateway's status, never at what DNS says of it. A row belongs to the
//! Gateway or set that has the listener; its routes are owners, too.
//!
//! What is known of the several kinds is joined in `index`; what comes of it is worked out in
//! `targets`. All that is known of acceptance comes from the controller's conditions, so that no
//! rule about other namespaces is judged twice.

mod hostname;
mod index;
mod kept;
mod spec;
mod targets;

use futures::stream::BoxStream;

use super::index::indexed;
use super::kind::Kind;
use super::watch::Watch;
use super::{Cluster, Context, Object, Source, Start, Update};
use index::Gateways;
use kept::Kept;

pub(super) const SOURCE: Source = Source {
    name: NAME,
    help: "Hosts of Gateway API's routes and listeners, at the addresses of their Gateway.",
    access: &[
        GATEWAYS.access(),
        LISTENER_SETS.access(),
        X_LISTENER_SETS.access(),
        HTTP_ROUTES.access(),
        GRPC_ROUTES.access(),
        TLS_ROUTES.access(),
        POLICIES.access(),
    ],
    enabled: |config| config.discovery.has(NAME),
    start: Start::Cluster(start),
};

const NAME: &str = "gateway";

const GROUP: &str = "gateway.networking.k8s.io";

/// The group of what was experimental when it was first installed.
const X_GROUP: &str = "gateway.networking.x-k8s.io";

const GATEWAYS: Kind = Kind::custom(GROUP, "Gateway", "gateways", &["v1", "v1beta1"]);
const LISTENER_SETS: Kind = Kind::custom(GROUP, "ListenerSet", "listenersets", &["v1"]);
/// What sets were before v1.5.
const X_LISTENER_SETS: Kind = Kind::custom(X_GROUP, "XListenerSet", "xlistenersets", &["v1alpha1"]);
const HTTP_ROUTES: Kind = Kind::custom(GROUP, "HTTPRoute", "httproutes", &["v1", "v1beta1"]);
const GRPC_ROUTES: Kind = Kind::custom(GROUP, "GRPCRoute", "grpcroutes", &["v1", "v1alpha2"]);
const TLS_ROUTES: Kind = Kind::custom(
    GROUP,
    "TLSRoute",
    "tlsroutes",
    &["v1", "v1alpha3", "v1alpha2"],
);

/// What has a back end spoken to in TLS. With v1alpha2, which names one Service alone.
const POLICIES: Kind = Kind::custom(
    GROUP,
    "BackendTLSPolicy",
    "backendtlspolicies",
    &["v1", "v1alpha3", "v1alpha2"],
);

fn start(context: &Context, cluster: &Cluster) -> BoxStream<'static, Update> {
    let mut parts = streams(Watch::all(context, cluster, GATEWAYS, Kept::gateway));
    for kind in [LISTENER_SETS, X_LISTENER_SETS] {
        parts.extend(streams(Watch::all(context, cluster, kind, Kept::set)));
    }
    for kind in [HTTP_ROUTES, GRPC_ROUTES, TLS_ROUTES] {
        parts.extend(streams(Watch::all(context, cluster, kind, Kept::route)));
    }
    let policies = Watch::all(context, cluster, POLICIES, Kept::policy);
    let namespaces = policies.iter().map(Watch::namespace);
    let namespaces = namespaces.zip(parts.len()..).collect();
    parts.extend(streams(policies.into_iter().map(Watch::optional).collect()));
    indexed(Gateways::new(namespaces), parts)
}

type Part = BoxStream<'static, Update<Object<Kept>>>;

fn streams<K>(watches: Vec<Watch<K, Kept>>) -> Vec<Part>
where
    K: serde::de::DeserializeOwned + Send + 'static,
{
    watches.into_iter().map(Watch::stream).collect()
}

#[cfg(test)]
mod tests;
