//! Sources whose targets come of several kinds of objects together: each object is folded into one
//! index as it comes, changes and goes, and only what that touches is worked out anew.

use std::collections::{BTreeSet, VecDeque};

use futures::StreamExt;
use futures::stream::{self, BoxStream};

use super::join::{Parts, numbered};
use super::watch::FORBIDDEN;
use super::{Declared, Health, Object, ObjectKey, Update};

/// What a source knows of its objects. Pure: what it comes to depends on the objects there are, not
/// on the order they were heard of.
pub(super) trait Index: Send + 'static {
    /// What is kept of an object: where there are several kinds, an enum of what is kept of each.
    type Kept: Send + 'static;

    /// Takes an object, new or changed. Gives the objects whose targets that may change, itself
    /// included: only of those kinds that declare targets.
    fn put(&mut self, object: Object<Self::Kept>) -> Vec<ObjectKey>;

    /// Forgets an object. Gives the objects whose targets that may change, as `put` does.
    fn take(&mut self, key: &ObjectKey) -> Vec<ObjectKey>;

    /// Hears whether the index has all the objects of a part, one of those given to [`indexed`]: from
    /// when it has listed them, or the cluster does not have the kind, until they may no longer be
    /// read. Gives the objects whose targets that may change. For where it matters that there is none.
    fn complete(&mut self, _part: usize, _complete: bool) -> Vec<ObjectKey> {
        Vec::new()
    }

    /// Everything that an object declares as things stand; `None` where there is no such object.
    fn declared(&self, key: &ObjectKey) -> Option<Declared>;
}

/// What `index` comes to as it follows the watches `parts`.
///
/// Nothing is said of any object before every part has listed or failed, so that at the start
/// nothing is declared by halves; then each touched object once for each update. What an object
/// declares is worked out when it is asked for: that of thousands is never there at once.
pub(super) fn indexed<I: Index>(
    index: I,
    parts: Vec<BoxStream<'static, Update<Object<I::Kept>>>>,
) -> BoxStream<'static, Update> {
    let fold = Fold {
        index,
        states: Parts::new(parts.len()),
        sights: vec![Sight::default(); parts.len()],
        touched: BTreeSet::new(),
        healths: VecDeque::new(),
    };
    let state = (fold, numbered(parts));
    stream::unfold(state, |(mut fold, mut heard)| async move {
        loop {
            if let Some(update) = fold.next() {
                return Some((update, (fold, heard)));
            }
            let (part, update) = heard.next().await?;
            fold.hear(part, update);
        }
    })
    .boxed()
}

/// An index as it follows its parts.
struct Fold<I> {
    index: I,
    states: Parts,
    sights: Vec<Sight>,
    /// What is to be said, once all parts were heard.
    touched: BTreeSet<ObjectKey>,
    /// What is to be said after that.
    healths: VecDeque<Health>,
}

impl<I: Index> Fold<I> {
    fn hear(&mut self, part: usize, update: Update<Object<I::Kept>>) {
        let sight = self.sights.get_mut(part);
        if let Some(complete) = sight.and_then(|sight| sight.hear(&update)) {
            self.touched.extend(self.index.complete(part, complete));
        }
        for update in self.states.take(part, update) {
            match update {
                Update::Listed(objects) => {
                    let index = &mut self.index;
                    let touched = objects.into_iter().flat_map(|object| index.put(object));
                    self.touched.extend(touched);
                }
                Update::Changed(object) => self.touched.extend(self.index.put(object)),
                Update::Gone(key) => self.touched.extend(self.index.take(&key)),
                Update::Health(health) => self.healths.push_back(health),
            }
        }
    }

    /// What is to be said next.
    fn next(&mut self) -> Option<Update> {
        if self.states.all_heard()
            && let Some(key) = self.touched.pop_first()
        {
            return Some(match self.index.declared(&key) {
                Some(declared) => Update::Changed(declared),
                None => Update::Gone(key),
            });
        }
        self.healths.pop_front().map(Update::Health)
    }
}

/// Whether all the objects of a part are known.
#[derive(Clone, Default)]
struct Sight {
    complete: bool,
    /// The last update was a listing.
    listed: bool,
}

impl Sight {
    /// Hears an update of the part. Says what now holds, where that changed.
    fn hear<T>(&mut self, update: &Update<T>) -> Option<bool> {
        let complete = match update {
            Update::Listed(_) => true,
            // A kind that the cluster does not have is listed, as empty; an optional one that may
            // not be read is not.
            Update::Health(Health::Absent(_)) => self.listed,
            Update::Health(Health::Failed { reason, .. }) if *reason == FORBIDDEN => false,
            Update::Health(_) | Update::Changed(_) | Update::Gone(_) => self.complete,
        };
        self.listed = matches!(update, Update::Listed(_));
        let before = std::mem::replace(&mut self.complete, complete);
        (before != complete).then_some(complete)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use futures::FutureExt;
    use futures::channel::mpsc;

    use super::super::{DropReason, Dropped};
    use super::*;
    use crate::model::{Owner, UnixTime};

    /// Routes, each naming its gate; a route comes to a dropped host named by what its gate keeps.
    #[derive(Default)]
    struct Routes {
        gates: BTreeMap<String, String>,
        routes: BTreeMap<ObjectKey, (Owner, String)>,
    }

    impl Routes {
        fn behind(&self, gate: &str) -> Vec<ObjectKey> {
            let behind = self.routes.iter().filter(|(_, (_, named))| named == gate);
            behind.map(|(key, _)| key.clone()).collect()
        }
    }

    impl Index for Routes {
        type Kept = String;

        fn put(&mut self, object: Object<String>) -> Vec<ObjectKey> {
            let (key, kept) = (ObjectKey::from(&object.owner), object.kept.unwrap());
            if key.kind == "Gate" {
                self.gates.insert(key.name.to_string(), kept);
                return self.behind(&key.name);
            }
            self.routes.insert(key.clone(), (object.owner, kept));
            vec![key]
        }

        fn take(&mut self, key: &ObjectKey) -> Vec<ObjectKey> {
            if key.kind == "Gate" {
                self.gates.remove(&*key.name);
                return self.behind(&key.name);
            }
            self.routes.remove(key);
            vec![key.clone()]
        }

        fn declared(&self, key: &ObjectKey) -> Option<Declared> {
            let (owner, gate) = self.routes.get(key)?;
            let host = self.gates.get(gate).map_or("", String::as_str).into();
            let reason = DropReason::NoAddress;
            Some(Declared {
                dropped: vec![Dropped { host, reason }],
                ..Declared::nothing(owner.clone(), Arc::default())
            })
        }
    }

    fn object(kind: &'static str, name: &str, kept: &str) -> Object<String> {
        let owner = Owner {
            created: None,
            kind,
            namespace: Arc::default(),
            name: name.into(),
        };
        Object {
            owner,
            marks: Arc::default(),
            kept: Some(kept.to_owned()),
        }
    }

    fn said(update: &Update) -> String {
        match update {
            Update::Listed(_) => "listed".to_owned(),
            Update::Changed(declared) => {
                format!("{} at {}", declared.object.name, declared.dropped[0].host)
            }
            Update::Gone(key) => format!("{} gone", key.name),
            Update::Health(Health::Failed { reason, .. }) => (*reason).to_owned(),
            Update::Health(Health::Synced(_)) => "synced".to_owned(),
            Update::Health(Health::Absent(_)) => "absent".to_owned(),
        }
    }

    #[test]
    fn all_objects_are_known_from_a_listing_until_they_may_not_be_read() {
        let mut sight = Sight::default();
        let at = UnixTime::from_secs(1);
        let listed = || Update::<()>::Listed(Vec::new());
        let absent = || Update::Health(Health::Absent(at));
        let failed = |reason| {
            Update::Health(Health::Failed {
                reason,
                detail: String::new(),
            })
        };
        for (update, change) in [
            // An optional kind that may not be read.
            (absent(), None),
            (failed("unreachable"), None),
            // One that the cluster does not have.
            (listed(), Some(true)),
            (absent(), None),
            // It is installed, the API server restarts, a permission is taken away.
            (listed(), None),
            (Update::Health(Health::Synced(at)), None),
            (failed("unreachable"), None),
            (absent(), Some(false)),
            (listed(), Some(true)),
            (failed("forbidden"), Some(false)),
        ] {
            assert_eq!(sight.hear(&update), change, "{update:?}");
        }
    }

    const SYNCED: Health = Health::Synced(UnixTime::from_secs(1));

    type Part = mpsc::UnboundedSender<Update<Object<String>>>;

    struct Source {
        gates: Part,
        routes: Part,
        updates: BoxStream<'static, Update>,
    }

    impl Source {
        fn new() -> Self {
            let ((gates, one), (routes, other)) = (mpsc::unbounded(), mpsc::unbounded());
            let updates = indexed(Routes::default(), vec![one.boxed(), other.boxed()]);
            Self {
                gates,
                routes,
                updates,
            }
        }

        fn heard(&mut self) -> Vec<String> {
            let next = || self.updates.next().now_or_never().flatten();
            std::iter::from_fn(next)
                .map(|update| said(&update))
                .collect()
        }
    }

    #[test]
    fn nothing_is_declared_by_halves() {
        let mut source = Source::new();
        let routes = vec![object("Route", "a", "g"), object("Route", "b", "h")];
        source
            .routes
            .unbounded_send(Update::Listed(routes))
            .unwrap();
        source
            .routes
            .unbounded_send(Update::Health(SYNCED))
            .unwrap();
        assert_eq!(source.heard(), [""; 0]);
        let gates = vec![object("Gate", "g", "1"), object("Gate", "h", "2")];
        source.gates.unbounded_send(Update::Listed(gates)).unwrap();
        source.gates.unbounded_send(Update::Health(SYNCED)).unwrap();
        assert_eq!(source.heard(), ["a at 1", "b at 2", "synced"]);
    }

    #[test]
    fn a_part_that_cannot_be_read_does_not_hold_up_the_others() {
        let mut source = Source::new();
        let failed = |reason| {
            Update::Health(Health::Failed {
                reason,
                detail: String::new(),
            })
        };
        let routes = vec![object("Route", "a", "g")];
        source
            .routes
            .unbounded_send(Update::Listed(routes))
            .unwrap();
        // One object that cannot be read is said before the listing that has the others.
        source.gates.unbounded_send(failed("malformed")).unwrap();
        assert_eq!(source.heard(), ["malformed"]);
        source.gates.unbounded_send(failed("forbidden")).unwrap();
        assert_eq!(source.heard(), ["a at ", "forbidden"]);
    }

    #[test]
    fn a_change_costs_what_it_touches_and_that_once() {
        let mut source = Source::new();
        let routes = [("a", "g"), ("b", "h"), ("c", "h")];
        let routes = routes.map(|(name, gate)| object("Route", name, gate));
        source
            .routes
            .unbounded_send(Update::Listed(routes.into()))
            .unwrap();
        let gates = ["g", "h"].map(|name| object("Gate", name, "1"));
        source
            .gates
            .unbounded_send(Update::Listed(gates.into()))
            .unwrap();
        source.heard();

        let gate = |kept| Update::Changed(object("Gate", "h", kept));
        source.gates.unbounded_send(gate("2")).unwrap();
        assert_eq!(source.heard(), ["b at 2", "c at 2"]);
        let listed = vec![object("Route", "a", "h"), object("Route", "b", "h")];
        source
            .routes
            .unbounded_send(Update::Listed(listed))
            .unwrap();
        assert_eq!(source.heard(), ["a at 2", "b at 2", "c gone"]);
        source
            .gates
            .unbounded_send(Update::Listed(Vec::new()))
            .unwrap();
        assert_eq!(source.heard(), ["a at ", "b at "]);
    }
}
