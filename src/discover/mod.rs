//! Discover: what to look at. Turns objects of the cluster, and the configuration, into targets.
//!
//! To add a source: write one file beside this one with a `pub(super) const SOURCE: Source`, and
//! add its `mod` line and its line in [`SOURCES`]. The documentation, the chart's access rules
//! and the table tests follow from the table.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Owner, Target, UnixTime};

/// A reading of the cluster that a source needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Resource, plural.
    pub resource: &'static str,
    /// Verbs, in RBAC's words.
    pub verbs: &'static [&'static str],
    /// Where the source reads it only in one namespace.
    pub namespace: Option<&'static str>,
    /// Where it reads only objects of these names.
    pub names: &'static [&'static str],
}

/// What a source says as it goes on.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// The complete set of objects, and with each its complete set of targets. What the source
    /// had said of other objects is void.
    Listed(Vec<Declared>),
    /// One object changed: this is now its complete set of targets.
    Changed(Declared),
    /// One object is gone.
    Gone(ObjectKey),
    /// How the source itself fares.
    Health(Health),
}

/// One object's complete set of targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    /// The object.
    pub object: Owner,
    /// Its labels, for the configuration's rules.
    pub labels: Arc<BTreeMap<String, String>>,
    /// Its targets; each with the object as its only owner.
    pub targets: Vec<Target>,
    /// What it declares that cannot be a target, and why.
    pub dropped: Vec<Dropped>,
}

/// Names an object within its source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// The object's kind.
    pub kind: &'static str,
    /// Its namespace, empty where there is none.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

/// Something declared that is known but not probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The host that was declared, empty where none.
    pub host: Arc<str>,
    /// Why.
    pub reason: DropReason,
}

/// Why something declared is not probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// A rule of the configuration says so.
    Denied,
    /// More targets than the caps allow.
    Cap,
    /// The object has no address (yet).
    NoAddress,
    /// What it declares cannot be dialled or asked for.
    Unsupported,
}

impl DropReason {
    /// The spelling in labels.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Cap => "cap",
            Self::NoAddress => "no_address",
            Self::Unsupported => "unsupported",
        }
    }
}

/// How a source fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It has listed everything, at this instant.
    Synced(UnixTime),
    /// The cluster does not have this kind: as good as synced.
    Absent(UnixTime),
    /// It could not read; it goes on trying.
    Failed {
        /// The closed set that metrics carry: `forbidden`, `gone`, `unreachable`, `malformed`, `other`.
        reason: &'static str,
        /// The particulars, for the log.
        detail: String,
    },
}
