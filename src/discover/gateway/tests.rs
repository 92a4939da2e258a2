//! Tests of the source `gateway`: every file of `tests/fixtures/gateway`, and what only counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::fixtures::check;
use super::super::index::Index;
use super::super::object::Keyed;
use super::super::published::TARGETS_PER_OBJECT;
use super::super::{Declared, DropReason, Dropped, ObjectKey};
use super::*;
use crate::model::{Owner, UnixTime};

const KINDS: [Kind; 7] = [
    GATEWAYS,
    LISTENER_SETS,
    X_LISTENER_SETS,
    HTTP_ROUTES,
    GRPC_ROUTES,
    TLS_ROUTES,
    POLICIES,
];

/// The object as a watch reads it.
fn object(written: &Value) -> Object<Kept> {
    let text = |field: &str| written["metadata"][field].as_str().unwrap_or_default();
    let kind = KINDS.iter().find(|kind| written["kind"] == kind.name);
    let owner = Owner {
        created: written["metadata"]["created"]
            .as_i64()
            .map(UnixTime::from_secs),
        kind: kind.unwrap().name,
        namespace: text("namespace").into(),
        name: text("name").into(),
    };
    let kept = match owner.kind {
        "Gateway" => read(written).map(|gateway| Kept::gateway(&owner, gateway)),
        "ListenerSet" | "XListenerSet" => read(written).map(|set| Kept::set(&owner, set)),
        "BackendTLSPolicy" => read(written).map(|policy| Kept::policy(&owner, policy)),
        _ => read(written).map(|route| Kept::route(&owner, route)),
    };
    Object {
        owner,
        marks: Arc::default(),
        kept,
    }
}

fn read<K: DeserializeOwned>(written: &Value) -> Option<K> {
    serde_json::from_value(written.clone()).ok()
}

/// What these objects come to.
fn discovered<'a>(objects: impl IntoIterator<Item = &'a Value>) -> BTreeMap<ObjectKey, Declared> {
    let mut gateways = Gateways::new(vec![(None, 0)]);
    gateways.complete(0, true);
    let mut keys = BTreeSet::new();
    for written in objects {
        let object = object(written);
        keys.insert(object.key());
        gateways.put(object);
    }
    let declared = |key: ObjectKey| Some((key.clone(), gateways.declared(&key)?));
    keys.into_iter().filter_map(declared).collect()
}

#[test]
fn every_fixture_declares_exactly_what_is_written_beside_it() {
    check(SOURCE.name, |objects| {
        discovered(objects.written()).into_values().collect()
    });
}

fn accepted() -> Value {
    json!([{"type": "Accepted", "status": "True"}])
}

/// A Gateway with one HTTPS listener for all hosts, at this many addresses.
fn gateway(name: &str, addresses: usize) -> Value {
    let addresses: Vec<_> = (0..addresses)
        .map(|n| json!({"type": "Hostname", "value": format!("lb{n}.example.net")}))
        .collect();
    json!({
        "kind": "Gateway",
        "metadata": {"name": name, "namespace": "infra"},
        "spec": {"listeners": [{"name": "https", "port": 443, "protocol": "HTTPS"}]},
        "status": {"addresses": addresses},
    })
}

/// A route of that Gateway, created at `created`, with these hosts.
fn route(gateway: &str, created: usize, hosts: &[String]) -> Value {
    let parent = json!({"name": gateway});
    json!({
        "kind": "HTTPRoute",
        "metadata": {"name": format!("r{created}"), "namespace": "infra", "created": created},
        "spec": {"parentRefs": [parent], "hostnames": hosts},
        "status": {"parents": [{"parentRef": parent, "conditions": accepted()}]},
    })
}

/// A set of that Gateway with one listener.
fn set(name: &str, gateway: &str, protocol: &str) -> Value {
    json!({
        "kind": "ListenerSet",
        "metadata": {"name": name, "namespace": "infra"},
        "spec": {
            "parentRef": {"name": gateway},
            "listeners": [{"name": "one", "port": 8000, "protocol": protocol, "hostname": format!("{name}.example")}],
        },
        "status": {"conditions": accepted()},
    })
}

fn hosts(prefix: &str, count: usize) -> Vec<String> {
    let host = |n| format!("{prefix}{n}.example.com");
    (0..count).map(host).collect()
}

fn only(discovered: BTreeMap<ObjectKey, Declared>) -> Declared {
    let mut all = discovered.into_values();
    let one = all.next().unwrap();
    assert!(all.next().is_none());
    one
}

#[test]
fn three_hundred_hosts_at_two_addresses_are_six_hundred_rows() {
    let objects = [gateway("edge", 2), route("edge", 1, &hosts("h", 300))];
    let Declared {
        targets, dropped, ..
    } = only(discovered(&objects));
    let rows: BTreeSet<_> = targets.iter().map(|target| target.row.clone()).collect();
    assert_eq!((targets.len(), rows.len(), dropped.len()), (600, 600, 0));
}

#[test]
fn of_more_hosts_than_an_object_may_have_those_of_the_oldest_routes_stay() {
    let full = TARGETS_PER_OBJECT / 2;
    let old = route("edge", 1, &hosts("old", full));
    let declared = only(discovered(&[gateway("edge", 2), old.clone()]));
    assert_eq!(
        (declared.targets.len(), declared.dropped.len()),
        (TARGETS_PER_OBJECT, 0)
    );
    let new = route("edge", 2, &hosts("new", 1));
    let capped = only(discovered(&[new, old, gateway("edge", 2)]));
    assert_eq!(capped.targets, declared.targets);
    let over = Dropped {
        host: "new0.example.com".into(),
        reason: DropReason::Cap,
    };
    assert_eq!(capped.dropped, [over]);
}

/// What a change touches, as names.
fn touched(gateways: &mut Gateways, written: &Value) -> Vec<String> {
    let mut names: Vec<_> = (gateways.put(object(written)).into_iter())
        .map(|key| key.name.to_string())
        .collect();
    names.sort();
    names
}

#[test]
fn a_change_touches_only_what_it_concerns() {
    let mut gateways = Gateways::default();
    for written in [
        gateway("a", 1),
        gateway("b", 1),
        set("a1", "a", "HTTPS"),
        set("a2", "a", "HTTPS"),
        set("b1", "b", "HTTPS"),
    ] {
        gateways.put(object(&written));
    }
    let mut touched = |written: &Value| touched(&mut gateways, written);
    let hosts = hosts("h", 1);
    assert_eq!(touched(&route("a", 1, &hosts)), ["a"]);
    assert_eq!(touched(&route("a", 1, &hosts)), [""; 0]);
    assert_eq!(touched(&route("b", 1, &hosts)), ["a", "b"]);
    assert_eq!(touched(&route("nobody", 1, &hosts)), ["b"]);

    assert_eq!(touched(&set("a1", "a", "TLS")), ["a1"]);
    assert_eq!(touched(&set("a1", "a", "HTTP")), ["a", "a1", "a2"]);
    assert_eq!(
        touched(&set("a1", "b", "HTTP")),
        ["a", "a1", "a2", "b", "b1"]
    );

    let mut one_more = gateway("b", 1);
    let listener = json!({"name": "more", "port": 8443, "protocol": "HTTPS"});
    one_more["spec"]["listeners"]
        .as_array_mut()
        .unwrap()
        .push(listener);
    assert_eq!(touched(&one_more), ["b"]);
    assert_eq!(touched(&gateway("b", 2)), ["a1", "b", "b1"]);
}

/// A sequence of small numbers that looks random and is always the same.
struct Numbers(u64);

impl Numbers {
    /// A number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        // Knuth's MMIX constants; the high bits are the better ones.
        self.0 = (self.0.wrapping_mul(6_364_136_223_846_793_005))
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    /// One of the few objects there can be, in one of its many forms.
    fn object(&mut self) -> Value {
        let namespace = self.of(&["n", "m"]);
        let (kind, names): (_, &[&str]) = match self.below(7) {
            0 => ("Gateway", &["g", "h"]),
            1 => ("ListenerSet", &["s", "t"]),
            2 => ("XListenerSet", &["s"]),
            3 => ("TLSRoute", &["r"]),
            4 => ("BackendTLSPolicy", &["p", "o"]),
            _ => ("HTTPRoute", &["q", "r", "u"]),
        };
        let metadata =
            json!({"name": self.of(names), "namespace": namespace, "created": self.below(2)});
        let status = self.of(&["True", "True", "False"]);
        let conditions = json!([{"type": "Accepted", "status": status}]);
        let gateway = json!({"name": self.of(&["g", "h"]), "namespace": self.of(&["n", "m"])});
        match kind {
            "Gateway" => json!({
                "kind": kind, "metadata": metadata, "spec": {"listeners": self.listeners()},
                "status": {"addresses": [{"value": self.of(&["192.0.2.1", "192.0.2.2", "?"])}]},
            }),
            "ListenerSet" | "XListenerSet" => json!({
                "kind": kind, "metadata": metadata,
                "spec": {"parentRef": gateway, "listeners": self.listeners()},
                "status": {"conditions": conditions},
            }),
            "BackendTLSPolicy" => json!({
                "kind": kind, "metadata": metadata,
                "spec": {"targetRefs": [{"kind": "Service", "name": self.of(&["a", "b"])}]},
                "status": {"ancestors": [{"conditions": conditions}]},
            }),
            _ => self.route(kind, &metadata, &conditions),
        }
    }

    fn listeners(&mut self) -> Vec<Value> {
        let listener = |n: usize| {
            json!({
                "name": format!("l{n}"), "port": 80 + self.below(2),
                "protocol": self.of(&["HTTP", "HTTPS", "TLS"]),
                "hostname": self.of(&["", "*.x", "*.y.x", "a.x"]),
                "allowedRoutes": {"namespaces": {"from": self.of(&["All", "Same"])}},
            })
        };
        (0..2).map(listener).collect()
    }

    fn route(&mut self, kind: &str, metadata: &Value, conditions: &Value) -> Value {
        let parent = match self.below(3) {
            0 => json!({"kind": "ListenerSet", "name": self.of(&["s", "t"])}),
            1 => json!({"group": X_GROUP, "kind": "XListenerSet", "name": "s", "namespace": "n"}),
            _ => json!({"name": self.of(&["g", "h"]), "namespace": self.of(&["n", "m"])}),
        };
        let hosts: Vec<_> = (0..self.below(3))
            .map(|_| self.of(&["a.x", "b.y.x", "*.x", "-"]))
            .collect();
        json!({
            "kind": kind, "metadata": metadata,
            "spec": {
                "parentRefs": [parent], "hostnames": hosts,
                "rules": [{"backendRefs": [{"name": self.of(&["a", "b"])}]}],
            },
            "status": {"parents": [{"parentRef": parent, "conditions": conditions}]},
        })
    }
}

#[test]
fn what_is_known_depends_on_the_objects_and_not_on_the_way_to_them() {
    for seed in 0..40 {
        let mut numbers = Numbers(seed);
        let mut gateways = Gateways::new(vec![(None, 0)]);
        gateways.complete(0, true);
        let (mut there, mut known) = (BTreeMap::new(), BTreeMap::new());
        for step in 0..50 {
            let written = numbers.object();
            let key = object(&written).key();
            let touched = if numbers.below(4) == 0 {
                there.remove(&key);
                gateways.take(&key)
            } else {
                let touched = gateways.put(object(&written));
                there.insert(key, written);
                touched
            };
            for key in touched {
                match gateways.declared(&key) {
                    Some(declared) => drop(known.insert(key, declared)),
                    None => drop(known.remove(&key)),
                }
            }
            assert_eq!(
                known,
                discovered(there.values()),
                "seed {seed}, step {step}"
            );
        }
        for key in there.keys() {
            gateways.take(key);
        }
        assert!(gateways.is_empty(), "seed {seed}: nothing is left behind");
    }
}

#[test]
fn that_there_is_no_policy_is_said_only_where_policies_can_be_read() {
    let n = Arc::<str>::from("infra");
    let mut leading = route("edge", 1, &hosts("h", 1));
    leading["spec"]["rules"] = json!([{"backendRefs": [{"name": "shop", "port": 80}]}]);
    for (namespace, told) in [(None, true), (Some(n), true), (Some("m".into()), false)] {
        let mut gateways = Gateways::new(vec![(namespace, 7)]);
        gateways.put(object(&gateway("edge", 1)));
        gateways.put(object(&leading));
        let edge = object(&gateway("edge", 1)).key();
        let said = |gateways: &Gateways| {
            let declared = gateways.declared(&edge).unwrap();
            !declared.targets[0].expect.remarks.is_empty()
        };
        assert!(!said(&gateways));
        assert_eq!(gateways.complete(6, true), []);
        assert!(!said(&gateways));
        assert_eq!(gateways.complete(7, true), std::slice::from_ref(&edge));
        assert_eq!(said(&gateways), told);
        assert_eq!(gateways.complete(7, false), std::slice::from_ref(&edge));
        assert!(!said(&gateways));
    }
}

#[test]
fn a_policy_touches_the_parents_of_the_routes_to_its_services() {
    let mut gateways = Gateways::new(vec![(None, 0)]);
    for name in ["a", "b"] {
        gateways.put(object(&gateway(name, 1)));
    }
    let mut leading = route("a", 1, &hosts("h", 1));
    leading["spec"]["rules"] = json!([{"backendRefs": [{"name": "shop", "port": 80}]}]);
    gateways.put(object(&leading));
    let policy = |service: &str| {
        json!({
            "kind": "BackendTLSPolicy", "metadata": {"name": "p", "namespace": "infra"},
            "spec": {"targetRefs": [{"kind": "Service", "name": service}]},
        })
    };
    assert_eq!(touched(&mut gateways, &policy("other")), [""; 0]);
    assert_eq!(touched(&mut gateways, &policy("shop")), ["a"]);
    assert_eq!(touched(&mut gateways, &policy("other")), ["a"]);
}
