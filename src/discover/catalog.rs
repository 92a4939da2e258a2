//! The catalogue of all rows: joins what the sources declare, applies the configuration's rules
//! and the caps, and says which rows changed.
//!
//! Pure: no input or output. What it comes to depends on the objects there are, not on the order
//! they were heard of; an object's change costs the work of the rows that it touches.
//!
//! Several objects may declare the same row, and one host may have rows at several addresses. All
//! rows of a host are named by its oldest owner, and all expect TLS if any owner declares it, so
//! that what is said of the host rather than of one address (`kube_https_tls_declared`) is said
//! once. The oldest owner that declares TLS decides the rest of a row; the others add paths, and the
//! remarks of all owners count.
//!
//! A row whose certificate comes from a Secret knows what was issued into that, by whatever source.

mod paths;
mod why;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use smallvec::SmallVec;

use super::caps::{Admission, Rank};
use super::issuance::Issuances;
use super::marks::Wishes;
use super::shelf::{Shelf, Stock};
use super::{Declared, DropReason, Dropped, Marks, ObjectKey, Update};
use crate::config::{Config, Rule, rule_for};
use crate::model::{
    Owner, Place, PlaintextRule, RootsRef, Spot, StoredObject, StoredPlace, Target, together,
};
pub use why::{Declaration, Fate, is_about};

/// The most owners that a target lists, the oldest: a tenant could otherwise grow a row, and the
/// series about it, without bound.
pub(super) const OWNERS: usize = 200;

/// What became of a row, or of stored certificates.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It appeared, or what is declared about it changed.
    Target(Arc<Target>),
    /// It went.
    Gone(Place),
    /// Certificates that no handshake shows appeared, or changed.
    Stored(Arc<StoredObject>),
    /// They went.
    StoredGone(StoredPlace),
}

/// All rows, by what declares them.
#[derive(Debug)]
pub struct Catalog {
    rules: Vec<Rule>,
    /// Whether what objects ask for by annotations is heard.
    annotations: bool,
    objects: HashMap<&'static str, HashMap<ObjectKey, Object>>,
    /// In their order, so that the rows of one host are together.
    rows: BTreeMap<Place, Box<Entry>>,
    shelf: Shelf,
    issuances: Issuances,
    admission: Admission,
    dropped: HashMap<(&'static str, DropReason), usize>,
}

/// What one object declares.
#[derive(Debug)]
struct Object {
    owner: Arc<Owner>,
    /// In order, without duplicates.
    places: Box<[Place]>,
    dropped: Vec<Dropped>,
}

/// One row: who declares it, and what that comes to.
#[derive(Debug, Default)]
struct Entry {
    /// In the order of their owners, of which each has one: the oldest first. Most rows have one.
    claims: SmallVec<[Claim; 1]>,
    /// Its place in the queue for the caps; none where a rule denies it.
    rank: Option<Rank>,
    /// All its claims as one; none where a rule denies it.
    merged: Option<Arc<Target>>,
    /// What was last said of it.
    published: Option<Arc<Target>>,
    /// Why nothing is.
    dropped: Option<DropReason>,
}

/// What one owner declares of a row.
#[derive(Debug, PartialEq)]
struct Claim {
    owner: Arc<Owner>,
    target: Arc<Target>,
    marks: Arc<Marks>,
}

/// What all rows of a host have in common.
#[derive(Debug)]
struct Common {
    name: Arc<str>,
    tls: bool,
}

impl Catalog {
    /// An empty catalogue under the rules and caps of `config`.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            rules: config.rules.clone(),
            annotations: config.annotations,
            objects: HashMap::new(),
            rows: BTreeMap::new(),
            admission: Admission::new(config.caps),
            shelf: Shelf::default(),
            issuances: Issuances::default(),
            dropped: HashMap::new(),
        }
    }

    /// Takes what a source says. Gives the rows that changed by it: first those to be had, then
    /// those that went, so that a door that only changed its row's name is never without one.
    pub fn apply(&mut self, source: &'static str, update: Update) -> Vec<Change> {
        let mut touched = BTreeSet::new();
        match update {
            Update::Health(_) => {}
            Update::Changed(declared) => self.put(source, declared, &mut touched),
            Update::Gone(key) => self.take(source, &key, &mut touched),
            Update::Listed(listed) => {
                let mut vanished: HashSet<_> = self
                    .objects
                    .get(source)
                    .into_iter()
                    .flat_map(HashMap::keys)
                    .cloned()
                    .collect();
                for declared in listed {
                    vanished.remove(&ObjectKey::from(&declared.object));
                    self.put(source, declared, &mut touched);
                }
                for key in &vanished {
                    self.take(source, key, &mut touched);
                }
            }
        }
        self.settle(&touched)
    }

    /// How much of what `source` declares is known but not probed: every reason, in order.
    #[must_use]
    pub fn dropped(&self, source: &'static str) -> Vec<(DropReason, usize)> {
        DropReason::ALL
            .into_iter()
            .map(|reason| {
                (
                    reason,
                    self.dropped.get(&(source, reason)).copied().unwrap_or(0),
                )
            })
            .collect()
    }

    /// Replaces all that an object declared. What it declares as before is not touched, so that a
    /// change to one of thousands of hosts behind one object costs little.
    fn put(&mut self, source: &'static str, declared: Declared, touched: &mut BTreeSet<Place>) {
        let key = ObjectKey::from(&declared.object);
        let before = self.remove(source, &key);
        self.shelf.put(
            source,
            &key,
            Stock {
                stored: declared.stored,
                flaws: declared.flaws,
                marks: Arc::clone(&declared.marks),
            },
        );
        touched.extend(self.issuances.put(&key, declared.issuance));
        let owner = Arc::new(declared.object);
        let mut places = Vec::with_capacity(declared.targets.len());
        let mut marks = declared.marks;
        if !self.annotations && marks.wishes != Wishes::default() {
            Arc::make_mut(&mut marks).wishes = Wishes::default();
        }
        for target in declared.targets {
            let place = target.row.place().clone();
            let claim = Claim {
                owner: Arc::clone(&owner),
                target: Arc::new(target),
                marks: Arc::clone(&marks),
            };
            if self.claim(&place, claim) {
                touched.insert(place.clone());
            }
            places.push(place);
        }
        places.sort_unstable();
        places.dedup();
        let object = Object {
            owner,
            places: places.into(),
            dropped: declared.dropped,
        };
        if let Some(before) = before {
            let stays = |place: &Place| {
                before.owner == object.owner && object.places.binary_search(place).is_ok()
            };
            let gone = before.places.iter().filter(|place| !stays(place));
            self.release(gone.cloned(), &before.owner, touched);
        }
        self.count(source, &[], &reasons(&object));
        self.objects.entry(source).or_default().insert(key, object);
    }

    /// Takes away all that an object declared.
    fn take(&mut self, source: &'static str, key: &ObjectKey, touched: &mut BTreeSet<Place>) {
        if let Some(object) = self.remove(source, key) {
            self.release(object.places, &object.owner, touched);
            self.shelf.take(source, key);
            touched.extend(self.issuances.put(key, None));
        }
    }

    /// Forgets an object, but for its claims.
    fn remove(&mut self, source: &'static str, key: &ObjectKey) -> Option<Object> {
        let object = self.objects.get_mut(source)?.remove(key)?;
        self.count(source, &reasons(&object), &[]);
        Some(object)
    }

    /// Adds an owner's claim to a row, in the place of its earlier one. Says whether they differ.
    fn claim(&mut self, place: &Place, claim: Claim) -> bool {
        self.rows.entry(place.clone()).or_default().put(claim)
    }

    /// Takes an owner's claims away from these rows.
    fn release(
        &mut self,
        places: impl IntoIterator<Item = Place>,
        owner: &Owner,
        touched: &mut BTreeSet<Place>,
    ) {
        for place in places {
            if let Some(entry) = self.rows.get_mut(&place)
                && let Ok(at) = entry.find(owner)
            {
                entry.claims.remove(at);
            }
            touched.insert(place);
        }
    }

    /// Works out the touched rows, and those that they move, anew.
    fn settle(&mut self, touched: &BTreeSet<Place>) -> Vec<Change> {
        let mut unsettled = BTreeSet::new();
        for place in touched {
            if !unsettled.contains(place) {
                unsettled.extend(self.merge_host(place));
            }
        }
        let mut moved = Vec::new();
        for place in &unsettled {
            moved.extend(self.queue(place));
        }
        unsettled.extend(moved);

        let (mut changes, mut gone) = (Vec::new(), Vec::new());
        for place in unsettled {
            self.publish(&place, &mut changes, &mut gone);
        }
        changes.extend(gone.into_iter().map(Change::Gone));
        changes.extend(self.shelf.settle(&self.rules));
        changes
    }

    /// Works out the targets of all rows of a place's host. Gives these rows.
    fn merge_host(&mut self, place: &Place) -> Vec<Place> {
        let (places, entries): (Vec<_>, Vec<_>) = host_rows(&self.rows, place).unzip();
        let places: Vec<Place> = places.into_iter().cloned().collect();
        let common = Common::of(&entries);
        for place in &places {
            self.merge(place, common.as_ref());
        }
        places
    }

    /// Makes one target of a row's claims, under the rules.
    fn merge(&mut self, place: &Place, common: Option<&Common>) {
        if let Some(entry) = self.rows.get_mut(place) {
            let mut merged = common.and_then(|common| entry.merged(place, common, &self.rules));
            let before = entry.merged.as_ref();
            let before = before.and_then(|target| target.expect.secret.as_ref());
            let secret = merged
                .as_ref()
                .and_then(|target| target.expect.secret.clone());
            self.issuances.link(place, before, secret.as_ref());
            if let Some(target) = &mut merged {
                target.expect.issued = secret.and_then(|secret| self.issuances.leaf(&secret));
            }
            if entry.merged.as_deref() != merged.as_ref() {
                entry.merged = merged.map(|target| entry.shared(target));
            }
        }
    }

    /// Gives a row its place in the queue for the caps. Gives the rows that move by it.
    fn queue(&mut self, place: &Place) -> Vec<Place> {
        let Some(entry) = self.rows.get_mut(place) else {
            return Vec::new();
        };
        let oldest = entry.claims.first().filter(|_| entry.merged.is_some());
        let rank = oldest.map(|claim| (claim.owner.created, place.clone()));
        if rank == entry.rank {
            return Vec::new();
        }
        let before = std::mem::replace(&mut entry.rank, rank.clone());
        let mut moved = Vec::new();
        moved.extend(
            before
                .into_iter()
                .flat_map(|rank| self.admission.leave(&rank)),
        );
        moved.extend(rank.into_iter().flat_map(|rank| self.admission.join(rank)));
        moved
    }

    /// Says what has changed about a row, and forgets it if nobody declares it any more.
    fn publish(&mut self, place: &Place, changed: &mut Vec<Change>, gone: &mut Vec<Place>) {
        let Some(entry) = self.rows.get_mut(place) else {
            return;
        };
        let admitted = entry
            .rank
            .as_ref()
            .is_some_and(|rank| self.admission.admits(rank));
        let next = entry.merged.clone().filter(|_| admitted);
        let dropped = match (entry.claims.is_empty(), &entry.merged) {
            (true, _) => None,
            (false, None) => Some(DropReason::Denied),
            (false, Some(_)) => (!admitted).then_some(DropReason::Cap),
        };
        let was_dropped = std::mem::replace(&mut entry.dropped, dropped);
        let before = std::mem::replace(&mut entry.published, next.clone());
        if entry.claims.is_empty() {
            self.rows.remove(place);
        }
        self.count(place.source, was_dropped.as_slice(), dropped.as_slice());
        if before.is_some() && next.is_none() {
            gone.push(place.clone());
        }
        if let Some(next) = next
            && before.as_ref() != Some(&next)
        {
            changed.push(Change::Target(next));
        }
    }

    fn count(&mut self, source: &'static str, less: &[DropReason], more: &[DropReason]) {
        for reason in less {
            let count = self.dropped.entry((source, *reason)).or_default();
            *count = count.saturating_sub(1);
        }
        for reason in more {
            *self.dropped.entry((source, *reason)).or_default() += 1;
        }
    }
}

fn reasons(object: &Object) -> Vec<DropReason> {
    let dropped = object.dropped.iter();
    dropped.map(|dropped| dropped.reason).collect()
}

impl Common {
    fn of(entries: &[&Entry]) -> Option<Self> {
        let oldest = entries
            .iter()
            .filter_map(|entry| Some(&entry.claims.first()?.owner))
            .min()?;
        Some(Self {
            name: Arc::clone(&oldest.name),
            tls: entries.iter().any(|entry| entry.declaring_tls().is_some()),
        })
    }
}

impl Entry {
    /// Where the claim of an owner is, or would be.
    fn find(&self, owner: &Owner) -> Result<usize, usize> {
        self.claims
            .binary_search_by(|claim| (*claim.owner).cmp(owner))
    }

    /// Puts a claim in the place of its owner's earlier one. Says whether they differ.
    fn put(&mut self, claim: Claim) -> bool {
        match self.find(&claim.owner) {
            Err(at) => self.claims.insert(at, claim),
            Ok(at) => match self.claims.get_mut(at) {
                Some(before) if *before != claim => *before = claim,
                _ => return false,
            },
        }
        true
    }

    /// The target, shared with the claim that says the same: most rows have one owner and no rule.
    fn shared(&self, target: Target) -> Arc<Target> {
        let same = self.claims.iter().find(|claim| *claim.target == target);
        same.map_or_else(|| Arc::new(target), |claim| Arc::clone(&claim.target))
    }

    /// The oldest claim that declares TLS.
    fn declaring_tls(&self) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.target.expect.tls)
    }

    /// Those that declare the row, the oldest first; then, likewise, those that have a part in it.
    fn owners(&self) -> impl Iterator<Item = &Owner> {
        let parts: BTreeSet<_> = (self.claims.iter())
            .flat_map(|claim| claim.target.owners.iter().skip(1))
            .collect();
        self.claims.iter().map(|claim| &*claim.owner).chain(parts)
    }

    /// All claims as one target; `None` where there are none, or a rule denies it, or all who make
    /// them ask that it is not probed.
    fn merged(&self, place: &Place, common: &Common, rules: &[Rule]) -> Option<Target> {
        let rule = |claim: &Claim| {
            let labels = &claim.marks.labels;
            rule_for(rules, place.source, &place.namespace, &place.host, |key| {
                labels.get(key)
            })
        };
        let probed = |claim: &&Claim| {
            let by_rule = rule(claim).and_then(|rule| rule.probe);
            by_rule.or(claim.marks.wishes.probe) != Some(false)
        };
        let mut wanted = self.claims.iter().filter(probed);
        let claim = (self.declaring_tls().filter(probed)).or_else(|| wanted.next())?;
        let mut target = Target::clone(&claim.target);
        target.row.name = Arc::clone(&common.name);
        target.expect.tls = common.tls;
        target.owners = self.owners().take(OWNERS).cloned().collect();
        let looked_for = |other: &&Claim| {
            let by_rule = rule(other).and_then(|rule| rule.plaintext);
            by_rule.or(other.marks.wishes.plaintext) != Some(PlaintextRule::Allowed)
        };
        let others = self
            .claims
            .iter()
            .filter(|other| !std::ptr::eq(*other, claim));
        let others = others.filter(probed).filter(looked_for);
        paths::join(&mut target, others.map(|other| &*other.target));
        let heard = self.claims.iter().filter(probed);
        target.expect.remarks = together(heard.map(|claim| &claim.target.expect.remarks));
        Some(under(rule(claim), claim.marks.wishes, target))
    }
}

/// The rows that share their name with this place's: those of the other addresses of its host.
/// Where there is no host, or no namespace whose host it would be, it stands alone: two nodes, or
/// two targets written by hand, are each called what they are called.
fn host_rows<'a>(
    rows: &'a BTreeMap<Place, Box<Entry>>,
    place: &'a Place,
) -> impl Iterator<Item = (&'a Place, &'a Entry)> {
    let alone = place.host.is_empty() || place.namespace.is_empty();
    let first = if alone {
        place.clone()
    } else {
        let spot = Spot {
            address: Arc::default(),
            entry: Arc::default(),
            ..Spot::clone(place)
        };
        spot.into()
    };
    let of_host = |other: &Place| {
        (other.source, other.port) == (place.source, place.port)
            && (&other.namespace, &other.host) == (&place.namespace, &place.host)
    };
    rows.range(first..)
        .take_while(move |(other, _)| {
            if alone {
                *other == place
            } else {
                of_host(other)
            }
        })
        .filter(|(other, _)| other.entry == place.entry)
        .map(|(place, entry)| (place, &**entry))
}

/// The target under the rule, if there is one for it, and under what its owner asks for where the
/// rule says nothing. Roots that the target itself was given stand.
fn under(rule: Option<&Rule>, wishes: Wishes, mut target: Target) -> Target {
    let expect = &mut target.expect;
    if let (Some(file), false) = (
        rule.and_then(|rule| rule.ca_file.as_ref()),
        matches!(expect.roots, RootsRef::File(_) | RootsRef::Given(_)),
    ) {
        expect.roots = RootsRef::File(Arc::clone(file));
    }
    if let Some(rule) = rule {
        expect.accept = Arc::clone(&rule.accept);
    }
    let by_rule = rule.and_then(|rule| rule.plaintext);
    if let Some(plaintext) = by_rule.or(wishes.plaintext) {
        expect.plaintext = plaintext;
        expect.in_clear = Arc::default();
    }
    if target.expect.plaintext == PlaintextRule::Allowed && target.expect.reach.is_none() {
        target.plaintext.clear();
    }
    target
}

#[cfg(test)]
#[path = "catalog_test.rs"]
mod tests;
