//! The RBAC rules that sources need: what the chart grants, and what the tests run under.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::PolicyRule;

use super::Access;
use crate::config::SecretName;

/// Where rules are granted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grant {
    /// By a `ClusterRole` and its `ClusterRoleBinding`.
    Cluster,
    /// By a `Role` and its `RoleBinding` in this namespace.
    Namespace(String),
}

/// The least rules that permit `access`, by where they are granted.
///
/// `namespaces` are the configuration's: where there are any, what is read everywhere is read in
/// these alone, and nothing is granted for the cluster: what has no namespace is not read.
pub fn rules<'a>(
    access: impl IntoIterator<Item = &'a Access>,
    namespaces: &[String],
) -> BTreeMap<Grant, Vec<PolicyRule>> {
    let mut verbs: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for needed in access {
        for grant in grants(needed, namespaces) {
            verbs
                .entry((grant, needed.group, needed.resource, needed.names))
                .or_default()
                .extend(needed.verbs);
        }
    }
    let mut rules: BTreeMap<Grant, Vec<PolicyRule>> = BTreeMap::new();
    for ((grant, group, resource, names), verbs) in verbs {
        rules.entry(grant).or_default().push(PolicyRule {
            api_groups: Some(vec![group.to_owned()]),
            resources: Some(vec![resource.to_owned()]),
            resource_names: (!names.is_empty()).then(|| owned(names)),
            verbs: verbs.into_iter().map(str::to_owned).collect(),
            ..PolicyRule::default()
        });
    }
    rules
}

/// The rules that permit to read these Secrets and no others. A request that names an object by
/// `fieldSelector=metadata.name=…` is one for its name to RBAC.
#[must_use]
pub fn secrets(wanted: &[SecretName]) -> BTreeMap<Grant, Vec<PolicyRule>> {
    let mut names: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for secret in wanted {
        let of_namespace = names.entry(&secret.namespace).or_default();
        of_namespace.insert(&secret.name);
    }
    let rule = |names: BTreeSet<&str>| PolicyRule {
        api_groups: Some(owned(&[""])),
        resources: Some(owned(&["secrets"])),
        resource_names: Some(names.into_iter().map(str::to_owned).collect()),
        verbs: owned(&["list", "watch"]),
        ..PolicyRule::default()
    };
    let by_namespace = names.into_iter();
    by_namespace
        .map(|(namespace, names)| (Grant::Namespace(namespace.to_owned()), vec![rule(names)]))
        .collect()
}

fn grants(access: &Access, namespaces: &[String]) -> Vec<Grant> {
    match access.namespace {
        Some(namespace) => vec![Grant::Namespace(namespace.to_owned())],
        None if namespaces.is_empty() => vec![Grant::Cluster],
        None if access.cluster_scoped => Vec::new(),
        None => namespaces.iter().cloned().map(Grant::Namespace).collect(),
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::SOURCES;
    use super::*;

    fn rendered(namespaces: &[&str]) -> Vec<String> {
        // Three sources that between them read in every way there is.
        let some = ["api_server", "ingress", "service"];
        let sources = SOURCES.iter().filter(|source| some.contains(&source.name));
        let access = sources.flat_map(|source| source.access);
        let mut lines = Vec::new();
        for (grant, rules) in rules(access, &owned(namespaces)) {
            for rule in rules {
                lines.push(format!(
                    "{grant:?}: {} {}/{} {}",
                    rule.verbs.join("+"),
                    rule.api_groups.unwrap_or_default().join(","),
                    rule.resources.unwrap_or_default().join(","),
                    rule.resource_names.unwrap_or_default().join(","),
                ));
            }
        }
        lines
    }

    #[test]
    fn the_whole_cluster_takes_one_cluster_role_and_a_role_for_what_has_one_place() {
        assert_eq!(
            rendered(&[]),
            [
                "Cluster: list+watch /nodes ",
                "Cluster: list+watch /services ",
                "Cluster: list+watch config.openshift.io/infrastructures cluster",
                "Cluster: list+watch eks.amazonaws.com/ingressclassparams ",
                "Cluster: list+watch elbv2.k8s.aws/ingressclassparams ",
                "Cluster: list+watch networking.gke.io/frontendconfigs ",
                "Cluster: list+watch networking.k8s.io/ingressclasses ",
                "Cluster: list+watch networking.k8s.io/ingresses ",
                "Namespace(\"default\"): list+watch discovery.k8s.io/endpointslices kubernetes",
                "Namespace(\"kube-public\"): list+watch /configmaps cluster-info",
            ]
        );
    }

    #[test]
    fn named_namespaces_take_roles_alone() {
        assert_eq!(
            rendered(&["default", "shop"]),
            [
                "Namespace(\"default\"): list+watch /services ",
                "Namespace(\"default\"): list+watch discovery.k8s.io/endpointslices kubernetes",
                "Namespace(\"default\"): list+watch networking.gke.io/frontendconfigs ",
                "Namespace(\"default\"): list+watch networking.k8s.io/ingresses ",
                "Namespace(\"kube-public\"): list+watch /configmaps cluster-info",
                "Namespace(\"shop\"): list+watch /services ",
                "Namespace(\"shop\"): list+watch networking.gke.io/frontendconfigs ",
                "Namespace(\"shop\"): list+watch networking.k8s.io/ingresses ",
            ]
        );
    }

    #[test]
    fn secrets_are_permitted_by_name_in_their_namespaces_and_nowhere_else() {
        let wanted = [("shop", "b"), ("bank", "c"), ("shop", "a"), ("shop", "a")];
        let wanted = wanted.map(|(namespace, name)| SecretName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        });
        let lines = secrets(&wanted).into_iter().map(|(grant, rules)| {
            let names = rules[0].resource_names.as_ref().unwrap().join(",");
            let verbs = rules[0].verbs.join("+");
            assert_eq!(rules.len(), 1);
            format!("{grant:?}: {verbs} {names}")
        });
        assert_eq!(
            lines.collect::<Vec<_>>(),
            [
                "Namespace(\"bank\"): list+watch c",
                "Namespace(\"shop\"): list+watch a,b",
            ]
        );
        assert!(secrets(&[]).is_empty());
    }

    #[test]
    fn the_same_resource_of_two_sources_is_one_rule_with_all_their_verbs() {
        let access = |verbs| Access {
            group: "",
            resource: "services",
            verbs,
            cluster_scoped: false,
            namespace: None,
            names: &[],
        };
        let merged = rules(&[access(&["list"]), access(&["get", "list"])], &[]);
        assert_eq!(merged[&Grant::Cluster].len(), 1);
        assert_eq!(merged[&Grant::Cluster][0].verbs, ["get", "list"]);
    }
}
