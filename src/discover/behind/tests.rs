//! Tests of the servers behind the API server: every fixture of their four sources, each file one
//! object and then the Services of its cluster; and what changes as those come and go.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::fixtures::{documents, walk};
use super::super::index::Index;
use super::super::{
    Declared, Object, ObjectKey, apiservice, crd_conversion, mutating_webhook, validating_webhook,
};
use super::*;
use crate::model::{Clients, Owner, PlaintextRule, RootsRef, Target};

const KINDS: [(&str, &str); 4] = [
    ("validating_webhook", "ValidatingWebhookConfiguration"),
    ("mutating_webhook", "MutatingWebhookConfiguration"),
    ("apiservice", "APIService"),
    ("crd_conversion", "CustomResourceDefinition"),
];

fn object(written: &Value) -> Object<Kept> {
    let text = |value: &Value| value.as_str().unwrap_or_default().into();
    let kinds = KINDS.iter().map(|(_, kind)| *kind);
    let kind = kinds
        .chain(["Service"])
        .find(|kind| written["kind"] == **kind);
    let (kind, object) = (kind.unwrap(), written.clone());
    let kept = match kind {
        "Service" => Kept::Service(Front::of(&serde_json::from_value(object).unwrap())),
        "APIService" => Kept::Caller(apiservice::callees(
            &serde_json::from_value(object).unwrap(),
        )),
        "CustomResourceDefinition" => Kept::Caller(crd_conversion::callees(
            &serde_json::from_value(object).unwrap(),
        )),
        "MutatingWebhookConfiguration" => Kept::Caller(mutating_webhook::callees(
            &serde_json::from_value(object).unwrap(),
        )),
        _ => Kept::Caller(validating_webhook::callees(
            &serde_json::from_value(object).unwrap(),
        )),
    };
    Object {
        owner: Owner {
            created: None,
            kind,
            namespace: text(&written["metadata"]["namespace"]),
            name: text(&written["metadata"]["name"]),
        },
        marks: Arc::default(),
        kept: Some(kept),
    }
}

fn check_consistency(target: &Target) {
    assert_eq!(&*target.row.address, &*target.tls.address.to_string());
    assert_eq!(target.row.port, target.tls.port);
    assert_eq!(
        &*target.row.host,
        target.tls.server_name.as_deref().unwrap_or_default()
    );
    assert_eq!(target.expect.plaintext, PlaintextRule::Forbidden);
    assert!(target.tls.guarded && target.row.namespace.is_empty());
    let [plain] = &target.plaintext[..] else {
        panic!("{target:?}");
    };
    assert_eq!(
        (&plain.address, plain.port, plain.guarded),
        (&target.tls.address, target.tls.port, true)
    );
}

/// What is expected of a target, in a few words.
fn expected(target: &Target) -> String {
    let roots = match &target.expect.roots {
        RootsRef::Public => "the system's roots".to_owned(),
        RootsRef::Given(ders) => format!("{} certificate(s) given", ders.len()),
        other => panic!("{other:?}"),
    };
    let verified = match target.expect.clients {
        Clients::Verifying => "verified by",
        Clients::Unverifying => "not verified, would be by",
        other => panic!("{other:?}"),
    };
    let tls = if target.expect.tls {
        ""
    } else {
        ", if reachable"
    };
    format!("{verified} {roots}{tls}")
}

fn rendered(inside: &Declared, outside: &Declared) -> String {
    let mut text = String::new();
    assert_eq!(inside.dropped, outside.dropped);
    for (inside, outside) in inside.targets.iter().zip(&outside.targets) {
        check_consistency(inside);
        let row = &inside.row;
        let (asked, name) = (&inside.tls.server_name, inside.expect.name.as_deref());
        let asked = asked.as_deref().unwrap_or("(nothing)");
        write!(
            text,
            "{} port {} at {}: asked for as {asked}, {}",
            name.unwrap(),
            row.port,
            row.address,
            expected(inside)
        )
        .unwrap();
        if expected(outside) != expected(inside) {
            write!(text, "; from outside {}", expected(outside)).unwrap();
        }
        text.push('\n');
    }
    for dropped in &inside.dropped {
        let (host, reason) = (&dropped.host, dropped.reason.label());
        writeln!(text, "{host} dropped ({reason})").unwrap();
    }
    if text.is_empty() {
        text.push_str("nothing\n");
    }
    text
}

/// What the first object of a file comes to.
fn read(source: &'static str, inside: bool, text: &str) -> Declared {
    let mut callers = Callers::new(source, inside);
    let documents = documents(text);
    let objects: Vec<_> = documents.iter().map(object).collect();
    let first = objects[0].owner.clone();
    for object in objects {
        callers.put(object);
    }
    let declared = callers.declared(&ObjectKey::from(&first));
    declared.unwrap_or_else(|| Declared::nothing(first, Arc::default()))
}

#[test]
fn every_fixture_declares_exactly_what_is_written_beside_it() {
    for (source, _) in KINDS {
        walk(source, |text| {
            let [inside, outside] = [true, false].map(|inside| read(source, inside, text));
            assert!(inside.targets.iter().all(|it| it.row.source == source));
            rendered(&inside, &outside)
        });
    }
}

fn service(name: &str, ip: &str) -> Object<Kept> {
    object(&json!({
        "kind": "Service", "metadata": {"namespace": "a", "name": name},
        "spec": {"clusterIP": ip, "ports": [{"port": 443}]},
    }))
}

fn api(name: &str, service: &str) -> Object<Kept> {
    object(&json!({
        "kind": "APIService", "metadata": {"name": name},
        "spec": {
            "groupPriorityMinimum": 1, "versionPriority": 1,
            "service": {"namespace": "a", "name": service},
        },
    }))
}

fn names(keys: &[ObjectKey]) -> Vec<&str> {
    keys.iter().map(|key| &*key.name).collect()
}

#[test]
fn a_change_of_a_service_touches_those_that_name_it_and_nobody_else() {
    let mut callers = Callers::new("apiservice", true);
    for (name, service) in [("v1.x", "s"), ("v2.x", "s"), ("v1.y", "t")] {
        assert_eq!(names(&callers.put(api(name, service))), [name]);
    }
    assert_eq!(
        names(&callers.put(service("s", "10.0.0.1"))),
        ["v1.x", "v2.x"]
    );
    assert_eq!(names(&callers.put(service("s", "10.0.0.1"))), [""; 0]);
    assert_eq!(names(&callers.put(service("u", "10.0.0.2"))), [""; 0]);
    let key = ObjectKey::from(&api("v1.x", "s").owner);
    let address = |callers: &Callers| {
        let declared = callers.declared(&key).unwrap();
        let target = declared.targets.first();
        target.map(|target| target.row.address.to_string())
    };
    assert_eq!(address(&callers).as_deref(), Some("10.0.0.1"));
    let gone = ObjectKey::from(&service("s", "").owner);
    assert_eq!(names(&callers.take(&gone)), ["v1.x", "v2.x"]);
    assert_eq!(address(&callers), None);
    for name in ["v1.x", "v2.x", "v1.y"] {
        callers.take(&ObjectKey::from(&api(name, "").owner));
    }
    callers.take(&ObjectKey::from(&service("u", "").owner));
    assert!(callers.is_empty());
}

#[test]
fn an_object_that_cannot_be_read_declares_one_thing_which_is_dropped() {
    let mut callers = Callers::new("apiservice", true);
    let mut unreadable = api("v1.x", "s");
    unreadable.kept = None;
    let key = ObjectKey::from(&unreadable.owner);
    callers.put(unreadable);
    assert_eq!(callers.declared(&key).unwrap().dropped.len(), 1);
}

#[test]
fn one_door_is_a_row_for_each_object_and_only_one_within_it() {
    let webhook = |name: &str| json!({"name": name, "sideEffects": "None", "admissionReviewVersions": ["v1"], "clientConfig": {"service": {"namespace": "a", "name": "s"}}});
    let hooks: Vec<_> = (0..300)
        .map(|nth| webhook(&format!("w{nth}.example")))
        .collect();
    let mut callers = Callers::new("validating_webhook", true);
    callers.put(service("s", "10.0.0.1"));
    let mut places = BTreeSet::new();
    for name in ["x", "y"] {
        let written = json!({
            "kind": "ValidatingWebhookConfiguration", "metadata": {"name": name}, "webhooks": hooks,
        });
        let object = object(&written);
        let key = ObjectKey::from(&object.owner);
        callers.put(object);
        let declared = callers.declared(&key).unwrap();
        assert_eq!(declared.targets.len(), 1);
        places.insert(declared.targets[0].row.place().clone());
    }
    assert_eq!(places.len(), 2);
}

#[test]
fn what_can_be_read_of_a_bundle_is_stored_and_what_cannot_is_left_out() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(["a".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    let junk = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let bundle = |pem: &str| k8s_openapi::ByteString(pem.as_bytes().to_vec());
    let stored = |pem: &str| {
        let mut written = json!({
            "kind": "APIService", "metadata": {"name": "v1.x"},
            "spec": {
                "groupPriorityMinimum": 1, "versionPriority": 1,
                "service": {"namespace": "a", "name": "s"},
            },
        });
        written["spec"]["caBundle"] = serde_json::to_value(bundle(pem)).unwrap();
        let mut callers = Callers::new("apiservice", true);
        let object = object(&written);
        let key = ObjectKey::from(&object.owner);
        callers.put(object);
        let stored = callers.declared(&key).unwrap().stored;
        let keyed = |one: &crate::model::Stored| (one.key.to_string(), one.certificates.len());
        stored.iter().map(keyed).collect::<Vec<_>>()
    };
    let both = format!("{junk}{}", certificate.pem());
    assert_eq!(stored(&both), [("caBundle".to_owned(), 1)]);
    assert_eq!(stored(junk), []);
    assert_eq!(stored(""), []);
}
