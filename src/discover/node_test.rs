//! Tests of the source `node`: every file of `tests/fixtures/node`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn files(ending: &str) -> BTreeSet<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/node");
    fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(ending))
        .collect()
}

/// Whether node ports are looked at there, then one line for each target and what is dropped.
fn rendered(node: &Node) -> String {
    let owner = Owner {
        created: None,
        kind: "Node",
        namespace: Arc::default(),
        name: node.metadata.name.as_deref().unwrap().into(),
    };
    let facts = facts(node);
    let (targets, dropped) = targets(&owner, &facts);
    let mut text = format!("{}\n", if facts.ready { "ready" } else { "not ready" });
    for target in &targets {
        let (row, expect) = (&target.row, &target.expect);
        assert_eq!((&*row.namespace, &*row.host), ("", ""));
        assert_eq!((&row.name, &target.tls.server_name), (&owner.name, &None));
        assert!(!target.tls.guarded);
        let said = match (&expect.name, expect.clients) {
            (None, Clients::Nobody) => {
                assert!(!expect.tls && target.plaintext.is_empty());
                assert_eq!(expect.client_auth, ClientAuth::NotRequested);
                "must be closed".to_owned()
            }
            (Some(name), Clients::Unknown) => {
                assert!(expect.tls && target.plaintext.len() == 1);
                assert_eq!(expect.client_auth, ClientAuth::Requested);
                assert_eq!(expect.roots, RootsRef::Cluster);
                format!("TLS for {name}, nothing in clear")
            }
            (None, clients) => {
                assert!(!expect.tls && target.plaintext.len() == 1);
                assert_eq!(expect.roots, RootsRef::Any);
                format!("TLS if reachable, {clients:?}, nothing in clear")
            }
            _ => panic!("{target:?}"),
        };
        writeln!(text, "port {} at {}: {said}", row.port, row.address).unwrap();
    }
    for dropped in dropped {
        writeln!(text, "dropped ({})", dropped.reason.label()).unwrap();
    }
    text
}

#[test]
fn every_fixture_declares_exactly_what_is_written_beside_it() {
    for file in files(".yaml") {
        let node: Node = serde_saphyr::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let beside = file.with_extension("expect.txt");
        assert_eq!(
            rendered(&node),
            fs::read_to_string(beside).unwrap(),
            "{}",
            file.display()
        );
    }
}

#[test]
fn every_expectation_has_its_fixture() {
    for file in files(".expect.txt") {
        let fixture = file.with_extension("").with_extension("yaml");
        assert!(fixture.exists(), "{}", file.display());
    }
}
