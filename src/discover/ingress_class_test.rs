//! Tests of knowing which controller serves an Ingress.

use std::collections::BTreeMap;

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

const FRONTEND: &str = "networking.gke.io/v1beta1.FrontendConfig";

#[test]
fn parameters_count_when_they_come_for_the_ingresses_of_the_classes_that_name_them() {
    for kind in class_params::KINDS {
        parameters_count(kind.name, kind.group);
    }
}

fn parameters_count(kind: &'static str, group: &str) {
    let mut index = Ingresses::default();
    index.put(ingress("a", Some("edge")));
    index.put(ingress("b", Some("other")));
    index.put(ingress("c", None));
    let with_parameters = |name: &str, annotations: &Value| {
        let value = json!({
            "metadata": {"annotations": annotations},
            "spec": {
                "controller": "ingress.k8s.aws/alb",
                "parameters": {"apiGroup": group, "kind": "IngressClassParams", "name": "p"},
            },
        });
        let class = Class::of(None, &serde_json::from_value(value).unwrap());
        object("IngressClass", name, Some(Kept::Class(class)))
    };
    let params = |scheme: &str| {
        let spec = json!({"spec": {"scheme": scheme}});
        let params: class_params::IngressClassParams = serde_json::from_value(spec).unwrap();
        let kept = Kept::Params(params.annotations());
        object(kind, "p", Some(kept))
    };
    index.put(with_parameters("edge", &json!({})));
    index.put(class("other", "ingress.k8s.aws/alb", &json!({}), 1));
    // The other kind's of that name are not meant.
    let others = class_params::KINDS.map(|kind| kind.name);
    for other in others.into_iter().filter(|other| *other != kind) {
        let kept = Kept::Params(BTreeMap::from([("a".to_owned(), "b".to_owned())]));
        assert_eq!(index.put(object(other, "p", Some(kept))), []);
    }
    let is_open = |index: &Ingresses| {
        let declared = index.declared(&key("Ingress", "a")).unwrap();
        !declared.targets[0].expect.remarks.is_empty()
    };
    assert_eq!(names(&index.put(params("internet-facing"))), ["a"]);
    assert!(is_open(&index));
    assert_eq!(index.put(params("internet-facing")), []);
    assert_eq!(names(&index.put(params("internal"))), ["a"]);
    assert!(!is_open(&index));

    // The default class is that of those that name none.
    let default = json!({"ingressclass.kubernetes.io/is-default-class": "true"});
    index.put(with_parameters("edge", &default));
    let gone = key(kind, "p");
    assert_eq!(names(&index.take(&gone)), ["a", "c"]);
    let unreadable = object(kind, "p", None);
    assert_eq!(index.put(unreadable), []);
}

#[test]
fn what_a_frontend_says_counts_when_it_comes_for_those_that_name_it() {
    let mut index = Ingresses::default();
    let naming = |name: &str, frontend: &str| {
        let value = json!({
            "metadata": {"annotations": {FRONTEND: frontend}},
            "spec": {"tls": [{"secretName": "s"}], "rules": [{"host": "shop.example.com"}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
        });
        let facts = Facts::of(&serde_json::from_value(value).unwrap());
        object("Ingress", name, Some(Kept::Ingress(facts)))
    };
    let frontend = |namespace: &str, says| {
        let mut frontend = object("FrontendConfig", "f", Some(Kept::Frontend(says)));
        frontend.owner.namespace = namespace.into();
        frontend
    };
    index.put(naming("a", "f"));
    index.put(naming("b", "g"));
    assert_eq!(taken_for(&index, "a"), "another's");
    let served = Some(PlaintextRule::Declared);
    assert_eq!(index.put(frontend("other", served)), []);
    assert_eq!(names(&index.put(frontend("trade", served))), ["a"]);
    assert_eq!(taken_for(&index, "a"), UNKNOWN);
    assert_eq!(index.put(frontend("trade", served)), []);
    assert_eq!(names(&index.put(frontend("trade", None))), ["a"]);
    assert_eq!(taken_for(&index, "a"), "another's");

    index.put(frontend("trade", served));
    let gone = ObjectKey::from(&frontend("trade", None).owner);
    assert_eq!(names(&index.take(&gone)), ["a"]);
    index.take(&key("Ingress", "a"));
    index.take(&key("Ingress", "b"));
    index.take(&ObjectKey::from(&frontend("other", None).owner));
    assert!(index.members.is_empty() && index.frontends.is_empty());
}
