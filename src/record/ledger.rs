//! The ledger: what is known of every door, and which rows point at it. The one writer.
//!
//! Reports are folded into what is known of their door; then every row that points at the door
//! is judged again and published. Verdicts also change with the clock alone (a certificate
//! expires behind a door that is waiting for its next probe): [`Ledger::rejudge`] sees to those.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{MissedTickBehavior, sleep};

use crate::clock;
use crate::discover::Health;
use crate::judge::{self, Case, Policy};
use crate::model::{
    DeepReport, Place, PlainDoor, PlainSeen, StoredObject, StoredPlace, Target, TlsDoor, TlsSeen,
    UnixTime, Verdict,
};
use crate::schedule::Event;

use super::change::Change;
use super::fold;
use super::own::Own;
use super::progress::Progress;
use super::records::Records;
use super::row::Seen;
use super::store::Store;

/// Between two looks for verdicts that have grown old: often enough that a batch stays short.
const REJUDGE_EVERY: Duration = Duration::from_secs(5);

/// Rows judged again in one go, so that reports do not wait for longer than some tens of
/// milliseconds. At one batch in [`REJUDGE_EVERY`], 100,000 rows take about four minutes.
const REJUDGE_ROWS: usize = 2000;

/// How long events wait for others, while there are few: to judge several rows in a row costs less
/// than each by itself, with all that is needed in the processor's caches, and what came of one
/// update is seen together. Nobody reads so often.
const PAUSE: Duration = Duration::from_millis(100);

/// Events taken at once: where as many are there, none waits.
const BATCH: usize = 256;

/// What is known of every door, and which rows point at it.
#[derive(Debug)]
pub struct Ledger {
    policy: Arc<Policy>,
    judge: fn(&Case<'_>) -> Verdict,
    /// A verdict older than this is judged again.
    fresh_for: Duration,
    rows: BTreeMap<Place, Judged<Target>>,
    stored: BTreeMap<StoredPlace, Judged<StoredObject>>,
    tls: Doors<TlsDoor, TlsSeen>,
    plain: Doors<PlainDoor, PlainSeen>,
    store: Arc<Store>,
    own: Arc<Own>,
    progress: Arc<Progress>,
    changes: broadcast::Sender<Change>,
}

#[derive(Debug)]
struct Judged<T> {
    what: Arc<T>,
    at: UnixTime,
}

type Doors<Door, Seen> = HashMap<Arc<Door>, Known<Seen>>;

#[derive(Debug, Default)]
struct Known<Seen> {
    /// Shared with the rows in the store; folding copies it where one holds it.
    seen: Arc<Seen>,
    /// The rows that point here; never empty. To most doors one points, and never a second.
    rows: SmallVec<[Place; 1]>,
}

impl Ledger {
    /// An empty ledger that fills `records`, and tells whoever listens to `changes`. A verdict is
    /// judged again when it is older than the interval between regular probes.
    #[must_use]
    pub fn new(policy: Arc<Policy>, records: Records, changes: broadcast::Sender<Change>) -> Self {
        let Records {
            store,
            own,
            progress,
            interval: fresh_for,
            questions: _,
        } = records;
        Self {
            policy,
            judge: judge::judge,
            fresh_for,
            rows: BTreeMap::new(),
            stored: BTreeMap::new(),
            tls: HashMap::new(),
            plain: HashMap::new(),
            store,
            own,
            progress,
            changes,
        }
    }

    /// Takes events until their sender is gone.
    pub async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        let mut tick = tokio::time::interval(REJUDGE_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                taken = events.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        return;
                    }
                    if taken < BATCH {
                        sleep(PAUSE).await;
                        let more = std::iter::from_fn(|| events.try_recv().ok());
                        batch.extend(more.take(BATCH));
                    }
                    for event in batch.drain(..) {
                        self.apply(event, clock::now());
                    }
                }
                _ = tick.tick() => self.rejudge(clock::now()),
            }
        }
    }

    /// Takes one event; rows that it touches are judged at `now`.
    pub fn apply(&mut self, event: Event, now: UnixTime) {
        match event {
            Event::Target(target) => self.declare(&target, now),
            Event::Gone(place) => self.forget(&place),
            Event::Stored(object) => self.publish_stored(&object, now),
            Event::StoredGone(place) => {
                self.stored.remove(&place);
                self.tell(self.store.remove_stored(&place));
            }
            Event::Tls(door, report) => {
                self.own.regular_probe(&report);
                let rows = update(&mut self.tls, &door, |seen| fold::tls(seen, report));
                self.publish(&rows, now);
            }
            Event::Deep(door, report) => {
                self.own.deep_probe(&report);
                self.deep(&door, &report, now);
            }
            Event::SharedDeep(door, report) => self.deep(&door, &report, now),
            Event::Plain(door, report) => {
                let rows = update(&mut self.plain, &door, |seen| fold::plain(seen, report));
                self.publish(&rows, now);
            }
            Event::Lateness(late) => self.own.lateness(late),
            Event::Source(source, health) => {
                self.own.source(source, &health);
                self.store.source(source);
                self.progress
                    .settled(source, matches!(health, Health::Failed { .. }));
            }
            Event::Dropped(source, counts) => self.store.dropped(source, &counts),
            Event::FirstPass => self.progress.passed(),
        }
    }

    fn deep(&mut self, door: &Arc<TlsDoor>, report: &DeepReport, now: UnixTime) {
        let rows = update(&mut self.tls, door, |seen| fold::deep(seen, report));
        self.publish(&rows, now);
    }

    /// Judges again what was last judged too long ago, a batch at most of each. Rows that never showed a
    /// certificate have nothing that time alone could change.
    pub fn rejudge(&mut self, now: UnixTime) {
        let tls = &self.tls;
        let old: Vec<Place> = self
            .rows
            .iter()
            .filter(|(_, row)| now.since(row.at) >= self.fresh_for)
            .filter(|(_, row)| {
                tls.get(&row.what.tls)
                    .is_some_and(|door| probed(&door.seen))
            })
            .map(|(place, _)| place.clone())
            .take(REJUDGE_ROWS)
            .collect();
        self.publish(&old, now);

        let stored = self.stored.values();
        let old: Vec<_> = stored
            .filter(|one| now.since(one.at) >= self.fresh_for)
            .map(|one| Arc::clone(&one.what))
            .take(REJUDGE_ROWS)
            .collect();
        for object in &old {
            self.publish_stored(object, now);
        }
    }

    /// Calls `look` with every row as it would be judged at `now`, in the order of the exposition.
    pub fn cases(&self, now: UnixTime, mut look: impl FnMut(&Case<'_>)) {
        for row in self.rows.values() {
            self.with_case(&row.what, now, &mut look);
        }
    }

    fn declare(&mut self, target: &Arc<Target>, now: UnixTime) {
        let place = target.row.place().clone();
        // First the new links, so that a door that stays keeps what is known of it.
        link(&mut self.tls, &target.tls, &place);
        for door in &target.plaintext {
            link(&mut self.plain, door, &place);
        }
        let judged = Judged {
            what: Arc::clone(target),
            at: now,
        };
        if let Some(old) = self.rows.insert(place.clone(), judged) {
            self.unlink(&place, &old.what, Some(target));
        }
        self.publish(&[place], now);
    }

    fn forget(&mut self, place: &Place) {
        if let Some(old) = self.rows.remove(place) {
            self.unlink(place, &old.what, None);
        }
        self.tell(self.store.remove(place));
    }

    /// Takes the row off the doors of `old` that it does not `keep`.
    fn unlink(&mut self, place: &Place, old: &Target, keep: Option<&Target>) {
        if keep.is_none_or(|target| target.tls != old.tls) {
            unlink(&mut self.tls, &old.tls, place);
        }
        for door in &old.plaintext {
            if keep.is_none_or(|target| !target.plaintext.contains(door)) {
                unlink(&mut self.plain, door, place);
            }
        }
    }

    fn publish(&mut self, rows: &[Place], now: UnixTime) {
        for place in rows {
            let Some(row) = self.rows.get_mut(place) else {
                continue;
            };
            row.at = now;
            let target = Arc::clone(&row.what);
            let seen = self.seen(&target);
            let probed = probed(&seen.tls);
            let verdict = self.with_case(&target, now, self.judge);
            self.tell(self.store.publish(target, verdict, probed, seen));
        }
    }

    /// What is known of the target's doors now.
    fn seen(&self, target: &Target) -> Seen {
        let tls = self.tls.get(&target.tls);
        let plain = target.plaintext.iter().filter_map(|door| {
            let known = self.plain.get(door)?;
            Some((Arc::clone(door), Arc::clone(&known.seen)))
        });
        Seen {
            tls: tls.map(|known| Arc::clone(&known.seen)).unwrap_or_default(),
            plain: plain.collect(),
        }
    }

    fn publish_stored(&mut self, object: &Arc<StoredObject>, now: UnixTime) {
        let verdict = judge::judge_stored(object, &self.policy, now);
        self.tell(self.store.publish_stored(Arc::clone(object), verdict));
        let judged = Judged {
            what: Arc::clone(object),
            at: now,
        };
        self.stored.insert(object.place.clone(), judged);
    }

    fn tell(&self, changes: Vec<Change>) {
        for change in changes {
            // It fails where nobody listens.
            drop(self.changes.send(change));
        }
    }

    fn with_case<T>(&self, target: &Target, now: UnixTime, f: impl FnOnce(&Case<'_>) -> T) -> T {
        let nothing = TlsSeen::default();
        let plain: Vec<_> = target
            .plaintext
            .iter()
            .filter_map(|door| Some((door.as_ref(), self.plain.get(door)?.seen.as_ref())))
            .collect();
        f(&Case {
            target,
            tls: self
                .tls
                .get(&target.tls)
                .map_or(&nothing, |known| known.seen.as_ref()),
            plain: &plain,
            policy: &self.policy,
            now,
        })
    }
}

/// Whether a certificate was seen there, ever.
fn probed(seen: &TlsSeen) -> bool {
    seen.addresses
        .iter()
        .any(|address| address.handshake.is_some())
}

fn link<Door: Eq + Hash, Seen: Default>(
    doors: &mut Doors<Door, Seen>,
    door: &Arc<Door>,
    row: &Place,
) {
    let known = doors.entry(Arc::clone(door)).or_default();
    if !known.rows.contains(row) {
        known.rows.push(row.clone());
    }
}

/// A door that no row points at is forgotten.
fn unlink<Door: Eq + Hash, Seen>(doors: &mut Doors<Door, Seen>, door: &Arc<Door>, row: &Place) {
    if let Some(known) = doors.get_mut(door) {
        known.rows.retain(|other| other != row);
        if known.rows.is_empty() {
            doors.remove(door);
        }
    }
}

/// Folds a report in and gives the rows that it touches; none for a door that has gone since.
fn update<Door: Eq + Hash, Seen: Clone>(
    doors: &mut Doors<Door, Seen>,
    door: &Arc<Door>,
    fold: impl FnOnce(&mut Seen),
) -> SmallVec<[Place; 1]> {
    doors.get_mut(door).map_or_else(SmallVec::new, |known| {
        fold(Arc::make_mut(&mut known.seen));
        known.rows.clone()
    })
}

#[cfg(test)]
mod tests;
