//! Counts over rows: the families that no check owns, and the totals that fill them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::discover::DropReason;
use crate::model::{Extra, Family, Finding, Kind, Sample, Scope, Severity};

use super::block::{Block, RowLabels};
use super::catalogue::Catalogue;
use super::row::{Posture, RowRecord, StoredRecord};

const fn gauge(
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    scope: Scope,
) -> Family {
    Family {
        name,
        help,
        labels,
        scope,
        kind: Kind::Gauge,
    }
}

const DOORS: Family = gauge(
    "kube_https_doors",
    "How many targets are https_only, exposed (served in clear), broken or unknown",
    &["source", "namespace", "state"],
    Scope::Own,
);

pub(super) const FINDING: Family = gauge(
    "kube_https_finding",
    "1 for each thing that is wrong now with a target, or with stored certificates, whose host, port and address are empty",
    &["finding", "severity"],
    Scope::Target,
);

const FINDINGS: Family = gauge(
    "kube_https_findings",
    "How many targets and stored certificates have this finding now",
    &["source", "namespace", "finding", "severity"],
    Scope::Own,
);

pub(super) const WAIVED: Family = gauge(
    "kube_https_finding_waived_info",
    "1 for each thing that is wrong with a target now and that a rule accepts",
    &["finding", "until", "reason"],
    Scope::Target,
);

pub(super) const OWNER: Family = gauge(
    "kube_https_target_owner_info",
    "1 for each object behind a target, with its namespace where that is another",
    &["owner_kind", "owner_name"],
    Scope::Target,
);

const TARGETS: Family = gauge(
    "kube_https_targets",
    "Targets known",
    &["source"],
    Scope::Own,
);

const DROPPED: Family = gauge(
    "kube_https_targets_dropped",
    "Targets that are declared but not probed, and why",
    &["source", "reason"],
    Scope::Own,
);

/// The families that are about targets and belong to no check, in the order of the exposition.
#[must_use]
pub const fn own_families() -> &'static [Family] {
    &[DOORS, FINDING, FINDINGS, WAIVED, OWNER, TARGETS, DROPPED]
}

const DROP_REASONS: [DropReason; 4] = [
    DropReason::Denied,
    DropReason::Cap,
    DropReason::NoAddress,
    DropReason::Unsupported,
];

/// Running counts, kept as rows come, change and go.
#[derive(Debug, Default)]
pub(super) struct Totals {
    sources: BTreeMap<&'static str, SourceTotal>,
    namespaces: BTreeMap<(&'static str, Arc<str>), NamespaceTotal>,
}

#[derive(Debug, Default)]
struct SourceTotal {
    targets: usize,
    dropped: BTreeMap<DropReason, usize>,
}

#[derive(Debug, Default)]
struct NamespaceTotal {
    postures: BTreeMap<Posture, usize>,
    findings: BTreeMap<(&'static str, Severity), usize>,
    /// Rendered when it is asked for; `None` after a change.
    block: Option<Arc<Block>>,
}

impl Totals {
    /// Makes a source known, so that it shows with a zero.
    pub(super) fn source(&mut self, source: &'static str) {
        self.sources.entry(source).or_default();
    }

    /// Replaces the counts of what a source declares but is not probed.
    pub(super) fn dropped(&mut self, source: &'static str, counts: &[(DropReason, usize)]) {
        self.sources.entry(source).or_default().dropped = counts.iter().copied().collect();
    }

    /// Counts a row, in the place of `old` where it had been counted before.
    pub(super) fn replace(&mut self, old: Option<&RowRecord>, new: &RowRecord) {
        if old.is_some_and(|old| counts_alike(old, new)) {
            return;
        }
        if let Some(old) = old {
            self.remove(old);
        }
        self.sources
            .entry(new.target.row.source)
            .or_default()
            .targets += 1;
        let total = self.namespaces.entry(namespace(new)).or_default();
        total.add(counted(new), &new.findings);
    }

    /// Stops counting a row. The source stays known; the namespace goes with its last row.
    pub(super) fn remove(&mut self, old: &RowRecord) {
        if let Some(source) = self.sources.get_mut(old.target.row.source) {
            source.targets = source.targets.saturating_sub(1);
        }
        self.subtract(&namespace(old), counted(old), &old.findings);
    }

    /// Counts the findings of stored certificates, in the place of `old`. They are no doors.
    pub(super) fn replace_stored(&mut self, old: Option<&StoredRecord>, new: &StoredRecord) {
        let kinds = |record: &StoredRecord| -> Vec<_> { kinds(&record.findings).collect() };
        if old.is_some_and(|old| kinds(old) == kinds(new)) {
            return;
        }
        if let Some(old) = old {
            self.remove_stored(old);
        }
        if !new.findings.is_empty() {
            let total = self.namespaces.entry(place_of(new)).or_default();
            total.add(None, &new.findings);
        }
    }

    /// Stops counting them.
    pub(super) fn remove_stored(&mut self, old: &StoredRecord) {
        self.subtract(&place_of(old), None, &old.findings);
    }

    fn subtract(
        &mut self,
        key: &(&'static str, Arc<str>),
        posture: Option<Posture>,
        findings: &[Finding],
    ) {
        if let Some(total) = self.namespaces.get_mut(key) {
            total.subtract(posture, findings);
            if total.postures.is_empty() && total.findings.is_empty() {
                self.namespaces.remove(key);
            }
        }
    }

    /// Every total, as blocks without row labels.
    pub(super) fn blocks(&mut self, catalogue: &Catalogue) -> Vec<Arc<Block>> {
        let sources = self.sources.iter().map(|(source, total)| {
            let samples = total.samples(source);
            Arc::new(Block::new(catalogue, RowLabels::default(), &samples))
        });
        let namespaces = self.namespaces.iter_mut().map(|((source, name), total)| {
            let samples = || total_samples(source, name, &total.postures, &total.findings);
            let block = total.block.get_or_insert_with(|| {
                Arc::new(Block::new(catalogue, RowLabels::default(), &samples()))
            });
            Arc::clone(block)
        });
        sources.chain(namespaces).collect()
    }
}

fn namespace(row: &RowRecord) -> (&'static str, Arc<str>) {
    let row = &row.target.row;
    (row.source, Arc::clone(&row.namespace))
}

fn place_of(stored: &StoredRecord) -> (&'static str, Arc<str>) {
    let place = &stored.object.place;
    (place.source, Arc::clone(&place.namespace))
}

/// As what it counts among the doors. That something can be reached as expected says nothing of
/// what is spoken there: such a row is no door.
fn counted(row: &RowRecord) -> Option<Posture> {
    let is_door = row.target.expect.reach.is_none() || row.posture == Posture::Exposed;
    is_door.then_some(row.posture)
}

fn counts_alike(a: &RowRecord, b: &RowRecord) -> bool {
    let kinds = |row: &RowRecord| -> Vec<_> { kinds(&row.findings).collect() };
    a.posture == b.posture && kinds(a) == kinds(b)
}

fn kinds(findings: &[Finding]) -> impl Iterator<Item = (&'static str, Severity)> {
    findings.iter().map(|f| (f.spec.name, f.severity))
}

impl SourceTotal {
    fn samples(&self, source: &str) -> Vec<Sample> {
        let dropped = DROP_REASONS.iter().map(|reason| {
            let count = self.dropped.get(reason).copied().unwrap_or(0);
            total(&DROPPED, &[source, reason.label()], count)
        });
        std::iter::once(total(&TARGETS, &[source], self.targets))
            .chain(dropped)
            .collect()
    }
}

impl NamespaceTotal {
    fn add(&mut self, posture: Option<Posture>, findings: &[Finding]) {
        self.block = None;
        if let Some(posture) = posture {
            *self.postures.entry(posture).or_default() += 1;
        }
        for kind in kinds(findings) {
            *self.findings.entry(kind).or_default() += 1;
        }
    }

    fn subtract(&mut self, posture: Option<Posture>, findings: &[Finding]) {
        self.block = None;
        if let Some(posture) = posture {
            decrement(&mut self.postures, &posture);
        }
        for kind in kinds(findings) {
            decrement(&mut self.findings, &kind);
        }
    }
}

fn decrement<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    match counts.get_mut(key) {
        Some(count) if *count > 1 => *count -= 1,
        _ => {
            counts.remove(key);
        }
    }
}

fn total_samples(
    source: &str,
    namespace: &str,
    postures: &BTreeMap<Posture, usize>,
    findings: &BTreeMap<(&'static str, Severity), usize>,
) -> Vec<Sample> {
    // Where there are only stored certificates there is no door to count.
    let counted = Posture::ALL.iter().filter(|_| !postures.is_empty());
    let doors = counted.map(|posture| {
        let count = postures.get(posture).copied().unwrap_or(0);
        total(&DOORS, &[source, namespace, posture.label()], count)
    });
    let findings = findings.iter().map(|((finding, severity), count)| {
        let labels = [source, namespace, finding, severity.label()];
        total(&FINDINGS, &labels, *count)
    });
    doors.chain(findings).collect()
}

fn total(family: &'static Family, labels: &[&str], count: usize) -> Sample {
    Sample {
        family,
        extra: Extra::Texts(labels.iter().copied().map(Box::from).collect()),
        value: count as f64,
    }
}
