//! Objects of every kind that a source reads: listed, changed, and gone again.
#![no_main]

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Uri;
use futures::StreamExt;
use kube_https_exporter::config::Config;
use kube_https_exporter::discover::fuzzing::cluster;
use kube_https_exporter::discover::{Cluster, Context, SOURCES, Source, Start, Update};
use kube_https_exporter::model::{UnixTime, is_unsafe};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap()
});

/// The plural by which the API server knows a kind.
fn resource(kind: &str) -> String {
    let kind = kind.to_lowercase();
    match kind.strip_suffix('y') {
        Some(stem) if !kind.ends_with("ay") => format!("{stem}ies"),
        _ if kind.ends_with('s') => format!("{kind}es"),
        _ => format!("{kind}s"),
    }
}

fn of(object: &Value, resource_asked: &str) -> bool {
    object["kind"]
        .as_str()
        .is_some_and(|kind| resource(kind) == resource_asked)
}

/// An API server that lists these objects, tells that each has changed and gone, and says no more.
fn api(objects: &Arc<Vec<Value>>) -> Router {
    let objects = Arc::clone(objects);
    Router::new().fallback(move |uri: Uri| {
        let body = answer(&uri, &objects);
        async { body }
    })
}

fn answer(uri: &Uri, objects: &[Value]) -> Body {
    let asked = uri.path().rsplit('/').next().unwrap_or_default();
    let all = SOURCES.iter().flat_map(|source| source.access);
    if !all.clone().any(|access| access.resource == asked) {
        // What there is of a group: all kinds took half of the time to tell.
        let resource = |name: &str| json!({"name": name, "singularName": "", "namespaced": true, "kind": "", "verbs": []});
        let there = |name: &str| objects.iter().any(|object| of(object, name));
        let names: BTreeSet<_> = all
            .map(|access| access.resource)
            .filter(|name| there(name))
            .collect();
        let resources: Vec<_> = names.into_iter().map(resource).collect();
        let list = json!({"kind": "APIResourceList", "groupVersion": "", "resources": resources});
        return list.to_string().into();
    }
    let matching = objects.iter().filter(|object| of(object, asked));
    if !uri.query().unwrap_or_default().contains("watch=true") {
        let items: Vec<_> = matching.collect();
        return json!({"metadata": {"resourceVersion": "1"}, "items": items})
            .to_string()
            .into();
    }
    let event =
        |kind: &str, object: &Value| json!({"type": kind, "object": object}).to_string() + "\n";
    let changed = matching.clone().map(|object| event("MODIFIED", object));
    let gone = matching.map(|object| event("DELETED", object));
    changed.chain(gone).collect::<String>().into()
}

/// Hears a source out.
async fn hear(
    source: &Source,
    start: fn(&Context, &Cluster) -> futures::stream::BoxStream<'static, Update>,
    objects: &Arc<Vec<Value>>,
) {
    static CONFIG: LazyLock<Arc<Config>> = LazyLock::new(Arc::default);
    let context = Context {
        config: Arc::clone(&CONFIG),
        cluster: None,
        clock: || UnixTime::from_secs(1_700_000_000),
    };
    let mut updates = start(&context, &cluster(api(objects)));
    // The clock goes on by itself when nothing else does.
    while let Ok(Some(update)) = timeout(Duration::from_millis(100), updates.next()).await {
        let declared = match update {
            Update::Listed(all) => all,
            Update::Changed(one) => vec![one],
            Update::Gone(_) | Update::Health(_) => continue,
        };
        for target in declared.iter().flat_map(|declared| &declared.targets) {
            assert_eq!(target.row.source, source.name);
            let labels = [&target.row.host, &target.row.address, &target.row.name];
            assert!(
                labels.iter().all(|label| !label.contains(is_unsafe)),
                "{:?}",
                target.row
            );
        }
    }
}

fuzz_target!(|text: &str| {
    // As the tests' fixtures are written; aliases are no part of what an API server says.
    let few = serde_saphyr::options! { budget: serde_saphyr::budget! { max_aliases: 0, max_nodes: 5_000 } };
    let Ok(objects) = serde_saphyr::from_multiple_with_options::<Value>(text, few) else {
        return;
    };
    let objects = Arc::new(objects);
    for source in SOURCES {
        let Start::Cluster(start) = source.start else {
            continue;
        };
        let reads = |object: &Value| {
            source
                .access
                .iter()
                .any(|access| of(object, access.resource))
        };
        if objects.iter().any(reads) {
            RUNTIME.block_on(hear(source, start, &objects));
        }
    }
});
