//! Remarks: what an object says of itself that is worth a finding, whatever a probe sees.

use std::sync::Arc;

/// Something that an object declares about a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// What.
    pub kind: RemarkKind,
    /// The particulars, for people; cleaned.
    pub detail: Arc<str>,
}

/// What objects may declare that is worth a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RemarkKind {
    /// The whole Internet may connect.
    OpenToTheWorld,
    /// TLS ends at the target's address, and what is behind it is spoken to in clear.
    BackendInClear,
}

impl RemarkKind {
    /// Every kind, in order.
    pub const ALL: [Self; 2] = [Self::OpenToTheWorld, Self::BackendInClear];
}

impl Remark {
    /// A remark with these particulars.
    #[must_use]
    pub fn new(kind: RemarkKind, detail: impl Into<Arc<str>>) -> Self {
        let detail = detail.into();
        Self { kind, detail }
    }
}

/// What several objects together declare, each with its remarks: of each kind the first that any of
/// them makes. What one of them leaves open is open, whatever the others say.
#[must_use]
pub fn together<'a>(each: impl Iterator<Item = &'a Arc<[Remark]>>) -> Arc<[Remark]> {
    let mut some = each.filter(|remarks| !remarks.is_empty());
    let Some(first) = some.next() else {
        return Arc::default();
    };
    let mut all = Arc::clone(first);
    for remark in some.flat_map(|remarks| remarks.iter()) {
        if all.iter().all(|known| known.kind != remark.kind) {
            all = all.iter().chain([remark]).cloned().collect();
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::RemarkKind::{BackendInClear, OpenToTheWorld};
    use super::*;

    fn remarks(of: &[(RemarkKind, &str)]) -> Arc<[Remark]> {
        let of = of.iter();
        of.map(|(kind, detail)| Remark::new(*kind, *detail))
            .collect()
    }

    #[test]
    fn of_each_kind_the_first_remark_that_anybody_makes_stands() {
        let none = remarks(&[]);
        assert_eq!(together([].into_iter()), none);
        assert_eq!(together([&none, &none].into_iter()), none);
        let clear = remarks(&[(BackendInClear, "a")]);
        let both = remarks(&[(OpenToTheWorld, "b"), (BackendInClear, "b")]);
        let joined = together([&none, &clear, &both].into_iter());
        assert_eq!(
            joined,
            remarks(&[(BackendInClear, "a"), (OpenToTheWorld, "b")])
        );
    }
}
