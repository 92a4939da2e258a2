//! Which request is a Certificate's current one: what is known of both kinds together.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::super::index::Index;
use super::super::issuance::Issuance;
use super::super::object::Keyed;
use super::super::{Declared, DropReason, Dropped, Object, ObjectKey};
use super::CERTIFICATES;
use super::kept::{Kept, Request, Wanted};
use crate::model::{Certificate, Issued, Owner, SecretName, Stored, Usage};

/// Where cert-manager puts a certificate in a Secret (`kubernetes.io/tls`).
const KEY: &str = "tls.crt";

/// All objects there are.
#[derive(Default)]
pub(super) struct Certificates {
    objects: HashMap<ObjectKey, Object<Kept>>,
    /// The requests of each Certificate, which need not exist, the oldest first.
    requests: HashMap<ObjectKey, BTreeSet<Owner>>,
}

impl Index for Certificates {
    type Kept = Kept;

    fn put(&mut self, object: Object<Kept>) -> Vec<ObjectKey> {
        let key = object.key();
        if self.objects.get(&key) == Some(&object) {
            return Vec::new();
        }
        let mut touched = self.take(&key);
        if let Some(certificate) = certificate_of(&object) {
            let requests = self.requests.entry(certificate).or_default();
            requests.insert(object.owner.clone());
        }
        self.objects.insert(key.clone(), object);
        touched.extend(self.concerned(&key));
        touched
    }

    fn take(&mut self, key: &ObjectKey) -> Vec<ObjectKey> {
        let touched = self.concerned(key).into_iter().collect();
        if let Some(object) = self.objects.remove(key)
            && let Some(certificate) = certificate_of(&object)
            && let Some(requests) = self.requests.get_mut(&certificate)
        {
            requests.remove(&object.owner);
            if requests.is_empty() {
                self.requests.remove(&certificate);
            }
        }
        touched
    }

    fn declared(&self, key: &ObjectKey) -> Option<Declared> {
        let Object { owner, marks, kept } = self.objects.get(key)?;
        let nothing = Declared::nothing(owner.clone(), Arc::clone(marks));
        match kept {
            Some(Kept::Certificate(wanted)) => {
                let leaf = self.current(key, wanted);
                Some(Declared {
                    stored: stored(wanted, leaf).into_iter().collect(),
                    issuance: Some(issuance(owner, wanted, leaf)),
                    ..nothing
                })
            }
            None if key.kind == CERTIFICATES.name => Some(Declared {
                dropped: vec![Dropped {
                    host: Arc::default(),
                    reason: DropReason::Unsupported,
                }],
                ..nothing
            }),
            Some(Kept::Request(_)) | None => None,
        }
    }
}

impl Certificates {
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.requests.is_empty()
    }

    /// The Certificate that an object is, or is a request of.
    fn concerned(&self, key: &ObjectKey) -> Option<ObjectKey> {
        let object = self.objects.get(key)?;
        if key.kind == CERTIFICATES.name {
            return Some(key.clone());
        }
        certificate_of(object).filter(|certificate| self.objects.contains_key(certificate))
    }

    /// What is in the Secret; `None` where nothing is, or the request is gone.
    fn current(&self, certificate: &ObjectKey, wanted: &Wanted) -> Option<&Arc<Issued>> {
        let revision = wanted.revision?;
        let requests = self.requests.get(certificate)?.iter().rev();
        let mut requests = requests.filter_map(|owner| self.request(&ObjectKey::from(owner)));
        requests
            .find(|request| request.revision == revision)?
            .leaf
            .as_ref()
    }

    fn request(&self, key: &ObjectKey) -> Option<&Request> {
        request(self.objects.get(key)?)
    }
}

fn request(object: &Object<Kept>) -> Option<&Request> {
    match object.kept.as_ref()? {
        Kept::Request(request) => request.as_ref(),
        Kept::Certificate(_) => None,
    }
}

/// The Certificate that a request is of.
fn certificate_of(object: &Object<Kept>) -> Option<ObjectKey> {
    let request = request(object)?;
    Some(ObjectKey {
        kind: CERTIFICATES.name,
        namespace: Arc::clone(&object.owner.namespace),
        name: Arc::clone(&request.certificate),
    })
}

/// What is in the Secret, by its dates; the bytes are not kept.
fn stored(wanted: &Wanted, leaf: Option<&Arc<Issued>>) -> Option<Stored> {
    if leaf.is_none() && wanted.renewal.is_none() {
        return None;
    }
    let usage = match leaf.map(|leaf| &leaf.facts) {
        Some(facts) if facts.is_ca => Usage::CaBundle,
        Some(facts) if !facts.for_servers => Usage::Client,
        _ => Usage::Server,
    };
    let certificates = leaf.map(|leaf| Certificate {
        der: Box::default(),
        fingerprint: leaf.fingerprint,
        facts: Ok(leaf.facts.clone()),
    });
    Some(Stored {
        key: KEY.into(),
        usage,
        certificates: certificates.into_iter().collect(),
        renewal: wanted.renewal,
    })
}

fn issuance(owner: &Owner, wanted: &Wanted, leaf: Option<&Arc<Issued>>) -> Issuance {
    Issuance {
        secret: SecretName {
            namespace: Arc::clone(&owner.namespace),
            name: Arc::clone(&wanted.secret),
        },
        leaf: leaf.cloned(),
    }
}
