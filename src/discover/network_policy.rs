//! The source `network_policy`: namespaces whose pods take connections from anywhere.
//!
//! A pod that no `NetworkPolicy` selects takes every connection; one that any selects takes what the
//! policies that select it allow, and nothing else. So a namespace denies by default where one policy
//! selects all of its pods (an empty `podSelector`) for ingress, and does not let everybody in again:
//! it has no rules, or each of its rules says from whom (`from`). Ingress is meant where `policyTypes`
//! is absent. What a CNI's own policies say, cluster-wide ones among them, is not known here, nor
//! whether the CNI enforces any: for information, and off unless the configuration asks for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::poll::{Refused, poll};
use super::{Access, Cluster, Context, Declared, Source, Start, Update};
use crate::model::{Flaw, FlawKind, Owner};

pub(super) const SOURCE: Source = Source {
    name: NAME,
    help: "Namespaces without a NetworkPolicy that denies by default; off by default.",
    access: &[NAMESPACES, POLICIES],
    enabled: |config| config.discovery.has(NAME),
    start: Start::Cluster(start),
};

const NAME: &str = "network_policy";

const NAMESPACES: Access = Access {
    group: "",
    resource: "namespaces",
    verbs: &["list"],
    cluster_scoped: true,
    namespace: None,
    names: &[],
};

const POLICIES: Access = Access {
    group: "networking.k8s.io",
    resource: "networkpolicies",
    verbs: &["list"],
    cluster_scoped: false,
    namespace: None,
    names: &[],
};

/// Namespaces of every cluster that have no pods: one is for what everybody may read, the other for
/// the leases of nodes.
const WITHOUT_PODS: [&str; 2] = ["kube-public", "kube-node-lease"];

/// Objects in one page of a listing.
const PAGE_OBJECTS: u32 = 500;

fn start(context: &Context, cluster: &Cluster) -> BoxStream<'static, Update> {
    poll(context, cluster, read)
}

fn read(cluster: Cluster, context: Context) -> BoxFuture<'static, Result<Vec<Declared>, Refused>> {
    async move {
        let client = &cluster.client;
        let configured = &context.config.namespaces;
        let mut denying = BTreeSet::new();
        let apis: Vec<Api<NetworkPolicy>> = if configured.is_empty() {
            vec![Api::all(client.clone())]
        } else {
            let in_each = configured.iter();
            in_each
                .map(|one| Api::namespaced(client.clone(), one))
                .collect()
        };
        for api in apis {
            let each = |policy: NetworkPolicy| {
                if denies(&policy) {
                    denying.extend(policy.metadata.namespace);
                }
            };
            listed(&api, each)
                .await
                .map_err(|error| ("list", "networkpolicies", error))?;
        }
        let mut namespaces = configured.clone();
        if configured.is_empty() {
            let each = |namespace: Namespace| {
                if namespace.metadata.deletion_timestamp.is_none() {
                    namespaces.push(namespace.name_any());
                }
            };
            listed(&Api::all(client.clone()), each)
                .await
                .map_err(|error| ("list", "namespaces", error))?;
        }
        namespaces.retain(|name| !WITHOUT_PODS.contains(&&**name));
        let declared = namespaces.iter().map(|name| declared(name, &denying));
        Ok(declared.collect())
    }
    .boxed()
}

/// Hands over each object, page by page: no more of them are held than a page has.
async fn listed<K>(api: &Api<K>, mut each: impl FnMut(K)) -> Result<(), kube::Error>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let mut page = ListParams::default().limit(PAGE_OBJECTS);
    loop {
        let list = api.list(&page).await?;
        list.items.into_iter().for_each(&mut each);
        match list.metadata.continue_ {
            Some(token) if !token.is_empty() => page = page.continue_token(&token),
            _ => return Ok(()),
        }
    }
}

/// Whether a policy has its namespace deny by default.
fn denies(policy: &NetworkPolicy) -> bool {
    let Some(spec) = &policy.spec else {
        return false;
    };
    let selector = spec.pod_selector.as_ref();
    let selects_all = selector.is_none_or(|selector| {
        selector
            .match_labels
            .as_ref()
            .is_none_or(std::collections::BTreeMap::is_empty)
            && selector
                .match_expressions
                .as_ref()
                .is_none_or(Vec::is_empty)
    });
    let types = spec.policy_types.as_deref().unwrap_or_default();
    let for_ingress = types.is_empty() || types.iter().any(|one| one == "Ingress");
    let mut rules = spec.ingress.iter().flatten();
    let says_whom = rules.all(|rule| rule.from.as_ref().is_some_and(|from| !from.is_empty()));
    selects_all && for_ingress && says_whom
}

fn declared(namespace: &str, denying: &BTreeSet<String>) -> Declared {
    let owner = Owner {
        created: None,
        kind: "Namespace",
        namespace: namespace.into(),
        name: namespace.into(),
    };
    let mut declared = Declared::nothing(owner, Arc::default());
    if !denying.contains(namespace) {
        declared.flaws.push(Flaw {
            kind: FlawKind::NothingDenied,
            place: "no NetworkPolicy selects every pod for ingress".into(),
        });
    }
    declared
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(spec: &Value) -> bool {
        denies(&serde_json::from_value(json!({"metadata": {}, "spec": spec})).unwrap())
    }

    #[test]
    fn a_policy_denies_by_default_that_selects_every_pod_and_lets_nobody_in_unnamed() {
        let namespace = json!([{"from": [{"podSelector": {}}]}]);
        for spec in [
            json!({"podSelector": {}}),
            json!({"podSelector": {}, "policyTypes": ["Ingress"]}),
            json!({"podSelector": {}, "policyTypes": ["Egress", "Ingress"], "ingress": []}),
            json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": namespace}),
        ] {
            assert!(of(&spec), "{spec}");
        }
        for spec in [
            json!({"podSelector": {"matchLabels": {"app": "a"}}}),
            json!({"podSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}),
            json!({"podSelector": {}, "policyTypes": ["Egress"]}),
            json!({"podSelector": {}, "ingress": [{}]}),
            json!({"podSelector": {}, "ingress": [{"from": []}]}),
            json!({"podSelector": {}, "ingress": [{"ports": [{"port": 443}]}]}),
        ] {
            assert!(!of(&spec), "{spec}");
        }
    }
}
