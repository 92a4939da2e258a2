//! Follows one kind of object of the cluster: lists it, then watches it from there.
//!
//! Whatever ends a watch with an error (a dropped connection, an API server that restarts, a
//! revoked permission, a version that the server has forgotten) is answered alike: wait, then list
//! and watch anew. A complete listing voids what was said before, so that nothing that vanished in
//! between can stay. What was known meanwhile stays, because an API server that does not answer
//! says nothing about its objects.
//!
//! Each object is read by itself: one that does not have its kind's shape is reported, declares
//! nothing, and costs no other object anything. Objects are turned into targets as they arrive,
//! one page at a time, and are not kept.

use std::error::Error as _;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc;
use futures::stream::{self, BoxStream};
use futures::{SinkExt, StreamExt, TryStreamExt};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use kube::core::{DeserializeGuard, Status};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout};

use super::backoff::Backoff;
use super::{Cluster, Declared, DropReason, Dropped, Health, ObjectKey, Update};
use crate::model::{Owner, Target, UnixTime, clean};

/// Objects in one page of a listing: the chunk that kubectl and client-go ask for.
const PAGE_OBJECTS: u32 = 500;

/// How long the API server may take for one page, or to begin a watch. Its own limit for such
/// requests is 60 s (`--request-timeout`).
const ANSWER_TIMEOUT: Duration = Duration::from_secs(65);

/// How long the API server is asked to hold a watch, in seconds: just under the five minutes at
/// which it, and many a load balancer before it, would end one.
const WATCH_SECONDS: u32 = 290;

/// A watch that says nothing for this long (not even its end) is dead.
const WATCH_SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 5);

/// Between the end of a watch and the next, so that a server that ends each at once is not asked
/// in a tight loop.
const REWATCH_PAUSE: Duration = Duration::from_secs(1);

/// What went well for this long starts with the shortest wait when it fails: four times the longest
/// wait, so that what fails soon after each listing is not asked to list all the time.
const WELL: Duration = Duration::from_mins(2);

/// Where objects are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// In all namespaces.
    Cluster,
    /// In one.
    Namespace(String),
}

/// The scopes that the configuration's `namespaces` come to; none written: the whole cluster.
pub(super) fn scopes(namespaces: &[String]) -> impl Iterator<Item = Scope> {
    let whole = namespaces.is_empty().then_some(Scope::Cluster);
    whole
        .into_iter()
        .chain(namespaces.iter().cloned().map(Scope::Namespace))
}

/// The object of these metadata, as an owner.
pub(super) fn owner<K: k8s_openapi::Resource>(meta: &ObjectMeta) -> Owner {
    let text = |field: &Option<String>| field.as_deref().unwrap_or_default().into();
    Owner {
        created: (meta.creation_timestamp.as_ref())
            .map(|at| UnixTime::from_millis(at.0.as_millisecond())),
        kind: K::KIND,
        namespace: text(&meta.namespace),
        name: text(&meta.name),
    }
}

/// What an object declares.
type Declare<K> = fn(&K) -> (Vec<Target>, Vec<Dropped>);

/// One kind of object in one scope.
pub(super) struct Watch<K> {
    api: Api<DeserializeGuard<K>>,
    /// For messages: `ingresses.networking.k8s.io in all namespaces`.
    what: String,
    /// Only the objects that this field selector picks.
    fields: Option<String>,
    declare: Declare<K>,
    clock: fn() -> UnixTime,
}

impl<K> Watch<K>
where
    K: k8s_openapi::Resource<Scope = NamespaceResourceScope>
        + kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    /// Follows the objects in `scope`, each declaring what `declare` says.
    pub(super) fn new(
        cluster: &Cluster,
        scope: Scope,
        declare: Declare<K>,
        clock: fn() -> UnixTime,
    ) -> Self {
        let client = cluster.client.clone();
        let kind = format!(
            "{}.{}",
            K::URL_PATH_SEGMENT,
            <K as k8s_openapi::Resource>::GROUP
        );
        let (api, place) = match scope {
            Scope::Cluster => (Api::all(client), "all namespaces".to_owned()),
            Scope::Namespace(name) => (Api::namespaced(client, &name), format!("namespace {name}")),
        };
        Self {
            api,
            what: format!("{kind} in {place}"),
            fields: None,
            declare,
            clock,
        }
    }

    /// Only the object of this name. To RBAC that is a request for the name, so that a rule with
    /// `resourceNames` permits it.
    pub(super) fn named(self, name: &str) -> Self {
        Self {
            fields: Some(format!("metadata.name={name}")),
            ..self
        }
    }

    /// All that happens, endlessly.
    pub(super) fn stream(self) -> BoxStream<'static, Update> {
        let (to, updates) = mpsc::channel(0);
        let nothing_more = stream::once(self.run(Outlet(to))).filter_map(async |()| None);
        stream::select(updates, nothing_more).boxed()
    }

    async fn run(self, mut to: Outlet) {
        let mut backoff = Backoff::new();
        loop {
            let begun = Instant::now();
            let failure = self.follow(&mut to).await;
            if failure.is_absent() {
                to.say(Update::Listed(Vec::new())).await;
                to.say(Update::Health(Health::Absent((self.clock)()))).await;
            } else {
                to.fail(failure.reason(), failure.detail(&self.what)).await;
            }
            if begun.elapsed() >= WELL {
                backoff = Backoff::new();
            }
            sleep(backoff.wait()).await;
        }
    }

    /// Lists, then watches for as long as nothing fails.
    async fn follow(&self, to: &mut Outlet) -> Failure {
        let mut version = match self.list(to).await {
            Ok(version) => version,
            Err(failure) => return failure,
        };
        loop {
            if let Err(failure) = self.watch(&mut version, to).await {
                return failure;
            }
            sleep(REWATCH_PAUSE).await;
        }
    }

    /// Says every object there is. Gives the version to watch from.
    async fn list(&self, to: &mut Outlet) -> Result<String, Failure> {
        let failed = |cause| Failure {
            verb: "list",
            cause,
        };
        let mut params = ListParams {
            field_selector: self.fields.clone(),
            ..ListParams::default()
        }
        .limit(PAGE_OBJECTS);
        let (mut listed, mut malformed) = (Vec::new(), Vec::new());
        loop {
            let page = timeout(ANSWER_TIMEOUT, self.api.list(&params))
                .await
                .map_err(|_| failed(Cause::Silent))?
                .map_err(|error| failed(Cause::Client(error)))?;
            for object in page.items {
                let (declared, trouble) = self.declared(object);
                listed.push(declared);
                malformed.extend(trouble);
            }
            params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if params.continue_token.is_none() {
                if let Some(first) = malformed.first() {
                    let detail = format!(
                        "{} of {}; the first: {first}",
                        malformed.len(),
                        listed.len()
                    );
                    to.fail(MALFORMED, detail).await;
                }
                to.say(Update::Listed(listed)).await;
                return page
                    .metadata
                    .resource_version
                    .ok_or_else(|| failed(Cause::NoVersion));
            }
        }
    }

    /// Says every change after `version`, which moves along, until the server ends the watch.
    async fn watch(&self, version: &mut String, to: &mut Outlet) -> Result<(), Failure> {
        let failed = |cause| Failure {
            verb: "watch",
            cause,
        };
        let params = WatchParams {
            field_selector: self.fields.clone(),
            timeout: Some(WATCH_SECONDS),
            ..WatchParams::default()
        };
        let events = timeout(ANSWER_TIMEOUT, self.api.watch(&params, version))
            .await
            .map_err(|_| failed(Cause::Silent))?
            .map_err(|error| failed(Cause::Client(error)))?;
        let mut events = events.boxed();
        to.say(self.synced()).await;
        while let Ok(event) = timeout(WATCH_SILENCE, events.try_next()).await {
            match event.map_err(|error| failed(Cause::Client(error)))? {
                None => break,
                Some(WatchEvent::Error(status)) => return Err(failed(Cause::Status(status))),
                Some(WatchEvent::Bookmark(mark)) => *version = mark.metadata.resource_version,
                Some(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                    advance(version, &object);
                    self.changed(object, to).await;
                }
                Some(WatchEvent::Deleted(object)) => {
                    advance(version, &object);
                    let owner = owner::<K>(kube::Resource::meta(&object));
                    to.say(Update::Gone(ObjectKey::from(&owner))).await;
                }
            }
        }
        Ok(())
    }

    async fn changed(&self, object: DeserializeGuard<K>, to: &mut Outlet) {
        let (declared, malformed) = self.declared(object);
        let trouble = malformed.is_some();
        if let Some(detail) = malformed {
            to.fail(MALFORMED, detail).await;
        }
        to.say(Update::Changed(declared)).await;
        if trouble {
            to.say(self.synced()).await;
        }
    }

    /// What an object declares; and what is wrong with it, if it cannot be read.
    fn declared(&self, object: DeserializeGuard<K>) -> (Declared, Option<String>) {
        let meta = kube::Resource::meta(&object);
        let owner = owner::<K>(meta);
        let labels = Arc::new(meta.labels.clone().unwrap_or_default());
        let (targets, dropped, malformed) = match object.0 {
            Ok(object) => {
                let (targets, dropped) = (self.declare)(&object);
                (targets, dropped, None)
            }
            Err(invalid) => {
                let unreadable = Dropped {
                    host: Arc::default(),
                    reason: DropReason::Unsupported,
                };
                let error = clean(&invalid.error);
                let detail = format!("{} {}/{}: {error}", owner.kind, owner.namespace, owner.name);
                (Vec::new(), vec![unreadable], Some(detail))
            }
        };
        (
            Declared {
                object: owner,
                labels,
                targets,
                dropped,
            },
            malformed,
        )
    }

    fn synced(&self) -> Update {
        Update::Health(Health::Synced((self.clock)()))
    }
}

/// Moves on to the version of `object`, from which a later watch resumes.
fn advance<K: kube::Resource>(version: &mut String, object: &K) {
    if let Some(seen) = &object.meta().resource_version {
        version.clone_from(seen);
    }
}

/// The way out for updates. It is dropped together with who reads them, so that a failure to send
/// is never seen.
struct Outlet(mpsc::Sender<Update>);

impl Outlet {
    async fn say(&mut self, update: Update) {
        self.0.send(update).await.ok();
    }

    async fn fail(&mut self, reason: &'static str, detail: String) {
        self.say(Update::Health(Health::Failed { reason, detail }))
            .await;
    }
}

const MALFORMED: &str = "malformed";

/// Why it does not go on.
#[derive(Debug)]
struct Failure {
    /// What was attempted, in RBAC's words.
    verb: &'static str,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    /// The request failed.
    Client(kube::Error),
    /// The watch said so.
    Status(Box<Status>),
    /// No answer within [`ANSWER_TIMEOUT`].
    Silent,
    /// A listing without a version to watch from.
    NoVersion,
}

impl Failure {
    fn status(&self) -> Option<&Status> {
        match &self.cause {
            Cause::Client(kube::Error::Api(status)) | Cause::Status(status) => Some(status),
            Cause::Client(_) | Cause::Silent | Cause::NoVersion => None,
        }
    }

    /// The cluster does not have this kind.
    fn is_absent(&self) -> bool {
        self.status().is_some_and(|status| status.code == 404)
    }

    /// The closed set of [`Health::Failed`].
    fn reason(&self) -> &'static str {
        match (self.status().map(|status| status.code), &self.cause) {
            (Some(401 | 403), _) => "forbidden",
            (Some(410), _) => "gone",
            // What a load balancer says in place of an API server that is not there.
            (Some(502..=504), _) | (None, Cause::Silent) => "unreachable",
            (None, Cause::Client(error)) => match error {
                kube::Error::Service(_)
                | kube::Error::HyperError(_)
                | kube::Error::ReadEvents(_) => "unreachable",
                kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => MALFORMED,
                _ => "other",
            },
            _ => "other",
        }
    }

    /// Who may not do what to what, and why.
    fn detail(&self, what: &str) -> String {
        let cause = match (&self.cause, self.status()) {
            (_, Some(status)) => status.message.clone(),
            (Cause::Client(error), _) => chain(error),
            (Cause::Silent, _) => format!("no answer in {} s", ANSWER_TIMEOUT.as_secs()),
            (Cause::NoVersion | Cause::Status(_), _) => "the list has no resourceVersion".into(),
        };
        format!("cannot {} {what}: {cause}", self.verb)
    }
}

/// An error and its causes; kube's own errors repeat their cause, which is then left out.
fn chain(error: &kube::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
#[path = "watch_test.rs"]
mod tests;
