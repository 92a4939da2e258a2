//! The API, asked by the client that discovery uses.

use std::pin::pin;
use std::time::Duration;

use axum::http;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use kube::config::{AuthInfo, Kubeconfig};
use kube::core::ApiResource;
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::cast::CAST;
use super::objects::{HISTORY, Objects};
use super::select::Selector;
use super::watch::Watch;
use super::{Demo, start};
use crate::clock;

const INGRESS: [&str; 2] = ["networking.k8s.io/v1", "Ingress"];

async fn client_of(kubeconfig: Kubeconfig) -> Client {
    let options = kube::config::KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    Client::try_from(config.unwrap()).unwrap()
}

async fn demo() -> (Demo, Client) {
    let demo = start(clock::now()).await.unwrap();
    let client = client_of(demo.kubeconfig()).await;
    (demo, client)
}

/// A client with other credentials.
async fn stranger(demo: &Demo, credentials: Value) -> Client {
    let mut kubeconfig = demo.kubeconfig();
    let credentials: AuthInfo = serde_json::from_value(credentials).unwrap();
    kubeconfig.auth_infos[0].auth_info = Some(credentials);
    client_of(kubeconfig).await
}

fn ingress(name: &str, tier: &str) -> Value {
    let [api_version, kind] = INGRESS;
    let labels = json!({"example.org/tier": tier});
    json!({"apiVersion": api_version, "kind": kind,
        "metadata": {"namespace": "added", "name": name, "labels": labels}})
}

async fn get(client: &Client, path: &str) -> Result<String, kube::core::Status> {
    let request = http::Request::get(path).body(Vec::new()).unwrap();
    client
        .request_text(request)
        .await
        .map_err(|error| match error {
            kube::Error::Api(status) => *status,
            other => panic!("{path}: {other}"),
        })
}

fn named(event: WatchEvent<Ingress>) -> (&'static str, String) {
    match event {
        WatchEvent::Added(object) => ("added", object.metadata.name.unwrap()),
        WatchEvent::Modified(object) => ("modified", object.metadata.name.unwrap()),
        WatchEvent::Deleted(object) => ("deleted", object.metadata.name.unwrap()),
        WatchEvent::Bookmark(mark) => ("bookmark", mark.metadata.resource_version),
        WatchEvent::Error(status) => ("error", status.code.to_string()),
    }
}

/// The first `count` events from that version on.
async fn events(
    client: &Client,
    selector: WatchParams,
    version: &str,
    count: usize,
) -> Vec<(&'static str, String)> {
    let ingresses: Api<Ingress> = Api::all(client.clone());
    let watch = ingresses.watch(&selector, version).await.unwrap();
    let events = watch.take(count).map_ok(named).try_collect();
    let within = tokio::time::timeout(Duration::from_secs(5), events).await;
    within.unwrap().unwrap()
}

#[tokio::test]
async fn every_host_has_an_ingress_with_a_tls_and_a_plaintext_port() {
    let (demo, client) = demo().await;
    let all: Api<Ingress> = Api::all(client.clone());
    let listed = all.list(&ListParams::default().limit(500)).await.unwrap();
    assert_eq!(listed.items.len(), demo.story().len());
    for ingress in listed {
        let status = ingress
            .status
            .unwrap()
            .load_balancer
            .unwrap()
            .ingress
            .unwrap();
        let ports = status[0].ports.as_ref().unwrap();
        assert_ne!(ports[0].port % 100, 80, "{ports:?}");
        assert_eq!(ports[1].port % 100, 80, "{ports:?}");
    }
    let legacy: Api<Ingress> = Api::namespaced(client, "legacy");
    let listed = legacy.list(&ListParams::default()).await.unwrap();
    let expected = CAST.iter().filter(|role| role.namespace == "legacy");
    assert_eq!(listed.items.len(), expected.count());
    let one = legacy.get("silent").await.unwrap();
    assert_eq!(one.metadata.namespace.as_deref(), Some("legacy"));
}

#[tokio::test]
async fn the_api_server_is_found_in_its_endpoint_slice() {
    let (demo, client) = demo().await;
    let slices: Api<EndpointSlice> = Api::namespaced(client, "default");
    let by_name = |name: &str| ListParams::default().fields(&format!("metadata.name={name}"));
    let found = slices.list(&by_name("kubernetes")).await.unwrap().items;
    let endpoints = found[0].endpoints.as_ref().unwrap();
    assert_eq!(endpoints[0].addresses, ["127.0.0.1"]);
    let port = found[0].ports.as_ref().unwrap()[0].port.unwrap();
    let server = demo.kubeconfig().clusters[0]
        .cluster
        .clone()
        .unwrap()
        .server;
    assert_eq!(server, Some(format!("https://127.0.0.1:{port}")));
    assert!(
        slices
            .list(&by_name("other"))
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

#[tokio::test]
async fn an_object_that_is_added_changed_and_deleted_is_seen_by_a_watch() {
    let (demo, client) = demo().await;
    let ingresses: Api<Ingress> = Api::all(client);
    let listed = ingresses.list(&ListParams::default()).await.unwrap();
    let version = listed.metadata.resource_version.unwrap();
    let watch = ingresses.watch(&WatchParams::default(), &version).await;
    let mut watch = pin!(watch.unwrap());
    let [api_version, kind] = INGRESS;

    demo.objects().put(ingress("new", "a"));
    let added = watch.try_next().await.unwrap().unwrap();
    demo.objects().put(ingress("new", "b"));
    let modified = watch.try_next().await.unwrap().unwrap();
    assert!(demo.objects().delete(api_version, kind, "added", "new"));
    let deleted = watch.try_next().await.unwrap().unwrap();
    assert!(!demo.objects().delete(api_version, kind, "added", "new"));

    let (WatchEvent::Added(a), WatchEvent::Modified(m), WatchEvent::Deleted(d)) =
        (added, modified, deleted)
    else {
        panic!("not added, modified, deleted");
    };
    let version: u64 = version.parse().unwrap();
    for (object, later) in [(a, 1), (m, 2), (d, 3)] {
        assert_eq!(object.metadata.name.as_deref(), Some("new"));
        let seen = object.metadata.resource_version.unwrap();
        assert_eq!(seen, (version + later).to_string());
    }
}

#[tokio::test]
async fn a_watch_with_a_selector_sees_objects_come_under_it_and_leave_it() {
    let (demo, client) = demo().await;
    let ingresses: Api<Ingress> = Api::all(client.clone());
    let listed = ingresses.list(&ListParams::default()).await.unwrap();
    let version = listed.metadata.resource_version.unwrap();
    demo.objects().put(ingress("one", "back"));
    for tier in ["front", "front", "back"] {
        demo.objects().put(ingress("two", tier));
    }
    let front = || WatchParams::default().labels("example.org/tier=front");
    let seen = events(&client, front(), &version, 3).await;
    let two = |event| (event, "two".to_owned());
    assert_eq!(seen, ["added", "modified", "deleted"].map(two));
}

#[tokio::test]
async fn a_watch_from_a_forgotten_version_is_told_to_list_again() {
    let (demo, client) = demo().await;
    demo.objects().compact();
    let seen = events(&client, WatchParams::default(), "2", usize::MAX).await;
    assert_eq!(seen, [("error", "410".to_owned())]);
}

/// A watch of all Ingresses, without a server.
fn watch(objects: &Objects, query: &[(&str, &str)]) -> Watch {
    let kinds = [ApiResource::erase::<Ingress>(&())];
    let path = "/apis/networking.k8s.io/v1/ingresses";
    let wanted = Selector::of_path(path, &kinds).unwrap();
    let query = query
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()));
    Watch::new(objects.subscribe(), wanted, &query.collect())
}

#[tokio::test(start_paused = true)]
async fn a_quiet_watch_is_bookmarked_until_its_time_is_up() {
    let objects = Objects::new();
    objects.put(ingress("one", "a"));
    let bookmarked = [
        ("resourceVersion", "2"),
        ("timeoutSeconds", "50"),
        ("allowWatchBookmarks", "true"),
    ];
    let (begun, mut bookmarked) = (Instant::now(), watch(&objects, &bookmarked));
    for _ in 0..2 {
        let line: Value = serde_json::from_str(&bookmarked.next().await.unwrap()).unwrap();
        assert_eq!(line["type"], "BOOKMARK");
        assert_eq!(line["object"]["metadata"], json!({"resourceVersion": "2"}));
    }
    assert_eq!(bookmarked.next().await, None);
    assert_eq!(begun.elapsed().as_secs(), 50);

    let bare = [("resourceVersion", "2"), ("timeoutSeconds", "50")];
    assert_eq!(watch(&objects, &bare).next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_no_version_starts_with_everything_there_is() {
    let objects = Objects::new();
    objects.put(ingress("one", "a"));
    objects.put(ingress("two", "a"));
    let mut watch = watch(&objects, &[]);
    let lines = watch.next().await.unwrap();
    assert_eq!(lines.matches(r#""type":"ADDED""#).count(), 2);
    objects.put(ingress("three", "a"));
    assert_eq!(watch.next().await.unwrap().lines().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_watch_may_lag_behind_by_the_history_and_no_more() {
    let objects = Objects::new();
    for _ in 0..=HISTORY {
        objects.put(ingress("one", "a"));
    }
    let mut just = watch(&objects, &[("resourceVersion", "2")]);
    assert_eq!(just.next().await.unwrap().lines().count(), HISTORY);
    let mut late = watch(&objects, &[("resourceVersion", "1")]);
    assert!(late.next().await.unwrap().contains(r#""code":410"#));
    assert_eq!(late.next().await, None);
}

#[tokio::test]
async fn a_watch_ends_when_the_demo_stops() {
    let (demo, client) = demo().await;
    let ingresses: Api<Ingress> = Api::all(client);
    let version = demo.objects().subscribe().borrow().version.to_string();
    let watch = ingresses.watch(&WatchParams::default(), &version).await;
    let mut watch = pin!(watch.unwrap());
    drop(demo);
    let ended = tokio::time::timeout(Duration::from_secs(5), watch.next()).await;
    assert!(ended.unwrap().is_none_or(|event| event.is_err()));
}

#[tokio::test]
async fn a_wrong_token_is_unauthorized_and_none_is_the_anonymous_user() {
    let (demo, client) = demo().await;
    let wrong = stranger(&demo, json!({"token": "wrong"})).await;
    let refused = get(&wrong, "/version").await.unwrap_err();
    assert_eq!(
        (refused.code, refused.reason.as_str()),
        (401, "Unauthorized")
    );

    let anonymous = stranger(&demo, json!({})).await;
    assert_eq!(get(&anonymous, "/livez").await.unwrap(), "ok");
    anonymous.apiserver_version().await.unwrap();
    let refused = get(&anonymous, "/apis").await.unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (403, "Forbidden"));
    assert!(
        refused.message.contains("system:anonymous"),
        "{}",
        refused.message
    );
    assert!(
        get(&client, "/apis")
            .await
            .unwrap()
            .contains("networking.k8s.io")
    );
}

#[tokio::test]
async fn what_is_absent_or_not_understood_is_refused_with_a_status() {
    let (_demo, client) = demo().await;
    let pods: Api<Pod> = Api::all(client.clone());
    let Err(kube::Error::Api(absent)) = pods.list(&ListParams::default()).await else {
        panic!("pods are not served");
    };
    assert_eq!((absent.code, absent.reason.as_str()), (404, "NotFound"));

    let ingresses = "/apis/networking.k8s.io/v1/namespaces/legacy/ingresses";
    let absent = get(&client, &format!("{ingresses}/none"))
        .await
        .unwrap_err();
    assert_eq!(
        absent.message,
        r#"ingresses.networking.k8s.io "none" not found"#
    );
    for selector in ["a!=b", "a%20in%20(b)", "a"] {
        let path = format!("{ingresses}?labelSelector={selector}");
        assert_eq!(
            get(&client, &path).await.unwrap_err().code,
            400,
            "{selector}"
        );
    }
    let request = http::Request::delete(ingresses).body(Vec::new()).unwrap();
    let refused = client.request_text(request).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 405));
}
