//! The part of all that is discovered that this instance looks at: one host, or one shard's.
//!
//! Every shard sees the same objects and asks the same question of each, so that they need not talk
//! to each other. The answer is by rendezvous hashing (highest random weight): a target belongs to
//! the shard whose weight for it is the greatest. One shard more moves one target in as many as there
//! then are, all of them to the new one.

use std::num::NonZero;
use std::sync::Arc;

use aws_lc_rs::digest;

use crate::discover::is_about;
use crate::model::{Place, StoredPlace, Target};

/// What is looked at, of all that is discovered.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// Where there is one, only what is about this host is probed.
    pub host: Option<Arc<str>>,
    /// Where there are several, only what belongs to this shard is looked at.
    pub shard: Shard,
}

impl Part {
    /// Whether a target is to be probed.
    pub(super) fn has(&self, target: &Target) -> bool {
        let place = target.row.place();
        self.shard.has(place) && (self.host.as_deref()).is_none_or(|host| is_about(place, host))
    }

    /// Whether what is stored there is to be judged.
    pub(super) fn has_stored(&self, place: &StoredPlace) -> bool {
        self.shard.has_stored(place)
    }
}

/// One of several instances that share the targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    count: NonZero<u32>,
    ordinal: u32,
}

impl Default for Shard {
    /// The only one.
    fn default() -> Self {
        Self {
            count: NonZero::<u32>::MIN,
            ordinal: 0,
        }
    }
}

impl Shard {
    /// The shard with the number `ordinal`, from 0, of `count`; `None` where there is no such one.
    #[must_use]
    pub fn new(ordinal: u32, count: NonZero<u32>) -> Option<Self> {
        (ordinal < count.get()).then_some(Self { count, ordinal })
    }

    /// Its number, where there are others.
    #[must_use]
    pub fn number(self) -> Option<u32> {
        (self.count.get() > 1).then_some(self.ordinal)
    }

    /// Whether it is the first, which speaks of what is nobody's.
    pub(super) fn is_first(self) -> bool {
        self.ordinal == 0
    }

    /// All addresses of a host belong together: what is said of the host is said once.
    fn has(self, place: &Place) -> bool {
        let address = Some(&*place.address).filter(|_| place.host.is_empty());
        let port = place.port.to_string();
        let parts = [place.source, &place.namespace, &place.host, &port];
        self.owns(parts.into_iter().chain(address))
    }

    fn has_stored(self, place: &StoredPlace) -> bool {
        self.owns([place.source, &place.namespace, &place.name])
    }

    fn owns<'a>(self, parts: impl IntoIterator<Item = &'a str>) -> bool {
        self.count.get() == 1 || owner(seed(parts), self.count) == self.ordinal
    }
}

/// What stands for a target. SHA-256 rather than the standard library's hasher: shards of different
/// builds, as there are during an update, must agree.
fn seed<'a>(parts: impl IntoIterator<Item = &'a str>) -> u64 {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part.as_bytes());
        // In no name, so that two parts are never read as one.
        context.update(&[0]);
    }
    let digest = context.finish();
    let first = digest.as_ref().first_chunk().copied();
    u64::from_be_bytes(first.unwrap_or_default())
}

fn owner(seed: u64, count: NonZero<u32>) -> u32 {
    let weight = |shard: &u32| mix(seed ^ mix(u64::from(*shard)));
    (0..count.get()).max_by_key(weight).unwrap_or(0)
}

/// The finalizer of `SplitMix64` (Steele, Lea, Flood 2014): every bit of what comes in moves every bit
/// of what comes out.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Spot;

    const TARGETS: u64 = 12_000;

    fn count(shards: u32) -> NonZero<u32> {
        NonZero::new(shards).unwrap()
    }

    fn place(host: &str, address: &str) -> Place {
        let spot = Spot {
            source: "ingress",
            namespace: "shop".into(),
            host: host.into(),
            port: 443,
            address: address.into(),
            entry: Arc::default(),
        };
        spot.into()
    }

    fn owners(shards: u32) -> Vec<u32> {
        (0..TARGETS)
            .map(|target| owner(seed([&*format!("{target}.example.com")]), count(shards)))
            .collect()
    }

    #[test]
    fn there_are_as_many_shards_as_are_counted() {
        assert!(Shard::new(2, count(3)).is_some());
        assert_eq!(Shard::new(3, count(3)), None);
    }

    #[test]
    fn each_target_belongs_to_one_shard() {
        for host in ["a.example.com", "b.example.com", "c.example.com", ""] {
            let target = place(host, "192.0.2.1");
            let having =
                (0..5).filter(|ordinal| Shard::new(*ordinal, count(5)).unwrap().has(&target));
            assert_eq!(having.count(), 1, "{host}");
        }
    }

    #[test]
    fn the_only_shard_has_everything() {
        assert!(Shard::default().has(&place("a.example.com", "192.0.2.1")));
    }

    #[test]
    fn shards_have_like_shares() {
        for shards in [2, 3, 10] {
            let owners = owners(shards);
            let fair = TARGETS / u64::from(shards);
            for shard in 0..shards {
                let share = owners.iter().filter(|owner| **owner == shard).count() as u64;
                assert!(
                    share.abs_diff(fair) < fair / 8,
                    "{shard} of {shards}: {share}"
                );
            }
        }
    }

    #[test]
    fn one_shard_more_takes_its_share_and_moves_nothing_else() {
        let (before, after) = (owners(4), owners(5));
        let moved: Vec<_> = (before.iter().zip(&after))
            .filter(|(before, after)| before != after)
            .collect();
        assert!(moved.iter().all(|(_, after)| **after == 4));
        let fair = TARGETS / 5;
        assert!((moved.len() as u64).abs_diff(fair) < fair / 8);
    }

    #[test]
    fn the_addresses_of_a_host_belong_together_and_those_of_no_host_do_not() {
        let owner_of = |host: &str, address: u32| {
            let place = place(host, &format!("192.0.2.{address}"));
            (0..8).find(|ordinal| Shard::new(*ordinal, count(8)).unwrap().has(&place))
        };
        let first = owner_of("a.example.com", 0);
        assert!((1..40).all(|address| owner_of("a.example.com", address) == first));
        let first = owner_of("", 0);
        assert!((1..40).any(|address| owner_of("", address) != first));
    }

    /// Written down once: shards of different builds must agree on who has what.
    #[test]
    fn who_has_what_never_changes() {
        let hosts = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let owners = hosts.map(|host| owner(seed([host]), count(4)));
        assert_eq!(owners, [3, 3, 2, 2, 1, 1, 2, 0]);
    }
}
