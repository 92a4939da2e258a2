//! The source `ingress`: the hosts of `networking.k8s.io/v1` Ingress objects.
//!
//! An object's hosts are those of its rules and of its TLS section; each is dialled at every
//! address that the controller published in `status.loadBalancer`, never at what DNS says of the
//! host, so that a tenant's host name leads nowhere by itself. Which controller serves the object,
//! and what its annotations mean to that one, comes from `ingress_class.rs` and `controller.rs`; what
//! AWS's and Google's are told besides, in objects of their own, from `class_params.rs` and
//! `frontend_config.rs`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use futures::stream::BoxStream;
use k8s_openapi::api::networking::v1::{
    Ingress, IngressClass, IngressLoadBalancerIngress, IngressSpec, IngressTLS,
};

use super::balancer::{HTTPS, addresses, fronts_at};
use super::class_params::{self, IngressClassParams};
use super::controller::{Listeners, Manner, reads};
use super::frontend_config::{self, FrontendConfig};
use super::host::{Host, dns_name};
use super::index::indexed;
use super::ingress_class::{Class, Ingresses, Kept};
use super::kind::Kind;
use super::object::Targets;
use super::paths::Paths;
use super::published::{self, Exposed, Front};
use super::watch::Watch;
use super::{Cluster, Context, DropReason, Dropped, Source, Start, Update, backend, world};
use crate::model::{Address, Owner, PlaintextRule, RequestPath, clean};

pub(super) const SOURCE: Source = Source {
    name: NAME,
    help: "Hosts of Ingress objects, at the addresses that their controller published.",
    access: &[
        INGRESSES.access(),
        CLASSES.access(),
        class_params::KINDS[0].access(),
        class_params::KINDS[1].access(),
        frontend_config::KIND.access(),
    ],
    enabled: |config| config.discovery.has(NAME),
    start: Start::Cluster(start),
};

const NAME: &str = "ingress";

const INGRESSES: Kind = Kind::namespaced::<Ingress>();

/// Without them, annotations are taken at their word.
const CLASSES: Kind = Kind::cluster_scoped::<IngressClass>();

/// The class, as it was named before there was `spec.ingressClassName`.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

fn start(context: &Context, cluster: &Cluster) -> BoxStream<'static, Update> {
    let ingresses = Watch::all(context, cluster, INGRESSES, |_, ingress| {
        Kept::Ingress(Facts::of(&ingress))
    });
    let classes = Watch::all(context, cluster, CLASSES, |owner, class| {
        Kept::Class(Class::of(owner.created, &class))
    });
    let params = class_params::KINDS.into_iter().flat_map(|kind| {
        Watch::all(context, cluster, kind, |_, params| {
            Kept::Params(IngressClassParams::annotations(params))
        })
    });
    let frontends = Watch::all(context, cluster, frontend_config::KIND, |_, frontend| {
        Kept::Frontend(FrontendConfig::plaintext(&frontend))
    });
    let ingresses = ingresses.into_iter().map(Watch::stream);
    let classes = classes.into_iter().map(|watch| watch.optional().stream());
    let params = params.map(|watch| watch.optional().stream());
    let frontends = (frontends.into_iter()).map(|watch| watch.optional().stream());
    let parts = ingresses.chain(classes).chain(params).chain(frontends);
    indexed(Ingresses::default(), parts.collect())
}

/// What is kept of an Ingress.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// Its class, where it names one.
    pub(super) class: Option<Arc<str>>,
    /// Those of its annotations that some controller reads.
    pub(super) annotations: BTreeMap<String, String>,
    /// Every host once, in the object's order, with what declares TLS for it.
    hosts: Vec<(Host, Option<TlsEntry>)>,
    /// The paths of each host's rules, where there are others than `/`.
    paths: HashMap<Host, Vec<RequestPath>>,
    /// What is no host.
    dropped: Vec<Dropped>,
    /// Every address once, with its TCP ports; or why there is none.
    published: Result<Vec<(Address, Vec<u16>)>, DropReason>,
}

impl Facts {
    pub(super) fn of(ingress: &Ingress) -> Self {
        let empty = IngressSpec::default();
        let spec = ingress.spec.as_ref().unwrap_or(&empty);
        let annotations = ingress.metadata.annotations.iter().flatten();
        let annotation = ingress.metadata.annotations.as_ref();
        let annotation = annotation.and_then(|all| all.get(CLASS_ANNOTATION));
        let class = spec.ingress_class_name.as_ref().or(annotation);
        let (hosts, dropped) = hosts(spec);
        let tls = TlsHosts::of(spec.tls.as_deref().unwrap_or_default());
        let with_tls = hosts.into_iter().map(|host| {
            let entry = tls.entry(&host).cloned();
            (host, entry)
        });
        Self {
            class: class
                .filter(|name| !name.is_empty())
                .map(|name| name.as_str().into()),
            annotations: annotations
                .filter(|(key, _)| reads(key) || world::reads(key) || backend::reads(key))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            hosts: with_tls.collect(),
            paths: paths(spec),
            dropped,
            published: addresses(published(ingress)),
        }
    }
}

/// Every target that an Ingress comes to where it is served in this manner, and every host that
/// cannot be one.
#[must_use]
pub(super) fn targets(owner: &Owner, facts: &Facts, manner: &Manner) -> Targets {
    let mut dropped = facts.dropped.clone();
    let exposed = exposed(facts, manner, &mut dropped);
    let fronts = fronts(&facts.published, manner.listeners.as_ref());
    let fronts = fronts.as_deref().map_err(|reason| *reason);
    let (targets, more) = published::targets(NAME, owner, &exposed, fronts);
    dropped.extend(more);
    (targets, dropped)
}

/// The object's own hosts, then those that its annotations add.
fn exposed(facts: &Facts, manner: &Manner, dropped: &mut Vec<Dropped>) -> Vec<Exposed> {
    let own = facts.hosts.iter().map(|(host, entry)| {
        let tls = manner.tls || entry.is_some();
        let plaintext = match manner.plaintext {
            // Without TLS there is nothing to redirect to, nor to be served beside.
            Some(PlaintextRule::Declared) if !tls => PlaintextRule::Redirect,
            rule => rule.unwrap_or(PlaintextRule::Redirect),
        };
        let paths = facts.paths.get(host).map(Vec::as_slice).unwrap_or_default();
        Exposed {
            host: host.clone(),
            tls,
            plaintext,
            paths: Paths::new(paths.to_vec(), plaintext),
            secret: (entry.as_ref())
                .and_then(|entry| entry.secret.clone())
                .filter(|_| !manner.certificate_elsewhere)
                // For hosts that nobody named, controllers have a default.
                .filter(|_| *host != Host::Any),
        }
    });
    let mut exposed: Vec<_> = own.collect();
    let mut seen: HashSet<_> = exposed.iter().map(|one| one.host.label()).collect();
    let mut added = Vec::new();
    if manner.www {
        added.extend(exposed.iter().filter_map(|exposed| {
            // The answer in clear is a redirect in clear, to a host that is looked at for itself.
            Some(Exposed {
                host: with_or_without_www(&exposed.host)?,
                plaintext: PlaintextRule::Allowed,
                ..exposed.clone()
            })
        }));
    }
    if let Some(first) = exposed.first() {
        for alias in &manner.aliases {
            match Host::parse(alias) {
                Some(host) => added.push(Exposed {
                    host,
                    ..first.clone()
                }),
                None => dropped.push(Dropped {
                    host: clean(alias).into(),
                    reason: DropReason::Unsupported,
                }),
            }
        }
    }
    added.retain(|added| seen.insert(added.host.label()));
    exposed.append(&mut added);
    exposed
}

fn with_or_without_www(host: &Host) -> Option<Host> {
    const WWW: &str = "www.";
    let Host::Exact(name) = host else {
        return None;
    };
    let other = name
        .strip_prefix(WWW)
        .map_or_else(|| format!("{WWW}{name}"), str::to_owned);
    dns_name(&other).map(Host::Exact)
}

/// The hosts of rules and of the TLS section, each once, in the object's order; a default backend
/// without rules stands for every host. And what is no host.
fn hosts(spec: &IngressSpec) -> (Vec<Host>, Vec<Dropped>) {
    let rules = spec.rules.as_deref().unwrap_or_default();
    let catch_all = (rules.is_empty() && spec.default_backend.is_some()).then_some("");
    let tls = spec
        .tls
        .iter()
        .flatten()
        .flat_map(|tls| tls.hosts.iter().flatten());
    let written = rules
        .iter()
        .map(|rule| rule.host.as_deref().unwrap_or_default())
        .chain(catch_all)
        .chain(tls.map(String::as_str).filter(|host| !host.is_empty()));

    let (mut hosts, mut dropped, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for text in written {
        let host = Host::parse(text);
        let label = host
            .as_ref()
            .map_or_else(|| clean(text).into(), Host::label);
        if seen.insert(Arc::clone(&label)) {
            match host {
                Some(host) => hosts.push(host),
                None => dropped.push(Dropped {
                    host: label,
                    reason: DropReason::Unsupported,
                }),
            }
        }
    }
    (hosts, dropped)
}

/// The paths of each host's rules, as they are sent, where there are others than `/`.
fn paths(spec: &IngressSpec) -> HashMap<Host, Vec<RequestPath>> {
    let mut written = HashMap::<_, Vec<_>>::new();
    for rule in spec.rules.iter().flatten() {
        let host = Host::parse(rule.host.as_deref().unwrap_or_default());
        let paths = rule.http.iter().flat_map(|http| &http.paths);
        // `None` is for all, as `/` is (`HTTPIngressPath.path`).
        let paths = paths.map(|path| path.path.as_deref().unwrap_or("/"));
        if let Some(host) = host {
            written.entry(host).or_default().extend(paths);
        }
    }
    let mut asked = HashMap::new();
    for (host, paths) in written {
        let paths = RequestPath::few(paths);
        if paths.iter().any(|path| !path.is_root()) {
            asked.insert(host, paths);
        }
    }
    asked
}

/// For which hosts the object declares TLS.
struct TlsHosts {
    /// An entry without hosts leaves them to the controller: all.
    all: Option<TlsEntry>,
    by_label: HashMap<Arc<str>, TlsEntry>,
}

/// An entry of the TLS section.
#[derive(Clone, Debug)]
struct TlsEntry {
    secret: Option<Arc<str>>,
}

impl TlsEntry {
    fn of(entry: &IngressTLS) -> Self {
        let secret = entry.secret_name.as_deref();
        Self {
            secret: secret.filter(|name| !name.is_empty()).map(Arc::from),
        }
    }
}

impl TlsHosts {
    /// Of several entries that name a host the first counts.
    fn of(entries: &[IngressTLS]) -> Self {
        let mut all = None;
        let mut by_label = HashMap::new();
        for written in entries {
            let entry = TlsEntry::of(written);
            let hosts = written.hosts.as_deref().unwrap_or_default();
            for host in hosts.iter().filter_map(|text| Host::parse(text)) {
                by_label
                    .entry(host.label())
                    .or_insert_with(|| entry.clone());
            }
            if hosts.is_empty() {
                all.get_or_insert(entry);
            }
        }
        Self { all, by_label }
    }

    /// The entry that names `host`: itself, or by a wildcard, whose star is exactly one label
    /// (`IngressRule.host`), or by naming none.
    fn entry(&self, host: &Host) -> Option<&TlsEntry> {
        let wildcard = || match host {
            Host::Exact(name) => {
                let (_, parent) = name.split_once('.')?;
                self.by_label.get(format!("*.{parent}").as_str())
            }
            _ => None,
        };
        let named = self.by_label.get(&host.label());
        named.or_else(wildcard).or(self.all.as_ref())
    }
}

fn published(ingress: &Ingress) -> &[IngressLoadBalancerIngress] {
    ingress
        .status
        .as_ref()
        .and_then(|status| status.load_balancer.as_ref())
        .and_then(|balancer| balancer.ingress.as_deref())
        .unwrap_or_default()
}

/// Every place where the object is served.
fn fronts(
    published: &Result<Vec<(Address, Vec<u16>)>, DropReason>,
    listeners: Option<&Listeners>,
) -> Result<Vec<Front>, DropReason> {
    let addresses = published.as_ref().map_err(|reason| *reason)?;
    let fronts = addresses
        .iter()
        .flat_map(|(address, ports)| match listeners {
            Some(listeners) => listening(address, listeners),
            None => fronts_at(address, ports),
        });
    Ok(fronts.collect())
}

/// One front for each TLS port that the object asks for; where it asks for none, the usual one,
/// which then need not answer.
fn listening(address: &Address, listeners: &Listeners) -> Vec<Front> {
    let unused = [HTTPS];
    let tls = match listeners.https.as_slice() {
        [] => &unused,
        ports => ports,
    };
    let front = |port: &u16| Front {
        address: address.clone(),
        port: *port,
        plaintext: listeners.http.clone(),
    };
    tls.iter().map(front).collect()
}

#[cfg(test)]
#[path = "ingress_test.rs"]
mod tests;
#[cfg(test)]
pub(super) use tests::declared as declared_for_tests;
