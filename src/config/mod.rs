//! The configuration: what is written, and the typed values that the stages take.
//!
//! Every value has a default, so that no file is needed. Reading is strict: an unknown field is
//! refused with its path, its line and the nearest known name.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::model::{Fingerprint, PlaintextRule, Severity};

/// Everything that can be configured.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Between two regular probes of a door.
    pub interval: Duration,
    /// Between two deep probes of a door.
    pub deep_interval: Duration,
    /// The deadline of one regular probe of one address, from name resolution to close.
    pub timeout: Duration,
    /// Probes in flight at once, over all addresses.
    pub concurrency: usize,
    /// Limits for any one address.
    pub per_address: PerAddress,
    /// Limits on the number of targets.
    pub caps: Caps,
    /// When an expiry is a finding.
    pub expiry: Expiry,
    /// A name for where this instance stands; empty for none.
    pub vantage: String,
    /// Trust anchors besides the system's.
    pub trust: Trust,
    /// The namespaces to look at; empty for all.
    pub namespaces: Vec<String>,
    /// Which sources are on.
    pub discovery: Discovery,
    /// First match wins.
    pub rules: Vec<Rule>,
    /// Targets written by hand.
    pub targets: Vec<StaticTarget>,
    /// More fingerprints of controllers' default certificates.
    pub default_certificates: Vec<Fingerprint>,
    /// What is left out of the metrics.
    pub metrics: Metrics,
    /// Where tenants' names and addresses may lead.
    pub security: Security,
}

/// Limits for any one address, because all hosts of a controller share one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PerAddress {
    /// Probes in flight at once.
    pub in_flight: usize,
    /// New connections a second.
    pub connections_per_second: u32,
}

/// Limits on the number of targets; what is over is dropped and counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Caps {
    /// Over all namespaces.
    pub total: usize,
    /// In any one namespace.
    pub per_namespace: usize,
}

/// When an expiry is a finding: below a share of the certificate's lifetime, capped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expiry {
    /// Below this: `certificate_expiring`, warning.
    pub warning: Threshold,
    /// Below this: `certificate_expiring`, critical.
    pub critical: Threshold,
}

/// min(`share` of the lifetime, `cap`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// Between 0 and 1.
    pub share: f64,
    /// The most that the share may come to.
    pub cap: Duration,
}

/// Trust anchors besides the system's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trust {
    /// PEM files whose certificates are trusted for every target with public roots.
    pub ca_files: Vec<PathBuf>,
}

/// Which sources are on, by source name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// The API server's own address and its replicas.
    pub api_server: bool,
    /// Ingress hosts.
    pub ingress: bool,
}

/// What applies to the targets that match; unset fields leave the default.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Which targets.
    pub matches: RuleMatch,
    /// Roots instead of the default.
    pub ca_file: Option<Arc<Path>>,
    /// What plaintext may do.
    pub plaintext: Option<PlaintextRule>,
    /// Whether to probe at all.
    pub probe: Option<bool>,
}

/// All set fields must match; an empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleMatch {
    /// The source's name.
    pub source: Option<String>,
    /// The owning object's namespace.
    pub namespace: Option<String>,
    /// The host, exactly, or `*.suffix` for any name below the suffix.
    pub host: Option<String>,
    /// Labels of the owning object, all of which must be there with these values.
    pub labels: Vec<(String, String)>,
}

/// A target written by hand.
#[derive(Clone, Debug, PartialEq)]
pub struct StaticTarget {
    /// Shown as the label `name`.
    pub name: Arc<str>,
    /// The URL's host: a DNS name in A-label form, or an IP address without brackets.
    pub host: Arc<str>,
    /// The URL's port; 443 where it has none.
    pub port: u16,
    /// Dialled rather than what DNS says; such a target is not subject to [`Security`].
    pub address: Option<IpAddr>,
    /// Roots instead of the system's.
    pub ca_file: Option<Arc<Path>>,
    /// Where plaintext is looked for besides the TLS port; 80 where the port is 443.
    pub http_port: Option<u16>,
}

/// What is left out of the metrics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// Names of target families that are not served.
    pub disabled: Vec<String>,
}

/// Where tenants' names and addresses may lead; checked on the address really dialled.
#[derive(Clone, Debug, PartialEq)]
pub struct Security {
    /// Never dialled for a tenant, unless allowed below.
    pub deny_networks: Vec<IpNet>,
    /// Exceptions.
    pub allow_networks: Vec<IpNet>,
}

/// What `check` fails on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailOn {
    /// Findings of this severity or worse.
    Severity(Severity),
    /// Nothing.
    Never,
}

/// The first rule that matches a target of this source, namespace and host, whose owning object
/// has these labels.
#[must_use]
pub fn rule_for<'a>(
    rules: &'a [Rule],
    source: &str,
    namespace: &str,
    host: &str,
    labels: &BTreeMap<String, String>,
) -> Option<&'a Rule> {
    rules
        .iter()
        .find(|rule| rule.matches.covers(source, namespace, host, labels))
}

impl RuleMatch {
    fn covers(
        &self,
        source: &str,
        namespace: &str,
        host: &str,
        labels: &BTreeMap<String, String>,
    ) -> bool {
        let is =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|w| w == found);
        is(&self.source, source)
            && is(&self.namespace, namespace)
            && self.host.as_deref().is_none_or(|pattern| {
                pattern
                    .strip_prefix('*')
                    .map_or(pattern == host, |suffix| host.ends_with(suffix))
            })
            && (self.labels.iter()).all(|(key, value)| labels.get(key) == Some(value))
    }
}

impl Default for Config {
    fn default() -> Self {
        let threshold = |share, days: u64| Threshold {
            share,
            cap: Duration::from_hours(24 * days),
        };
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
            expiry: Expiry {
                warning: threshold(0.25, 21),
                critical: threshold(0.10, 7),
            },
            vantage: String::new(),
            trust: Trust::default(),
            namespaces: Vec::new(),
            discovery: Discovery {
                api_server: true,
                ingress: true,
            },
            rules: Vec::new(),
            targets: Vec::new(),
            default_certificates: Vec::new(),
            metrics: Metrics::default(),
            security: Security {
                deny_networks: Vec::new(),
                allow_networks: Vec::new(),
            },
        }
    }
}
