//! The fields of the file's top level and of its plain sections, with their defaults.

use std::time::Duration;

use super::document::rows;
use super::field::{Field, Section};
use super::node::Value;
use super::value::{self, MAX_TIMEOUT};
use super::{
    Caps, Config, Discovery, Events, Expiry, Files, Metrics, PerAddress, ProbeEndpoint, Profile,
    Resolve, Security, Threshold, Trust, expectation, rule, secret, suggest, target,
};
use crate::model::clean;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);
/// The shortest deadline that a handshake across a continent can meet.
const MIN_TIMEOUT: Duration = Duration::from_millis(100);
/// A longer interval (`5M` is five months) is a slip, and tells too little too late.
const MAX_INTERVAL: Duration = Duration::from_hours(24 * 30);
/// More than any certificate's useful lifetime.
const MAX_CAP: Duration = Duration::from_hours(24 * 3650);

/// Connections to one address are told apart by 16 bits of source port (RFC 9293 section 3.1).
const MAX_CONNECTIONS: u32 = 65_535;
/// Beyond what one machine opens in a second.
const MAX_CONNECTION_RATE: u32 = 100_000;
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
            policy: vec![Profile::Intermediate],
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
            resolve: Resolve::default(),
            discovery: Discovery::default(),
            rules: Vec::new(),
            targets: Vec::new(),
            expectations: Vec::new(),
            files: Files::default(),
            secrets: Vec::new(),
            default_certificates: Vec::new(),
            metrics: Metrics::default(),
            events: Events::default(),
            probe_endpoint: None,
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
                      it accepts, and what it answers over HTTPS. There is one, too, when the target or \
                      its certificate changes. Doors that lead to the same port of the same addresses, \
                      and that show the same certificates there and agree on the same, share the \
                      answers for half as long, but for those over HTTPS: settings that a server has \
                      by name, and that show in nothing else, are then told of all that share.",
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
            kind: "word, or list of words",
            default: "intermediate",
            meaning: "The profiles that every door is compared with (`kube_https_policy_compliant`): \
                      `modern` and `intermediate` of Mozilla's \"Server Side TLS\" 6.0, and \
                      `openshift-modern`, `openshift-intermediate` and `openshift-old` of OpenShift's \
                      `tlsSecurityProfile`. Each costs a series for every target. What the CIS \
                      Kubernetes Benchmark asks of the control plane is judged whatever is written here.",
            read: |config, written| {
                written.one_or_list(&mut config.policy, |one| one.value(profile));
            },
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
            name: "resolve",
            kind: "`status`, `dns` or `both`",
            default: "status",
            meaning: "Where hosts are dialled that Ingresses, Gateways and routes declare: `status`: \
                      at the addresses that their controllers published; `dns`: at what their own \
                      names resolve to where this instance stands; `both`: at both, as targets \
                      that `address` tells apart. The ports are the published ones, and what has no \
                      published address is not dialled. Tenants choose host names: `security` holds \
                      for what they resolve to.",
            read: |config, written| {
                written.set(&mut config.resolve, |v| {
                    let words = [
                        ("status", Resolve::Status),
                        ("dns", Resolve::Dns),
                        ("both", Resolve::Both),
                    ];
                    value::choice(v, &words)
                });
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
            meaning: "What is left out of the metrics, and what is added.",
            read: |config, written| written.section(&mut config.metrics),
            inside: Some(rows::<Metrics>),
        },
        Field {
            name: "events",
            kind: "map",
            default: "{}",
            meaning: "Events on the objects that declare targets.",
            read: |config, written| written.section(&mut config.events),
            inside: Some(rows::<Events>),
        },
        Field {
            name: "probe_endpoint",
            kind: "map",
            default: "(off, but where only this machine can ask)",
            meaning: "Answers `/probe?target=&module=` as `blackbox_exporter` and `ssl_exporter` do. `security` applies to \
                      what is asked for.",
            read: |config, written| {
                written.section(config.probe_endpoint.get_or_insert_default());
            },
            inside: Some(rows::<ProbeEndpoint>),
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
}

fn profile(value: &Value) -> Result<Profile, String> {
    let profiles = Profile::ALL.map(|one| (one.label(), one));
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

impl Section for Metrics {
    const FIELDS: &'static [Field<Self>] = &[
        Field {
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
        },
        Field {
            name: "per_ip",
            kind: "`true` or `false`",
            default: "false",
            meaning: "Whether each IP address behind a target's name has series of its own \
                      (`kube_https_ip_*`, with the label `ip`): up to five for each, of up to sixteen \
                      addresses. They come and go as DNS changes.",
            read: |metrics, written| written.set(&mut metrics.per_ip, value::flag),
            inside: None,
        },
    ];
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
