//! Tests of Services and nodes as one.

use k8s_openapi::api::core::v1::{Node, Service};
use serde_json::json;

use super::super::{node, service};
use super::*;
use crate::model::Owner;

fn object(kind: &'static str, name: &str, kept: Option<Kept>) -> Object<Kept> {
    let owner = Owner {
        created: None,
        kind,
        namespace: if kind == "Node" { "" } else { "trade" }.into(),
        name: name.into(),
    };
    Object {
        owner,
        marks: Arc::default(),
        kept,
    }
}

fn a_service(name: &str, kind: &str) -> Object<Kept> {
    let ports = json!([{"name": "https", "port": 443, "nodePort": 30443}]);
    let service = json!({
        "metadata": {},
        "spec": {"type": kind, "ports": ports},
        "status": {"loadBalancer": {"ingress": [{"hostname": "lb.example.net"}]}},
    });
    let service: Service = serde_json::from_value(service).unwrap();
    object(
        "Service",
        name,
        Some(Kept::Service(service::exposed(&service))),
    )
}

fn a_node(number: usize, ready: bool) -> Object<Kept> {
    let node = json!({"metadata": {}, "status": {
        "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}],
        "addresses": [{"type": "InternalIP", "address": format!("192.0.2.{number}")}],
    }});
    let node: Node = serde_json::from_value(node).unwrap();
    let name = format!("node-{number}");
    object("Node", &name, Some(Kept::Node(node::facts(&node))))
}

fn key(object: &Object<Kept>) -> ObjectKey {
    ObjectKey::from(&object.owner)
}

fn names(touched: &[ObjectKey]) -> Vec<&str> {
    touched.iter().map(|key| &*key.name).collect()
}

/// Where the Service's targets are.
fn addresses(index: &NodePorts, service: &Object<Kept>) -> Vec<String> {
    let declared = index.declared(&key(service)).unwrap();
    let targets = declared.targets.iter();
    targets
        .map(|target| target.row.address.to_string())
        .collect()
}

#[test]
fn as_many_nodes_as_wanted_stand_for_all_whatever_the_order_they_are_heard_of() {
    let service = a_service("shop", "NodePort");
    let found = |nodes: Vec<usize>, count| {
        let mut index = NodePorts::new(false, count);
        index.put(service.clone());
        for number in nodes {
            index.put(a_node(number, true));
        }
        addresses(&index, &service)
    };
    let two = found((1..100).collect(), 2);
    assert_eq!(two.len(), 2);
    assert_eq!(found((1..100).rev().collect(), 2), two);
    assert_eq!(found((1..100).collect(), 3)[..2], two);
    assert_eq!(found(vec![1], 2), ["192.0.2.1"]);
    assert_eq!(found(vec![], 2), [""; 0]);
}

#[test]
fn a_node_touches_services_with_node_ports_alone_and_only_if_it_is_chosen() {
    let mut index = NodePorts::new(false, 1);
    let (balanced, inner) = (
        a_service("balanced", "LoadBalancer"),
        a_service("inner", "ClusterIP"),
    );
    assert_eq!(names(&index.put(balanced.clone())), ["balanced"]);
    assert_eq!(names(&index.put(inner)), ["inner"]);
    assert_eq!(names(&index.put(a_node(1, true))), ["balanced"]);
    assert_eq!(
        addresses(&index, &balanced),
        ["lb.example.net", "192.0.2.1"]
    );
    // What a kubelet reports every few minutes changes nothing.
    assert_eq!(names(&index.put(a_node(1, true))), [""; 0]);
    let touching = (2..50).filter(|n| !index.put(a_node(*n, true)).is_empty());
    assert!(
        touching.count() < 20,
        "an earlier node displaces the chosen one, others do not"
    );

    let chosen = addresses(&index, &balanced).pop().unwrap();
    let number = chosen.rsplit_once('.').unwrap().1.parse().unwrap();
    assert_eq!(names(&index.put(a_node(number, false))), ["balanced"]);
    assert_ne!(addresses(&index, &balanced), ["lb.example.net", &*chosen]);
    assert_eq!(names(&index.put(a_node(number, true))), ["balanced"]);
    assert_eq!(addresses(&index, &balanced), ["lb.example.net", &*chosen]);
    assert_eq!(
        names(&index.take(&key(&a_node(number, true)))),
        ["balanced"]
    );
}

#[test]
fn what_cannot_be_read_declares_nothing_and_stands_for_nobody() {
    let mut index = NodePorts::new(false, 2);
    let service = a_service("shop", "NodePort");
    index.put(service.clone());
    index.put(a_node(1, true));
    index.put(object("Node", "node-1", None));
    assert_eq!(addresses(&index, &service), [""; 0]);
    index.put(object("Service", "shop", None));
    assert_eq!(index.declared(&key(&service)).unwrap().dropped.len(), 1);
    assert_eq!(names(&index.put(a_node(2, true))), [""; 0]);
    index.take(&key(&service));
    assert_eq!(index.declared(&key(&service)), None);
}

/// A sequence of small numbers that looks random and is always the same
/// (Knuth's MMIX linear congruential generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

#[test]
fn what_is_declared_depends_on_the_objects_and_not_on_the_way_to_them() {
    for seed in 0..60 {
        let mut numbers = Numbers(seed);
        let count = 1 + numbers.below(3);
        let mut index = NodePorts::new(false, count);
        let mut objects: BTreeMap<ObjectKey, Object<Kept>> = BTreeMap::new();
        // What someone knows who only hears of what is touched.
        let mut known: BTreeMap<ObjectKey, Declared> = BTreeMap::new();
        for _ in 0..60 {
            let name = format!("s{}", numbers.below(6));
            let object = match numbers.below(4) {
                0 => a_service(&name, "ClusterIP"),
                1 => a_service(&name, ["NodePort", "LoadBalancer"][numbers.below(2)]),
                _ => a_node(numbers.below(6), numbers.below(4) > 0),
            };
            let touched = if numbers.below(4) == 0 {
                objects.remove(&key(&object));
                index.take(&key(&object))
            } else {
                objects.insert(key(&object), object.clone());
                index.put(object)
            };
            for key in touched {
                match index.declared(&key) {
                    Some(declared) => known.insert(key, declared),
                    None => known.remove(&key),
                };
            }
            let mut fresh = NodePorts::new(false, count);
            for object in objects.values().rev() {
                fresh.put(object.clone());
            }
            let fresh: BTreeMap<_, _> = (objects.keys())
                .filter_map(|key| Some((key.clone(), fresh.declared(key)?)))
                .collect();
            assert_eq!(known, fresh, "seed {seed}");
        }
    }
}
