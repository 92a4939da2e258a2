//! Tests of the API server's public faces: every file of `tests/fixtures/api_server`.

use std::fmt::Write as _;

use serde_json::Value;

use super::super::fixtures::walk;
use super::*;

fn owner(kind: &'static str) -> Owner {
    Owner {
        created: None,
        kind,
        namespace: Arc::default(),
        name: "x".into(),
    }
}

/// One line for each target, and one for each that cannot be one.
fn rendered(written: Value) -> String {
    let (targets, dropped) = if written["kind"] == "ConfigMap" {
        let written = serde_json::from_value(written).unwrap();
        cluster_info(&owner("ConfigMap"), &written)
    } else {
        let written = serde_json::from_value(written).unwrap();
        openshift(&owner("Infrastructure"), &written)
    };
    let mut text = String::new();
    for target in &targets {
        assert!(target.tls.guarded);
        assert_eq!(target.expect.plaintext, PlaintextRule::Forbidden);
        let roots = match &target.expect.roots {
            RootsRef::Given(ders) => format!("{} certificate(s) given", ders.len()),
            roots => format!("{roots:?}"),
        };
        let (row, expect) = (&target.row, &target.expect);
        let asked = target.tls.server_name.as_deref().unwrap_or("(nothing)");
        let name = expect.name.as_deref().unwrap();
        let clients = expect.clients;
        let tls = if expect.tls { "" } else { ", if reachable" };
        writeln!(
            text,
            "{} port {}: asked for as {asked}, {clients:?} {name} by {roots}{tls}",
            row.address, row.port
        )
        .unwrap();
    }
    for dropped in dropped {
        writeln!(text, "dropped ({})", dropped.reason.label()).unwrap();
    }
    text
}

#[test]
fn every_fixture_declares_exactly_what_is_written_beside_it() {
    walk("api_server", |text| {
        rendered(serde_saphyr::from_str(text).unwrap())
    });
}

#[test]
fn configured_names_are_asked_for_and_either_authority_will_do() {
    let names = [("api.example.com".into(), 6443), ("192.0.2.9".into(), 443)];
    let targets = configured(&owner("Cluster"), &names);
    let asked = |target: &Target| target.tls.server_name.as_deref().map(str::to_owned);
    assert_eq!(asked(&targets[0]).as_deref(), Some("api.example.com"));
    assert_eq!(asked(&targets[1]), None);
    assert_eq!(
        (&*targets[0].row.host, targets[0].row.port),
        ("api.example.com", 6443)
    );
    assert_eq!(targets[1].expect.name.as_deref(), Some("192.0.2.9"));
    for target in &targets {
        assert_eq!(target.expect.roots, RootsRef::PublicOrCluster);
        assert!(target.expect.tls && target.tls.guarded);
    }
}
