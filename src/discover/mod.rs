//! Discover: what to look at. Turns objects of the cluster, and the configuration, into targets.
//!
//! To add a source: write one file beside this one with a `pub(super) const SOURCE: Source`, and
//! add its `mod` line, its line in [`SOURCES`] and its switch (`config/discovery.rs`). The
//! documentation, the chart's access rules and the table tests follow from the tables.

mod api_server;
mod apiservice;
mod backend;
mod backoff;
mod authority;
mod behind;
mod bundle;
mod balancer;
mod catalog;
mod class_params;
mod caps;
mod cert_manager;
mod cluster;
mod contour;
mod controller;
mod crd_conversion;
mod demands;
mod faces;
mod files;
mod edge;
mod expectation;
mod fixed;
#[cfg(test)]
mod fixtures;
#[cfg(fuzzing)]
pub mod fuzzing;
mod frontend_config;
mod gateway;
mod host;
mod ingress;
mod ingress_class;
mod index;
mod issuance;
mod istio;
mod join;
mod journal;
mod kind;
mod marks;
mod mutating_webhook;
mod node;
mod node_ports;
mod object;
mod paths;
mod permission;
mod openshift;
mod own_names;
mod resolve;
mod pod;
mod poll;
mod access_review;
mod network_policy;
mod published;
pub mod rbac;
mod secret;
mod service;
mod shelf;
mod speaks;
mod validating_webhook;
mod traefik;
mod watch;
mod world;
mod yaml;

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};

use crate::config::Config;
use crate::model::{Flaw, Owner, Stored, Target, UnixTime};

pub use catalog::{Catalog, Change, Declaration, Fate, is_about};
pub use cluster::{Cluster, ClusterError, Search};
pub use issuance::Issuance;
pub use marks::Marks;
use object::Object;
pub use permission::{Permission, Permissions, permissions};

/// Every source, in the order of the documentation.
pub const SOURCES: &[Source] = &[
    api_server::SOURCE,
    node::SOURCE,
    ingress::SOURCE,
    gateway::SOURCE,
    traefik::SOURCE,
    istio::SOURCE,
    contour::SOURCE,
    openshift::SOURCE,
    service::SOURCE,
    pod::SOURCE,
    authority::SOURCE,
    validating_webhook::SOURCE,
    mutating_webhook::SOURCE,
    apiservice::SOURCE,
    crd_conversion::SOURCE,
    secret::SOURCE,
    cert_manager::SOURCE,
    access_review::SOURCE,
    network_policy::SOURCE,
    fixed::SOURCE,
    expectation::SOURCE,
    files::SOURCE,
];

/// One source: what it reads, and how it says what it found.
#[derive(Debug)]
pub struct Source {
    /// The label `source`, and the source's name in the configuration.
    pub name: &'static str,
    /// One sentence for the documentation.
    pub help: &'static str,
    /// All that it reads of the cluster; nothing for a source that needs none.
    pub access: &'static [Access],
    /// Whether the configuration has it on.
    pub enabled: fn(&Config) -> bool,
    /// How it starts.
    pub start: Start,
}

/// How a source starts. Its stream never ends the others; what fails is retried inside it.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    /// From the configuration alone.
    Alone(fn(&Context) -> BoxStream<'static, Update>),
    /// From a cluster.
    Cluster(fn(&Context, &Cluster) -> BoxStream<'static, Update>),
}

/// What sources work from.
#[derive(Clone, Debug)]
pub struct Context {
    /// The configuration.
    pub config: Arc<Config>,
    /// The cluster, where there is one.
    pub cluster: Option<Cluster>,
    /// The wall clock.
    pub clock: fn() -> UnixTime,
}

impl Context {
    /// The sources that run: those that are on, and have the cluster that they need.
    pub fn sources(&self) -> impl Iterator<Item = &'static Source> {
        SOURCES.iter().filter(|source| {
            (source.enabled)(&self.config)
                && (self.cluster.is_some() || matches!(source.start, Start::Alone(_)))
        })
    }
}

/// Everything that the sources that run say, each update with its source's name.
///
/// What a source says arrives in its order. Dropping the stream stops all of them.
#[must_use]
pub fn start(context: &Context) -> BoxStream<'static, (&'static str, Update)> {
    stream::select_all(context.sources().filter_map(|source| {
        let updates = match (source.start, &context.cluster) {
            (Start::Alone(start), _) => start(context),
            (Start::Cluster(start), Some(cluster)) => start(context, cluster),
            (Start::Cluster(_), None) => return None,
        };
        let (name, how) = (source.name, context.config.resolve);
        let led = updates.map(move |update| resolve::led(name, how, update));
        Some(journal::logged(name, led.boxed()))
    }))
    .boxed()
}

/// A reading of the cluster that a source needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Resource, plural.
    pub resource: &'static str,
    /// Verbs, in RBAC's words.
    pub verbs: &'static [&'static str],
    /// Its objects are in no namespace, so that only a `ClusterRole` can permit it.
    pub cluster_scoped: bool,
    /// Where the source reads it only in one namespace.
    pub namespace: Option<&'static str>,
    /// Where it reads only objects of these names.
    pub names: &'static [&'static str],
}

/// What it takes to put Events on objects, where the configuration has that on.
pub const EVENTS: Access = Access {
    group: "events.k8s.io",
    resource: "events",
    verbs: &["create"],
    cluster_scoped: false,
    namespace: None,
    names: &[],
};

/// What a source says as it goes on, of objects and what they declare; or, inside a source, what a
/// watch says of objects and what is kept of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Update<T = Declared> {
    /// The complete set of objects, and with each its complete set of targets. What the source
    /// had said of other objects is void.
    Listed(Vec<T>),
    /// One object changed: this is now its complete set of targets.
    Changed(T),
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
    /// What its metadata tell the configuration's rules, and this program.
    pub marks: Arc<Marks>,
    /// Its targets; each with the object as its first owner, and then any other objects that the
    /// target comes of, such as a Gateway's routes, the oldest first.
    pub targets: Vec<Target>,
    /// Certificates in it that no handshake shows.
    pub stored: Vec<Stored>,
    /// What is wrong with it that no probe would show.
    pub flaws: Vec<Flaw>,
    /// What it has issued into which Secret, where it does.
    pub issuance: Option<Issuance>,
    /// What it declares that cannot be a target, and why.
    pub dropped: Vec<Dropped>,
}

impl Declared {
    /// An object that declares nothing (yet).
    pub(crate) fn nothing(object: Owner, marks: Arc<Marks>) -> Self {
        Self {
            object,
            marks,
            targets: Vec::new(),
            stored: Vec::new(),
            flaws: Vec::new(),
            issuance: None,
            dropped: Vec::new(),
        }
    }
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

impl From<&Owner> for ObjectKey {
    fn from(owner: &Owner) -> Self {
        Self {
            kind: owner.kind,
            namespace: Arc::clone(&owner.namespace),
            name: Arc::clone(&owner.name),
        }
    }
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
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Denied, Self::Cap, Self::NoAddress, Self::Unsupported];

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

/// The reason of a failure that is one object's, not its source's.
const MALFORMED: &str = "malformed";

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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;
    use crate::config::StaticTarget;

    #[test]
    fn every_source_has_a_name_of_its_own_and_a_sentence() {
        let names: BTreeSet<_> = SOURCES.iter().map(|source| source.name).collect();
        assert_eq!(names.len(), SOURCES.len());
        for source in SOURCES {
            assert!(source.help.ends_with('.'), "{}", source.name);
        }
    }

    #[test]
    fn every_file_that_defines_a_source_is_in_the_table() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/discover");
        let defining = fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path())
            .map(|path| {
                if path.is_dir() {
                    path.join("mod.rs")
                } else {
                    path
                }
            })
            // A folder beside the file of its name has no such file.
            .filter(|path| path.exists())
            .map(|path| fs::read_to_string(path).unwrap())
            .filter(|text| text.contains("\npub(super) const SOURCE: Source"))
            .count();
        assert_eq!(defining, SOURCES.len());
    }

    #[test]
    fn a_source_asks_for_access_if_and_only_if_it_needs_a_cluster() {
        // What the configuration names is in no table.
        let in_the_table = SOURCES.iter().filter(|source| source.name != secret::NAME);
        for source in in_the_table {
            let alone = matches!(source.start, Start::Alone(_));
            assert_eq!(source.access.is_empty(), alone, "{}", source.name);
        }
    }

    #[test]
    fn no_source_asks_to_write_or_to_read_secrets() {
        for access in SOURCES.iter().flat_map(|source| source.access) {
            assert_ne!(access.resource, "secrets");
            // A review is answered and not kept.
            let asks = access.resource == "subjectaccessreviews" && access.verbs == ["create"];
            for verb in access.verbs.iter().filter(|_| !asks) {
                assert!(["get", "list", "watch"].contains(verb), "{access:?}");
            }
        }
    }

    fn context(cluster: Option<Cluster>) -> Context {
        let config = Config {
            targets: vec![StaticTarget {
                name: "shop".into(),
                host: "shop.example".into(),
                port: 443,
                address: None,
                ca_file: None,
                http_port: None,
                starttls: None,
            }],
            ..Config::default()
        };
        Context {
            config: Arc::new(config),
            cluster,
            clock: || UnixTime::from_secs(1),
        }
    }

    fn names(context: &Context) -> Vec<&str> {
        context.sources().map(|source| source.name).collect()
    }

    #[tokio::test]
    async fn sources_run_that_are_on_and_have_the_cluster_they_need() {
        let mut context = context(Some(Cluster::for_tests("https://127.0.0.1:9")));
        assert_eq!(
            names(&context),
            [
                "api_server",
                "node",
                "ingress",
                "gateway",
                "traefik",
                "istio",
                "contour",
                "service",
                "authority",
                "validating_webhook",
                "mutating_webhook",
                "apiservice",
                "crd_conversion",
                "cert_manager",
                "static"
            ]
        );
        let mut config = Config::clone(&context.config);
        config.discovery.switch("ingress", false);
        config.discovery.switch("gateway", false);
        config.discovery.switch("traefik", false);
        config.discovery.switch("istio", false);
        config.discovery.switch("contour", false);
        config.discovery.service.enabled = false;
        config.discovery.switch("authority", false);
        config.discovery.switch("cert_manager", false);
        config.targets.clear();
        context.config = Arc::new(config.clone());
        assert_eq!(
            names(&context),
            [
                "api_server",
                "node",
                "validating_webhook",
                "mutating_webhook",
                "apiservice",
                "crd_conversion"
            ]
        );
        config.namespaces = vec!["shop".into()];
        context.config = Arc::new(config);
        assert_eq!(names(&context), ["api_server"]);
    }

    #[tokio::test]
    async fn without_a_cluster_the_written_targets_are_found_and_nothing_fails() {
        let context = context(None);
        assert_eq!(names(&context), ["static"]);
        let updates: Vec<_> = start(&context).collect().await;
        assert!(matches!(
            updates[..],
            [
                ("static", Update::Listed(_)),
                ("static", Update::Health(Health::Synced(_)))
            ]
        ));
    }

    #[tokio::test]
    async fn a_cluster_that_cannot_be_reached_stops_no_other_source() {
        // Port 9 (discard, RFC 863) has no listener on any machine this runs on.
        let context = context(Some(Cluster::for_tests("https://127.0.0.1:9")));
        let updates: Vec<_> = start(&context).take(6).collect().await;
        let listed = |name| {
            updates.iter().any(|(source, update)| {
                *source == name && matches!(update, Update::Listed(_) | Update::Changed(_))
            })
        };
        assert!(
            listed("static") && listed("api_server") && !listed("ingress"),
            "{updates:?}"
        );
    }
}
