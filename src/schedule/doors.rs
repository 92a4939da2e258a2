//! The table of the doors that are scheduled: each has an id, and is found by what it is.
//!
//! There are three doors to most targets, so that what is kept of one counts: they lie side by side,
//! and the index into them has a few bytes for each.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use crate::model::Door;

/// Names a door as long as it is in the table; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct DoorId {
    slot: u32,
    /// How many doors had the slot before.
    round: u32,
}

#[derive(Debug)]
struct Slot<T> {
    round: u32,
    entry: Option<(Door, T)>,
}

/// Doors, and what is kept of each.
#[derive(Debug)]
pub(super) struct Doors<T> {
    slots: Vec<Slot<T>>,
    /// What the next door in each of these slots will be named.
    free: Vec<DoorId>,
    found: HashTable<u32>,
    hasher: RandomState,
}

impl<T> Doors<T> {
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            found: HashTable::new(),
            hasher: RandomState::new(),
        }
    }

    /// The id of a door, if it is in the table.
    pub(super) fn find(&self, door: &Door) -> Option<DoorId> {
        let is_it = |slot: &u32| door_in(&self.slots, *slot) == Some(door);
        let slot = *self.found.find(self.hasher.hash_one(door), is_it)?;
        let round = self.slots.get(slot as usize)?.round;
        Some(DoorId { slot, round })
    }

    /// Adds a door that is not in the table.
    pub(super) fn add(&mut self, door: Door, value: T) -> DoorId {
        let hash = self.hasher.hash_one(&door);
        let entry = Some((door, value));
        let id = if let Some(id) = self.free.pop() {
            if let Some(slot) = self.slots.get_mut(id.slot as usize) {
                slot.entry = entry;
            }
            id
        } else {
            // Memory ends long before the numbers do.
            let slot = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
            self.slots.push(Slot { round: 0, entry });
            DoorId { slot, round: 0 }
        };
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.found.insert_unique(hash, id.slot, |slot| {
            door_in(slots, *slot).map_or(0, |door| hasher.hash_one(door))
        });
        id
    }

    /// Takes a door out of the table.
    pub(super) fn remove(&mut self, id: DoorId) -> Option<(Door, T)> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        let entry = slot.entry.take_if(|_| slot.round == id.round)?;
        let hash = self.hasher.hash_one(&entry.0);
        if let Ok(found) = self.found.find_entry(hash, |slot| *slot == id.slot) {
            found.remove();
        }
        // A slot whose rounds are over is never used again.
        if let Some(round) = slot.round.checked_add(1) {
            slot.round = round;
            self.free.push(DoorId { round, ..id });
        }
        Some(entry)
    }

    pub(super) fn door(&self, id: DoorId) -> Option<&Door> {
        self.entry(id).map(|(door, _)| door)
    }

    pub(super) fn get(&self, id: DoorId) -> Option<&T> {
        self.entry(id).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, id: DoorId) -> Option<&mut T> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        let entry = slot.entry.as_mut().filter(|_| slot.round == id.round)?;
        Some(&mut entry.1)
    }

    fn entry(&self, id: DoorId) -> Option<&(Door, T)> {
        let slot = self.slots.get(id.slot as usize)?;
        slot.entry.as_ref().filter(|_| slot.round == id.round)
    }
}

fn door_in<T>(slots: &[Slot<T>], slot: u32) -> Option<&Door> {
    let entry = slots.get(slot as usize)?.entry.as_ref()?;
    Some(&entry.0)
}

#[cfg(test)]
impl DoorId {
    pub(super) const fn for_tests(slot: u32) -> Self {
        Self { slot, round: 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Address, PlainDoor, RequestPath};

    fn door(port: u16) -> Door {
        Door::Plain(Arc::new(PlainDoor {
            address: Address::parse("192.0.2.1"),
            port,
            host: "a.example".into(),
            path: RequestPath::default(),
            guarded: true,
        }))
    }

    #[test]
    fn a_door_is_found_by_what_it_is_as_long_as_it_is_there() {
        let mut doors = Doors::new();
        let ids: Vec<DoorId> = (0..1000).map(|port| doors.add(door(port), port)).collect();
        for id in ids.iter().step_by(2) {
            doors.remove(*id).unwrap();
        }
        for (port, id) in (0..1000).zip(ids) {
            let is_there = port % 2 == 1;
            assert_eq!(doors.find(&door(port)), is_there.then_some(id));
            assert_eq!(doors.get(id).copied(), is_there.then_some(port));
        }
    }

    #[test]
    fn the_id_of_a_door_that_went_names_no_other() {
        let mut doors = Doors::new();
        let went = doors.add(door(1), 'a');
        assert_eq!(doors.remove(went), Some((door(1), 'a')));
        let came = doors.add(door(2), 'b');
        assert_eq!((came.slot, doors.slots.len()), (went.slot, 1));
        assert_ne!(came, went);
        assert_eq!((doors.get(went), doors.door(went)), (None, None));
        assert_eq!(doors.get_mut(went), None);
        assert_eq!(doors.remove(went), None);
        assert_eq!(doors.find(&door(2)), Some(came));
        assert_eq!(doors.get(came), Some(&'b'));
    }
}
