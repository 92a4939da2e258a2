//! Which sources are on, and the few that have more to be said.
//!
//! To add a source: its line in [`Discovery`]'s table below. What is switched, suggested, documented
//! and named by rules comes from there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::document::rows;
use super::field::{Field, Section, Written};
use super::{host, value};

/// The most that Kubernetes is made for.
const MAX_NODES: u32 = 5_000;

/// Sources without a switch of their own here: other fields of the file make them.
const MADE_ELSEWHERE: [&str; 4] = ["secret", "static", "expectation", "file"];

/// Which sources are on, and the few that have more to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// How the API server is found.
    pub api_server: ApiServerDiscovery,
    /// How ports of Services are found.
    pub service: ServiceDiscovery,
    /// Whether each of the others is on.
    switches: BTreeMap<&'static str, bool>,
}

/// How the API server is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiServerDiscovery {
    /// Whether it is.
    pub enabled: bool,
    /// Hosts and ports by which clients know it, besides what the cluster says.
    pub public_names: Vec<(Arc<str>, u16)>,
}

/// How ports of Services are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceDiscovery {
    /// Whether they are.
    pub enabled: bool,
    /// At how many nodes node ports are looked at; none for 0.
    pub nodes: usize,
}

impl Default for Discovery {
    fn default() -> Self {
        let on = |field: &Field<Self>| (field.name, !OFF.contains(&field.name));
        Self {
            api_server: ApiServerDiscovery {
                enabled: true,
                public_names: Vec::new(),
            },
            service: ServiceDiscovery {
                enabled: true,
                nodes: 2,
            },
            switches: Self::FIELDS.iter().map(on).collect(),
        }
    }
}

impl Discovery {
    /// Whether the source of this name is on: one that is on or off and nothing else.
    #[must_use]
    pub fn has(&self, source: &str) -> bool {
        self.switches.get(source).is_some_and(|on| *on)
    }

    /// Switches such a source.
    pub fn switch(&mut self, source: &str, on: bool) {
        if let Some(switch) = self.switches.get_mut(source) {
            *switch = on;
        }
    }
}

/// The names of all sources, as rules refer to them.
pub(super) fn source_names() -> Vec<&'static str> {
    let switched = Discovery::FIELDS.iter().map(|field| field.name);
    switched.chain(MADE_ELSEWHERE).collect()
}

/// Those that are off unless they are asked for.
const OFF: [&str; 4] = ["openshift", "pod", "access_review", "network_policy"];

impl Section for Discovery {
    const FIELDS: &'static [Field<Self>] = &[
        Field {
            read: |discovery, written| written.section(&mut discovery.api_server),
            inside: Some(rows::<ApiServerDiscovery>),
            ..on(
                "api_server",
                "The API server's own address, each of its replicas, and the names under which \
                 clients know it.",
            )
        },
        on(
            "node",
            "Each node's kubelet, the control plane's components on its nodes, and the ports that must \
             be closed on nodes. Off where `namespaces` is set.",
        ),
        on("ingress", "The hosts of `networking.k8s.io/v1` Ingresses."),
        on(
            "gateway",
            "The hosts of Gateway API: Gateways, `ListenerSet`s and their routes.",
        ),
        on(
            "traefik",
            "The hosts of Traefik's IngressRoutes and IngressRouteTCPs, at the Services labelled \
             `app.kubernetes.io/name: traefik`.",
        ),
        on(
            "istio",
            "The hosts of Istio's Gateways, at the Services in front of the pods they select.",
        ),
        on("contour", "The hosts of Contour's HTTPProxies."),
        off(
            "openshift",
            "The hosts of OpenShift's Routes. Routes may carry private keys, which reading Routes gives \
             access to; the program does not keep them.",
        ),
        Field {
            read: |discovery, written| written.section(&mut discovery.service),
            inside: Some(rows::<ServiceDiscovery>),
            ..on(
                "service",
                "Ports of Services that are open to the outside (load balancers, external IP \
                 addresses, node ports) and are said to speak HTTP or TLS by `appProtocol`, name or \
                 number.",
            )
        },
        off(
            "pod",
            "Ports of pods at their nodes' addresses (`hostPort`) that are said to speak HTTP or TLS by \
             name or number. Reading pods is reading all that is written in them.",
        ),
        off(
            "access_review",
            "What the API server permits everybody, with an account or without \
             (`public_permissions`). It takes a right to create SubjectAccessReviews, of which nothing is \
             kept. Off where `namespaces` is set.",
        ),
        off(
            "network_policy",
            "Namespaces without a NetworkPolicy that denies by default (`default_deny_missing`). Reads \
             all NetworkPolicies and the names of namespaces.",
        ),
        on(
            "cert_manager",
            "What cert-manager has issued, to be compared with what is served, and when it is to be \
             renewed: Certificates and `CertificateRequest`s. No Secret is read.",
        ),
        on(
            "authority",
            "When the certificate authorities expire that the cluster publishes: of its clients, of its \
             front proxies, and of each `ClusterTrustBundle`.",
        ),
        on(
            "validating_webhook",
            "The servers of `ValidatingWebhookConfiguration`s. Off where `namespaces` is set.",
        ),
        on(
            "mutating_webhook",
            "The servers of `MutatingWebhookConfiguration`s. Off where `namespaces` is set.",
        ),
        on(
            "apiservice",
            "The servers of aggregated APIs (`APIService`). Off where `namespaces` is set.",
        ),
        on(
            "crd_conversion",
            "The servers that convert custom resources. Off where `namespaces` is set.",
        ),
    ];
}

/// A source that is on unless it is switched off.
const fn on(name: &'static str, meaning: &'static str) -> Field<Discovery> {
    Field {
        name,
        kind: "map",
        default: "{}",
        meaning,
        read,
        inside: Some(rows::<On>),
    }
}

/// A source that is off unless it is asked for: one of [`OFF`].
const fn off(name: &'static str, meaning: &'static str) -> Field<Discovery> {
    Field {
        inside: Some(rows::<Off>),
        ..on(name, meaning)
    }
}

/// Reads what is written of a source that is on or off and nothing else.
fn read(discovery: &mut Discovery, written: &Written<'_>) {
    let mut enabled = On(discovery.has(written.name()));
    written.section(&mut enabled);
    discovery.switch(written.name(), enabled.0);
}

/// The one field of a source that is on by default.
struct On(bool);

impl Section for On {
    const FIELDS: &'static [Field<Self>] = &[Field {
        name: "enabled",
        kind: "`true` or `false`",
        default: "true",
        meaning: "Whether the source is on.",
        read: |source, written| written.set(&mut source.0, value::flag),
        inside: None,
    }];
}

/// The same of one that is off by default, for the documentation.
struct Off(bool);

impl Section for Off {
    const FIELDS: &'static [Field<Self>] = &[Field {
        name: "enabled",
        kind: "`true` or `false`",
        default: "false",
        meaning: "Whether the source is on.",
        read: |source, written| written.set(&mut source.0, value::flag),
        inside: None,
    }];
}

impl Section for ApiServerDiscovery {
    const FIELDS: &'static [Field<Self>] = &[
        Field {
            name: "enabled",
            kind: "`true` or `false`",
            default: "true",
            meaning: "Whether the source is on.",
            read: |source, written| written.set(&mut source.enabled, value::flag),
            inside: None,
        },
        Field {
            name: "public_names",
            kind: "list of hosts, with ports where they are not 443",
            default: "[]",
            meaning: "Names under which clients outside know the API server, such as \
                      `api.example.com:6443`. Those of `kube-public/cluster-info`, of \
                      OpenShift's `Infrastructure` and of its own certificate are found without. Each \
                      is asked for by its name, and may be vouched for by the system's roots or by the \
                      cluster's authority.",
            read: |source, written| {
                written.list(&mut source.public_names, |item| {
                    item.value(host::named_port)
                });
            },
            inside: None,
        },
    ];
}

impl Section for ServiceDiscovery {
    const FIELDS: &'static [Field<Self>] = &[
        Field {
            name: "enabled",
            kind: "`true` or `false`",
            default: "true",
            meaning: "Whether the source is on.",
            read: |service, written| written.set(&mut service.enabled, value::flag),
            inside: None,
        },
        Field {
            name: "nodes",
            kind: "number",
            default: "2",
            meaning: "At how many nodes each node port is looked at, the same for all: every node \
                      serves them alike. With 0, at none.",
            read: |service, written| {
                written.set(&mut service.nodes, |v| value::whole(v, 0, MAX_NODES));
            },
            inside: None,
        },
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_on_or_off_by_default_as_the_documentation_says() {
        let discovery = Discovery::default();
        for field in Discovery::FIELDS {
            let mut inside = Vec::new();
            if let Some(rows) = field.inside {
                rows("", &mut inside);
            }
            let enabled = inside.iter().find(|row| row.path == "enabled").unwrap();
            let on = discovery.has(field.name);
            assert_eq!(enabled.default, on.to_string(), "{}", field.name);
        }
    }
}
