//! Events: a change of a verdict, told to those who look at the object that declares the target. Off unless the
//! configuration has it on.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::LazyLock;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::{ApiResource, DynamicObject, ListParams, PostParams};
use kube::{Api, Client};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::clock;
use crate::model::{Owner, Severity, UnixTime};
use crate::record::{Change, Subject};
use crate::report;

/// Between two Events: ten a second are no burden to any API server.
const EVERY: Duration = Duration::from_millis(100);

/// Events that may wait to be written: a good minute's worth.
const WAITING: usize = 1024;

/// For the two requests that an Event takes.
const DEADLINE: Duration = Duration::from_secs(10);

/// The longest note (`k8s.io/kubernetes/pkg/apis/core/validation`, `NoteLengthLimit`), in bytes.
const NOTE: usize = 1024;

/// What a name takes before the hash: names are at most 253 long.
const NAME: usize = 200;

/// Where events are put that concern what is in no namespace (`validation.ValidateEvent`).
const NOWHERE: &str = "default";

const CONTROLLER: &str = env!("CARGO_PKG_NAME");

/// Which instance this is: its host's name, which is the pod's in a cluster.
static INSTANCE: LazyLock<String> = LazyLock::new(|| {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => CONTROLLER.to_owned(),
        name => name.to_owned(),
    }
});

/// Where the API server has the objects of a kind, in the versions that it may have them in.
type Place = (&'static str, &'static [&'static str], &'static str);

/// By the source where one name stands for two kinds.
fn place(kind: &str, source: &str) -> Option<Place> {
    const GATEWAY: &str = "gateway.networking.k8s.io";
    Some(match (kind, source) {
        ("Gateway", "istio") => ("networking.istio.io", &["v1", "v1beta1"], "gateways"),
        ("Gateway", _) => (GATEWAY, &["v1", "v1beta1"], "gateways"),
        ("ListenerSet", _) => (GATEWAY, &["v1"], "listenersets"),
        ("Ingress", _) => ("networking.k8s.io", &["v1"], "ingresses"),
        ("IngressRoute", _) => ("traefik.io", &["v1alpha1"], "ingressroutes"),
        ("IngressRouteTCP", _) => ("traefik.io", &["v1alpha1"], "ingressroutetcps"),
        ("HTTPProxy", _) => ("projectcontour.io", &["v1"], "httpproxies"),
        ("Route", _) => ("route.openshift.io", &["v1"], "routes"),
        ("Service", _) => ("", &["v1"], "services"),
        ("Pod", _) => ("", &["v1"], "pods"),
        ("Node", _) => ("", &["v1"], "nodes"),
        _ => return None,
    })
}

/// Who takes changes, and who writes them to the cluster of the latest client: both do nothing while there is none. Where
/// changes come faster than they may be written, some are left out, and that is logged.
pub(super) fn publisher(
    client: watch::Receiver<Option<Client>>,
) -> (impl Fn(&Change), impl Future<Output = ()>) {
    let (to_write, changes) = mpsc::channel(WAITING);
    let latest = client.clone();
    let publish = move |change: &Change| {
        if latest.borrow().is_some() && to_write.try_send(change.clone()).is_err() {
            warn!("changes come faster than Events may be written: one is left out");
        }
    };
    (publish, write_all(changes, client))
}

async fn write_all(mut changes: mpsc::Receiver<Change>, client: watch::Receiver<Option<Client>>) {
    while let Some(change) = changes.recv().await {
        let client = client.borrow().clone();
        let (Some(client), Subject::Row(row)) = (client, &change.subject) else {
            continue;
        };
        let target = &row.target;
        let Some(owner) = target.owners.first() else {
            continue;
        };
        let Some(place) = place(owner.kind, target.row.source) else {
            continue;
        };
        let written = timeout(DEADLINE, write(&client, owner, place, &change)).await;
        let outcome = written.map_or_else(
            |_| Err("it took too long".to_owned()),
            |done| done.map_err(|error| error.to_string()),
        );
        if let Err(error) = outcome {
            let finding = change.finding.spec.name;
            warn!(
                kind = owner.kind,
                namespace = &*owner.namespace,
                name = &*owner.name,
                finding,
                error,
                "an Event is lost"
            );
        }
        sleep(EVERY).await;
    }
}

async fn write(
    client: &Client,
    owner: &Owner,
    place: Place,
    change: &Change,
) -> Result<(), kube::Error> {
    let regarding = regarding(client, owner, place).await?;
    let event = event(owner, regarding, change, clock::now());
    let namespace = event.metadata.namespace.as_deref().unwrap_or(NOWHERE);
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    match events.create(&PostParams::default(), &event).await {
        // Said within this hour, by this exporter before it was restarted or by another replica.
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        other => other.map(drop),
    }
}

/// The object, by its UID too, for `kubectl describe` asks for that.
async fn regarding(
    client: &Client,
    owner: &Owner,
    place: Place,
) -> Result<ObjectReference, kube::Error> {
    let (group, versions, plural) = place;
    let mut found = ObjectReference {
        kind: Some(owner.kind.to_owned()),
        name: Some(owner.name.to_string()),
        namespace: (!owner.namespace.is_empty()).then(|| owner.namespace.to_string()),
        ..ObjectReference::default()
    };
    for version in versions {
        let api_version = match group {
            "" => (*version).to_owned(),
            group => format!("{group}/{version}"),
        };
        let resource = ApiResource {
            group: group.to_owned(),
            version: (*version).to_owned(),
            api_version: api_version.clone(),
            kind: owner.kind.to_owned(),
            plural: plural.to_owned(),
        };
        let objects: Api<DynamicObject> = match owner.namespace.as_ref() {
            "" => Api::all_with(client.clone(), &resource),
            namespace => Api::namespaced_with(client.clone(), namespace, &resource),
        };
        let named = ListParams::default().fields(&format!("metadata.name={}", owner.name));
        match objects.list_metadata(&named).await {
            Ok(list) => {
                found.api_version = Some(api_version);
                found.uid = list
                    .items
                    .into_iter()
                    .next()
                    .and_then(|one| one.metadata.uid);
                break;
            }
            // Not in this version.
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// The Event of a change. Its name is the same for all that see the same within an hour.
fn event(owner: &Owner, regarding: ObjectReference, change: &Change, now: UnixTime) -> Event {
    let finding = &change.finding;
    let bad = change.holds && finding.severity != Severity::Info;
    let door = match &change.subject {
        Subject::Row(row) => report::door(&row.target.row),
        Subject::Stored(_) => String::new(),
    };
    let says = match (change.holds, &*finding.detail) {
        (false, _) => format!("{door}: {} is gone", finding.spec.name),
        (true, "") => format!("{door}: {}", finding.spec.help),
        (true, detail) => format!("{door}: {}: {detail}", finding.spec.help),
    };
    let mut hasher = DefaultHasher::new();
    let hour = now.as_secs() / 3600;
    (
        change.subject.place(),
        finding.spec.name,
        finding.severity.label(),
        change.holds,
        hour,
    )
        .hash(&mut hasher);
    let start: String = owner.name.chars().take(NAME).collect();
    let at = Timestamp::from_millisecond(now.as_millis()).unwrap_or_default();
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{start}.{:016x}", hasher.finish())),
            namespace: Some(
                regarding
                    .namespace
                    .clone()
                    .unwrap_or_else(|| NOWHERE.to_owned()),
            ),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(at)),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(INSTANCE.clone()),
        action: Some(if change.holds { "Found" } else { "Gone" }.to_owned()),
        reason: Some(camel(finding.spec.name)),
        note: Some(cut(says)),
        type_: Some(if bad { "Warning" } else { "Normal" }.to_owned()),
        regarding: Some(regarding),
        ..Event::default()
    }
}

/// `certificate_expired` as Events have it: `CertificateExpired`.
fn camel(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    words.collect()
}

fn cut(mut text: String) -> String {
    while text.len() > NOTE {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Change;
    use crate::report::samples::{NOW, expired};

    fn of(holds: bool, now: UnixTime) -> Event {
        let row = expired("shop.example");
        let finding = row.findings[0].clone();
        let owner = Owner {
            created: None,
            kind: "Ingress",
            namespace: "shop".into(),
            name: "web".into(),
        };
        let regarding = ObjectReference {
            namespace: Some("shop".to_owned()),
            ..ObjectReference::default()
        };
        let change = Change {
            subject: Subject::Row(row),
            finding,
            holds,
        };
        event(&owner, regarding, &change, now)
    }

    #[test]
    fn an_event_says_which_door_and_what() {
        let found = of(true, NOW);
        assert_eq!(found.reason.as_deref(), Some("CertificateExpired"));
        assert_eq!(found.type_.as_deref(), Some("Warning"));
        assert_eq!(found.metadata.namespace.as_deref(), Some("shop"));
        let note = found.note.unwrap();
        assert!(
            note.starts_with("shop.example: ") && note.ends_with("it expired 3 days ago"),
            "{note}"
        );
        let mended = of(false, NOW);
        assert_eq!(mended.type_.as_deref(), Some("Normal"));
        assert_eq!(
            mended.note.as_deref(),
            Some("shop.example: certificate_expired is gone")
        );
    }

    #[test]
    fn what_is_said_twice_within_an_hour_is_one_event() {
        let name = |holds, at: UnixTime| of(holds, at).metadata.name.unwrap();
        let hour = Duration::from_hours(1);
        assert_eq!(
            name(true, NOW),
            name(true, NOW.saturating_add(Duration::from_mins(59)))
        );
        assert_ne!(name(true, NOW), name(true, NOW.saturating_add(hour)));
        assert_ne!(name(true, NOW), name(false, NOW));
        assert!(name(true, NOW).starts_with("web."));
    }

    #[test]
    fn a_note_is_no_longer_than_it_may_be() {
        assert_eq!(cut("é".repeat(NOTE)).len(), NOTE);
        assert_eq!(cut("a".repeat(NOTE)).len(), NOTE);
    }
}
