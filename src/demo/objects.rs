//! The API's objects: kept in memory with a history, changed at run time, seen by every watcher.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;

/// How many changes a watcher may lag behind before it has to list again.
pub(super) const HISTORY: usize = 1000;

/// The handle that changes objects. Watches end when it is dropped.
#[derive(Debug)]
pub struct Objects(watch::Sender<State>);

/// Every object and what changed of late, at one resource version.
#[derive(Debug)]
pub(super) struct State {
    /// The resource version: goes up by one with every change.
    pub(super) version: u64,
    /// Every object.
    pub(super) objects: BTreeMap<Key, Arc<Value>>,
    /// The latest changes, oldest first.
    pub(super) changes: VecDeque<Change>,
    /// Changes up to this version are forgotten.
    pub(super) forgotten: u64,
}

/// Names an object: its `apiVersion`, kind, namespace and name.
pub(super) type Key = [String; 4];

/// One change of one object.
#[derive(Debug)]
pub(super) struct Change {
    /// The resource version that it made.
    pub(super) version: u64,
    /// What was there before; `None` where the object is new.
    pub(super) before: Option<Arc<Value>>,
    /// What is there now; `None` where it was deleted.
    pub(super) after: Option<Arc<Value>>,
}

impl Objects {
    /// None yet.
    pub(super) fn new() -> Self {
        // Version 0 has a meaning of its own in requests, so that the first is 1.
        Self(watch::Sender::new(State {
            version: 1,
            objects: BTreeMap::new(),
            changes: VecDeque::new(),
            forgotten: 1,
        }))
    }

    /// What readers hold.
    pub(super) fn subscribe(&self) -> watch::Receiver<State> {
        self.0.subscribe()
    }

    /// Adds an object, or replaces the one of the same `apiVersion`, kind, namespace and name.
    /// Sets its resource version, and looks at nothing else: malformed ones are served as they are.
    pub fn put(&self, mut object: Value) {
        let key = [
            "/apiVersion",
            "/kind",
            "/metadata/namespace",
            "/metadata/name",
        ]
        .map(|at| text(&object, at).to_owned());
        self.0.send_modify(|state| {
            set_version(&mut object, state.version + 1);
            let after = Arc::new(object);
            let before = state.objects.insert(key, Arc::clone(&after));
            state.record(before, Some(after));
        });
    }

    /// Deletes an object; says whether it was there.
    pub fn delete(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> bool {
        let key = [api_version, kind, namespace, name].map(str::to_owned);
        self.0.send_if_modified(|state| {
            let before = state.objects.remove(&key);
            let found = before.is_some();
            if found {
                state.record(before, None);
            }
            found
        })
    }

    /// Forgets the history, as etcd's compaction does: a watch from an older version is refused
    /// with 410, and has to list again.
    pub fn compact(&self) {
        self.0.send_modify(|state| {
            state.changes.clear();
            state.forgotten = state.version;
        });
    }
}

impl State {
    fn record(&mut self, before: Option<Arc<Value>>, after: Option<Arc<Value>>) {
        self.version += 1;
        self.changes.push_back(Change {
            version: self.version,
            before,
            after,
        });
        if self.changes.len() > HISTORY {
            let oldest = self.changes.pop_front();
            self.forgotten = oldest.map_or(self.forgotten, |change| change.version);
        }
    }
}

/// Sets `metadata.resourceVersion`, where there is metadata.
pub(super) fn set_version(object: &mut Value, version: u64) {
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.insert("resourceVersion".to_owned(), version.to_string().into());
    }
}

/// The string at a JSON pointer, empty where there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
