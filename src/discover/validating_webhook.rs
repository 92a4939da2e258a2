//! The source `validating_webhook`: the servers of admission webhooks that check objects.

use futures::stream::BoxStream;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;

use super::behind::{self, Callee, Kept};
use super::kind::Kind;
use super::watch::Watch;
use super::{Cluster, Context, Source, Start, Update};

pub(super) const SOURCE: Source = Source {
    name: NAME,
    help: "Servers of webhooks that check objects before they are stored, as the API server calls them.",
    access: &[KIND.access(), behind::SERVICES.access()],
    // Such configurations are in no namespace: whoever looks at some namespaces does not mean them.
    enabled: |config| config.discovery.has(NAME) && config.namespaces.is_empty(),
    start: Start::Cluster(start),
};

const NAME: &str = "validating_webhook";

const KIND: Kind = Kind::cluster_scoped::<ValidatingWebhookConfiguration>();

fn start(context: &Context, cluster: &Cluster) -> BoxStream<'static, Update> {
    let callers = Watch::all(context, cluster, KIND, |_, configuration| {
        Kept::Caller(callees(&configuration))
    });
    behind::follow(context, cluster, NAME, callers)
}

/// The servers of a configuration's webhooks.
pub(super) fn callees(configuration: &ValidatingWebhookConfiguration) -> Vec<Callee> {
    let webhooks = configuration.webhooks.iter().flatten();
    webhooks
        .map(|hook| Callee::admission(&hook.name, &hook.client_config))
        .collect()
}
