//! Tests of knowing which controller serves an Ingress.

use serde_json::{Value, json};

use super::*;
use crate::model::{Owner, PlaintextRule};

/// Two annotations, by which it is told whose an object is.
fn ingress(name: &str, class: Option<&str>) -> Object<Kept> {
    let value = json!({
        "metadata": {"annotations": {
            "nginx.ingress.kubernetes.io/ssl-redirect": "false",
            "kubernetes.io/ingress.allow-http": "false",
        }},
        "spec": {
            "ingressClassName": class,
            "tls": [{"secretName": "s"}],
            "rules": [{"host": "shop.example.com"}],
        },
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
    });
    let ingress = serde_json::from_value(value).unwrap();
    object("Ingress", name, Some(Kept::Ingress(Facts::of(&ingress))))
}

fn class(name: &str, controller: &str, annotations: &Value, created: i64) -> Object<Kept> {
    let value = json!({
        "metadata": {"annotations": annotations},
        "spec": {"controller": controller},
    });
    let created = Some(UnixTime::from_secs(created));
    let class = Class::of(created, &serde_json::from_value(value).unwrap());
    object("IngressClass", name, Some(Kept::Class(class)))
}

fn object(kind: &'static str, name: &str, kept: Option<Kept>) -> Object<Kept> {
    let namespace = if kind == "Ingress" { "trade" } else { "" };
    Object {
        owner: Owner {
            created: None,
            kind,
            namespace: namespace.into(),
            name: name.into(),
        },
        marks: Arc::default(),
        kept,
    }
}

fn key(kind: &'static str, name: &str) -> ObjectKey {
    ObjectKey::from(&object(kind, name, None).owner)
}

/// Whose the Ingress is taken for.
fn taken_for(index: &Ingresses, name: &str) -> &'static str {
    let declared = index.declared(&key("Ingress", name)).unwrap();
    match declared.targets[0].expect.plaintext {
        PlaintextRule::Declared => "ingress-nginx's, or anyone's",
        PlaintextRule::Forbidden => "GCE's",
        PlaintextRule::Redirect => "another's",
        PlaintextRule::Allowed => "nobody's",
    }
}

const NGINX: &str = "k8s.io/ingress-nginx";
const OTHER: &str = "example.com/controller";
const UNKNOWN: &str = "ingress-nginx's, or anyone's";

fn names(keys: &[ObjectKey]) -> Vec<&str> {
    keys.iter().map(|key| &*key.name).collect()
}

#[test]
fn a_class_counts_as_soon_as_it_comes_and_for_its_own_ingresses_alone() {
    let mut index = Ingresses::default();
    assert_eq!(names(&index.put(ingress("a", Some("edge")))), ["a"]);
    index.put(ingress("b", Some("inner")));
    index.put(ingress("c", None));
    assert_eq!(taken_for(&index, "a"), UNKNOWN);

    let touched = index.put(class("edge", OTHER, &json!({}), 1));
    assert_eq!(names(&touched), ["a"]);
    assert_eq!(taken_for(&index, "a"), "another's");
    assert_eq!(taken_for(&index, "b"), UNKNOWN);
    // Said again, as by a new listing, it changes nothing.
    assert_eq!(index.put(class("edge", OTHER, &json!({}), 1)), []);
    assert_eq!(
        names(&index.put(class("edge", NGINX, &json!({}), 1))),
        ["a"]
    );
    assert_eq!(taken_for(&index, "a"), UNKNOWN);
    index.put(class("edge", OTHER, &json!({}), 1));
    assert_eq!(names(&index.take(&key("IngressClass", "edge"))), ["a"]);
    assert_eq!(taken_for(&index, "a"), UNKNOWN);
}

#[test]
fn the_youngest_default_class_serves_those_that_name_none() {
    let default = json!({"ingressclass.kubernetes.io/is-default-class": "true"});
    let mut index = Ingresses::default();
    index.put(ingress("a", None));
    index.put(ingress("b", Some("")));
    index.put(ingress("c", Some("edge")));
    assert_eq!(
        names(&index.put(class("old", OTHER, &default, 1))),
        ["a", "b"]
    );
    assert_eq!(taken_for(&index, "a"), "another's");
    assert_eq!(taken_for(&index, "c"), UNKNOWN);
    index.put(class("young", NGINX, &default, 2));
    assert_eq!(taken_for(&index, "b"), UNKNOWN);
    // No longer the default.
    assert_eq!(
        names(&index.put(class("young", NGINX, &json!({}), 2))),
        ["a", "b"]
    );
    assert_eq!(taken_for(&index, "b"), "another's");
}

#[test]
fn a_controller_that_goes_by_its_class_needs_no_class_object() {
    let mut index = Ingresses::default();
    index.put(ingress("a", Some("gce-internal")));
    assert_eq!(taken_for(&index, "a"), "GCE's");
}

#[test]
fn an_ingress_moves_to_another_class_and_goes() {
    let mut index = Ingresses::default();
    index.put(ingress("a", Some("edge")));
    index.put(ingress("a", Some("inner")));
    assert_eq!(index.put(class("edge", OTHER, &json!({}), 1)), []);
    assert_eq!(
        names(&index.put(class("inner", OTHER, &json!({}), 1))),
        ["a"]
    );
    assert_eq!(names(&index.take(&key("Ingress", "a"))), ["a"]);
    assert_eq!(index.declared(&key("Ingress", "a")), None);
    assert!(index.members.is_empty() && index.objects.is_empty());
}

#[test]
fn an_ingress_that_cannot_be_read_is_dropped_and_a_class_that_cannot_counts_for_nothing() {
    let mut index = Ingresses::default();
    index.put(ingress("a", Some("edge")));
    index.put(class("edge", OTHER, &json!({}), 1));
    assert_eq!(
        names(&index.put(object("IngressClass", "edge", None))),
        ["a"]
    );
    assert_eq!(taken_for(&index, "a"), UNKNOWN);
    index.put(object("Ingress", "a", None));
    let declared = index.declared(&key("Ingress", "a")).unwrap();
    assert_eq!((declared.targets.len(), declared.dropped.len()), (0, 1));
}
