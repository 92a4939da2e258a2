//! One watch: the changes after a resource version, as lines of JSON, until its time is up.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, interval_at, sleep_until};

use super::api::status;
use super::objects::{Change, State, set_version};
use super::select::Selector;

/// Between two bookmarks; the real API sends one about every minute.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(20);

/// How long a watch lasts that does not say, and the longest one may.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(30);

/// One client's watch.
pub(super) struct Watch {
    state: watch::Receiver<State>,
    wanted: Selector,
    /// The resource version up to which the client knows everything; 0 for nothing yet.
    known: u64,
    bookmarks: Option<Interval>,
    end: Instant,
    expired: bool,
}

impl Watch {
    /// A watch as the request's parameters want it.
    pub(super) fn new(
        state: watch::Receiver<State>,
        wanted: Selector,
        query: &HashMap<String, String>,
    ) -> Self {
        let number = |name: &str| query.get(name).and_then(|text| text.parse().ok());
        let timeout = number("timeoutSeconds").map_or(DEFAULT_TIMEOUT, Duration::from_secs);
        let bookmarks = query
            .get("allowWatchBookmarks")
            .is_some_and(|v| v == "true");
        let first = Instant::now() + BOOKMARK_INTERVAL;
        Self {
            state,
            wanted,
            known: number("resourceVersion").unwrap_or(0),
            bookmarks: bookmarks.then(|| interval_at(first, BOOKMARK_INTERVAL)),
            end: Instant::now() + timeout.min(DEFAULT_TIMEOUT),
            expired: false,
        }
    }

    /// The next lines, as soon as there are any; `None` once the watch is over.
    pub(super) async fn next(&mut self) -> Option<String> {
        loop {
            if self.expired {
                return None;
            }
            let news = self.news();
            if !news.is_empty() {
                return Some(news);
            }
            tokio::select! {
                changed = self.state.changed() => changed.ok()?,
                () = due(self.bookmarks.as_mut()) => return Some(self.bookmark()),
                () = sleep_until(self.end) => return None,
            }
        }
    }

    /// What the client does not know yet; empty where that is nothing.
    fn news(&mut self) -> String {
        let state = self.state.borrow_and_update();
        let mut lines = String::new();
        if self.known == 0 {
            let objects = state.objects.values().map(AsRef::as_ref);
            for object in objects.filter(|object| self.wanted.matches(object)) {
                line(&mut lines, "ADDED", object);
            }
        } else if self.known < state.forgotten {
            let message = format!("too old resource version: {}", self.known);
            line(&mut lines, "ERROR", &status(StatusCode::GONE, &message));
            self.expired = true;
        } else {
            let fresh = state.changes.iter().filter(|c| c.version > self.known);
            fresh.for_each(|change| event(&mut lines, change, &self.wanted));
        }
        self.known = self.known.max(state.version);
        lines
    }

    fn bookmark(&self) -> String {
        let object = json!({
            "kind": self.wanted.kind.kind, "apiVersion": self.wanted.kind.api_version,
            "metadata": {"resourceVersion": self.known.to_string()},
        });
        let mut out = String::new();
        line(&mut out, "BOOKMARK", &object);
        out
    }
}

/// What a change means to a watcher: an object that no longer matches is deleted for it.
fn event(out: &mut String, change: &Change, wanted: &Selector) {
    let seen = |object: &Value| wanted.matches(object);
    let before = change.before.as_deref().filter(|object| seen(object));
    let after = change.after.as_deref().filter(|object| seen(object));
    match (before, after) {
        (None, Some(object)) => line(out, "ADDED", object),
        (Some(_), Some(object)) => line(out, "MODIFIED", object),
        (Some(object), None) => {
            let mut last = object.clone();
            set_version(&mut last, change.version);
            line(out, "DELETED", &last);
        }
        (None, None) => {}
    }
}

fn line(out: &mut String, kind: &str, object: &Value) {
    // Writing to a string cannot fail.
    let _infallible = writeln!(out, "{}", json!({"type": kind, "object": object}));
}

/// When the next bookmark is due: never, where none are wanted.
async fn due(bookmarks: Option<&mut Interval>) {
    match bookmarks {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}
