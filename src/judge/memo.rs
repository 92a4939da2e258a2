//! A bounded table of answers that are costly to work out.

use std::collections::HashMap;
use std::hash::Hash;
use std::mem;

/// Remembers what was asked for lately: between `half` and twice `half` entries once it is full.
///
/// Two generations: when the young one is full the old one is dropped, and what is asked for moves
/// to the young one. Every step costs the same, and what is in use stays.
#[derive(Debug)]
pub(super) struct Memo<K, V> {
    half: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Eq + Hash + Clone, V: Clone> Memo<K, V> {
    /// An empty table.
    pub(super) fn new(half: usize) -> Self {
        Self {
            half,
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    /// What was remembered for `key`.
    pub(super) fn recall(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let value = self.old.remove(key)?;
        self.remember(key.clone(), value.clone());
        Some(value)
    }

    /// Remembers `value`, in place of any earlier one.
    pub(super) fn remember(&mut self, key: K, value: V) {
        if self.young.len() >= self.half {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let mut memo = Memo::new(10);
        memo.remember(0, "kept");
        memo.remember(1, "forgotten");
        for key in 2..1000 {
            memo.remember(key, "");
            assert_eq!(memo.recall(&0), Some("kept"));
            assert!(memo.young.len() + memo.old.len() <= 20);
        }
        assert_eq!(memo.recall(&1), None);
        assert_eq!(memo.recall(&999), Some(""));
    }

    #[test]
    fn a_later_answer_takes_the_place_of_an_earlier_one() {
        let mut memo = Memo::new(1);
        memo.remember(0, "earlier");
        memo.remember(0, "later");
        assert_eq!(memo.recall(&0), Some("later"));
        memo.remember(1, "");
        assert_eq!(memo.recall(&0), Some("later"));
    }
}
