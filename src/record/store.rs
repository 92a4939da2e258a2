//! The store: every row's last verdict, shared by the one writer and all readers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::discover::DropReason;
use crate::model::{Family, Place, StoredObject, StoredPlace, Target, Verdict};

use super::catalogue::{Catalogue, Standing};
use super::change::{Change, changes};
use super::encoder::Encoder;
use super::row::{RowRecord, Seen, StoredRecord};
use super::summary::Totals;
use super::text::Format;

/// Every row's last verdict. There is exactly one row for an [`Place`].
///
/// Rendering happens outside the lock: publishing holds it for one insertion, a scrape for
/// copying one pointer per row.
#[derive(Debug)]
pub struct Store {
    catalogue: Arc<Catalogue>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    rows: BTreeMap<Place, RowRecord>,
    stored: BTreeMap<StoredPlace, StoredRecord>,
    totals: Totals,
}

impl Store {
    /// An empty store that serves `families`, in this order, without those whose names are in
    /// `disabled`.
    #[must_use]
    pub fn new(families: &[&'static Family], disabled: &[String], standing: Standing<'_>) -> Self {
        Self {
            catalogue: Arc::new(Catalogue::new(families, disabled, standing)),
            inner: Mutex::default(),
        }
    }

    /// The exposition of all rows as they are now, in chunks; without the exporter's metrics
    /// about itself.
    #[must_use]
    pub fn encode(&self, format: Format) -> Encoder {
        let blocks = {
            let mut inner = self.lock();
            let mut blocks = inner.totals.blocks(&self.catalogue);
            blocks.extend(inner.rows.values().map(|row| Arc::clone(&row.block)));
            blocks.extend(inner.stored.values().map(|one| Arc::clone(&one.block)));
            blocks
        };
        Encoder::new(Arc::clone(&self.catalogue), blocks, format)
    }

    /// All rows, in the order of the exposition.
    #[must_use]
    pub fn rows(&self) -> Vec<RowRecord> {
        self.lock().rows.values().cloned().collect()
    }

    /// All that is stored and shown by no handshake, in the order of the exposition.
    #[must_use]
    pub fn stored(&self) -> Vec<StoredRecord> {
        self.lock().stored.values().cloned().collect()
    }

    /// The row at a place.
    #[must_use]
    pub fn row(&self, place: &Place) -> Option<RowRecord> {
        self.lock().rows.get(place).cloned()
    }

    /// Records what was judged of a target, in the place of what had been, and tells what changed;
    /// `probed` says that a certificate was seen there, ever; `seen` is all that was.
    pub(super) fn publish(
        &self,
        target: Arc<Target>,
        verdict: Verdict,
        probed: bool,
        seen: Seen,
    ) -> Vec<Change> {
        let place = target.row.place().clone();
        let record = RowRecord::new(&self.catalogue, target, verdict, probed, seen);
        let old = {
            let mut inner = self.lock();
            let Inner { rows, totals, .. } = &mut *inner;
            totals.replace(rows.get(&place), &record);
            rows.insert(place, record.clone())
        };
        changes(old.as_ref(), Some(&record))
    }

    /// Forgets a row.
    pub(super) fn remove(&self, place: &Place) -> Vec<Change> {
        let old = {
            let mut inner = self.lock();
            let old = inner.rows.remove(place);
            if let Some(record) = &old {
                inner.totals.remove(record);
            }
            old
        };
        changes(old.as_ref(), None)
    }

    /// Records what was judged of stored certificates, in the place of what had been.
    pub(super) fn publish_stored(
        &self,
        object: Arc<StoredObject>,
        verdict: Verdict,
    ) -> Vec<Change> {
        let place = object.place.clone();
        let record = StoredRecord::new(&self.catalogue, object, verdict);
        let old = {
            let mut inner = self.lock();
            let Inner { stored, totals, .. } = &mut *inner;
            totals.replace_stored(stored.get(&place), &record);
            stored.insert(place, record.clone())
        };
        changes(old.as_ref(), Some(&record))
    }

    /// Forgets stored certificates.
    pub(super) fn remove_stored(&self, place: &StoredPlace) -> Vec<Change> {
        let old = {
            let mut inner = self.lock();
            let old = inner.stored.remove(place);
            if let Some(record) = &old {
                inner.totals.remove_stored(record);
            }
            old
        };
        changes(old.as_ref(), None)
    }

    /// What is found here and not in `next`, which takes over from this.
    #[must_use]
    pub fn gone_in(&self, next: &Self) -> Vec<Change> {
        let rows = self.rows().into_iter().flat_map(|old| {
            let new = next.row(old.target.row.place());
            changes(Some(&old), new.as_ref())
        });
        let after: BTreeMap<_, _> = (next.stored().into_iter())
            .map(|one| (one.object.place.clone(), one))
            .collect();
        let stored = self.stored();
        let stored =
            (stored.iter()).flat_map(|old| changes(Some(old), after.get(&old.object.place)));
        rows.chain(stored).filter(|change| !change.holds).collect()
    }

    /// Makes a source known, so that it shows before it has a row.
    pub(super) fn source(&self, source: &'static str) {
        self.lock().totals.source(source);
    }

    /// Records how much of what a source declares is not probed: the complete counts.
    pub(super) fn dropped(&self, source: &'static str, counts: &[(DropReason, usize)]) {
        self.lock().totals.dropped(source, counts);
    }

    /// No holder of this lock runs foreign code, so a poisoned one is still consistent enough to
    /// serve; refusing would only turn one failure into two.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Severity;
    use crate::record::own_families;
    use crate::record::samples::{DECLARED, EXPIRED, SUCCESS, row, target};

    fn store() -> Store {
        let mut families = vec![&SUCCESS, &DECLARED];
        families.extend(own_families());
        Store::new(&families, &[], Standing::default())
    }

    fn verdict(success: f64) -> Verdict {
        let mut verdict = Verdict::default();
        verdict.gauge(&SUCCESS, success);
        verdict.gauge(&DECLARED, 1.0);
        verdict
    }

    fn expired() -> Verdict {
        let mut verdict = verdict(1.0);
        verdict.find(&EXPIRED, Severity::Critical, "");
        verdict
    }

    fn lines(store: &Store, family: &str) -> Vec<String> {
        let body: Vec<u8> = store.encode(Format::Text).flatten().collect();
        let prefix = format!("{family}{{");
        let samples = std::str::from_utf8(&body).unwrap().lines();
        samples
            .filter_map(|line| line.strip_prefix(&prefix))
            .map(str::to_owned)
            .collect()
    }

    fn publish(store: &Store, host: &str, verdict: Verdict) {
        let target = Arc::new(target(row(host, "192.0.2.1")));
        store.publish(target, verdict, true, Seen::default());
    }

    #[test]
    fn a_row_published_again_replaces_what_it_said() {
        let store = store();
        publish(&store, "a.test", verdict(0.0));
        publish(&store, "a.test", verdict(1.0));
        let success = lines(&store, "t_success");
        assert_eq!(success.len(), 1);
        assert!(success[0].ends_with("} 1"));
    }

    #[test]
    fn a_row_whose_oldest_owner_changed_is_still_one_row() {
        let store = store();
        publish(&store, "a.test", verdict(1.0));
        let mut renamed = row("a.test", "192.0.2.1");
        renamed.name = "younger".into();
        store.publish(
            Arc::new(target(renamed)),
            verdict(1.0),
            true,
            Seen::default(),
        );
        let success = lines(&store, "t_success");
        assert_eq!(success.len(), 1);
        assert!(success[0].contains(r#"name="younger""#));
        assert_eq!(
            lines(&store, "kube_https_targets"),
            [r#"source="ingress"} 1"#]
        );
    }

    #[test]
    fn a_row_that_goes_takes_every_series_with_it() {
        let store = store();
        publish(&store, "a.test", expired());
        store.remove(row("a.test", "192.0.2.1").place());
        for family in [
            "t_success",
            "t_declared",
            "kube_https_finding",
            "kube_https_findings",
            "kube_https_doors",
        ] {
            assert_eq!(lines(&store, family), Vec::<String>::new(), "{family}");
        }
        assert_eq!(
            lines(&store, "kube_https_targets"),
            [r#"source="ingress"} 0"#]
        );
    }

    #[test]
    fn rows_are_in_the_order_of_their_labels() {
        let store = store();
        for host in ["c.test", "a.test", "b.test"] {
            publish(&store, host, verdict(1.0));
        }
        let hosts: Vec<_> = store
            .rows()
            .iter()
            .map(|r| r.target.row.host.to_string())
            .collect();
        assert_eq!(hosts, ["a.test", "b.test", "c.test"]);
    }

    #[test]
    fn findings_and_doors_are_counted_as_they_come_and_go() {
        let store = store();
        publish(&store, "a.test", expired());
        publish(&store, "b.test", expired());
        publish(&store, "c.test", verdict(1.0));
        let group = r#"source="ingress",namespace="default""#;
        let finding = r#"finding="certificate_expired",severity="critical""#;
        assert_eq!(
            lines(&store, "kube_https_findings"),
            [format!("{group},{finding}}} 2")]
        );
        let doors = |https_only, broken| {
            [
                ("broken", broken),
                ("exposed", 0),
                ("https_only", https_only),
                ("unknown", 0),
            ]
            .map(|(state, n)| format!("{group},state=\"{state}\"}} {n}"))
        };
        assert_eq!(lines(&store, "kube_https_doors"), doors(1, 2));
        assert_eq!(lines(&store, "kube_https_finding").len(), 2);

        publish(&store, "a.test", verdict(1.0));
        assert_eq!(
            lines(&store, "kube_https_findings"),
            [format!("{group},{finding}}} 1")]
        );
        assert_eq!(lines(&store, "kube_https_doors"), doors(2, 1));
        assert_eq!(lines(&store, "kube_https_finding").len(), 1);
    }

    #[test]
    fn every_object_behind_a_row_is_named() {
        let store = store();
        let mut shared = target(row("a.test", "192.0.2.1"));
        let mut second = shared.owners[0].clone();
        second.name = "other".into();
        let mut elsewhere = second.clone();
        elsewhere.namespace = "elsewhere".into();
        shared.owners.extend([second.clone(), second, elsewhere]);
        store.publish(Arc::new(shared), verdict(1.0), true, Seen::default());
        let owners = lines(&store, "kube_https_target_owner_info");
        assert_eq!(owners.len(), 3);
        assert!(owners[0].ends_with(r#"owner_kind="Ingress",owner_name="elsewhere/other"} 1"#));
        assert!(owners[1].ends_with(r#"owner_kind="Ingress",owner_name="other"} 1"#));
        assert!(owners[2].ends_with(r#"owner_kind="Ingress",owner_name="shop"} 1"#));
    }

    #[test]
    fn a_source_without_targets_shows_with_zeroes() {
        let store = store();
        store.source("ingress");
        store.dropped("static", &[(DropReason::Cap, 3)]);
        assert_eq!(
            lines(&store, "kube_https_targets"),
            [r#"source="ingress"} 0"#, r#"source="static"} 0"#]
        );
        let dropped = lines(&store, "kube_https_targets_dropped");
        assert_eq!(dropped.len(), 8);
        assert!(dropped.contains(&r#"source="static",reason="cap"} 3"#.to_owned()));
        assert!(dropped.contains(&r#"source="ingress",reason="cap"} 0"#.to_owned()));
    }
}
