//! The targets of one object with listeners: the hosts that its listeners have in common with the
//! routes attached to them, at the Gateway's addresses.
//!
//! A listener that terminates TLS and has no route is served all the same, and asked for by its own
//! hostname. One that passes TLS through has nothing behind it then, and one that speaks HTTP serves
//! nothing.
//!
//! A host that is served over HTTP alone is published in clear: a row of its own, at the HTTP port,
//! that declares no TLS. A host that only redirects to https there is not published. Where the
//! object has the host over TLS too, the HTTP port is one more door of that row; to be served on
//! both is declared, and no surprise.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::super::backend::in_clear;
use super::super::catalog::OWNERS;
use super::super::host::Host;
use super::super::object::Targets;
use super::super::paths::{self, Paths, by_path};
use super::super::published::{Published, TARGETS_PER_OBJECT};
use super::super::{DropReason, Dropped, ObjectKey};
use super::hostname::intersection;
use super::kept::{Listener, Route, Speaks};
use crate::model::{Address, Owner, PlaintextRule, Remark, SecretName, Target, clean};

/// An object with listeners, and all that its targets depend on.
pub(super) struct Scene<'a> {
    pub(super) owner: &'a Owner,
    pub(super) listeners: &'a [Listener],
    /// The Gateway's; or why the object is not served there.
    pub(super) addresses: Result<&'a [Address], DropReason>,
    /// Those that name the object, the oldest first, so that they are the last to fall to a cap.
    pub(super) routes: Vec<(&'a Owner, &'a Route)>,
    /// The Services behind its routes that are known to be spoken to in clear.
    pub(super) in_clear: HashSet<&'a ObjectKey>,
    /// The HTTP listeners of the whole Gateway, with those of its sets.
    pub(super) http: Vec<(&'a Host, u16)>,
}

/// One host at one port.
struct Served<'a> {
    host: &'a Host,
    port: u16,
    tls: bool,
    /// What its routes do over HTTP, path by path.
    paths: Vec<&'a paths::Route>,
    /// Where the certificate comes from, if from one Secret alone.
    secret: Option<&'a SecretName>,
    /// A Service that is spoken to in clear behind TLS.
    in_clear_behind: Option<&'a ObjectKey>,
    /// The oldest first.
    routes: Vec<&'a Owner>,
}

/// Everything that the object declares.
pub(super) fn targets(scene: &Scene<'_>) -> Targets {
    let mut hosts = Hosts::default();
    let mut unused: BTreeSet<usize> = (0..scene.listeners.len()).collect();
    for (owner, route) in &scene.routes {
        attach(scene, owner, route, &mut hosts, &mut unused);
    }
    for listener in unused.iter().filter_map(|at| scene.listeners.get(*at)) {
        match listener.speaks {
            Some(Speaks::Https | Speaks::Tls) => hosts.add(&listener.host, listener, None),
            Some(Speaks::Passthrough) => hosts.drop(&listener.label, DropReason::Unsupported),
            Some(Speaks::Http) => {}
            None => {
                let reason = scene.addresses.err().unwrap_or(DropReason::Unsupported);
                hosts.drop(&listener.label, reason);
            }
        }
    }
    hosts.targets(scene)
}

/// Adds the hosts that a route has in common with the listeners it is attached to.
fn attach<'a>(
    scene: &Scene<'a>,
    owner: &'a Owner,
    route: &'a Route,
    hosts: &mut Hosts<'a>,
    unused: &mut BTreeSet<usize>,
) {
    let object = ObjectKey::from(scene.owner);
    let (accepted, refused): (Vec<_>, Vec<_>) = (route.links.iter())
        .filter(|link| link.parent == object)
        .partition(|link| link.accepted);
    let clear = (route.backends.iter()).find(|service| scene.in_clear.contains(service));
    for (at, listener) in scene.listeners.iter().enumerate() {
        if !accepted.iter().any(|link| link.names(listener))
            || !listener.admits(owner.kind, owner.namespace == scene.owner.namespace)
        {
            continue;
        }
        for host in &route.hosts {
            if let Some(host) = intersection(&listener.host, host) {
                hosts.add(host, listener, Some((owner, route)));
                if listener.speaks == Some(Speaks::Https) {
                    hosts.mark(host, listener.port, clear);
                }
                unused.remove(&at);
            }
        }
    }
    if !refused.is_empty() {
        hosts.refused.extend(route.hosts.iter().map(Host::label));
    }
    hosts.refused.extend(route.unusable.iter().map(Arc::clone));
}

/// The hosts found so far, each once for each port; and what is no target.
#[derive(Default)]
struct Hosts<'a> {
    served: Vec<Served<'a>>,
    index: HashMap<(u16, &'a Host), usize>,
    /// Hosts of routes that are not attached, and what is no host: no loss where another route or
    /// listener serves them.
    refused: Vec<Arc<str>>,
    dropped: Vec<Dropped>,
}

impl<'a> Hosts<'a> {
    fn add(
        &mut self,
        host: &'a Host,
        listener: &'a Listener,
        route: Option<(&'a Owner, &'a Route)>,
    ) {
        let next = self.served.len();
        let at = *self.index.entry((listener.port, host)).or_insert(next);
        if at == next {
            self.served.push(Served {
                host,
                port: listener.port,
                tls: false,
                paths: Vec::new(),
                secret: None,
                in_clear_behind: None,
                routes: Vec::new(),
            });
        }
        let Some(served) = self.served.get_mut(at) else {
            return;
        };
        if listener.speaks == Some(Speaks::Http) {
            served
                .paths
                .extend(route.iter().flat_map(|(_, route)| &route.paths));
        } else {
            // A host of two listeners at one port is served by the more specific one, which may
            // have either's certificate.
            let other = served.tls && served.secret != listener.secret.as_ref();
            served.secret = listener.secret.as_ref().filter(|_| !other);
            served.tls = true;
        }
        if let Some((owner, _)) = route
            && served.routes.len() < OWNERS
            && served.routes.last() != Some(&owner)
        {
            served.routes.push(owner);
        }
    }

    /// Takes note of a Service that gets what is asked of the host in clear, the first.
    fn mark(&mut self, host: &'a Host, port: u16, clear: Option<&'a ObjectKey>) {
        let at = self.index.get(&(port, host));
        if let Some(served) = at.and_then(|at| self.served.get_mut(*at)) {
            served.in_clear_behind = served.in_clear_behind.or(clear);
        }
    }

    fn drop(&mut self, label: &Arc<str>, reason: DropReason) {
        self.dropped.push(Dropped {
            host: Arc::clone(label),
            reason,
        });
    }

    /// Makes what is served in clear a property of the same host's TLS, where it has any, and
    /// leaves out what is neither.
    fn merge_in_clear(&mut self) {
        let over_tls: HashSet<_> = (self.served.iter())
            .filter(|served| served.tls)
            .map(|served| served.host)
            .collect();
        let mut paths = HashMap::<_, Vec<_>>::new();
        for served in &self.served {
            paths.entry(served.host).or_default().extend(&served.paths);
        }
        self.served.retain(|served| {
            let in_clear = served.paths.iter().any(|route| route.in_clear);
            served.tls || in_clear && !over_tls.contains(served.host)
        });
        for served in &mut self.served {
            served.paths = paths.get(served.host).cloned().unwrap_or_default();
        }
    }

    /// Makes targets of the hosts.
    fn targets(mut self, scene: &Scene<'_>) -> Targets {
        self.merge_in_clear();
        let taken: HashSet<_> = self.served.iter().map(|served| served.host).collect();
        let mut known: HashSet<_> = taken.iter().map(|host| host.label()).collect();
        for label in std::mem::take(&mut self.refused) {
            if known.insert(Arc::clone(&label)) {
                self.drop(&label, DropReason::Unsupported);
            }
        }

        let mut targets = Vec::new();
        for served in &self.served {
            let more = scene.addresses.and_then(|at| {
                let name = served.host.asked(|other| taken.contains(other))?;
                if targets.len() + at.len() > TARGETS_PER_OBJECT {
                    return Err(DropReason::Cap);
                }
                Ok(served.at(scene, at, name.as_ref()))
            });
            match more {
                Ok(more) => targets.extend(more),
                Err(reason) => self.dropped.push(Dropped {
                    host: served.host.label(),
                    reason,
                }),
            }
        }
        (targets, self.dropped)
    }
}

impl Served<'_> {
    fn at(&self, scene: &Scene<'_>, addresses: &[Address], name: Option<&Arc<str>>) -> Vec<Target> {
        let http = self.http(scene);
        let (plaintext, paths) = self.in_clear();
        let remarks: Arc<[Remark]> = self.in_clear_behind.into_iter().map(remark).collect();
        let target = |address| {
            let published = Published {
                source: super::NAME,
                owner: scene.owner,
                host: self.host,
                name,
                address,
                port: self.port,
                tls: self.tls,
                http: &http,
                plaintext,
                paths: &paths,
                secret: self.secret,
            };
            let mut target = published.target();
            target.expect.remarks = Arc::clone(&remarks);
            target.owners.extend(self.routes.iter().copied().cloned());
            target
        };
        addresses.iter().map(target).collect()
    }

    /// What it may do in clear: without TLS there is nothing to be served beside.
    fn in_clear(&self) -> (PlaintextRule, Paths) {
        let routes = self.paths.iter().copied().cloned().collect();
        match by_path(routes) {
            told if self.tls => told,
            (_, Paths { asked, .. }) => (
                PlaintextRule::Redirect,
                Paths {
                    asked,
                    ..Paths::default()
                },
            ),
        }
    }

    /// The HTTP ports where the host is asked for in clear.
    fn http(&self, scene: &Scene<'_>) -> Vec<u16> {
        let http = scene.http.iter().filter(|_| self.tls);
        let same = http.filter(|(host, _)| intersection(host, self.host).is_some());
        let ports: BTreeSet<u16> = same.map(|(_, port)| *port).collect();
        ports.into_iter().collect()
    }
}

fn remark(
    ObjectKey {
        namespace, name, ..
    }: &ObjectKey,
) -> Remark {
    let named = clean(&format!("{namespace}/{name}"));
    in_clear(&format!("no BackendTLSPolicy is for Service {named}"))
}
