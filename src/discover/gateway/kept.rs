//! What is kept of each object: names made comparable, references resolved, conditions applied.

use std::sync::Arc;

use super::super::host::{Host, dialled};
use super::super::paths;
use super::super::speaks::{self as service_port, said_by};
use super::super::{DropReason, ObjectKey};
use super::spec::{self, Condition, ParentRef, is};
use super::{GATEWAYS, GRPC_ROUTES, HTTP_ROUTES, LISTENER_SETS, TLS_ROUTES, X_LISTENER_SETS};
use crate::model::{Address, Owner, SecretName, clean};

/// The kind of back ends that are known here.
const SERVICE: &str = "Service";

/// What is kept of an object of any of the kinds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kept {
    Gateway(Gateway),
    Set(Set),
    Route(Route),
    Policy(Policy),
}

/// What has TLS spoken to back ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Policy {
    /// The Services that it is for; none once every controller has refused it.
    services: Vec<ObjectKey>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Gateway {
    pub(super) listeners: Vec<Listener>,
    /// Where it is dialled; or why it cannot be.
    pub(super) addresses: Result<Vec<Address>, DropReason>,
}

/// A set of listeners that a Gateway has besides its own.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Set {
    pub(super) listeners: Vec<Listener>,
    pub(super) gateway: ObjectKey,
    /// Whether the Gateway has it; that of another owner may refuse.
    pub(super) accepted: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Listener {
    pub(super) name: Arc<str>,
    pub(super) host: Host,
    pub(super) port: u16,
    /// `None` where it cannot be dialled or asked for.
    pub(super) speaks: Option<Speaks>,
    /// The hostname for what is dropped: that of `host`, or what is no host.
    pub(super) label: Arc<str>,
    /// Where it takes its certificate from, if from one Secret alone.
    pub(super) secret: Option<SecretName>,
    routes: Admitted,
}

/// What is spoken at a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    /// HTTP inside TLS.
    Https,
    /// Anything inside TLS that the Gateway terminates.
    Tls,
    /// TLS that the back end terminates.
    Passthrough,
    /// HTTP in clear.
    Http,
}

/// Which routes a listener lets attach, as far as objects say so. Which namespaces a selector picks
/// depends on their labels: that is left to the controller's word.
#[derive(Clone, Debug, PartialEq)]
struct Admitted {
    /// Only those of the listener's namespace.
    same: bool,
    none: bool,
    /// Only these kinds; empty for all that the protocol allows.
    kinds: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Route {
    pub(super) links: Vec<Link>,
    /// [`Host::Any`] alone where it names none.
    pub(super) hosts: Vec<Host>,
    /// The hostnames that are no hosts.
    pub(super) unusable: Vec<Arc<str>>,
    /// What it does at each of its paths, in clear.
    pub(super) paths: Vec<paths::Route>,
    /// The Services that it leads to, each once, but for those whose port stands for TLS by custom:
    /// what some controllers make of that, nobody says.
    pub(super) backends: Vec<ObjectKey>,
}

/// Where a route is attached.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Link {
    pub(super) parent: ObjectKey,
    section: Option<Arc<str>>,
    port: Option<u16>,
    /// Whether a controller has accepted it, for one of the parent's listeners at least.
    pub(super) accepted: bool,
}

impl Kept {
    /// Reads a Gateway.
    pub(super) fn gateway(owner: &Owner, gateway: spec::Gateway) -> Self {
        Self::Gateway(Gateway {
            listeners: listeners(owner, gateway.spec.listeners, &gateway.status.listeners),
            addresses: addresses(&gateway.status.addresses),
        })
    }

    /// Reads a set of listeners; one whose parent is no Gateway has none.
    pub(super) fn set(owner: &Owner, set: spec::ListenerSet) -> Self {
        let gateway = parent(&set.spec.parent_ref, owner);
        Self::Set(Set {
            listeners: listeners(owner, set.spec.listeners, &set.status.listeners),
            accepted: is(&set.status.conditions, "Accepted", "True"),
            gateway: gateway.unwrap_or_else(|| ObjectKey::from(owner)),
        })
    }

    /// Reads a route of any kind.
    pub(super) fn route(owner: &Owner, spec::Route { spec, status }: spec::Route) -> Self {
        let unusable = (spec.hostnames.iter()).filter(|text| Host::parse(text).is_none());
        Self::Route(Route {
            links: links(owner, &spec.parent_refs, &status.parents),
            unusable: unusable.map(|text| clean(text).into()).collect(),
            hosts: match spec.hostnames.as_slice() {
                [] => vec![Host::Any],
                written => written
                    .iter()
                    .filter_map(|text| Host::parse(text))
                    .collect(),
            },
            paths: paths_of(&spec.rules),
            backends: backends(owner, &spec.rules),
        })
    }

    /// Reads a policy. What is not refused (yet) may hold.
    pub(super) fn policy(owner: &Owner, policy: spec::Policy) -> Self {
        let ancestors = &policy.status.ancestors;
        let mut each = ancestors.iter();
        let refused =
            !ancestors.is_empty() && each.all(|said| is(&said.conditions, "Accepted", "False"));
        let written = policy.spec.target_refs.into_iter();
        let services = (written.chain(policy.spec.target_ref))
            .filter(|to| to.group.is_empty() && to.kind == SERVICE && !refused)
            .map(|to| service(Arc::clone(&owner.namespace), &to.name));
        Self::Policy(Policy {
            services: services.collect(),
        })
    }

    /// The Services that a route leads to, or that a policy is for.
    pub(super) fn services(&self) -> &[ObjectKey] {
        match self {
            Self::Gateway(_) | Self::Set(_) => &[],
            Self::Route(route) => &route.backends,
            Self::Policy(policy) => &policy.services,
        }
    }

    /// The listeners of an object that has some.
    pub(super) fn listeners(&self) -> &[Listener] {
        match self {
            Self::Gateway(gateway) => &gateway.listeners,
            Self::Set(set) => &set.listeners,
            Self::Route(_) | Self::Policy(_) => &[],
        }
    }

    /// The objects that it is attached to.
    pub(super) fn parents(&self) -> Vec<&ObjectKey> {
        match self {
            Self::Gateway(_) | Self::Policy(_) => Vec::new(),
            Self::Set(set) => vec![&set.gateway],
            Self::Route(route) => route.links.iter().map(|link| &link.parent).collect(),
        }
    }
}

impl Listener {
    fn of(owner: &Owner, written: spec::Listener, status: Option<&spec::ListenerStatus>) -> Self {
        let hostname = written.hostname.unwrap_or_default();
        let host = Host::parse(&hostname);
        let port = match written.port {
            0 => status.and_then(|status| status.port).unwrap_or(0),
            port => port,
        };
        let is_up = status.is_none_or(|status| is_up(&status.conditions));
        let speaks = speaks(&written.protocol, written.tls.as_ref());
        let from = written.allowed_routes.namespaces.from;
        let from = from.as_deref().unwrap_or("Same");
        let kinds = written.allowed_routes.kinds.into_iter();
        Self {
            name: written.name.into(),
            speaks: speaks.filter(|_| is_up && port != 0 && host.is_some()),
            label: match &host {
                Some(host) => host.label(),
                None => clean(&hostname).into(),
            },
            host: host.unwrap_or(Host::Any),
            port,
            secret: written.tls.as_ref().and_then(|tls| secret(owner, tls)),
            routes: Admitted {
                same: from == "Same",
                none: from == "None",
                kinds: kinds.map(|kind| kind.kind).collect(),
            },
        }
    }

    /// Whether a route of this kind may attach, from the listener's own namespace or another.
    pub(super) fn admits(&self, kind: &str, same_namespace: bool) -> bool {
        let spoken = match self.speaks {
            None => false,
            Some(Speaks::Https | Speaks::Http) => {
                [HTTP_ROUTES.name, GRPC_ROUTES.name].contains(&kind)
            }
            Some(Speaks::Tls | Speaks::Passthrough) => kind == TLS_ROUTES.name,
        };
        let Admitted { same, none, kinds } = &self.routes;
        let wanted = kinds.is_empty() || kinds.iter().any(|wanted| wanted == kind);
        spoken && wanted && !none && (same_namespace || !same)
    }
}

impl Link {
    fn of(reference: &ParentRef, owner: &Owner) -> Option<Self> {
        Some(Self {
            parent: parent(reference, owner)?,
            section: reference.section_name.as_deref().map(Arc::from),
            port: reference.port,
            accepted: false,
        })
    }

    /// Whether it names `listener`, one of its parent's: `sectionName` and `port` each narrow it.
    pub(super) fn names(&self, listener: &Listener) -> bool {
        let section = (self.section.as_ref()).is_none_or(|name| *name == listener.name);
        section && self.port.is_none_or(|port| port == listener.port)
    }
}

/// Where a route is attached, each with what the controllers say of it.
fn links(owner: &Owner, written: &[ParentRef], statuses: &[spec::RouteParentStatus]) -> Vec<Link> {
    let mut links: Vec<_> = (written.iter())
        .filter_map(|reference| Link::of(reference, owner))
        .collect();
    for status in statuses {
        if is(&status.conditions, "Accepted", "True")
            && let Some(accepted) = Link::of(&status.parent_ref, owner)
            && let Some(link) = links.iter_mut().find(|link| **link == accepted)
        {
            link.accepted = true;
        }
    }
    links
}

fn listeners(
    owner: &Owner,
    written: Vec<spec::Listener>,
    statuses: &[spec::ListenerStatus],
) -> Vec<Listener> {
    let status = |name: &str| statuses.iter().find(|status| status.name == name);
    let listener = |written: spec::Listener| {
        let status = status(&written.name);
        Listener::of(owner, written, status)
    };
    written.into_iter().map(listener).collect()
}

/// Whether nothing says that a listener is not served. What a controller has not said (yet) is no
/// reason to pass a listener over.
fn is_up(conditions: &[Condition]) -> bool {
    !is(conditions, "Accepted", "False")
        && !is(conditions, "Conflicted", "True")
        && !is(conditions, "Programmed", "False")
}

/// What a listener speaks; `None` for protocols that are not asked. What is behind a TCP listener
/// may be anything, and some servers shut out who says hello in the wrong language.
fn speaks(protocol: &str, tls: Option<&spec::ListenerTls>) -> Option<Speaks> {
    let mode = tls.and_then(|tls| tls.mode.as_deref());
    match (protocol, mode) {
        ("HTTP", _) => Some(Speaks::Http),
        ("HTTPS", _) => Some(Speaks::Https),
        ("TLS", Some("Passthrough")) => Some(Speaks::Passthrough),
        ("TLS", _) => Some(Speaks::Tls),
        _ => None,
    }
}

/// The Secret of a listener that terminates TLS. Of several the controller chooses by itself.
/// Whether another namespace's may be used (`ReferenceGrant`) is the controller's to say: a listener
/// without its certificate is not up.
fn secret(owner: &Owner, tls: &spec::ListenerTls) -> Option<SecretName> {
    let [reference] = tls.certificate_refs.as_slice() else {
        return None;
    };
    let is_secret = reference.group.as_deref().unwrap_or_default().is_empty()
        && reference.kind.as_deref().unwrap_or("Secret") == "Secret";
    let passed_through = tls.mode.as_deref() == Some("Passthrough");
    (is_secret && !passed_through).then(|| SecretName {
        namespace: match &reference.namespace {
            Some(namespace) => namespace.as_str().into(),
            None => Arc::clone(&owner.namespace),
        },
        name: reference.name.as_str().into(),
    })
}

/// Every address that can be dialled, once; or why there is none.
fn addresses(published: &[spec::Address]) -> Result<Vec<Address>, DropReason> {
    let mut addresses = Vec::new();
    for address in published {
        // The types with a domain before them are a controller's own.
        let known = matches!(
            address.kind.as_deref(),
            None | Some("IPAddress" | "Hostname")
        );
        if let Some(address) = dialled(&address.value).filter(|_| known)
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
    }
    match (addresses.is_empty(), published.is_empty()) {
        (false, _) => Ok(addresses),
        (true, true) => Err(DropReason::NoAddress),
        (true, false) => Err(DropReason::Unsupported),
    }
}

/// The object that `reference` names; `None` for those of a kind that has no listeners, such as the
/// Services of a mesh.
fn parent(reference: &ParentRef, owner: &Owner) -> Option<ObjectKey> {
    let group = reference.group.as_deref().unwrap_or(GATEWAYS.group);
    let kind = reference.kind.as_deref().unwrap_or(GATEWAYS.name);
    let kinds = [GATEWAYS, LISTENER_SETS, X_LISTENER_SETS];
    let found = (kinds.iter()).find(|known| known.group == group && known.name == kind)?;
    Some(ObjectKey {
        kind: found.name,
        namespace: match &reference.namespace {
            Some(namespace) => namespace.as_str().into(),
            None => Arc::clone(&owner.namespace),
        },
        name: reference.name.as_str().into(),
    })
}

/// What a route does at its paths. A rule that does not redirect to https serves there, whatever
/// the code (one that redirects can have no back end), and a route without rules everywhere.
fn paths_of(rules: &[spec::Rule]) -> Vec<paths::Route> {
    let mut routes = Vec::new();
    for rule in rules {
        let in_clear = !rule.filters.iter().any(redirects);
        let matches = rule.matches.iter();
        routes.extend(matches.map(|matched| paths::Route::to(path(matched), in_clear)));
        if rule.matches.is_empty() {
            routes.push(paths::Route::to(Some("/"), in_clear));
        }
    }
    if routes.is_empty() {
        routes.push(paths::Route::to(Some("/"), true));
    }
    paths::telling(routes)
}

/// The path of a match; `None` for a pattern.
fn path(matched: &spec::Match) -> Option<&str> {
    let Some(path) = &matched.path else {
        return Some("/");
    };
    let is_plain = matches!(path.kind.as_deref(), None | Some("PathPrefix" | "Exact"));
    is_plain.then(|| path.value.as_deref().unwrap_or("/"))
}

fn redirects(filter: &spec::Filter) -> bool {
    let redirect = filter.request_redirect.as_ref();
    redirect.is_some_and(|redirect| redirect.scheme.as_deref() == Some("https"))
}

fn service(namespace: Arc<str>, name: &str) -> ObjectKey {
    ObjectKey {
        kind: SERVICE,
        namespace,
        name: name.into(),
    }
}

/// The Services that get requests; see [`Route::backends`].
fn backends(owner: &Owner, rules: &[spec::Rule]) -> Vec<ObjectKey> {
    let mut services = Vec::new();
    for to in rules.iter().flat_map(|rule| &rule.backends) {
        let is_service = to.group.as_deref().unwrap_or_default().is_empty()
            && to.kind.as_deref().unwrap_or(SERVICE) == SERVICE;
        let is_tls = to.port.and_then(|port| said_by("", port)) == Some(service_port::Speaks::Tls);
        let service = service(
            match &to.namespace {
                Some(namespace) => namespace.as_str().into(),
                None => Arc::clone(&owner.namespace),
            },
            &to.name,
        );
        if is_service && !is_tls && to.weight != Some(0) && !services.contains(&service) {
            services.push(service);
        }
    }
    services
}
