//! Tests of following a kind, against an API server that says what a script says.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Mutex;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use serde_json::{Value, json};

use super::super::controller::Manner;
use super::super::ingress::Facts;
use super::super::object::{Targets, declared};
use super::super::{Declared, DropReason, Dropped, ingress};
use super::*;
use crate::config::Config;

/// What the server answers.
enum Answer {
    /// This object.
    Say(u16, Value),
    /// This text.
    Text(&'static str),
    /// These events of a watch, which then ends.
    Events(Vec<Value>),
    /// These events of a watch, which then goes on without saying more.
    Open(Vec<Value>),
    /// Nothing, ever.
    Silence,
}

/// Answers in the script's order; after its end, silence. Keeps what was asked.
#[derive(Clone, Default)]
struct Server {
    script: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn cluster(&self) -> Cluster {
        let router = Router::new().fallback(answer).with_state(self.clone());
        let mut cluster = Cluster::for_tests("https://192.0.2.1");
        cluster.client = kube::Client::new(router, "default");
        cluster
    }

    fn follow(&self, namespace: Option<&str>) -> Watch<Ingress, Targets> {
        follow(&self.cluster(), namespace)
    }
}

fn follow(cluster: &Cluster, namespace: Option<&str>) -> Watch<Ingress, Targets> {
    let kind = Kind::namespaced::<Ingress>();
    let read =
        |owner: &Owner, ingress| ingress::targets(owner, &Facts::of(&ingress), &Manner::default());
    Watch::new(cluster, kind, namespace, read, || UnixTime::from_secs(1))
}

async fn answer(State(server): State<Server>, request: Request) -> Response {
    server.asked.lock().unwrap().push(request.uri().to_string());
    let answer = server
        .script
        .lock()
        .unwrap()
        .pop_front()
        .unwrap_or(Answer::Silence);
    let lines = |events: Vec<Value>| {
        stream::iter(events).map(|event| Ok::<_, Infallible>(Bytes::from(format!("{event}\n"))))
    };
    let (status, body) = match answer {
        Answer::Say(status, value) => (status, Body::from(value.to_string())),
        Answer::Text(text) => (200, Body::from(text)),
        Answer::Events(events) => (200, Body::from_stream(lines(events))),
        Answer::Open(events) => (
            200,
            Body::from_stream(lines(events).chain(stream::pending())),
        ),
        Answer::Silence => std::future::pending().await,
    };
    Response::builder().status(status).body(body).unwrap()
}

fn ingress(name: &str, version: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "trade", "resourceVersion": version},
        "spec": {"rules": [{"host": format!("{name}.example.com")}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
    })
}

fn malformed(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "trade"}, "spec": {"rules": "many"}})
}

fn list(version: &str, items: &[Value]) -> Answer {
    Answer::Say(
        200,
        json!({"metadata": {"resourceVersion": version}, "items": items}),
    )
}

fn page(next: &str, items: &[Value]) -> Answer {
    Answer::Say(
        200,
        json!({"metadata": {"resourceVersion": "7", "continue": next}, "items": items}),
    )
}

fn refusal(code: u16, message: &str) -> Answer {
    Answer::Say(
        code,
        json!({"kind": "Status", "status": "Failure", "code": code, "message": message}),
    )
}

fn event(kind: &str, object: &Value) -> Value {
    json!({"type": kind, "object": object})
}

fn bookmark(version: &str) -> Value {
    let kind = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"resourceVersion": version}});
    event("BOOKMARK", &kind)
}

fn said(update: Update) -> String {
    let object = |declared: &Declared| {
        let hosts: Vec<_> = declared
            .targets
            .iter()
            .map(|target| &*target.row.host)
            .collect();
        format!(
            "{}{hosts:?}{}",
            declared.object.name,
            "!".repeat(declared.dropped.len())
        )
    };
    match update {
        Update::Listed(listed) => format!(
            "listed {}",
            listed.iter().map(object).collect::<Vec<_>>().join(" ")
        ),
        Update::Changed(declared) => format!("changed {}", object(&declared)),
        Update::Gone(key) => format!("gone {} {}/{}", key.kind, key.namespace, key.name),
        Update::Health(Health::Synced(_)) => "synced".into(),
        Update::Health(Health::Absent(_)) => "absent".into(),
        Update::Health(Health::Failed { reason, detail }) => format!("{reason}: {detail}"),
    }
}

/// The first `count` updates, and what was asked for them.
async fn hear(count: usize, script: Vec<Answer>) -> (Vec<String>, Vec<String>) {
    let server = Server::default();
    server.script.lock().unwrap().extend(script);
    let updates = server.follow(None).stream().map(declared);
    let heard = updates.take(count).map(said).collect().await;
    let asked = server.asked.lock().unwrap().clone();
    (heard, asked)
}

#[tokio::test(start_paused = true)]
async fn large_objects_are_asked_for_in_small_pages() {
    let server = Server::default();
    let script = [page("next", &[]), list("7", &[]), Answer::Open(vec![])];
    server.script.lock().unwrap().extend(script);
    let updates = server.follow(None).paged(20).stream();
    updates.take(2).collect::<Vec<_>>().await;
    let asked = server.asked.lock().unwrap().clone();
    assert!(asked[0].ends_with("limit=20"), "{asked:?}");
    assert!(asked[1].ends_with("limit=20&continue=next"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn all_pages_are_one_listing() {
    let script = vec![
        page("next", &[ingress("a", "1")]),
        list("7", &[ingress("b", "2")]),
        Answer::Open(vec![]),
    ];
    let (heard, asked) = hear(2, script).await;
    assert_eq!(
        heard,
        [r#"listed a["a.example.com"] b["b.example.com"]"#, "synced"]
    );
    assert_eq!(asked[0], "/apis/networking.k8s.io/v1/ingresses?&limit=500");
    assert_eq!(
        asked[1],
        "/apis/networking.k8s.io/v1/ingresses?&limit=500&continue=next"
    );
    assert!(
        asked[2].contains("watch=true") && asked[2].contains("resourceVersion=7"),
        "{asked:?}"
    );
    assert!(asked[2].contains("timeoutSeconds=290"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn changes_are_said_one_by_one_and_a_watch_that_ends_is_resumed_where_it_was() {
    let script = vec![
        list("7", &[]),
        Answer::Events(vec![
            event("ADDED", &ingress("a", "8")),
            event("MODIFIED", &ingress("a", "9")),
        ]),
        Answer::Events(vec![event("DELETED", &ingress("a", "10"))]),
        Answer::Events(vec![bookmark("42")]),
        Answer::Open(vec![event("ADDED", &ingress("b", "43"))]),
    ];
    let (heard, asked) = hear(9, script).await;
    let changed = r#"changed a["a.example.com"]"#;
    let gone = "gone Ingress trade/a";
    assert_eq!(heard[..4], ["listed ", "synced", changed, changed]);
    assert_eq!(heard[4..8], ["synced", gone, "synced", "synced"]);
    assert_eq!(heard[8], r#"changed b["b.example.com"]"#);
    for (asked, version) in asked[1..].iter().zip(["7", "9", "10", "42"]) {
        assert!(
            asked.ends_with(&format!("&resourceVersion={version}")),
            "{asked}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_malformed_object_in_a_listing_costs_only_itself() {
    let script = vec![
        list(
            "7",
            &[
                ingress("a", "1"),
                malformed("bad"),
                malformed("worse"),
                ingress("b", "2"),
            ],
        ),
        Answer::Open(vec![]),
    ];
    let (heard, _) = hear(3, script).await;
    assert!(
        heard[0].starts_with("malformed: 2 of 4; the first: Ingress trade/bad: invalid type"),
        "{heard:?}"
    );
    assert_eq!(
        heard[1],
        r#"listed a["a.example.com"] bad[]! worse[]! b["b.example.com"]"#
    );
    assert_eq!(heard[2], "synced");
}

#[tokio::test(start_paused = true)]
async fn a_malformed_object_in_a_watch_loses_its_targets_and_stops_nothing() {
    let script = vec![
        list("7", &[ingress("a", "1")]),
        Answer::Open(vec![
            event("MODIFIED", &malformed("a")),
            event("ADDED", &ingress("b", "9")),
        ]),
    ];
    let (heard, asked) = hear(6, script).await;
    assert!(
        heard[2].starts_with("malformed: Ingress trade/a: invalid type"),
        "{heard:?}"
    );
    assert_eq!(
        heard[3..],
        ["changed a[]!", "synced", r#"changed b["b.example.com"]"#]
    );
    assert_eq!(asked.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_missing_permission_is_named_and_its_coming_is_noticed() {
    let script = vec![
        refusal(403, "ingresses is forbidden"),
        refusal(403, "ingresses is forbidden"),
        list("7", &[ingress("a", "1")]),
        Answer::Open(vec![]),
    ];
    let (heard, _) = hear(4, script).await;
    let refused = "forbidden: cannot list ingresses.networking.k8s.io in all namespaces: ingresses is forbidden";
    assert_eq!(
        heard,
        [refused, refused, r#"listed a["a.example.com"]"#, "synced"]
    );
}

#[tokio::test(start_paused = true)]
async fn what_may_be_listed_and_not_watched_is_known_and_not_synced() {
    let script = vec![list("7", &[ingress("a", "1")]), refusal(403, "no")];
    let (heard, _) = hear(2, script).await;
    let refused = "forbidden: cannot watch ingresses.networking.k8s.io in all namespaces: no";
    assert_eq!(heard, [r#"listed a["a.example.com"]"#, refused]);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_the_cluster_does_not_have_is_as_good_as_an_empty_list() {
    let script = vec![
        refusal(404, "not found"),
        list("7", &[ingress("a", "1")]),
        Answer::Open(vec![]),
    ];
    let (heard, _) = hear(4, script).await;
    assert_eq!(
        heard,
        [
            "listed ",
            "absent",
            r#"listed a["a.example.com"]"#,
            "synced"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_version_is_answered_by_listing_anew() {
    let gone = json!({"kind": "Status", "status": "Failure", "code": 410, "message": "too old", "reason": "Expired"});
    let script = vec![
        list("7", &[ingress("a", "1")]),
        Answer::Open(vec![event("ERROR", &gone)]),
        list("99", &[]),
        Answer::Open(vec![]),
    ];
    let (heard, asked) = hear(5, script).await;
    let expired = "gone: cannot watch ingresses.networking.k8s.io in all namespaces: too old";
    assert_eq!(
        heard,
        [
            r#"listed a["a.example.com"]"#,
            "synced",
            expired,
            "listed ",
            "synced"
        ]
    );
    assert!(asked[3].contains("resourceVersion=99"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_unreachable_and_asked_again() {
    let script = vec![
        Answer::Silence,
        list("7", &[]),
        Answer::Silence,
        list("8", &[]),
        Answer::Open(vec![]),
    ];
    let (heard, _) = hear(5, script).await;
    let silent = |verb| {
        format!(
            "unreachable: cannot {verb} ingresses.networking.k8s.io in all namespaces: no answer in 65 s"
        )
    };
    assert_eq!(
        heard,
        [
            &silent("list"),
            "listed ",
            &silent("watch"),
            "listed ",
            "synced"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_falls_silent_is_taken_up_again() {
    let begun = Instant::now();
    let script = vec![
        list("7", &[]),
        Answer::Open(vec![bookmark("8")]),
        Answer::Open(vec![]),
    ];
    let (heard, asked) = hear(3, script).await;
    assert_eq!(heard, ["listed ", "synced", "synced"]);
    assert!(asked[2].contains("resourceVersion=8"), "{asked:?}");
    assert_eq!(
        begun.elapsed().as_secs(),
        (WATCH_SILENCE + REWATCH_PAUSE).as_secs()
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_no_answer_of_an_api_server_is_told_apart() {
    let script = vec![
        Answer::Text("<html>"),
        refusal(401, "Unauthorized"),
        refusal(500, "etcd is away"),
        refusal(503, "no back end"),
        Answer::Say(200, json!({"metadata": {}, "items": []})),
    ];
    let (heard, _) = hear(6, script).await;
    let reasons: Vec<_> = heard
        .iter()
        .map(|text| text.split([':', ' ']).next().unwrap())
        .collect();
    assert_eq!(
        reasons,
        [
            "malformed",
            "forbidden",
            "other",
            "unreachable",
            "listed",
            "other"
        ]
    );
}

#[tokio::test]
async fn a_refused_connection_is_unreachable_and_says_why() {
    // Port 9 (discard, RFC 863) has no listener on any machine this runs on.
    let cluster = Cluster::for_tests("https://127.0.0.1:9");
    let mut updates = follow(&cluster, None).stream().map(declared);
    let heard = said(updates.next().await.unwrap());
    assert!(
        heard.starts_with("unreachable: cannot list") && heard.contains("Connection refused"),
        "{heard}"
    );
}

#[tokio::test(start_paused = true)]
async fn one_object_is_asked_for_by_name_in_its_namespace() {
    let server = Server::default();
    server
        .script
        .lock()
        .unwrap()
        .extend([list("7", &[]), Answer::Open(vec![])]);
    let watch = server.follow(Some("default")).named("kubernetes");
    watch.stream().take(2).collect::<Vec<_>>().await;
    for asked in &*server.asked.lock().unwrap() {
        assert!(
            asked.starts_with("/apis/networking.k8s.io/v1/namespaces/default/ingresses?"),
            "{asked}"
        );
        assert!(
            asked.contains("fieldSelector=metadata.name%3Dkubernetes"),
            "{asked}"
        );
    }
}

/// The first `count` updates about a kind that may be in either of two versions, as the names of
/// the objects, and what was asked for them.
async fn hear_custom(count: usize, script: Vec<Answer>) -> (Vec<String>, Vec<String>) {
    let server = Server::default();
    server.script.lock().unwrap().extend(script);
    let kind = Kind::custom("g.example", "Route", "routes", &["v2", "v1"]);
    let read = |owner: &Owner, _: Value| {
        (
            Vec::new(),
            vec![Dropped {
                host: Arc::clone(&owner.name),
                reason: DropReason::NoAddress,
            }],
        )
    };
    let watch = Watch::new(&server.cluster(), kind, None, read, || {
        UnixTime::from_secs(1)
    });
    let heard = watch.stream().map(declared).take(count).map(said).collect();
    let heard = heard.await;
    let asked = server.asked.lock().unwrap().clone();
    (heard, asked)
}

/// The kinds of one version of a group.
fn kinds(resources: &[&str]) -> Answer {
    let resource = |name: &&str| json!({"name": name, "singularName": "", "kind": "K", "namespaced": true, "verbs": []});
    let resources: Vec<_> = resources.iter().map(resource).collect();
    Answer::Say(
        200,
        json!({"groupVersion": "g.example/v", "resources": resources}),
    )
}

#[tokio::test(start_paused = true)]
async fn a_custom_kind_is_read_in_the_first_version_that_has_it() {
    let script = vec![
        kinds(&["gates", "routes/status"]),
        kinds(&["gates", "routes"]),
        list("7", &[json!({"metadata": {"name": "a"}})]),
        Answer::Open(vec![]),
    ];
    let (heard, asked) = hear_custom(2, script).await;
    assert_eq!(heard, ["listed a[]!", "synced"]);
    assert_eq!(asked[..2], ["/apis/g.example/v2", "/apis/g.example/v1"]);
    assert!(
        asked[2].starts_with("/apis/g.example/v1/routes?"),
        "{asked:?}"
    );
    assert!(
        asked[3].starts_with("/apis/g.example/v1/routes?"),
        "{asked:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_custom_kind_that_is_installed_later_appears_and_one_that_is_removed_goes() {
    let route = json!({"metadata": {"name": "a"}});
    let script = vec![
        refusal(404, "not found"),
        refusal(404, "not found"),
        // Discovery knows it before it can be listed.
        kinds(&["routes"]),
        refusal(404, "not found"),
        kinds(&["routes"]),
        list("7", &[route]),
        Answer::Open(vec![]),
        // The watch has fallen silent; the next is refused.
        refusal(404, "not found"),
        refusal(404, "not found"),
        refusal(404, "not found"),
    ];
    let (heard, _) = hear_custom(8, script).await;
    assert_eq!(
        heard,
        [
            "listed ",
            "absent",
            "listed ",
            "absent",
            "listed a[]!",
            "synced",
            "listed ",
            "absent"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_custom_kind_may_not_is_no_absence() {
    let script = vec![
        refusal(503, "no back end"),
        kinds(&["routes"]),
        refusal(403, "no"),
    ];
    let (heard, _) = hear_custom(2, script).await;
    assert_eq!(
        heard,
        [
            "unreachable: cannot discover routes.g.example in all namespaces: no back end",
            "forbidden: cannot list routes.g.example in all namespaces: no"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_source_can_do_without_is_absent_where_it_may_not_be_read() {
    let server = Server::default();
    server.script.lock().unwrap().extend([
        refusal(403, "no"),
        refusal(500, "etcd is away"),
        list("7", &[ingress("a", "1")]),
        refusal(403, "no"),
    ]);
    let updates = server.follow(None).optional().stream().map(declared);
    let heard: Vec<_> = updates.take(4).map(said).collect().await;
    assert_eq!(heard[0], "absent");
    assert!(heard[1].starts_with("other: "), "{heard:?}");
    assert_eq!(heard[2..], [r#"listed a["a.example.com"]"#, "absent"]);
}

#[tokio::test]
async fn a_kind_is_followed_in_each_namespace_of_the_configuration_or_everywhere() {
    let paths = |kind, namespaces: &[&str]| {
        let config = Config {
            namespaces: namespaces.iter().map(|&name| name.to_owned()).collect(),
            ..Config::default()
        };
        let cluster = Cluster::for_tests("https://192.0.2.1");
        let context = Context {
            config: Arc::new(config),
            cluster: None,
            clock: || UnixTime::from_secs(1),
        };
        let watches = Watch::all(&context, &cluster, kind, |_, object: Value| object);
        let namespaces = watches.into_iter().map(|watch| watch.namespace);
        namespaces
            .map(Option::unwrap_or_default)
            .collect::<Vec<_>>()
    };
    let ingresses = Kind::namespaced::<Ingress>();
    assert_eq!(paths(ingresses, &[]), [""]);
    assert_eq!(paths(ingresses, &["a", "b"]), ["a", "b"]);
    assert_eq!(
        paths(Kind::cluster_scoped::<IngressClass>(), &["a", "b"]),
        [""]
    );
}
