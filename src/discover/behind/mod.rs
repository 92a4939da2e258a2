//! The servers behind the API server: those that it calls to admit, to convert and to serve
//! objects.
//!
//! Each is asked as the API server asks it (`k8s.io/apiserver/pkg/util/proxy.ResolveCluster`): a
//! Service at its cluster IP address, for the name `<service>.<namespace>.svc`, which must be in
//! the certificate; the chain must lead to the `caBundle` of the object that names the server or,
//! where that is empty, to the system's roots. These are this program's; the API server's may be
//! others.
//!
//! Several objects may name one server, each with a bundle of its own, and the API server fails
//! for some of them alone: each object has rows of its own, which share the door.
//!
//! From outside the cluster, a cluster IP address may lead nowhere: what is not reached is no
//! finding then.

mod callee;
mod index;
mod service;

use std::sync::Arc;

use futures::stream::BoxStream;
use k8s_openapi::api::core::v1::Service;
use serde::de::DeserializeOwned;

use super::index::indexed;
use super::kind::Kind;
use super::watch::Watch;
use super::{Cluster, Context, Update};

pub(super) use callee::{CA_BUNDLE, Callee, ServiceName};
use index::Callers;
use service::Front;

/// Services: where cluster IP addresses are.
pub(super) const SERVICES: Kind = Kind::namespaced::<Service>();

/// What is kept of an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kept {
    /// Of an object that names servers: those.
    Caller(Vec<Callee>),
    /// Of a Service.
    Service(Front),
}

/// Follows `callers`, the objects that name servers, together with all Services, for `source`.
pub(super) fn follow<K: DeserializeOwned + Send + 'static>(
    context: &Context,
    cluster: &Cluster,
    source: &'static str,
    callers: Vec<Watch<K, Kept>>,
) -> BoxStream<'static, Update> {
    let services = Watch::all(context, cluster, SERVICES, |_, service| {
        Kept::Service(Front::of(&service))
    });
    let services = services.into_iter().map(Watch::stream);
    let parts = callers.into_iter().map(Watch::stream).chain(services);
    indexed(Callers::new(source, cluster.inside), parts.collect())
}

/// A Service, by namespace and name.
type ServiceKey = (Arc<str>, Arc<str>);

#[cfg(test)]
mod tests;
