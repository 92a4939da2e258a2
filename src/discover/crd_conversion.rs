//! The source `crd_conversion`: the servers that convert custom resources between versions.
//!
//! Definitions are the largest objects of most clusters, for the schemas that they carry: they are
//! read in small pages, and nothing is kept of one that has no webhook.

use futures::stream::BoxStream;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceConversion, CustomResourceDefinition,
};
use serde::Deserialize;

use super::behind::{self, CA_BUNDLE, Callee, Kept, ServiceName};
use super::kind::Kind;
use super::watch::Watch;
use super::{Cluster, Context, Source, Start, Update};

pub(super) const SOURCE: Source = Source {
    name: NAME,
    help: "Servers of webhooks that convert custom resources, as the API server calls them.",
    access: &[KIND.access(), behind::SERVICES.access()],
    // Definitions are in no namespace: whoever looks at some namespaces does not mean them.
    enabled: |config| config.discovery.has(NAME) && config.namespaces.is_empty(),
    start: Start::Cluster(start),
};

const NAME: &str = "crd_conversion";

const KIND: Kind = Kind::cluster_scoped::<CustomResourceDefinition>();

/// Definitions in one page: at up to 1.5 MiB each (etcd's limit for a request), and some 50 kB for
/// most, a page stays below what a page of any other kind may come to.
const PAGE_OBJECTS: u32 = 20;

fn start(context: &Context, cluster: &Cluster) -> BoxStream<'static, Update> {
    let callers = Watch::all(context, cluster, KIND, |_, definition| {
        Kept::Caller(callees(&definition))
    });
    let callers = callers.into_iter().map(|watch| watch.paged(PAGE_OBJECTS));
    behind::follow(context, cluster, NAME, callers.collect())
}

/// What of a definition is read.
#[derive(Deserialize)]
pub(super) struct Definition {
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    conversion: Option<CustomResourceConversion>,
}

/// The server that converts a definition's objects, if any does.
pub(super) fn callees(definition: &Definition) -> Vec<Callee> {
    let webhook = definition.spec.conversion.as_ref();
    let webhook = webhook.and_then(|conversion| conversion.webhook.as_ref());
    let config = webhook.and_then(|webhook| webhook.client_config.as_ref());
    let callee = config.map(|config| {
        let service = config.service.as_ref().map(|service| ServiceName {
            namespace: &service.namespace,
            name: &service.name,
            port: service.port,
        });
        let (url, bundle) = (config.url.as_deref(), config.ca_bundle.as_ref());
        Callee::webhook(CA_BUNDLE, service, url, bundle)
    });
    callee.into_iter().collect()
}
