//! The configuration: what is written, and the typed values that the stages take.
//!
//! Every value has a default, so that no file is needed. Reading is strict: an unknown field is
//! refused with its path, its line and the nearest known name. It goes in three steps:
//!
//! ```text
//! text ──► node ───────► fields ───────────► consistent
//!          (YAML as a    (one table a        (what no single
//!           tree with     section: names,     value shows)
//!           positions)    types, documents)
//! ```
//!
//! The first step stops at the first mistake, because nothing after it could be trusted; the
//! second and the third report every mistake they find.

mod error;
mod events;
mod node;
mod suggest;
mod value;
mod host;
mod field;
mod files;
mod modules;
mod probe_endpoint;
mod fields;
mod discovery;
mod trust;
mod secret;
mod security;
mod rule;
mod waiver;
mod target;
mod expectation;
mod consistent;
mod document;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use crate::model::{Fingerprint, Severity};

pub use discovery::Discovery;
pub use document::document;
pub use error::{Error, Position, Problem};
pub use events::Events;
pub use expectation::ReachExpectation;
pub use files::Files;
pub use host::host_port;
pub use modules::{Http, Module, Modules, Speaks};
pub use probe_endpoint::ProbeEndpoint;
pub use rule::{Rule, RuleMatch, rule_for};
pub use secret::SecretName;
pub use security::Security;
pub use target::StaticTarget;
pub use trust::Trust;
pub use value::is_namespace;

/// The most that a configuration file may have; 10,000 targets come to about 2 MB.
const MAX_BYTES: u64 = 8 << 20;

/// What the file may refer to by name.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The metric families that `metrics.disabled` may list.
    pub families: &'a [&'a str],
    /// The findings that a rule may accept.
    pub findings: &'a [&'a str],
}

/// Reads a configuration file, which may refer to `names`.
pub fn load(path: &Path, names: Names<'_>) -> Result<Config, Error> {
    let bytes = contents(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    let invalid = |problem| Error::Invalid {
        file: path.to_owned(),
        problems: vec![problem],
    };
    if bytes.len() as u64 > MAX_BYTES {
        return Err(invalid(Problem {
            at: None,
            path: String::new(),
            what: format!(
                "larger than {} MiB; is this the right file?",
                MAX_BYTES >> 20
            ),
        }));
    }
    let text = str::from_utf8(&bytes).map_err(|error| {
        invalid(Problem {
            at: Some(Position::of(&bytes, error.valid_up_to())),
            path: String::new(),
            what: "not UTF-8; save the file in that encoding".to_owned(),
        })
    })?;
    parse(text, path, names)
}

/// Reads a configuration that is at hand as `text`.
///
/// `origin` is the file it stands for: messages name it, and relative paths start from its
/// folder. `names` is as for [`load`].
pub fn parse(text: &str, origin: &Path, names: Names<'_>) -> Result<Config, Error> {
    let reader = field::Reader {
        folder: origin.parent().unwrap_or_else(|| Path::new("")),
        names,
        problems: RefCell::default(),
    };
    let mut config = Config::default();
    match node::Node::parse(text) {
        Ok(node) => {
            let root = field::Written::root(&node, &reader);
            root.section(&mut config);
            if reader.problems.borrow().is_empty() {
                consistent::check(&mut config, &root);
            }
        }
        Err(problem) => reader.problems.borrow_mut().push(problem),
    }
    let mut problems = reader.problems.into_inner();
    if problems.is_empty() {
        return Ok(config);
    }
    problems.sort_by_key(|problem| problem.at);
    Err(Error::Invalid {
        file: origin.to_owned(),
        problems,
    })
}

/// The file's bytes, one more than [`MAX_BYTES`] at most.
fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

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
    /// Whether objects may ask by annotations not to be probed, or what plaintext may do.
    pub annotations: bool,
    /// The profiles that doors are compared with, each once.
    pub policy: Vec<Profile>,
    /// When an expiry is a finding.
    pub expiry: Expiry,
    /// A name for where this instance stands; empty for none.
    pub vantage: String,
    /// Trust anchors besides the system's.
    pub trust: Trust,
    /// The namespaces to look at; empty for all.
    pub namespaces: Vec<String>,
    /// Where discovered hosts are dialled.
    pub resolve: Resolve,
    /// Which sources are on.
    pub discovery: Discovery,
    /// First match wins.
    pub rules: Vec<Rule>,
    /// Targets written by hand.
    pub targets: Vec<StaticTarget>,
    /// What is expected to be reachable from here, or not.
    pub expectations: Vec<ReachExpectation>,
    /// Files on disk that are looked at.
    pub files: Files,
    /// The Secrets whose certificates are read.
    pub secrets: Vec<SecretName>,
    /// More fingerprints of controllers' default certificates.
    pub default_certificates: Vec<Fingerprint>,
    /// What is left out of the metrics, and what is added.
    pub metrics: Metrics,
    /// Events on the objects that declare targets.
    pub events: Events,
    /// What `/probe` may be asked; nothing where it is not configured.
    pub probe_endpoint: Option<ProbeEndpoint>,
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

/// Where the hosts that objects of the cluster publish are dialled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resolve {
    /// At the addresses that their controllers published.
    #[default]
    Status,
    /// At what DNS says of them.
    Dns,
    /// At both.
    Both,
}

/// A profile that somebody else drew up: of Mozilla's "Server Side TLS" 6.0, or of `OpenShift`'s
/// `tlsSecurityProfile` (`config.openshift.io/v1`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Mozilla's, for services whose clients all know TLS 1.3.
    Modern,
    /// Mozilla's, for everything that need not serve very old clients.
    Intermediate,
    /// `OpenShift`'s `Modern`: TLS 1.3 alone.
    OpenshiftModern,
    /// `OpenShift`'s `Intermediate`, its default.
    OpenshiftIntermediate,
    /// `OpenShift`'s `Old`.
    OpenshiftOld,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 5] = [
        Self::Modern,
        Self::Intermediate,
        Self::OpenshiftModern,
        Self::OpenshiftIntermediate,
        Self::OpenshiftOld,
    ];

    /// The spelling in the file and in labels.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Intermediate => "intermediate",
            Self::OpenshiftModern => "openshift-modern",
            Self::OpenshiftIntermediate => "openshift-intermediate",
            Self::OpenshiftOld => "openshift-old",
        }
    }
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

/// What is left out of the metrics, and what is added.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// Names of target families that are not served.
    pub disabled: Vec<String>,
    /// Whether each address behind a target's name has metrics of its own.
    pub per_ip: bool,
}

/// What `check` fails on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailOn {
    /// Findings of this severity or worse.
    Severity(Severity),
    /// Nothing.
    Never,
}
