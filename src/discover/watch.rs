//! Follows one kind of object of the cluster: lists it, then watches it from there.
//!
//! Whatever ends a watch with an error (a dropped connection, an API server that restarts, a
//! revoked permission, a version that the server has forgotten) is answered alike: wait, then list
//! and watch anew. A complete listing voids what was said before, so that nothing that vanished in
//! between can stay. What was known meanwhile stays, because an API server that does not answer
//! says nothing about its objects. A kind that the cluster does not have is looked for again and
//! again, so that one installed later appears.
//!
//! Each object is read by itself: one that does not have its kind's shape is reported, comes to
//! nothing, and costs no other object anything. Objects are read down to what their source needs
//! of them as they arrive, one page at a time, and are not kept.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc;
use futures::stream::{self, BoxStream};
use futures::{SinkExt, StreamExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ListMeta, Time};
use kube::api::{ListParams, Request, WatchEvent, WatchParams};
use kube::core::Status;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep, timeout};
use tracing::warn;

use super::backoff::Backoff;
use super::kind::{Kind, Served};
use super::marks::Wishes;
use super::{Cluster, Context, Health, MALFORMED, Marks, Object, ObjectKey, Update};
use crate::model::{Owner, UnixTime, clean};

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

/// What a source keeps of an object.
type Read<K, T> = fn(&Owner, K) -> T;

/// One kind of object, in one namespace or in all: objects of the shape `K`, of which `T` is kept.
///
/// The shape is a type of `k8s_openapi`, or a smaller one with the fields of the whole object that
/// are read; it may be a [`Value`] too.
pub(super) struct Watch<K, T> {
    client: kube::Client,
    kind: Kind,
    namespace: Option<String>,
    /// Only the objects that this field selector picks.
    fields: Option<String>,
    /// The source can do without it.
    optional: bool,
    /// How many objects are asked for at once.
    page: u32,
    read: Read<K, T>,
    clock: fn() -> UnixTime,
}

impl<K, T> Watch<K, T>
where
    K: DeserializeOwned + Send + 'static,
    T: Send + 'static,
{
    /// Follows the objects of `kind`, in `namespace` or everywhere, keeping what `read` says.
    pub(super) fn new(
        cluster: &Cluster,
        kind: Kind,
        namespace: Option<&str>,
        read: Read<K, T>,
        clock: fn() -> UnixTime,
    ) -> Self {
        Self {
            client: cluster.client.clone(),
            kind,
            namespace: namespace.map(str::to_owned),
            fields: None,
            optional: false,
            page: PAGE_OBJECTS,
            read,
            clock,
        }
    }

    /// Follows the objects of `kind` wherever the configuration says: one watch for each of its
    /// `namespaces`, or one for the whole cluster, which is also where kinds without a namespace are.
    pub(super) fn all(
        context: &Context,
        cluster: &Cluster,
        kind: Kind,
        read: Read<K, T>,
    ) -> Vec<Self> {
        let namespaces = context.config.namespaces.as_slice();
        let watch = |namespace| Self::new(cluster, kind, namespace, read, context.clock);
        if kind.cluster_scoped || namespaces.is_empty() {
            return vec![watch(None)];
        }
        (namespaces.iter().map(|namespace| watch(Some(namespace)))).collect()
    }

    /// Only the object of this name. To RBAC that is a request for the name, so that a rule with
    /// `resourceNames` permits it.
    pub(super) fn named(self, name: &str) -> Self {
        self.selected(&format!("metadata.name={name}"))
    }

    /// Only the objects that this field selector picks.
    pub(super) fn selected(self, fields: &str) -> Self {
        Self {
            fields: Some(fields.to_owned()),
            ..self
        }
    }

    /// The source can do without it: where it may not be read, that is logged, and counts as the
    /// kind's absence rather than as a failure. What was known of it stays.
    pub(super) fn optional(self) -> Self {
        Self {
            optional: true,
            ..self
        }
    }

    /// Where it looks: in one namespace, or everywhere.
    pub(super) fn namespace(&self) -> Option<Arc<str>> {
        self.namespace.as_deref().map(Arc::from)
    }

    /// In pages of so many objects, of a kind whose objects are larger than most.
    pub(super) fn paged(self, objects: u32) -> Self {
        Self {
            page: objects,
            ..self
        }
    }

    /// All that happens, endlessly.
    pub(super) fn stream(self) -> BoxStream<'static, Update<Object<T>>> {
        let (to, updates) = mpsc::channel(0);
        let nothing_more = stream::once(self.run(Outlet(to))).filter_map(async |()| None);
        stream::select(updates, nothing_more).boxed()
    }

    async fn run(self, mut to: Outlet<T>) {
        let mut backoff = Backoff::new();
        let mut warned = false;
        loop {
            let begun = Instant::now();
            let Err(failure) = self.follow(&mut to).await;
            let detail = failure.detail(&self.what());
            if failure.is_absent() {
                to.say(Update::Listed(Vec::new())).await;
                to.say(Update::Health(Health::Absent((self.clock)()))).await;
            } else if self.optional && failure.reason() == FORBIDDEN {
                if !std::mem::replace(&mut warned, true) {
                    warn!(detail, "discovery goes without what it may not read");
                }
                to.say(Update::Health(Health::Absent((self.clock)()))).await;
            } else {
                to.fail(failure.reason(), detail).await;
            }
            if begun.elapsed() >= WELL {
                backoff = Backoff::new();
            }
            sleep(backoff.wait()).await;
        }
    }

    /// Finds, lists, then watches for as long as nothing fails.
    async fn follow(&self, to: &mut Outlet<T>) -> Result<Infallible, Failure> {
        let version = self.served().await?;
        let path = self.kind.path(version, self.namespace.as_deref());
        let mut seen = self.list(&path, to).await?;
        loop {
            self.watch(&path, &mut seen, to).await?;
            sleep(REWATCH_PAUSE).await;
        }
    }

    /// The version to read the kind in. Asking takes no permission that any account lacks
    /// (`system:discovery`).
    async fn served(&self) -> Result<&'static str, Failure> {
        let versions = match self.kind.served {
            Served::Always(version) => return Ok(version),
            Served::FirstOf(versions) => versions,
        };
        for version in versions {
            let group_version = format!("{}/{version}", self.kind.group);
            let found = self.client.list_api_group_resources(&group_version);
            match answered("discover", found).await {
                Ok(found)
                    if found
                        .resources
                        .iter()
                        .any(|has| has.name == self.kind.resource) =>
                {
                    return Ok(version);
                }
                Err(failure) if !failure.is_absent() => return Err(failure),
                Ok(_) | Err(_) => {}
            }
        }
        Err(Failure {
            verb: "discover",
            cause: Cause::NotServed,
        })
    }

    /// Says every object there is. Gives the version to watch from.
    async fn list(&self, path: &str, to: &mut Outlet<T>) -> Result<String, Failure> {
        let mut params = ListParams {
            field_selector: self.fields.clone(),
            ..ListParams::default()
        }
        .limit(self.page);
        let (mut listed, mut malformed) = (Vec::new(), Vec::new());
        loop {
            let request = async {
                let request = Request::new(path).list(&params);
                let request = request.map_err(kube::Error::BuildRequest)?;
                self.client.request::<Page>(request).await
            };
            let page = answered(LIST, request).await?;
            for written in page.items.unwrap_or_default() {
                // It was well-formed as a part of the page.
                let object = serde_json::from_str(written.get()).unwrap_or_default();
                let (object, trouble) = self.read(&object);
                listed.push(object);
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
                return page.metadata.resource_version.ok_or(Failure {
                    verb: LIST,
                    cause: Cause::NoVersion,
                });
            }
        }
    }

    /// Says every change after the version `seen`, which moves along, until the server ends the
    /// watch.
    async fn watch(
        &self,
        path: &str,
        seen: &mut String,
        to: &mut Outlet<T>,
    ) -> Result<(), Failure> {
        let params = WatchParams {
            field_selector: self.fields.clone(),
            timeout: Some(WATCH_SECONDS),
            ..WatchParams::default()
        };
        let request = async {
            let request = Request::new(path).watch(&params, seen);
            let request = request.map_err(kube::Error::BuildRequest)?;
            self.client.request_events::<Value>(request).await
        };
        let mut events = answered(WATCH, request).await?.boxed();
        to.say(self.synced()).await;
        while let Ok(event) = timeout(WATCH_SILENCE, events.next()).await {
            let event = event.transpose();
            match event.map_err(|error| Failure::client(WATCH, error))? {
                None => break,
                Some(WatchEvent::Error(status)) => {
                    return Err(Failure {
                        verb: WATCH,
                        cause: Cause::Status(status),
                    });
                }
                Some(WatchEvent::Bookmark(mark)) => *seen = mark.metadata.resource_version,
                Some(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                    self.changed(&object, seen, to).await;
                }
                Some(WatchEvent::Deleted(object)) => {
                    let meta = Meta::of(&object);
                    meta.advance(seen);
                    let key = ObjectKey::from(&meta.owner(self.kind.name));
                    to.say(Update::Gone(key)).await;
                }
            }
        }
        Ok(())
    }

    async fn changed(&self, object: &Value, seen: &mut String, to: &mut Outlet<T>) {
        Meta::of(object).advance(seen);
        let (object, malformed) = self.read(object);
        let trouble = malformed.is_some();
        if let Some(detail) = malformed {
            to.fail(MALFORMED, detail).await;
        }
        to.say(Update::Changed(object)).await;
        if trouble {
            to.say(self.synced()).await;
        }
    }

    /// What is kept of an object; and what is wrong with it, where it cannot be read, or asks for
    /// something that means nothing.
    fn read(&self, object: &Value) -> (Object<T>, Option<String>) {
        let meta = Meta::of(object);
        let owner = meta.owner(self.kind.name);
        let (kept, malformed) = match K::deserialize(object) {
            Ok(object) => (Some((self.read)(&owner, object)), None),
            Err(error) => (None, Some(clean(&error.to_string()))),
        };
        let (wishes, misspelt) = Wishes::read(&meta.annotations.unwrap_or_default());
        let trouble = malformed.or_else(|| misspelt.first().map(ToString::to_string));
        let trouble = trouble
            .map(|what| format!("{} {}/{}: {what}", owner.kind, owner.namespace, owner.name));
        let object = Object {
            owner,
            marks: Arc::new(Marks {
                labels: meta.labels.unwrap_or_default().into(),
                wishes,
            }),
            kept,
        };
        (object, trouble)
    }

    /// For messages: `ingresses.networking.k8s.io in all namespaces`.
    fn what(&self) -> String {
        let kind = self.kind.full_name();
        match &self.namespace {
            Some(namespace) => format!("{kind} in namespace {namespace}"),
            None if self.kind.cluster_scoped => kind,
            None => format!("{kind} in all namespaces"),
        }
    }

    fn synced(&self) -> Update<Object<T>> {
        Update::Health(Health::Synced((self.clock)()))
    }
}

/// What the API server answers, if it does in time.
async fn answered<A>(
    verb: &'static str,
    request: impl Future<Output = kube::Result<A>>,
) -> Result<A, Failure> {
    match timeout(ANSWER_TIMEOUT, request).await {
        Ok(answer) => answer.map_err(|error| Failure::client(verb, error)),
        Err(_) => Err(Failure {
            verb,
            cause: Cause::Silent,
        }),
    }
}

/// A page of a listing. Its objects stay text until each is read: as values, they take many times
/// the memory, and most of what there is to them is not kept.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    metadata: ListMeta,
    items: Option<Vec<Box<RawValue>>>,
}

/// The metadata that are read of every object.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Meta {
    name: Option<String>,
    namespace: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    creation_timestamp: Option<Time>,
    resource_version: Option<String>,
}

impl Meta {
    /// Those of `object`; what an API server would never send comes to none.
    fn of(object: &Value) -> Self {
        let metadata = object.get("metadata");
        metadata
            .and_then(|metadata| Self::deserialize(metadata).ok())
            .unwrap_or_default()
    }

    fn owner(&self, kind: &'static str) -> Owner {
        let text = |field: &Option<String>| field.as_deref().unwrap_or_default().into();
        Owner {
            created: (self.creation_timestamp.as_ref())
                .map(|at| UnixTime::from_millis(at.0.as_millisecond())),
            kind,
            namespace: text(&self.namespace),
            name: text(&self.name),
        }
    }

    /// Moves on to the version of the object, from which a later watch resumes.
    fn advance(&self, seen: &mut String) {
        if let Some(version) = &self.resource_version {
            seen.clone_from(version);
        }
    }
}

/// The way out for updates. It is dropped together with who reads them, so that a failure to send
/// is never seen.
struct Outlet<T>(mpsc::Sender<Update<Object<T>>>);

impl<T> Outlet<T> {
    async fn say(&mut self, update: Update<Object<T>>) {
        self.0.send(update).await.ok();
    }

    async fn fail(&mut self, reason: &'static str, detail: String) {
        self.say(Update::Health(Health::Failed { reason, detail }))
            .await;
    }
}

/// In RBAC's words.
const LIST: &str = "list";
const WATCH: &str = "watch";

/// Of the closed set of [`Health::Failed`].
pub(super) const FORBIDDEN: &str = "forbidden";

/// Why it does not go on.
#[derive(Debug)]
struct Failure {
    /// What was attempted.
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
    /// The API server has none of the versions that can be read.
    NotServed,
}

impl Failure {
    const fn client(verb: &'static str, error: kube::Error) -> Self {
        let cause = Cause::Client(error);
        Self { verb, cause }
    }

    fn status(&self) -> Option<&Status> {
        match &self.cause {
            Cause::Client(kube::Error::Api(status)) | Cause::Status(status) => Some(status),
            Cause::Client(_) | Cause::Silent | Cause::NoVersion | Cause::NotServed => None,
        }
    }

    /// The cluster does not have this kind.
    fn is_absent(&self) -> bool {
        matches!(self.cause, Cause::NotServed)
            || self.status().is_some_and(|status| status.code == 404)
    }

    /// The closed set of [`Health::Failed`].
    fn reason(&self) -> &'static str {
        match (self.status().map(|status| status.code), &self.cause) {
            (Some(401 | 403), _) => FORBIDDEN,
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
            (Cause::NotServed, _) => "the API server does not have this kind".into(),
            (Cause::NoVersion | Cause::Status(_), _) => "the list has no resourceVersion".into(),
        };
        format!("cannot {} {what}: {cause}", self.verb)
    }
}

/// How a source fares that could not do this.
pub(super) fn failed(verb: &'static str, what: &str, error: kube::Error) -> Health {
    let failure = Failure::client(verb, error);
    Health::Failed {
        reason: failure.reason(),
        detail: failure.detail(what),
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
