//! Tests of the source `service`: every file of `tests/fixtures/service`, and what only counts.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::fixtures::{remarks, walk};
use super::*;
use crate::model::{Clients, RootsRef, Target};

fn owner() -> Owner {
    Owner {
        created: None,
        kind: "Service",
        namespace: "trade".into(),
        name: "shop".into(),
    }
}

/// The addresses of two nodes, one of them with both families.
fn nodes() -> Vec<IpAddr> {
    ["192.0.2.101", "2001:db8::101", "192.0.2.102"]
        .map(|ip| ip.parse().unwrap())
        .to_vec()
}

/// What is expected of a target, in a few words.
fn expected(target: &Target) -> String {
    let tls = if target.expect.tls {
        "TLS expected"
    } else {
        "nothing expected"
    };
    let plaintext = match &target.plaintext[..] {
        [] => "plaintext not looked for",
        _ => "plaintext looked for",
    };
    format!("{tls}, {plaintext}")
}

/// One line for each target, with what is different from inside, and each dropped port.
fn rendered(service: &Service) -> String {
    let exposed = exposed(service);
    let (outside, dropped) = targets(&owner(), &exposed, &nodes(), false);
    let (inside, dropped_inside) = targets(&owner(), &exposed, &nodes(), true);
    assert_eq!(
        (dropped_inside, inside.len()),
        (dropped.clone(), outside.len())
    );
    let mut text = String::new();
    for (outside, inside) in outside.iter().zip(inside) {
        let (row, from_outside, from_inside) = (&outside.row, expected(outside), expected(&inside));
        write!(text, "port {} at {}: {from_outside}", row.port, row.address).unwrap();
        if from_inside != from_outside {
            write!(text, "; from inside {from_inside}").unwrap();
        }
        assert_eq!(outside.expect.remarks, inside.expect.remarks);
        text.push_str(&remarks(outside));
        text.push('\n');
    }
    for dropped in dropped {
        writeln!(text, "dropped ({})", dropped.reason.label()).unwrap();
    }
    text
}

fn check_consistency(target: &Target) {
    assert_eq!(&*target.row.address, &*target.tls.address.to_string());
    assert_eq!(target.row.port, target.tls.port);
    assert_eq!(
        (&*target.row.namespace, &*target.row.name),
        ("trade", "shop")
    );
    assert_eq!(
        (&target.expect.name, &target.tls.server_name),
        (&None, &None)
    );
    assert_eq!(target.expect.clients, Clients::Unknown);
    assert_eq!(target.expect.roots, RootsRef::Public);
    assert!(target.tls.guarded);
    for door in &target.plaintext {
        assert_eq!(
            (&door.address, door.port),
            (&target.tls.address, target.tls.port)
        );
        assert!(door.guarded && door.host.is_empty());
    }
}

#[test]
fn every_fixture_declares_exactly_what_is_written_beside_it() {
    walk(NAME, |text| {
        let service = serde_saphyr::from_str(text).unwrap();
        let (targets, _) = targets(&owner(), &exposed(&service), &nodes(), false);
        targets.iter().for_each(check_consistency);
        let places: BTreeSet<_> = targets.iter().map(|target| target.row.place()).collect();
        assert_eq!(places.len(), targets.len());
        rendered(&service)
    });
}

fn service(spec: &Value) -> Service {
    serde_json::from_value(json!({"metadata": {"name": "shop"}, "spec": spec})).unwrap()
}

fn count(service: &Service, nodes: &[IpAddr]) -> (usize, Vec<DropReason>) {
    let (targets, dropped) = targets(&owner(), &exposed(service), nodes, false);
    let dropped = dropped.into_iter().map(|dropped| dropped.reason);
    (targets.len(), dropped.collect())
}

#[test]
fn without_a_node_node_ports_have_no_address() {
    let ports = json!([{"name": "https", "port": 443, "nodePort": 30443}]);
    let service = service(&json!({"type": "NodePort", "ports": ports}));
    assert_eq!(count(&service, &[]), (0, vec![DropReason::NoAddress]));
}

#[test]
fn three_hundred_ports_at_three_addresses_are_nine_hundred_rows() {
    let port = |n| json!({"name": format!("https-{n}"), "port": 1000 + n, "nodePort": 30_000 + n});
    let ports: Vec<_> = (0..300).map(port).collect();
    let service = service(&json!({"type": "NodePort", "ports": ports}));
    assert_eq!(count(&service, &nodes()), (900, vec![]));
}

#[test]
fn a_service_comes_to_so_many_targets_and_no_more() {
    let ips: Vec<_> = (0..100).map(|n| format!("198.51.100.{n}")).collect();
    let ports = |count| {
        let port =
            |n| json!({"name": format!("https-{n}"), "port": 1000 + n, "nodePort": 30_000 + n});
        (0..count).map(port).collect::<Vec<_>>()
    };
    let with =
        |kind, count| service(&json!({"type": kind, "externalIPs": ips, "ports": ports(count)}));
    let full = (TARGETS_PER_OBJECT, vec![]);
    assert_eq!(count(&with("ClusterIP", 100), &nodes()), full);
    let over = (TARGETS_PER_OBJECT, vec![DropReason::Cap]);
    assert_eq!(count(&with("ClusterIP", 101), &nodes()), over);
    let over = (TARGETS_PER_OBJECT, vec![DropReason::Cap; 100]);
    assert_eq!(count(&with("NodePort", 100), &nodes()), over);
}
