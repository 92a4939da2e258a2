//! What sources say is stored where, joined by the labels that it is shown under: objects of two
//! kinds may share a name. The rules say what is accepted of it. Pure, like the rest of the catalogue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Change, Marks, ObjectKey};
use crate::config::{Rule, rule_for};
use crate::model::{Flaw, Stored, StoredObject, StoredPlace};

/// Everything that is stored, by where.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    places: BTreeMap<StoredPlace, Entry>,
    /// Where something has changed since it was last settled.
    touched: BTreeSet<StoredPlace>,
}

/// What is stored in one place.
#[derive(Debug, Default)]
struct Entry {
    /// By the object's kind.
    claims: BTreeMap<&'static str, Stock>,
    /// What was last said of it.
    published: Option<Arc<StoredObject>>,
}

/// What one object stores, and what is wrong with it.
#[derive(Debug)]
pub(super) struct Stock {
    pub(super) stored: Vec<Stored>,
    pub(super) flaws: Vec<Flaw>,
    pub(super) marks: Arc<Marks>,
}

impl Shelf {
    /// Replaces all that an object stores.
    pub(super) fn put(&mut self, source: &'static str, key: &ObjectKey, claim: Stock) {
        if claim.stored.is_empty() && claim.flaws.is_empty() {
            return self.take(source, key);
        }
        let place = place(source, key);
        let entry = self.places.entry(place.clone()).or_default();
        entry.claims.insert(key.kind, claim);
        self.touched.insert(place);
    }

    /// Takes away all that an object stored.
    pub(super) fn take(&mut self, source: &'static str, key: &ObjectKey) {
        let place = place(source, key);
        if let Some(entry) = self.places.get_mut(&place)
            && entry.claims.remove(key.kind).is_some()
        {
            self.touched.insert(place);
        }
    }

    /// What has changed since the last call.
    pub(super) fn settle(&mut self, rules: &[Rule]) -> Vec<Change> {
        let touched = std::mem::take(&mut self.touched);
        touched
            .into_iter()
            .filter_map(|place| self.publish(place, rules))
            .collect()
    }

    fn publish(&mut self, place: StoredPlace, rules: &[Rule]) -> Option<Change> {
        let entry = self.places.get_mut(&place)?;
        let Some(next) = entry.merged(&place, rules) else {
            self.places.remove(&place);
            return Some(Change::StoredGone(place));
        };
        if entry.published.as_deref() == Some(&next) {
            return None;
        }
        let next = Arc::new(next);
        entry.published = Some(Arc::clone(&next));
        Some(Change::Stored(next))
    }
}

impl Entry {
    /// All claims as one object, under the rule for the first; `None` where there are none.
    fn merged(&self, place: &StoredPlace, rules: &[Rule]) -> Option<StoredObject> {
        let labels = &self.claims.values().next()?.marks.labels;
        let rule = rule_for(rules, place.source, &place.namespace, "", |key| {
            labels.get(key)
        });
        let stored = self.claims.values().flat_map(|claim| &claim.stored);
        let flaws = self.claims.values().flat_map(|claim| &claim.flaws);
        Some(StoredObject {
            place: place.clone(),
            stored: stored.cloned().collect(),
            flaws: flaws.cloned().collect(),
            accept: rule.map_or_else(Arc::default, |rule| Arc::clone(&rule.accept)),
        })
    }
}

fn place(source: &'static str, key: &ObjectKey) -> StoredPlace {
    StoredPlace {
        source,
        namespace: Arc::clone(&key.namespace),
        name: Arc::clone(&key.name),
    }
}

#[cfg(test)]
#[path = "shelf_test.rs"]
mod tests;
