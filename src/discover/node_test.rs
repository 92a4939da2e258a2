//! Tests of the source `node`: every file of `tests/fixtures/node`.

use std::fmt::Write as _;

use super::super::fixtures::walk;
use super::*;

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
    walk(NAME, |text| {
        rendered(&serde_saphyr::from_str(text).unwrap())
    });
}
