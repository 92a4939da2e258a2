//! Why a host is probed or is not: every object that declares it, and what became of that.

use std::sync::Arc;

use super::{Catalog, Claim, Entry, Object};
use crate::config::rule_for;
use crate::discover::DropReason;
use crate::model::{Owner, Place, Target};

/// What one object declares of a host, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Declaration {
    /// The label `source`.
    pub source: &'static str,
    /// The object.
    pub object: Owner,
    /// The host as it is declared.
    pub host: Arc<str>,
    /// What became of it.
    pub fate: Fate,
}

/// What became of what an object declares.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// It is probed, as this target.
    Probed(Arc<Target>),
    /// A rule of the configuration says that it is not: the number of it, from 0.
    DeniedByRule(usize),
    /// Every object that declares it asks by its annotation that it is not.
    DeniedByAnnotation,
    /// It is not, for this reason, which its object or the caps give.
    Dropped(DropReason),
}

impl Catalog {
    /// Everything that was declared of `host`: as it is written in objects, or one that a
    /// wildcard of theirs covers, or the address of a target. In the order of the objects.
    #[must_use]
    pub fn why(&self, host: &str) -> Vec<Declaration> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let mut declarations: Vec<_> = self
            .objects
            .iter()
            .flat_map(|(source, objects)| objects.values().map(move |object| (*source, object)))
            .flat_map(|(source, object)| self.declarations(source, object, &host))
            .collect();
        declarations
            .sort_by(|a, b| (a.source, &a.object, &a.host).cmp(&(b.source, &b.object, &b.host)));
        declarations
    }

    fn declarations<'a>(
        &'a self,
        source: &'static str,
        object: &'a Object,
        host: &'a str,
    ) -> impl Iterator<Item = Declaration> + 'a {
        let declaration = move |host: &Arc<str>, fate| Declaration {
            source,
            object: Owner::clone(&object.owner),
            host: Arc::clone(host),
            fate,
        };
        let rows = object
            .places
            .iter()
            .filter(move |place| is_about(place, host))
            .filter_map(|place| Some((place, self.rows.get(place)?)))
            .map(move |(place, entry)| declaration(&place.host, self.fate(place, entry)));
        let dropped = object
            .dropped
            .iter()
            .filter(move |dropped| covers(&dropped.host, host))
            .map(move |dropped| declaration(&dropped.host, Fate::Dropped(dropped.reason)));
        rows.chain(dropped)
    }

    fn fate(&self, place: &Place, entry: &Entry) -> Fate {
        match (&entry.published, &entry.merged) {
            (Some(target), _) => Fate::Probed(Arc::clone(target)),
            (None, Some(_)) => Fate::Dropped(DropReason::Cap),
            (None, None) => entry
                .claims
                .iter()
                .find_map(|claim| self.denying_rule(place, claim))
                .map_or(Fate::DeniedByAnnotation, Fate::DeniedByRule),
        }
    }

    /// The number of the rule that denies a claim.
    fn denying_rule(&self, place: &Place, claim: &Claim) -> Option<usize> {
        let labels = &claim.marks.labels;
        let rule = rule_for(
            &self.rules,
            place.source,
            &place.namespace,
            &place.host,
            |key| labels.get(key),
        )?;
        let number = self
            .rules
            .iter()
            .position(|other| std::ptr::eq(other, rule))?;
        (rule.probe == Some(false)).then_some(number)
    }
}

/// Whether a row is what is asked about by `host` (lower case, no trailing dot): by its host, a
/// wildcard that covers it, or its address.
#[must_use]
pub fn is_about(place: &Place, host: &str) -> bool {
    covers(&place.host, host) || &*place.address == host
}

/// Whether `declared` is `host`, or a wildcard that covers it (at any depth: controllers differ).
fn covers(declared: &str, host: &str) -> bool {
    let below = |suffix| {
        host.strip_suffix(suffix)
            .is_some_and(|left| left.ends_with('.'))
    };
    !declared.is_empty() && (declared == host || declared.strip_prefix("*.").is_some_and(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_about_the_names_below_it_alone() {
        for (declared, host, so) in [
            ("shop.test", "shop.test", true),
            ("shop.test", "a.shop.test", false),
            ("*.shop.test", "a.shop.test", true),
            ("*.shop.test", "a.b.shop.test", true),
            ("*.shop.test", "shop.test", false),
            ("*.shop.test", "eshop.test", false),
            ("*.shop.test", "*.shop.test", true),
            ("", "shop.test", false),
        ] {
            assert_eq!(covers(declared, host), so, "{declared} {host}");
        }
    }
}
