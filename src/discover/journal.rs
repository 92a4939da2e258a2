//! The log of how the sources fare: one line for each change, none for a retry that fails alike.

use std::collections::BTreeSet;

use futures::StreamExt;
use futures::stream::BoxStream;
use tracing::{info, warn};

use super::{Health, Update};

/// The most different troubles that are remembered, and so logged, before a source recovers.
const TROUBLES: usize = 100;

/// The updates of `source`, its health logged as it passes.
pub(super) fn logged(
    source: &'static str,
    updates: BoxStream<'static, Update>,
) -> BoxStream<'static, (&'static str, Update)> {
    let mut journal = Journal::default();
    updates
        .inspect(move |update| {
            if let Update::Health(health) = update {
                journal.note(source, health);
            }
        })
        .map(move |update| (source, update))
        .boxed()
}

/// What was last said of a source.
#[derive(Default)]
struct Journal {
    said: Option<Line>,
    troubles: BTreeSet<String>,
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Synced,
    Absent,
    Failed,
    /// One object is no failure of the source.
    Malformed,
}

impl Journal {
    fn note(&mut self, source: &str, health: &Health) {
        match (self.next(health), health) {
            (None, _) => {}
            (Some(_), Health::Synced(_)) => info!(source, "discovery has listed everything"),
            (Some(_), Health::Absent(_)) => info!(source, "the cluster does not have this kind"),
            (Some(Line::Malformed), Health::Failed { detail, .. }) => {
                warn!(
                    source,
                    detail, "an object is wrong: what cannot be read of it is left out"
                );
            }
            (Some(_), Health::Failed { reason, detail }) => {
                warn!(source, reason, detail, "discovery fails and is retried");
            }
        }
    }

    /// The line that `health` deserves, if any.
    fn next(&mut self, health: &Health) -> Option<Line> {
        let line = match health {
            Health::Failed {
                reason: "malformed",
                ..
            } => return Some(Line::Malformed),
            Health::Failed { .. } => Line::Failed,
            Health::Synced(_) => Line::Synced,
            Health::Absent(_) => Line::Absent,
        };
        let new = match health {
            Health::Failed { detail, .. } => {
                self.troubles.len() < TROUBLES && self.troubles.insert(detail.clone())
            }
            Health::Synced(_) | Health::Absent(_) => {
                self.troubles.clear();
                self.said != Some(line)
            }
        };
        self.said = Some(line);
        new.then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UnixTime;

    const SYNCED: Health = Health::Synced(UnixTime::from_secs(1));

    fn failed(reason: &'static str, detail: &str) -> Health {
        Health::Failed {
            reason,
            detail: detail.into(),
        }
    }

    #[test]
    fn a_failure_is_logged_once_until_the_source_recovers() {
        let mut journal = Journal::default();
        assert_eq!(journal.next(&failed("forbidden", "a")), Some(Line::Failed));
        assert_eq!(journal.next(&failed("forbidden", "a")), None);
        assert_eq!(journal.next(&failed("forbidden", "b")), Some(Line::Failed));
        assert_eq!(journal.next(&failed("forbidden", "a")), None);
        assert_eq!(journal.next(&SYNCED), Some(Line::Synced));
        assert_eq!(journal.next(&SYNCED), None);
        assert_eq!(journal.next(&failed("forbidden", "a")), Some(Line::Failed));
    }

    #[test]
    fn a_malformed_object_is_logged_each_time_and_changes_nothing_else() {
        let mut journal = Journal::default();
        journal.next(&SYNCED);
        assert_eq!(
            journal.next(&failed("malformed", "x")),
            Some(Line::Malformed)
        );
        assert_eq!(
            journal.next(&failed("malformed", "x")),
            Some(Line::Malformed)
        );
        assert_eq!(journal.next(&SYNCED), None);
    }

    #[test]
    fn troubles_that_never_repeat_do_not_fill_the_log() {
        let mut journal = Journal::default();
        let lines = (0..1000).filter_map(|n| journal.next(&failed("other", &n.to_string())));
        assert_eq!(lines.count(), TROUBLES);
    }
}
