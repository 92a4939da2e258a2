//! Tests of what rows know of their certificates, by the catalogue's changes.

use super::*;
use crate::config::Config;
use crate::discover::host::Host;
use crate::discover::paths::Paths;
use crate::discover::published::Published;
use crate::discover::{Catalog, Change, Declared, Update};
use crate::model::{Address, Owner, PlaintextRule, Target};

fn owner(kind: &'static str, name: &str) -> Owner {
    Owner {
        created: None,
        kind,
        namespace: "shop".into(),
        name: name.into(),
    }
}

fn secret(name: &str) -> SecretName {
    SecretName {
        namespace: "shop".into(),
        name: name.into(),
    }
}

/// An Ingress of this name that serves a host of this name with the certificate of a Secret.
fn ingress(name: &str, from: &str) -> Declared {
    let owner = owner("Ingress", name);
    let published = Published {
        source: "ingress",
        owner: &owner,
        host: &Host::parse(&format!("{name}.example")).unwrap(),
        name: None,
        address: &Address::parse("192.0.2.1"),
        port: 443,
        tls: true,
        http: &[],
        plaintext: PlaintextRule::Redirect,
        paths: &Paths::default(),
        secret: Some(&secret(from)),
    };
    Declared {
        targets: vec![published.target()],
        ..Declared::nothing(owner.clone(), Arc::default())
    }
}

/// A Certificate of this name that has had the certificate of this number issued into a Secret; 0
/// for one of which that is not known.
fn certificate(name: &str, into: &str, number: u8) -> Declared {
    let owner = owner("Certificate", name);
    Declared {
        issuance: Some(Issuance {
            secret: secret(into),
            leaf: (number > 0).then(|| Arc::new(Issued::for_tests(number))),
        }),
        ..Declared::nothing(owner, Arc::default())
    }
}

fn catalog() -> Catalog {
    Catalog::new(&Config::default())
}

/// The rows that this changes, each with the number of the certificate that it should serve.
fn hear(catalog: &mut Catalog, update: Update) -> Vec<String> {
    let source = match &update {
        Update::Changed(declared) if declared.issuance.is_none() => "ingress",
        Update::Gone(key) if key.kind == "Ingress" => "ingress",
        _ => "cert_manager",
    };
    let line = |change| match change {
        Change::Target(target) => said(&target),
        Change::Gone(place) => format!("- {}", place.host),
        other => format!("{other:?}"),
    };
    catalog
        .apply(source, update)
        .into_iter()
        .map(line)
        .collect()
}

fn said(target: &Target) -> String {
    let issued = target.expect.issued.as_ref();
    let number = issued.map_or(0, |issued| issued.fingerprint.0[0]);
    format!("{} {number}", target.row.host)
}

fn changed(catalog: &mut Catalog, declared: Declared) -> Vec<String> {
    hear(catalog, Update::Changed(declared))
}

fn gone(catalog: &mut Catalog, kind: &'static str, name: &str) -> Vec<String> {
    hear(catalog, Update::Gone(ObjectKey::from(&owner(kind, name))))
}

#[test]
fn a_row_knows_what_was_issued_whichever_is_heard_of_first() {
    let mut known = catalog();
    assert_eq!(changed(&mut known, ingress("a", "s")), ["a.example 0"]);
    assert_eq!(
        changed(&mut known, certificate("c", "s", 1)),
        ["a.example 1"]
    );
    assert_eq!(changed(&mut known, ingress("b", "s")), ["b.example 1"]);
    assert_eq!(
        gone(&mut known, "Certificate", "c"),
        ["a.example 0", "b.example 0"]
    );
}

#[test]
fn a_new_certificate_costs_the_rows_of_its_secret_alone() {
    let mut known = catalog();
    for (name, from) in [("a", "s"), ("b", "s"), ("c", "t")] {
        changed(&mut known, ingress(name, from));
    }
    let renewed = |number| certificate("c", "s", number);
    assert_eq!(
        changed(&mut known, renewed(1)),
        ["a.example 1", "b.example 1"]
    );
    assert_eq!(changed(&mut known, renewed(1)), [""; 0]);
    assert_eq!(
        changed(&mut known, renewed(2)),
        ["a.example 2", "b.example 2"]
    );
    let moved = changed(&mut known, certificate("c", "t", 2));
    assert_eq!(moved, ["a.example 0", "b.example 0", "c.example 2"]);
    assert_eq!(changed(&mut known, ingress("a", "t")), ["a.example 2"]);
}

#[test]
fn of_two_certificates_in_one_secret_nobody_knows_which_it_has() {
    let mut known = catalog();
    changed(&mut known, ingress("a", "s"));
    changed(&mut known, certificate("c", "s", 1));
    assert_eq!(
        changed(&mut known, certificate("d", "s", 0)),
        ["a.example 0"]
    );
    assert_eq!(changed(&mut known, certificate("d", "s", 2)), [""; 0]);
    assert_eq!(gone(&mut known, "Certificate", "c"), ["a.example 2"]);
}

#[test]
fn nothing_is_left_behind() {
    let place = ingress("a", "s").targets.remove(0).row.place().clone();
    let key = ObjectKey::from(&owner("Certificate", "c"));
    let mut issuances = Issuances::default();
    issuances.link(&place, None, Some(&secret("s")));
    issuances.put(&key, certificate("c", "s", 1).issuance);
    issuances.put(&key, certificate("c", "t", 1).issuance);
    issuances.link(&place, Some(&secret("s")), Some(&secret("t")));
    assert_eq!(issuances.secrets.len(), 1);
    issuances.put(&key, None);
    issuances.link(&place, Some(&secret("t")), None);
    assert!(issuances.secrets.is_empty() && issuances.objects.is_empty());
}
