//! Which servers each object names, and where their Services are.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::super::host::dns_name;
use super::super::index::Index;
use super::super::object::{Keyed, Targets};
use super::super::{Declared, DropReason, Dropped, Object, ObjectKey};
use super::callee::{At, Callee};
use super::service::Front;
use super::{Kept, SERVICES, ServiceKey};
use crate::model::{
    Address, Clients, Expectation, Owner, PlainDoor, PlaintextRule, RequestPath, Requests,
    RowParts, Target, TlsDoor,
};

/// All objects that name servers, and all Services.
pub(super) struct Callers {
    source: &'static str,
    /// This program runs in the cluster, where cluster IP addresses lead somewhere.
    inside: bool,
    objects: HashMap<ObjectKey, Object<Kept>>,
    services: HashMap<ServiceKey, Front>,
    /// Which objects name a Service; it need not exist.
    naming: HashMap<ServiceKey, BTreeSet<ObjectKey>>,
}

impl Index for Callers {
    type Kept = Kept;

    fn put(&mut self, object: Object<Kept>) -> Vec<ObjectKey> {
        let key = object.key();
        if key.kind == SERVICES.name {
            let front = match object.kept {
                Some(Kept::Service(front)) => front,
                _ => Front::Nowhere,
            };
            return self.set_service(&key, Some(front));
        }
        self.set_caller(&key, Some(object))
    }

    fn take(&mut self, key: &ObjectKey) -> Vec<ObjectKey> {
        if key.kind == SERVICES.name {
            return self.set_service(key, None);
        }
        self.set_caller(key, None)
    }

    /// An object that names no server declares nothing.
    fn declared(&self, key: &ObjectKey) -> Option<Declared> {
        let object = self.objects.get(key)?;
        let callees = match &object.kept {
            Some(Kept::Caller(callees)) if callees.is_empty() => return None,
            Some(Kept::Caller(callees)) => Some(callees),
            Some(Kept::Service(_)) | None => None,
        };
        let mut declared = Declared::from(Object {
            owner: object.owner.clone(),
            marks: Arc::clone(&object.marks),
            kept: callees.map(|callees| self.targets(&object.owner, callees)),
        });
        let bundles = callees.into_iter().flatten().map(|callee| &callee.bundle);
        for bundle in bundles.flatten() {
            declared.store(Ok(bundle.clone()));
        }
        Some(declared)
    }
}

impl Callers {
    pub(super) fn new(source: &'static str, inside: bool) -> Self {
        Self {
            source,
            inside,
            objects: HashMap::new(),
            services: HashMap::new(),
            naming: HashMap::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.services.is_empty() && self.naming.is_empty()
    }

    fn set_service(&mut self, key: &ObjectKey, front: Option<Front>) -> Vec<ObjectKey> {
        let service = (Arc::clone(&key.namespace), Arc::clone(&key.name));
        if self.services.get(&service) == front.as_ref() {
            return Vec::new();
        }
        let touched = self.naming.get(&service).into_iter().flatten().cloned();
        let touched = touched.collect();
        match front {
            Some(front) => self.services.insert(service, front),
            None => self.services.remove(&service),
        };
        touched
    }

    fn set_caller(&mut self, key: &ObjectKey, object: Option<Object<Kept>>) -> Vec<ObjectKey> {
        if let Some(old) = self.objects.remove(key) {
            for service in named(&old) {
                if let Some(naming) = self.naming.get_mut(&service) {
                    naming.remove(key);
                    if naming.is_empty() {
                        self.naming.remove(&service);
                    }
                }
            }
        }
        if let Some(new) = object {
            for service in named(&new) {
                self.naming.entry(service).or_default().insert(key.clone());
            }
            self.objects.insert(key.clone(), new);
        }
        vec![key.clone()]
    }

    /// One target for each place that the object names, by the first of its servers there.
    fn targets(&self, owner: &Owner, callees: &[Callee]) -> Targets {
        let (mut targets, mut dropped) = (Vec::new(), Vec::new());
        let mut known = BTreeSet::new();
        for callee in callees {
            let named = name(&callee.at);
            match self.place(&callee.at) {
                Ok((address, port, tls)) => {
                    if known.insert((Arc::clone(&named), address.clone(), port)) {
                        let target = self.target(owner, callee, &named, (address, port, tls));
                        targets.push(target);
                    }
                }
                Err(reason) => dropped.push(Dropped {
                    host: named,
                    reason,
                }),
            }
        }
        (targets, dropped)
    }

    /// Where a server is dialled, and whether it must be there.
    fn place(&self, at: &At) -> Result<(Address, u16, bool), DropReason> {
        match at {
            At::Service {
                namespace,
                name,
                port,
            } => {
                let service = (Arc::clone(namespace), Arc::clone(name));
                let front = self.services.get(&service).ok_or(DropReason::NoAddress)?;
                let (address, in_cluster) = front.at(*port)?;
                Ok((address.clone(), *port, self.inside || !in_cluster))
            }
            At::Url { host, port } => Ok((host.clone(), *port, true)),
            At::Nowhere => Err(DropReason::Unsupported),
        }
    }

    /// Plaintext is looked for on the TLS port alone.
    fn target(
        &self,
        owner: &Owner,
        callee: &Callee,
        name: &Arc<str>,
        (address, port, tls): (Address, u16, bool),
    ) -> Target {
        let server_name = dns_name(name);
        let host = server_name.clone().unwrap_or_default();
        let row = RowParts {
            source: self.source,
            namespace: Arc::clone(&owner.namespace),
            host: Arc::clone(&host),
            port,
            address: address.to_string().into(),
            name: Arc::clone(&owner.name),
        }
        .into();
        let clients = if callee.verified {
            Clients::Verifying
        } else {
            Clients::Unverifying
        };
        Target {
            row,
            plaintext: vec![Arc::new(PlainDoor {
                address: address.clone(),
                port,
                host,
                path: RequestPath::default(),
                guarded: true,
            })],
            tls: Arc::new(TlsDoor {
                address,
                port,
                server_name,
                starttls: None,
                guarded: true,
                requests: Requests::Nothing,
            }),
            expect: Expectation {
                tls,
                name: Some(Arc::clone(name)),
                roots: callee.roots.clone(),
                plaintext: PlaintextRule::Forbidden,
                clients,
                ..Expectation::default()
            },
            owners: vec![owner.clone()],
        }
    }
}

/// The name that the API server verifies, and asks for where it is not an IP address.
fn name(at: &At) -> Arc<str> {
    match at {
        At::Service {
            namespace, name, ..
        } => format!("{name}.{namespace}.svc").into(),
        At::Url { host, .. } => host.to_string().into(),
        At::Nowhere => Arc::default(),
    }
}

/// The Services that an object names.
fn named(object: &Object<Kept>) -> BTreeSet<ServiceKey> {
    let callees = match &object.kept {
        Some(Kept::Caller(callees)) => callees.as_slice(),
        Some(Kept::Service(_)) | None => &[],
    };
    let services = callees.iter().filter_map(|callee| match &callee.at {
        At::Service {
            namespace, name, ..
        } => Some((Arc::clone(namespace), Arc::clone(name))),
        At::Url { .. } | At::Nowhere => None,
    });
    services.collect()
}
