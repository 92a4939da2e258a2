//! What was issued into which Secret, joined with the rows that take their certificate from it: the
//! one does not know of the other, and a new certificate costs the rows of its Secret alone. Pure,
//! like the rest of the catalogue.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::ObjectKey;
use crate::model::{Issued, Place, SecretName};

/// An object has its certificate issued into this Secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Issuance {
    /// The Secret.
    pub secret: SecretName,
    /// What is in it; `None` where that is not known.
    pub leaf: Option<Arc<Issued>>,
}

/// Every Secret that something is issued into, or that a row names.
#[derive(Debug, Default)]
pub(super) struct Issuances {
    secrets: HashMap<SecretName, Secret>,
    /// Into which Secret each object has its certificate issued.
    objects: HashMap<ObjectKey, SecretName>,
}

#[derive(Debug, Default)]
struct Secret {
    /// By who has it issued.
    leaves: BTreeMap<ObjectKey, Option<Arc<Issued>>>,
    /// In order. Of one row mostly, or a few.
    rows: Vec<Place>,
}

impl Secret {
    /// Of several objects that share a Secret, the last to be issued overwrites the others: what is
    /// in it is not known.
    fn leaf(&self) -> Option<&Arc<Issued>> {
        let mut leaves = self.leaves.values();
        let first = leaves.next()?.as_ref()?;
        leaves.next().is_none().then_some(first)
    }
}

impl Issuances {
    /// What is known to be in a Secret.
    pub(super) fn leaf(&self, secret: &SecretName) -> Option<Arc<Issued>> {
        self.secrets.get(secret)?.leaf().cloned()
    }

    /// Replaces what an object has issued. Gives the rows that this concerns.
    pub(super) fn put(
        &mut self,
        object: &ObjectKey,
        issuance: Option<Issuance>,
    ) -> BTreeSet<Place> {
        let before = self.objects.get(object).cloned();
        let mut concerned = BTreeSet::new();
        let goes_on = issuance.as_ref().map(|issuance| &issuance.secret);
        if let Some(secret) = before.filter(|secret| Some(secret) != goes_on) {
            self.objects.remove(object);
            concerned.extend(self.change(&secret, |leaves| _ = leaves.remove(object)));
        }
        if let Some(Issuance { secret, leaf }) = issuance {
            concerned.extend(self.change(&secret, |leaves| {
                leaves.insert(object.clone(), leaf);
            }));
            self.objects.insert(object.clone(), secret);
        }
        concerned
    }

    /// Notes that a row takes its certificate from another Secret than before.
    pub(super) fn link(
        &mut self,
        row: &Place,
        before: Option<&SecretName>,
        now: Option<&SecretName>,
    ) {
        if before == now {
            return;
        }
        if let Some(secret) = before
            && let Some(known) = self.secrets.get_mut(secret)
        {
            known.rows.retain(|other| other != row);
            self.forget_unused(secret);
        }
        if let Some(secret) = now {
            let known = self.secrets.entry(secret.clone()).or_default();
            if let Err(at) = known.rows.binary_search(row) {
                known.rows.insert(at, row.clone());
            }
        }
    }

    /// Gives the rows of a Secret if the change made a difference to what is known to be in it.
    fn change(
        &mut self,
        secret: &SecretName,
        change: impl FnOnce(&mut BTreeMap<ObjectKey, Option<Arc<Issued>>>),
    ) -> BTreeSet<Place> {
        let known = self.secrets.entry(secret.clone()).or_default();
        let before = known.leaf().cloned();
        change(&mut known.leaves);
        let concerned = if before.as_ref() == known.leaf() {
            BTreeSet::new()
        } else {
            known.rows.iter().cloned().collect()
        };
        self.forget_unused(secret);
        concerned
    }

    fn forget_unused(&mut self, secret: &SecretName) {
        let unused = |known: &Secret| known.leaves.is_empty() && known.rows.is_empty();
        if self.secrets.get(secret).is_some_and(unused) {
            self.secrets.remove(secret);
        }
    }
}

#[cfg(test)]
#[path = "issuance_test.rs"]
mod tests;
