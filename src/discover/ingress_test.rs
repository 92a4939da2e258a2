//! Tests of the source `ingress`: every file of `tests/fixtures/ingress`, and what only counts.

use serde_json::json;

use super::super::Declared;
use super::super::fixtures::{Objects, check, folded};
use super::super::published::TARGETS_PER_OBJECT;
use super::*;
use crate::model::UnixTime;

fn owner() -> Owner {
    Owner {
        created: Some(UnixTime::from_secs(1)),
        kind: "Ingress",
        namespace: "trade".into(),
        name: "shop".into(),
    }
}

#[test]
fn every_fixture_declares_exactly_what_is_written_beside_it() {
    check(NAME, declared);
}

/// What these objects declare together.
pub(in crate::discover) fn declared(objects: &Objects) -> Vec<Declared> {
    let class = |owner: &Owner, class| Kept::Class(Class::of(owner.created, &class));
    let ingress = |_: &Owner, ingress| Kept::Ingress(Facts::of(&ingress));
    let mut read = objects.kept("Ingress", ingress);
    read.extend(objects.kept("IngressClass", class));
    let params = |_: &Owner, params| Kept::Params(IngressClassParams::annotations(params));
    for kind in class_params::KINDS {
        read.extend(objects.kept(kind.name, params));
    }
    let frontend = |_: &Owner, frontend| Kept::Frontend(FrontendConfig::plaintext(&frontend));
    read.extend(objects.kept("FrontendConfig", frontend));
    folded(Ingresses::default(), read)
}

#[test]
fn a_target_carries_the_object_that_declares_it() {
    let target = &wide(1, 1).0[0];
    assert_eq!(
        (&*target.row.namespace, &*target.row.name),
        ("trade", "shop")
    );
    assert_eq!(target.owners, [owner()]);
}

/// What an object with this many hosts comes to, published at this many addresses.
fn wide(hosts: usize, addresses: usize) -> Targets {
    let hosts: Vec<_> = (0..hosts)
        .map(|n| json!({"host": format!("h{n}.example.com")}))
        .collect();
    let ips: Vec<_> = (0..addresses)
        .map(|n| json!({"hostname": format!("lb{n}.example.net")}))
        .collect();
    let ingress = serde_json::from_value(json!({
        "metadata": {"name": "wide", "namespace": "trade"},
        "spec": {"rules": hosts},
        "status": {"loadBalancer": {"ingress": ips}},
    }))
    .unwrap();
    targets(&owner(), &Facts::of(&ingress), &Manner::default())
}

#[test]
fn three_hundred_hosts_at_two_addresses_are_six_hundred_rows() {
    let (targets, dropped) = wide(300, 2);
    let rows: HashSet<_> = targets.iter().map(|target| target.row.clone()).collect();
    assert_eq!((targets.len(), rows.len(), dropped.len()), (600, 600, 0));
}

#[test]
fn an_object_comes_to_so_many_targets_and_no_more() {
    let (all, dropped) = wide(100, 100);
    assert_eq!((all.len(), dropped.len()), (TARGETS_PER_OBJECT, 0));
    let (capped, dropped) = wide(101, 100);
    assert_eq!(capped, all);
    assert_eq!(
        dropped,
        [Dropped {
            host: "h100.example.com".into(),
            reason: DropReason::Cap
        }]
    );
}
