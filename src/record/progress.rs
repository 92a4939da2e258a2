//! Progress: whether what is served is the whole picture yet.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// Ready by then whatever is missing: metrics that are incomplete, and say so, are of more use
/// than none, and a rollout must not hang on one source.
const READY_AT_LATEST: Duration = Duration::from_mins(2);

/// What has been heard since the start.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    heard: watch::Sender<Heard>,
}

#[derive(Clone, Debug)]
struct Heard {
    waiting: Waiting,
    /// The sources whose last word was that they failed.
    failed: BTreeSet<&'static str>,
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
            heard: watch::Sender::new(Heard {
                waiting: Waiting {
                    sources: sources.iter().copied().collect(),
                    pass: true,
                },
                failed: BTreeSet::new(),
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
        let waiting = &self.heard.borrow().waiting;
        (!waiting.is_over()).then(|| waiting.clone())
    }

    /// Returns once every source has listed or failed, and every door has been probed once.
    pub async fn first_pass(&self) {
        let mut heard = self.heard.subscribe();
        // It fails only where the sender is gone, which is `self`.
        drop(heard.wait_for(|heard| !heard.waiting.pass).await);
    }

    /// Returns once nothing is [waited for](Self::waiting).
    pub async fn ready(&self) {
        let mut heard = self.heard.subscribe();
        let whole = heard.wait_for(|heard| heard.waiting.is_over());
        drop(timeout_at(self.started + READY_AT_LATEST, whole).await);
    }

    /// The sources whose last word was that they failed.
    #[must_use]
    pub fn failed_sources(&self) -> BTreeSet<&'static str> {
        self.heard.borrow().failed.clone()
    }

    /// The source has listed, or it failed.
    pub(super) fn settled(&self, source: &'static str, failed: bool) {
        self.heard.send_modify(|heard| {
            heard.waiting.sources.remove(source);
            if failed {
                heard.failed.insert(source);
            } else {
                heard.failed.remove(source);
            }
        });
    }

    /// Every door has been probed once.
    pub(super) fn passed(&self) {
        self.heard.send_modify(|heard| heard.waiting.pass = false);
    }
}

impl Waiting {
    fn is_over(&self) -> bool {
        !self.pass && self.sources.is_empty()
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
        progress.settled("ingress", true);
        progress.passed();
        assert_eq!(
            text(&progress).as_deref(),
            Some("waiting for source api_server to list")
        );
        let mut ready = Box::pin(progress.ready());
        assert!(futures::poll!(&mut ready).is_pending());
        progress.settled("api_server", false);
        assert_eq!(text(&progress), None);
        assert!(futures::poll!(&mut ready).is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_pass_can_be_waited_for_and_tells_which_sources_failed() {
        let progress = Progress::new(&["ingress", "api_server"]);
        progress.settled("ingress", true);
        progress.settled("api_server", true);
        progress.settled("api_server", false);
        assert_eq!(progress.failed_sources(), BTreeSet::from(["ingress"]));
        let mut pass = Box::pin(progress.first_pass());
        assert!(futures::poll!(&mut pass).is_pending());
        progress.passed();
        assert!(futures::poll!(&mut pass).is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn readiness_comes_after_two_minutes_whatever_is_missing() {
        let progress = Progress::new(&["ingress"]);
        let mut ready = Box::pin(progress.ready());
        tokio::time::advance(Duration::from_secs(119)).await;
        assert!(progress.waiting().is_some());
        assert!(futures::poll!(&mut ready).is_pending());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(progress.waiting(), None);
        assert!(futures::poll!(&mut ready).is_ready());
    }
}
