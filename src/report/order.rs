//! The order in which rows are shown: the soonest trouble first.

use std::cmp::Reverse;

use crate::model::Severity;
use crate::record::{Posture, RowRecord};

/// Whether the row is shown to people: a port that must be closed, and is, is not.
#[must_use]
pub fn is_shown(row: &RowRecord) -> bool {
    row.posture != Posture::Closed
}

/// How bad the worst finding of a row is; `None` where nothing was found.
#[must_use]
pub fn worst(row: &RowRecord) -> Option<Severity> {
    row.findings.iter().map(|finding| finding.severity).max()
}

/// A row in one word: how bad its worst finding is, `ok`, or `unknown` where no certificate was
/// ever seen and nothing else says that it is as it should be.
#[must_use]
pub fn status(row: &RowRecord) -> &'static str {
    match worst(row) {
        Some(severity) => severity.label(),
        None if row.summary.version.is_some() => "ok",
        None if row.posture == Posture::Closed || row.summary.met == Some(true) => "ok",
        None => "unknown",
    }
}

/// Sorts: the worst first, then what was never seen, then the soonest to expire, then by name.
pub fn sort(rows: &mut [RowRecord]) {
    rows.sort_by(|a, b| rank(a).cmp(&rank(b)));
}

fn rank(row: &RowRecord) -> impl Ord + '_ {
    let not_after = row.summary.not_after;
    let own = &row.target.row;
    let name = (
        &own.host,
        own.port,
        &own.address,
        &own.namespace,
        own.source,
    );
    (Reverse(worst(row)), not_after.is_some(), not_after, name)
}
