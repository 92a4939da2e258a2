//! Progress: whether what is served is the whole picture yet.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Ready by then whatever is missing: metrics that are incomplete, and say so, are of more use
/// than none, and a rollout must not hang on one source.
const READY_AT_LATEST: Duration = Duration::from_mins(2);

/// What has been heard since the start.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    waiting: Mutex<Waiting>,
}

/// What readiness still waits for; its text is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    sources: BTreeSet<&'static str>,
    pass: bool,
}

impl Progress {
    /// Nothing heard yet, of any of these sources.
    #[must_use]
    pub fn new(sources: &[&'static str]) -> Self {
        Self {
            started: Instant::now(),
            waiting: Mutex::new(Waiting {
                sources: sources.iter().copied().collect(),
                pass: true,
            }),
        }
    }

    /// What is missing before every source has listed once or failed, and every door has been
    /// probed once. `None` when nothing is, or two minutes have gone by.
    #[must_use]
    pub fn waiting(&self) -> Option<Waiting> {
        if self.started.elapsed() >= READY_AT_LATEST {
            return None;
        }
        let waiting = self.lock();
        (waiting.pass || !waiting.sources.is_empty()).then(|| waiting.clone())
    }

    /// The source has listed, or it failed.
    pub(super) fn settled(&self, source: &'static str) {
        self.lock().sources.remove(source);
    }

    /// Every door has been probed once.
    pub(super) fn passed(&self) {
        self.lock().pass = false;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "waiting for ";
        for source in &self.sources {
            write!(f, "{separator}source {source} to list")?;
            separator = ", ";
        }
        if self.pass {
            write!(f, "{separator}the first pass over every door")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(progress: &Progress) -> Option<String> {
        progress.waiting().map(|waiting| waiting.to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn readiness_waits_for_every_source_and_one_pass() {
        let progress = Progress::new(&["ingress", "api_server"]);
        assert_eq!(
            text(&progress).as_deref(),
            Some(
                "waiting for source api_server to list, source ingress to list, \
                 the first pass over every door"
            )
        );
        progress.settled("ingress");
        progress.passed();
        assert_eq!(
            text(&progress).as_deref(),
            Some("waiting for source api_server to list")
        );
        progress.settled("api_server");
        assert_eq!(text(&progress), None);
    }

    #[tokio::test(start_paused = true)]
    async fn readiness_comes_after_two_minutes_whatever_is_missing() {
        let progress = Progress::new(&["ingress"]);
        tokio::time::advance(Duration::from_secs(119)).await;
        assert!(progress.waiting().is_some());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(progress.waiting(), None);
    }
}
