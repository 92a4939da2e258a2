//! What is wrong with what no handshake shows, below the table of doors.

use crate::record::StoredRecord;
use crate::report;

use super::{Manner, coloured};

/// A line for each finding, the worst first, after an empty line; nothing where there is none.
pub(super) fn render(stored: &[StoredRecord], manner: &Manner<'_>) -> String {
    let mut found: Vec<_> = stored
        .iter()
        .flat_map(|record| record.findings.iter().map(move |finding| (record, finding)))
        .collect();
    found.sort_by_key(|(_, finding)| std::cmp::Reverse(finding.severity));
    let lines = found.into_iter().map(|(record, finding)| {
        let place = &record.object.place;
        let severity = finding.severity.label();
        let status = coloured(&format!("{severity:<8}"), severity, manner);
        let object = report::named(&place.namespace, &place.name);
        let detail = if finding.detail.is_empty() {
            String::new()
        } else {
            format!(": {}", finding.detail)
        };
        let (source, name) = (place.source, finding.spec.name);
        format!("{status}  {source} {object}  {name}{detail}\n")
    });
    let lines: String = lines.collect();
    if lines.is_empty() {
        lines
    } else {
        format!("\nNot shown by any door:\n{lines}")
    }
}
