//! Which rows the caps let in: the oldest of each namespace, and of those the oldest of all.
//!
//! The choice depends on what there is and never on the order it was heard of, so that a restart
//! chooses alike, and a tenant that adds objects displaces nobody's older ones.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::config::Caps;
use crate::model::{Place, UnixTime};

/// A row's place in the queue: since when its oldest owner has been there, if that is known. What
/// has no such time was written by an operator, and comes first.
pub(super) type Rank = (Option<UnixTime>, Place);

/// The queue for both caps.
#[derive(Debug)]
pub(super) struct Admission {
    per_namespace: usize,
    namespaces: HashMap<Arc<str>, Queue>,
    total: Queue,
}

impl Admission {
    pub(super) fn new(caps: Caps) -> Self {
        Self {
            per_namespace: caps.per_namespace,
            namespaces: HashMap::new(),
            total: Queue::new(caps.total),
        }
    }

    /// Whether this row is let in.
    pub(super) fn admits(&self, rank: &Rank) -> bool {
        self.total.inside.contains(rank)
    }

    /// Adds a row. Gives the rows that are let in or put out by it, which may include others.
    pub(super) fn join(&mut self, rank: Rank) -> Vec<Place> {
        let moves = if rank.1.namespace.is_empty() {
            vec![Move::In(rank)]
        } else {
            let cap = self.per_namespace;
            self.namespaces
                .entry(Arc::clone(&rank.1.namespace))
                .or_insert_with(|| Queue::new(cap))
                .join(rank)
        };
        self.pass_on(moves)
    }

    /// Takes a row out. Gives the rows that are let in or put out by it.
    pub(super) fn leave(&mut self, rank: &Rank) -> Vec<Place> {
        let namespace = &rank.1.namespace;
        let moves = match self.namespaces.get_mut(namespace) {
            Some(queue) => queue.leave(rank),
            None => vec![Move::Out(rank.clone())],
        };
        if self.namespaces.get(namespace).is_some_and(Queue::is_empty) {
            self.namespaces.remove(namespace);
        }
        self.pass_on(moves)
    }

    fn pass_on(&mut self, moves: Vec<Move>) -> Vec<Place> {
        moves
            .into_iter()
            .flat_map(|step| match step {
                Move::In(rank) => self.total.join(rank),
                Move::Out(rank) => self.total.leave(&rank),
            })
            .map(|(Move::In((_, place)) | Move::Out((_, place)))| place)
            .collect()
    }
}

/// One cap: the first `cap` ranks are inside.
#[derive(Debug)]
struct Queue {
    cap: usize,
    inside: BTreeSet<Rank>,
    outside: BTreeSet<Rank>,
}

enum Move {
    In(Rank),
    Out(Rank),
}

impl Queue {
    fn new(cap: usize) -> Self {
        Self {
            cap,
            inside: BTreeSet::new(),
            outside: BTreeSet::new(),
        }
    }

    fn is_empty(&self) -> bool {
        self.inside.is_empty() && self.outside.is_empty()
    }

    fn join(&mut self, rank: Rank) -> Vec<Move> {
        self.inside.insert(rank.clone());
        if self.inside.len() <= self.cap {
            return vec![Move::In(rank)];
        }
        match self.inside.pop_last() {
            Some(last) if last == rank => {
                self.outside.insert(last);
                Vec::new()
            }
            Some(last) => {
                self.outside.insert(last.clone());
                vec![Move::Out(last), Move::In(rank)]
            }
            None => Vec::new(),
        }
    }

    fn leave(&mut self, rank: &Rank) -> Vec<Move> {
        if self.outside.remove(rank) || !self.inside.remove(rank) {
            return Vec::new();
        }
        let mut moves = vec![Move::Out(rank.clone())];
        if let Some(next) = self.outside.pop_first() {
            self.inside.insert(next.clone());
            moves.push(Move::In(next));
        }
        moves
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Spot;

    fn rank(created: i64, namespace: &str, host: &str) -> Rank {
        let spot = Spot {
            source: "ingress",
            namespace: namespace.into(),
            host: host.into(),
            port: 443,
            address: "192.0.2.1".into(),
            entry: Arc::default(),
        };
        (Some(UnixTime::from_secs(created)), spot.into())
    }

    fn admission(total: usize, per_namespace: usize) -> Admission {
        Admission::new(Caps {
            total,
            per_namespace,
        })
    }

    fn hosts(mut places: Vec<Place>) -> Vec<String> {
        places.sort();
        places
            .into_iter()
            .map(|place| place.host.to_string())
            .collect()
    }

    #[test]
    fn a_namespace_is_full_at_its_cap_and_the_next_comes_in_when_one_leaves() {
        let mut caps = admission(10, 2);
        assert_eq!(hosts(caps.join(rank(1, "a", "one"))), ["one"]);
        assert_eq!(hosts(caps.join(rank(2, "a", "two"))), ["two"]);
        assert_eq!(hosts(caps.join(rank(3, "a", "three"))), [""; 0]);
        assert_eq!(hosts(caps.join(rank(4, "b", "other"))), ["other"]);
        assert_eq!(hosts(caps.leave(&rank(1, "a", "one"))), ["one", "three"]);
        assert!(caps.admits(&rank(3, "a", "three")));
    }

    #[test]
    fn an_older_row_takes_the_place_of_the_youngest() {
        let mut caps = admission(10, 1);
        caps.join(rank(5, "a", "young"));
        assert_eq!(hosts(caps.join(rank(1, "a", "old"))), ["old", "young"]);
        assert!(caps.admits(&rank(1, "a", "old")));
        assert!(!caps.admits(&rank(5, "a", "young")));
    }

    #[test]
    fn the_total_holds_over_all_namespaces() {
        let mut caps = admission(2, 2);
        for (created, namespace) in [(1, "a"), (2, "b"), (3, "c")] {
            caps.join(rank(created, namespace, "x"));
        }
        assert!(!caps.admits(&rank(3, "c", "x")));
        caps.leave(&rank(1, "a", "x"));
        assert!(caps.admits(&rank(3, "c", "x")));
    }

    #[test]
    fn what_has_no_namespace_counts_only_in_the_total() {
        let mut caps = admission(3, 1);
        for host in ["one", "two", "three", "four"] {
            caps.join(rank(1, "", host));
        }
        assert_eq!(caps.total.inside.len(), 3);
        caps.leave(&rank(1, "", "one"));
        assert_eq!(caps.total.inside.len(), 3);
    }
}
