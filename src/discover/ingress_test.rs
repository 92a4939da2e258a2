//! Tests of the source `ingress`: every file of `tests/fixtures/ingress`, and what only counts.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::fixtures::{self, remarks};
use super::super::index::Index;
use super::super::published::TARGETS_PER_OBJECT;
use super::super::{Declared, Object, ObjectKey};
use super::*;
use crate::model::{PlaintextRule, RootsRef, Target, UnixTime};

fn files(ending: &str) -> BTreeSet<PathBuf> {
    files_of("ingress", ending)
}

fn files_of(folder: &str, ending: &str) -> BTreeSet<PathBuf> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let folder = fixtures.join(folder);
    fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(ending))
        .collect()
}

fn owner() -> Owner {
    Owner {
        created: Some(UnixTime::from_secs(1)),
        kind: "Ingress",
        namespace: "trade".into(),
        name: "shop".into(),
    }
}

/// What a file's Ingress comes to beside the file's classes.
fn read(file: &Path) -> Declared {
    let text = fs::read_to_string(file).unwrap();
    let mut index = Ingresses::default();
    for document in text.split("\n---\n") {
        let value: Value = serde_saphyr::from_str(document).unwrap();
        let is_class = value["spec"].get("controller").is_some();
        let (owner, kept) = if is_class {
            let class: IngressClass = serde_json::from_value(value).unwrap();
            let name = class.metadata.name.clone().unwrap();
            let owner = Owner {
                kind: "IngressClass",
                name: name.into(),
                ..owner()
            };
            (owner, Kept::Class(Class::of(None, &class)))
        } else {
            let ingress = serde_json::from_value(value).unwrap();
            (owner(), Kept::Ingress(Facts::of(&ingress)))
        };
        index.put(Object {
            owner,
            marks: Arc::default(),
            kept: Some(kept),
        });
    }
    index.declared(&ObjectKey::from(&owner())).unwrap()
}

/// One line for each target and each dropped host.
fn rendered(declared: &Declared) -> String {
    let mut text = String::new();
    for target in &declared.targets {
        let ports: Vec<_> = target
            .plaintext
            .iter()
            .map(|door| fixtures::at(door))
            .collect();
        let looked_for = match (ports.as_slice(), target.expect.plaintext) {
            ([], PlaintextRule::Allowed) => "plaintext not looked for".to_owned(),
            (ports, rule) => {
                let rule = match rule {
                    PlaintextRule::Redirect => "",
                    PlaintextRule::Declared => ", where it is declared",
                    PlaintextRule::Forbidden => ", where nothing may answer",
                    PlaintextRule::Allowed => panic!("allowed, and looked for: {target:?}"),
                };
                let apart = fixtures::in_clear(target);
                format!(
                    "plaintext looked for on {}{rule}{apart}",
                    ports.join(" and ")
                )
            }
        };
        writeln!(
            text,
            "{} port {} at {}: asked for as {}, TLS {}{}, {looked_for}",
            if target.row.host.is_empty() {
                "(any host)"
            } else {
                &target.row.host
            },
            target.row.port,
            target.row.address,
            target.tls.server_name.as_deref().unwrap_or("(nothing)"),
            if target.expect.tls {
                "declared"
            } else {
                "not declared"
            },
            match &target.expect.secret {
                Some(secret) => format!(" with {}/{}", secret.namespace, secret.name),
                None => String::new(),
            },
        )
        .unwrap();
    }
    for dropped in &declared.dropped {
        writeln!(
            text,
            "dropped ({}): {}",
            dropped.reason.label(),
            dropped.host
        )
        .unwrap();
    }
    text
}

fn check_consistency(target: &Target) {
    assert_eq!(
        target.row.address.to_string(),
        target.tls.address.to_string()
    );
    assert_eq!(target.row.port, target.tls.port);
    assert_eq!(target.expect.name, target.tls.server_name);
    assert_eq!(target.expect.roots, RootsRef::Public);
    assert!(target.tls.guarded);
    for door in &target.plaintext {
        assert_eq!(door.address, target.tls.address);
        assert_eq!(
            &*door.host,
            target.tls.server_name.as_deref().unwrap_or_default()
        );
        assert!(door.guarded);
    }
}

#[test]
fn every_fixture_declares_exactly_what_is_written_beside_it() {
    for file in files(".yaml") {
        let declared = read(&file);
        declared.targets.iter().for_each(check_consistency);
        let expected = fs::read_to_string(file.with_extension("expect.txt")).unwrap();
        assert_eq!(rendered(&declared), expected, "{}", file.display());
    }
}

#[test]
fn every_expectation_has_its_fixture() {
    for file in files(".expect.txt") {
        assert!(
            file.with_extension("").with_extension("yaml").exists(),
            "{}",
            file.display()
        );
    }
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

/// What `tests/fixtures/ingress_remarks` has, apart from `ingress`: what is remarked on, not what is
/// looked at.
#[test]
fn what_an_ingress_declares_that_is_worth_a_finding_is_remarked_on() {
    for file in files_of("ingress_remarks", ".yaml") {
        let declared = read(&file);
        let mut found = String::new();
        for target in &declared.targets {
            if !target.expect.remarks.is_empty() {
                writeln!(found, "{}{}", target.row.host, remarks(target)).unwrap();
            }
        }
        if found.is_empty() {
            found.push_str("nothing\n");
        }
        let expected = fs::read_to_string(file.with_extension("expect.txt")).unwrap();
        assert_eq!(found, expected, "{}", file.display());
        assert_eq!(declared.targets.len(), 2, "{}", file.display());
    }
}
