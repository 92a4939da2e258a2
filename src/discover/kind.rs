//! Kinds of objects: what they are called, and where the API server has them.

use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope, Resource};

use super::Access;

/// A kind of object that a source reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// As objects spell it: `Ingress`.
    pub(super) name: &'static str,
    /// API group; empty for the core group.
    pub(super) group: &'static str,
    /// As paths and RBAC spell it: `ingresses`.
    pub(super) resource: &'static str,
    /// Its objects are in no namespace.
    pub(super) cluster_scoped: bool,
    /// In which version it is read.
    pub(super) served: Served,
}

/// In which version a kind is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Served {
    /// In this one, which every API server has.
    Always(&'static str),
    /// In the first of these that the API server has, if any: what a custom resource is, or a kind
    /// that only new API servers have.
    FirstOf(&'static [&'static str]),
}

impl Kind {
    /// A kind that every API server has, in namespaces.
    pub(super) const fn namespaced<K: Resource<Scope = NamespaceResourceScope>>() -> Self {
        Self::built_in::<K>(false)
    }

    /// A kind that every API server has, in no namespace.
    pub(super) const fn cluster_scoped<K: Resource<Scope = ClusterResourceScope>>() -> Self {
        Self::built_in::<K>(true)
    }

    const fn built_in<K: Resource>(cluster_scoped: bool) -> Self {
        Self {
            name: K::KIND,
            group: K::GROUP,
            resource: K::URL_PATH_SEGMENT,
            cluster_scoped,
            served: Served::Always(K::VERSION),
        }
    }

    /// A kind that the cluster may have or not, in namespaces: `versions` are those that can be
    /// read, in order of preference.
    pub(super) const fn custom(
        group: &'static str,
        name: &'static str,
        resource: &'static str,
        versions: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            group,
            resource,
            cluster_scoped: false,
            served: Served::FirstOf(versions),
        }
    }

    /// What following all its objects takes.
    pub(super) const fn access(self) -> Access {
        Access {
            group: self.group,
            resource: self.resource,
            verbs: &["list", "watch"],
            cluster_scoped: self.cluster_scoped,
            namespace: None,
            names: &[],
        }
    }

    /// For messages: `ingresses.networking.k8s.io`.
    pub(super) fn full_name(self) -> String {
        match self.group {
            "" => self.resource.to_owned(),
            group => format!("{}.{group}", self.resource),
        }
    }

    /// The path of its objects, in one namespace or all.
    pub(super) fn path(self, version: &str, namespace: Option<&str>) -> String {
        let root = match self.group {
            "" => format!("/api/{version}"),
            group => format!("/apis/{group}/{version}"),
        };
        match namespace {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{}", self.resource),
            None => format!("{root}/{}", self.resource),
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{Node, Service};
    use k8s_openapi::api::networking::v1::Ingress;

    use super::*;

    #[test]
    fn paths_are_those_of_the_api_server() {
        let ingress = Kind::namespaced::<Ingress>();
        let route = Kind::custom("g.example", "Route", "routes", &["v1", "v1beta1"]);
        for (kind, version, namespace, path) in [
            (ingress, "v1", None, "/apis/networking.k8s.io/v1/ingresses"),
            (
                ingress,
                "v1",
                Some("shop"),
                "/apis/networking.k8s.io/v1/namespaces/shop/ingresses",
            ),
            (Kind::cluster_scoped::<Node>(), "v1", None, "/api/v1/nodes"),
            (
                Kind::namespaced::<Service>(),
                "v1",
                Some("shop"),
                "/api/v1/namespaces/shop/services",
            ),
            (route, "v1beta1", None, "/apis/g.example/v1beta1/routes"),
        ] {
            assert_eq!(kind.path(version, namespace), path);
        }
    }

    #[test]
    fn a_kind_of_the_core_group_has_no_group_in_its_name() {
        let service = Kind::namespaced::<Service>();
        assert_eq!(service.full_name(), "services");
        let ingress = Kind::namespaced::<Ingress>();
        assert_eq!(ingress.full_name(), "ingresses.networking.k8s.io");
    }
}
