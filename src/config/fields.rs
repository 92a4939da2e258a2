//! The fields of the file's top level and of its plain sections, with their defaults.

use std::time::Duration;

use super::document::rows;
use super::field::{Field, Section, Written};
use super::node::Value;
use super::value;
use super::{
    ApiServerDiscovery, Caps, Config, Discovery, Expiry, Files, Metrics, PerAddress, Profile,
    Security, ServiceDiscovery, Threshold, Trust, expectation, host, rule, secret, suggest, target,
};
use crate::model::clean;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);
/// The shortest deadline that a handshake across a continent can meet.
const MIN_TIMEOUT: Duration = Duration::from_millis(100);
/// No server that takes longer is of use to anybody.
const MAX_TIMEOUT: Duration = Duration::from_mins(5);
/// A longer interval (`5M` is five months) is a slip, and tells too little too late.
const MAX_INTERVAL: Duration = Duration::from_hours(24 * 30);
/// More than any certificate's useful lifetime.
const MAX_CAP: Duration = Duration::from_hours(24 * 3650);

/// Connections to one address are told apart by 16 bits of source port (RFC 9293 section 3.1).
const MAX_CONNECTIONS: u32 = 65_535;
/// Beyond what one machine opens in a second.
const MAX_CONNECTION_RATE: u32 = 100_000;
/// The most that Kubernetes is made for.
const MAX_NODES: u32 = 5_000;
/// Beyond what one process keeps: 1 kB each comes to 10 GB.
const MAX_TARGETS: u32 = 10_000_000;

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Duration::from_mins(5),
            deep_interval: Duration::from_hours(6),
            timeout: Duration::from_secs(10),
            concurrency: 64,
            per_address: PerAddress {
                in_flight: 8,
                connections_per_second: 100,
            },
            caps: Caps {
                total: 100_000,
                per_namespace: 5_000,
            },
            annotations: true,
            policy: Profile::Intermediate,
            expiry: Expiry {
                warning: Threshold {
                    share: 0.25,
                    cap: DAY * 21,
                },
                critical: Threshold {
                    share: 0.10,
                    cap: DAY * 7,
                },
            },
            vantage: String::new(),
            trust: Trust::default(),
            namespaces: Vec::new(),
            discovery: Discovery {
                api_server: ApiServerDiscovery {
                    enabled: true,
                    public_names: Vec::new(),
                },
                node: true,
                ingress: true,
                gateway: true,
                traefik: true,
                istio: true,
                contour: true,
                openshift: false,
                service: ServiceDiscovery {
                    enabled: true,
                    nodes: 2,
                },
                authority: true,
                validating_webhook: true,
                mutating_webhook: true,
                apiservice: true,
                crd_conversion: true,
                cert_manager: true,
            },
            rules: Vec::new(),
            targets: Vec::new(),
            expectations: Vec::new(),
            files: Files::default(),
            secrets: Vec::new(),
            default_certificates: Vec::new(),
            metrics: Metrics::default(),
            security: Security::default(),
        }
    }
}

impl Section for Config {
    const FIELDS: &'static [Field<Self>] = &[
        Field {
            name: "interval",
            kind: "duration",
            default: "5m",
            meaning: "Between two probes of a door: certificate, negotiated facts, plaintext.",
            read: |config, written| written.set(&mut config.interval, interval),
            inside: None,
        },
        Field {
            name: "deep_interval",
            kind: "duration",
            default: "6h",
            meaning: "Between two deep probes of a door: the TLS versions, cipher suites and groups \
                      it accepts, and what it answers over HTTPS. There is one, too, when the target or its certificate changes.",
            read: |config, written| written.set(&mut config.deep_interval, interval),
            inside: None,
        },
        Field {
            name: "timeout",
            kind: "duration",
            default: "10s",
            meaning: "The deadline of one probe of one address, from name resolution to close. At \
                      most `interval`, which is also the default where that is shorter.",
            read: |config, written| {
                written.set(&mut config.timeout, |v| {
                    value::duration(v, MIN_TIMEOUT, MAX_TIMEOUT)
                });
            },
            inside: None,
        },
        Field {
            name: "concurrency",
            kind: "number",
            default: "64",
            meaning: "Probes in flight at once, over all addresses.",
            read: |config, written| {
                written.set(&mut config.concurrency, |v| {
                    value::whole(v, 1, MAX_CONNECTIONS)
                });
            },
            inside: None,
        },
        Field {
            name: "per_address",
            kind: "map",
            default: "{}",
            meaning: "Limits for any one address, because all hosts of a controller share one.",
            read: |config, written| written.section(&mut config.per_address),
            inside: Some(rows::<PerAddress>),
        },
        Field {
            name: "caps",
            kind: "map",
            default: "{}",
            meaning: "Limits on the number of targets. What is over is not probed, and counted.",
            read: |config, written| written.section(&mut config.caps),
            inside: Some(rows::<Caps>),
        },
        Field {
            name: "annotations",
            kind: "`true` or `false`",
            default: "true",
            meaning: "Whether an object may ask, by the annotation `kube-https-exporter/probe: \
                      \"false\"`, that what it declares is not probed, or say by \
                      `kube-https-exporter/plaintext` what plaintext may do there, as in a rule. \
                      The rules written here outrank what objects ask for.",
            read: |config, written| written.set(&mut config.annotations, value::flag),
            inside: None,
        },
        Field {
            name: "policy",
            kind: "`modern` or `intermediate`",
            default: "intermediate",
            meaning: "The profile of Mozilla's \"Server Side TLS\" 6.0 that doors are compared with \
                      (`kube_https_policy_compliant`).",
            read: |config, written| written.set(&mut config.policy, profile),
            inside: None,
        },
        Field {
            name: "expiry",
            kind: "map",
            default: "{}",
            meaning: "When an expiry is a finding.",
            read: |config, written| written.section(&mut config.expiry),
            inside: Some(rows::<Expiry>),
        },
        Field {
            name: "vantage",
            kind: "text",
            default: "\"\"",
            meaning: "A name for where this instance stands; a constant label of its metrics when \
                      it is not empty.",
            read: |config, written| {
                written.set(&mut config.vantage, |v| value::label(v).map(str::to_owned));
            },
            inside: None,
        },
        Field {
            name: "trust",
            kind: "map",
            default: "{}",
            meaning: "Trust anchors besides the system's.",
            read: |config, written| written.section(&mut config.trust),
            inside: Some(rows::<Trust>),
        },
        Field {
            name: "namespaces",
            kind: "list of texts",
            default: "[]",
            meaning: "The namespaces to look at; empty for the whole cluster. With a list, Roles \
                      in these namespaces suffice.",
            read: |config, written| {
                written.list(&mut config.namespaces, |item| item.value(value::namespace));
            },
            inside: None,
        },
        Field {
            name: "discovery",
            kind: "map",
            default: "{}",
            meaning: "Which sources of targets are on.",
            read: |config, written| written.section(&mut config.discovery),
            inside: Some(rows::<Discovery>),
        },
        Field {
            name: "rules",
            kind: "list of maps",
            default: "[]",
            meaning: "What applies to which targets. The first rule that matches a target is the \
                      only one that applies to it.",
            read: |config, written| written.list(&mut config.rules, rule::rule),
            inside: Some(rows::<rule::Draft>),
        },
        Field {
            name: "targets",
            kind: "list of maps",
            default: "[]",
            meaning: "Targets written by hand, shown with `source=\"static\"`.",
            read: |config, written| written.list(&mut config.targets, target::target),
            inside: Some(rows::<target::Draft>),
        },
        Field {
            name: "expectations",
            kind: "list of maps",
            default: "[]",
            meaning: "What is expected to be reachable from where this instance stands, or not, shown \
                      with `source=\"expectation\"`.",
            read: |config, written| {
                written.list(&mut config.expectations, expectation::expectation);
            },
            inside: Some(rows::<expectation::Draft>),
        },
        Field {
            name: "files",
            kind: "map",
            default: "{}",
            meaning: "Files on disk that are looked at every 30 s, shown with `source=\"file\"` \
                      and their path as `name`.",
            read: |config, written| written.section(&mut config.files),
            inside: Some(rows::<Files>),
        },
        Field {
            name: "secrets",
            kind: "list of maps",
            default: "[]",
            meaning: "Secrets whose certificates, `tls.crt` and `ca.crt`, are looked at, each by its \
                      name: a Role in its namespace that permits `list` and `watch` of this name \
                      suffices. Private keys are not kept.",
            read: |config, written| written.list(&mut config.secrets, secret::secret),
            inside: Some(rows::<secret::Draft>),
        },
        Field {
            name: "default_certificates",
            kind: "list of fingerprints",
            default: "[]",
            meaning: "SHA-256 fingerprints of default certificates of controllers, besides those \
                      that are known by their looks.",
            read: |config, written| {
                let slot = &mut config.default_certificates;
                written.list(slot, |item| item.value(value::fingerprint));
            },
            inside: None,
        },
        Field {
            name: "metrics",
            kind: "map",
            default: "{}",
            meaning: "What is left out of the metrics.",
            read: |config, written| written.section(&mut config.metrics),
            inside: Some(rows::<Metrics>),
        },
        Field {
            name: "security",
            kind: "map",
            default: "{}",
            meaning: "Where the host names and addresses that tenants write may lead, checked on \
                      the address really dialled.",
            read: |config, written| written.section(&mut config.security),
            inside: Some(rows::<Security>),
        },
    ];
    const PLANNED: &'static [&'static str] = &["resolve", "probe_endpoint"];
}

fn profile(value: &Value) -> Result<Profile, String> {
    let profiles = [Profile::Modern, Profile::Intermediate].map(|one| (one.label(), one));
    value::choice(value, &profiles)
}

fn interval(value: &Value) -> Result<Duration, String> {
    value::duration(value, SECOND, MAX_INTERVAL)
}

impl Section for PerAddress {
    const FIELDS: &'static [Field<Self>] = &[
        Field {
            name: "in_flight",
            kind: "number",
            default: "8",
            meaning: "Probes in flight at once to one address.",
            read: |limits, written| {
                written.set(&mut limits.in_flight, |v| {
                    value::whole(v, 1, MAX_CONNECTIONS)
                });
            },
            inside: None,
        },
        Field {
            name: "connections_per_second",
            kind: "number",
            default: "100",
            meaning: "New connections a second to one address.",
            read: |limits, written| {
                let slot = &mut limits.connections_per_second;
                written.set(slot, |v| value::whole(v, 1, MAX_CONNECTION_RATE));
            },
            inside: None,
        },
    ];
}

impl Section for Caps {
    const FIELDS: &'static [Field<Self>] = &[
        Field {
            name: "total",
            kind: "number",
            default: "100000",
            meaning: "Targets in all.",
            read: |caps, written| written.set(&mut caps.total, |v| value::whole(v, 1, MAX_TARGETS)),
            inside: None,
        },
        Field {
            name: "per_namespace",
            kind: "number",
            default: "5000",
            meaning: "Targets in any one namespace.",
            read: |caps, written| {
                written.set(&mut caps.per_namespace, |v| value::whole(v, 1, MAX_TARGETS));
            },
            inside: None,
        },
    ];
}

impl Section for Expiry {
    const FIELDS: &'static [Field<Self>] = &[
        Field {
            name: "warning",
            kind: "map",
            default: "{share: 0.25, cap: 21d}",
            meaning: "When the finding is a warning.",
            read: |expiry, written| written.section(&mut expiry.warning),
            inside: Some(rows::<Threshold>),
        },
        Field {
            name: "critical",
            kind: "map",
            default: "{share: 0.10, cap: 7d}",
            meaning: "When it is critical; neither value may be above the warning's.",
            read: |expiry, written| written.section(&mut expiry.critical),
            inside: Some(rows::<Threshold>),
        },
    ];
}

impl Section for Threshold {
    const FIELDS: &'static [Field<Self>] = &[
        Field {
            name: "share",
            kind: "number above 0, at most 1",
            default: "(as above)",
            meaning: "The share of the certificate's lifetime that is left.",
            read: |threshold, written| written.set(&mut threshold.share, value::share),
            inside: None,
        },
        Field {
            name: "cap",
            kind: "duration",
            default: "(as above)",
            meaning: "The most that the share may come to.",
            read: |threshold, written| {
                written.set(&mut threshold.cap, |v| value::duration(v, SECOND, MAX_CAP));
            },
            inside: None,
        },
    ];
}

/// The switch that every source has.
struct Source {
    enabled: bool,
}

impl Section for Source {
    const FIELDS: &'static [Field<Self>] = &[Field {
        name: "enabled",
        kind: "`true` or `false`",
        default: "true",
        meaning: "Whether the source is on.",
        read: |source, written| written.set(&mut source.enabled, value::flag),
        inside: None,
    }];
}

fn switch(enabled: &mut bool, written: &Written<'_>) {
    let mut source = Source { enabled: *enabled };
    written.section(&mut source);
    *enabled = source.enabled;
}

/// The switch of a source that is off unless it is asked for.
struct OptIn {
    enabled: bool,
}

impl Section for OptIn {
    const FIELDS: &'static [Field<Self>] = &[Field {
        name: "enabled",
        kind: "`true` or `false`",
        default: "false",
        meaning: "Whether the source is on.",
        read: |source, written| written.set(&mut source.enabled, value::flag),
        inside: None,
    }];
}

fn opt_in(enabled: &mut bool, written: &Written<'_>) {
    let mut source = OptIn { enabled: *enabled };
    written.section(&mut source);
    *enabled = source.enabled;
}

impl Section for Discovery {
    const FIELDS: &'static [Field<Self>] = &[
        Field {
            name: "api_server",
            kind: "map",
            default: "{}",
            meaning: "The API server's own address, each of its replicas, and the names under which \
                      clients know it.",
            read: |discovery, written| written.section(&mut discovery.api_server),
            inside: Some(rows::<ApiServerDiscovery>),
        },
        Field {
            name: "node",
            kind: "map",
            default: "{}",
            meaning: "Each node's kubelet, the control plane's components on its nodes, and the ports \
                      that must be closed on nodes. Off where `namespaces` is set.",
            read: |discovery, written| switch(&mut discovery.node, written),
            inside: Some(rows::<Source>),
        },
        Field {
            name: "ingress",
            kind: "map",
            default: "{}",
            meaning: "The hosts of `networking.k8s.io/v1` Ingresses.",
            read: |discovery, written| switch(&mut discovery.ingress, written),
            inside: Some(rows::<Source>),
        },
        Field {
            name: "gateway",
            kind: "map",
            default: "{}",
            meaning: "The hosts of Gateway API: Gateways, `ListenerSet`s and their routes.",
            read: |discovery, written| switch(&mut discovery.gateway, written),
            inside: Some(rows::<Source>),
        },
        Field {
            name: "traefik",
            kind: "map",
            default: "{}",
            meaning: "The hosts of Traefik's IngressRoutes and IngressRouteTCPs, at the Services labelled \
                      `app.kubernetes.io/name: traefik`.",
            read: |discovery, written| switch(&mut discovery.traefik, written),
            inside: Some(rows::<Source>),
        },
        Field {
            name: "istio",
            kind: "map",
            default: "{}",
            meaning: "The hosts of Istio's Gateways, at the Services in front of the pods they select.",
            read: |discovery, written| switch(&mut discovery.istio, written),
            inside: Some(rows::<Source>),
        },
        Field {
            name: "contour",
            kind: "map",
            default: "{}",
            meaning: "The hosts of Contour's HTTPProxies.",
            read: |discovery, written| switch(&mut discovery.contour, written),
            inside: Some(rows::<Source>),
        },
        Field {
            name: "openshift",
            kind: "map",
            default: "{}",
            meaning: "The hosts of OpenShift's Routes. Routes may carry private keys, which reading Routes \
                      gives access to; the program does not keep them.",
            read: |discovery, written| opt_in(&mut discovery.openshift, written),
            inside: Some(rows::<OptIn>),
        },
        Field {
            name: "service",
            kind: "map",
            default: "{}",
            meaning: "Ports of Services that are open to the outside (load balancers, external IP \
                      addresses, node ports) and are said to speak HTTP or TLS by \
                      `appProtocol`, name or number.",
            read: |discovery, written| written.section(&mut discovery.service),
            inside: Some(rows::<ServiceDiscovery>),
        },
        Field {
            name: "cert_manager",
            kind: "map",
            default: "{}",
            meaning: "What cert-manager has issued, to be compared with what is served, and when \
                      it is to be renewed: Certificates and `CertificateRequest`s. No Secret is \
                      read.",
            read: |discovery, written| switch(&mut discovery.cert_manager, written),
            inside: Some(rows::<Source>),
        },
        Field {
            name: "authority",
            kind: "map",
            default: "{}",
            meaning: "When the certificate authorities expire that the cluster publishes: of its \
                      clients, of its front proxies, and of each `ClusterTrustBundle`.",
            read: |discovery, written| switch(&mut discovery.authority, written),
            inside: Some(rows::<Source>),
        },
        Field {
            name: "validating_webhook",
            kind: "map",
            default: "{}",
            meaning: "The servers of `ValidatingWebhookConfiguration`s. Off where `namespaces` is set.",
            read: |discovery, written| switch(&mut discovery.validating_webhook, written),
            inside: Some(rows::<Source>),
        },
        Field {
            name: "mutating_webhook",
            kind: "map",
            default: "{}",
            meaning: "The servers of `MutatingWebhookConfiguration`s. Off where `namespaces` is set.",
            read: |discovery, written| switch(&mut discovery.mutating_webhook, written),
            inside: Some(rows::<Source>),
        },
        Field {
            name: "apiservice",
            kind: "map",
            default: "{}",
            meaning: "The servers of aggregated APIs (`APIService`). Off where `namespaces` is set.",
            read: |discovery, written| switch(&mut discovery.apiservice, written),
            inside: Some(rows::<Source>),
        },
        Field {
            name: "crd_conversion",
            kind: "map",
            default: "{}",
            meaning: "The servers that convert custom resources. Off where `namespaces` is set.",
            read: |discovery, written| switch(&mut discovery.crd_conversion, written),
            inside: Some(rows::<Source>),
        },
    ];
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
                      `api.example.com:6443`. Those of `kube-public/cluster-info` and of \
                      OpenShift's `Infrastructure` are found without. Each is asked for by its name, \
                      and may be vouched for by the system's roots or by the cluster's authority.",
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

impl Section for Metrics {
    const FIELDS: &'static [Field<Self>] = &[Field {
        name: "disabled",
        kind: "list of texts",
        default: "[]",
        meaning: "Names of metric families that are not served.",
        read: |metrics, written| {
            let families = written.reader.names.families;
            written.list(&mut metrics.disabled, |item| {
                item.value(|v| family(v, families))
            });
        },
        inside: None,
    }];
    const PLANNED: &'static [&'static str] = &["per_ip"];
}

fn family(value: &Value, families: &[&str]) -> Result<String, String> {
    let name = value::text(value, "the name of a metric family")?;
    if families.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(format!(
        "`{}` is not a metric family that can be left out; {}",
        clean(name),
        suggest::instead(name, families)
    ))
}
