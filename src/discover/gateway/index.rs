//! Which objects of Gateway API belong together, and whose targets a change of one may change.
//!
//! A Gateway's targets depend on its routes; a set's, on its routes and its Gateway's addresses; both
//! on the HTTP listeners of the whole Gateway, sets included. What is remarked on them depends on the
//! policies for the Services that their routes lead to.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::super::host::Host;
use super::super::index::Index;
use super::super::object::{Keyed, Targets};
use super::super::{Declared, DropReason, Dropped, Object, ObjectKey};
use super::kept::{Gateway, Kept, Route, Set, Speaks};
use super::targets::{Scene, targets};
use super::{LISTENER_SETS, POLICIES, X_LISTENER_SETS};
use crate::model::{Address, Owner};

/// The kinds that have listeners for a Gateway.
const SETS: [&str; 2] = [LISTENER_SETS.name, X_LISTENER_SETS.name];

/// All objects there are.
#[derive(Default)]
pub(super) struct Gateways {
    objects: HashMap<ObjectKey, Object<Kept>>,
    /// What names an object as its parent, or a Service as its back end or as what it is for, the
    /// oldest first; what is named need not exist.
    attached: HashMap<ObjectKey, BTreeSet<Owner>>,
    /// The namespaces that policies are looked for in (`None` for all) with the parts that bring them,
    /// and of these the ones that are complete.
    policies: Vec<(Option<Arc<str>>, usize)>,
    complete: BTreeSet<usize>,
}

/// What a Gateway or a set means for the others of the same Gateway.
#[derive(PartialEq)]
struct Shared {
    gateway: ObjectKey,
    /// A Gateway's.
    addresses: Option<Result<Vec<Address>, DropReason>>,
    http: Vec<(Host, u16)>,
}

impl Index for Gateways {
    type Kept = Kept;

    fn put(&mut self, object: Object<Kept>) -> Vec<ObjectKey> {
        let key = object.key();
        if self.objects.get(&key) == Some(&object) {
            return Vec::new();
        }
        self.replace(&key, Some(object))
    }

    fn take(&mut self, key: &ObjectKey) -> Vec<ObjectKey> {
        self.replace(key, None)
    }

    fn complete(&mut self, part: usize, complete: bool) -> Vec<ObjectKey> {
        if !self.policies.iter().any(|(_, known)| *known == part) {
            return Vec::new();
        }
        if complete {
            self.complete.insert(part);
        } else {
            self.complete.remove(&part);
        }
        let mut with_listeners = self.objects.iter();
        let with_listeners = with_listeners
            .by_ref()
            .filter(|(_, object)| matches!(object.kept, Some(Kept::Gateway(_) | Kept::Set(_))));
        with_listeners.map(|(key, _)| key.clone()).collect()
    }

    fn declared(&self, key: &ObjectKey) -> Option<Declared> {
        let object = self.objects.get(key)?;
        let (targets, dropped) = match &object.kept {
            Some(Kept::Route(_) | Kept::Policy(_)) => return None,
            None if key.kind == POLICIES.name => return None,
            Some(kept) => targets(&self.scene(&object.owner, kept)),
            None => unreadable(),
        };
        Some(Declared {
            targets,
            dropped,
            ..Declared::nothing(object.owner.clone(), Arc::clone(&object.marks))
        })
    }
}

impl Gateways {
    /// None yet. Policies come of these parts, each from a namespace or all.
    pub(super) fn new(policies: Vec<(Option<Arc<str>>, usize)>) -> Self {
        Self {
            policies,
            ..Self::default()
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.attached.is_empty()
    }

    /// Puts an object in the place of the one of this name, or nothing. Gives what that touches.
    fn replace(&mut self, key: &ObjectKey, object: Option<Object<Kept>>) -> Vec<ObjectKey> {
        let before = self.shared(key);
        let mut touched: BTreeSet<_> = self.concerned(key).into_iter().collect();
        if let Some(old) = self.objects.remove(key) {
            self.detach(&old);
        }
        if let Some(new) = object {
            for parent in named(&new) {
                let attached = self.attached.entry(parent.clone()).or_default();
                attached.insert(new.owner.clone());
            }
            self.objects.insert(key.clone(), new);
        }
        touched.extend(self.concerned(key));
        let after = self.shared(key);
        if before != after {
            for Shared { gateway, .. } in before.iter().chain(&after) {
                touched.extend(self.family(gateway));
            }
        }
        touched.into_iter().collect()
    }

    fn detach(&mut self, object: &Object<Kept>) {
        for parent in named(object) {
            if let Some(attached) = self.attached.get_mut(parent) {
                attached.remove(&object.owner);
                if attached.is_empty() {
                    self.attached.remove(parent);
                }
            }
        }
    }

    /// Those whose targets depend on all that there is in this object: itself, or a route's parents,
    /// or those of the routes to what a policy is for.
    fn concerned(&self, key: &ObjectKey) -> Vec<ObjectKey> {
        let there = |key: &&ObjectKey| self.objects.contains_key(*key);
        match self.kept(key) {
            Some(kept @ Kept::Route(_)) => {
                kept.parents().into_iter().filter(there).cloned().collect()
            }
            Some(Kept::Policy(_)) => {
                let services = self.kept(key).map(Kept::services).unwrap_or_default();
                let routes = services.iter().flat_map(|service| self.attached(service));
                let routes = routes.filter_map(|owner| self.kept(&ObjectKey::from(owner)));
                let parents: BTreeSet<_> = routes.flat_map(Kept::parents).filter(there).collect();
                parents.into_iter().cloned().collect()
            }
            _ => Some(key).filter(there).cloned().into_iter().collect(),
        }
    }

    fn shared(&self, key: &ObjectKey) -> Option<Shared> {
        let kept = self.kept(key)?;
        let (gateway, addresses) = match kept {
            Kept::Gateway(gateway) => (key, Some(gateway.addresses.clone())),
            Kept::Set(set) => (&set.gateway, None),
            Kept::Route(_) | Kept::Policy(_) => return None,
        };
        Some(Shared {
            gateway: gateway.clone(),
            addresses,
            http: http(kept)
                .map(|(host, port)| (host.clone(), port))
                .collect(),
        })
    }

    /// A Gateway and its sets, as far as they are there.
    fn family(&self, gateway: &ObjectKey) -> Vec<ObjectKey> {
        let sets = self
            .attached(gateway)
            .filter(|owner| SETS.contains(&owner.kind));
        let all = std::iter::once(gateway.clone()).chain(sets.map(ObjectKey::from));
        all.filter(|key| self.objects.contains_key(key)).collect()
    }

    fn scene<'a>(&'a self, owner: &'a Owner, kept: &'a Kept) -> Scene<'a> {
        let key = ObjectKey::from(owner);
        let (gateway, accepted) = match kept {
            Kept::Set(set) => (&set.gateway, set.accepted),
            Kept::Gateway(_) | Kept::Route(_) | Kept::Policy(_) => (&key, true),
        };
        let addresses = match self.kept(gateway) {
            Some(Kept::Gateway(Gateway { addresses, .. })) if accepted => {
                addresses.as_deref().map_err(|reason| *reason)
            }
            Some(Kept::Gateway(_)) => Err(DropReason::Unsupported),
            _ => Err(DropReason::NoAddress),
        };
        let family = self.family(gateway);
        let members = family.iter().filter_map(|key| self.kept(key));
        let routes: Vec<_> = self.routes(&key).collect();
        let services = routes.iter().flat_map(|(_, route)| &route.backends);
        Scene {
            in_clear: services
                .filter(|service| self.is_in_clear(service))
                .collect(),
            owner,
            listeners: kept.listeners(),
            addresses,
            routes,
            http: members.flat_map(http).collect(),
        }
    }

    /// The routes that name `parent`, the oldest first.
    fn routes(&self, parent: &ObjectKey) -> impl Iterator<Item = (&Owner, &Route)> {
        self.attached(parent)
            .filter_map(|owner| match self.kept(&ObjectKey::from(owner))? {
                Kept::Route(route) => Some((owner, route)),
                Kept::Gateway(_) | Kept::Set(_) | Kept::Policy(_) => None,
            })
    }

    /// Whether it is known that no policy is for this Service. One that cannot be read may be.
    fn is_in_clear(&self, service: &ObjectKey) -> bool {
        let of = |namespace: &Option<Arc<str>>| {
            namespace
                .as_ref()
                .is_none_or(|name| *name == service.namespace)
        };
        let mut parts = self.policies.iter();
        let known = parts.any(|(namespace, part)| of(namespace) && self.complete.contains(part));
        known && !(self.attached(service)).any(|owner| owner.kind == POLICIES.name)
    }

    fn attached(&self, parent: &ObjectKey) -> impl Iterator<Item = &Owner> {
        self.attached.get(parent).into_iter().flatten()
    }

    fn kept(&self, key: &ObjectKey) -> Option<&Kept> {
        self.objects.get(key)?.kept.as_ref()
    }
}

/// All that an object names: its parents and Services.
fn named(object: &Object<Kept>) -> Vec<&ObjectKey> {
    let mut named = object.kept.as_ref().map_or_else(Vec::new, Kept::parents);
    named.extend(object.kept.iter().flat_map(Kept::services));
    named
}

/// The hosts and ports of an object's HTTP listeners; those of a set count once it is accepted.
fn http(kept: &Kept) -> impl Iterator<Item = (&Host, u16)> {
    let counts = !matches!(
        kept,
        Kept::Set(Set {
            accepted: false,
            ..
        })
    );
    let listeners = kept.listeners().iter().filter(move |_| counts);
    listeners
        .filter(|listener| listener.speaks == Some(Speaks::Http))
        .map(|listener| (&listener.host, listener.port))
}

/// An object that could not be read declares one thing, which is dropped.
fn unreadable() -> Targets {
    let dropped = Dropped {
        host: "".into(),
        reason: DropReason::Unsupported,
    };
    (Vec::new(), vec![dropped])
}
