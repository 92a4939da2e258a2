//! The source `apiservice`: the servers of aggregated APIs, such as that of metrics.
//!
//! An `APIService` may tell the API server not to verify (`insecureSkipTLSVerify`): then what is
//! wrong with the certificate is for information, and that nobody verifies is the finding.

use futures::stream::BoxStream;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;

use super::behind::{self, Callee, Kept, ServiceName};
use super::kind::Kind;
use super::watch::Watch;
use super::{Cluster, Context, Source, Start, Update};

pub(super) const SOURCE: Source = Source {
    name: NAME,
    help: "Servers of aggregated APIs (`APIService`), as the API server calls them.",
    access: &[KIND.access(), behind::SERVICES.access()],
    // They are in no namespace: whoever looks at some namespaces does not mean them.
    enabled: |config| config.discovery.has(NAME) && config.namespaces.is_empty(),
    start: Start::Cluster(start),
};

const NAME: &str = "apiservice";

const KIND: Kind = Kind::cluster_scoped::<APIService>();

fn start(context: &Context, cluster: &Cluster) -> BoxStream<'static, Update> {
    let callers = Watch::all(context, cluster, KIND, |_, service| {
        Kept::Caller(callees(&service))
    });
    behind::follow(context, cluster, NAME, callers)
}

/// The server of an API; none where the API server serves it itself (no `spec.service`).
pub(super) fn callees(service: &APIService) -> Vec<Callee> {
    let spec = service.spec.as_ref();
    let callee = spec.and_then(|spec| {
        let named = spec.service.as_ref()?;
        let named = ServiceName {
            namespace: named.namespace.as_deref().unwrap_or_default(),
            name: named.name.as_deref().unwrap_or_default(),
            port: named.port,
        };
        let verified = spec.insecure_skip_tls_verify != Some(true);
        Some(Callee::api(&named, spec.ca_bundle.as_ref(), verified))
    });
    callee.into_iter().collect()
}
