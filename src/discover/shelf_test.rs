//! Tests of what is stored where, by the catalogue's changes.

use super::*;
use crate::config::{Caps, RuleMatch};
use crate::discover::bundle::from_pem;
use crate::discover::{Catalog, Declared, Update};
use crate::model::{Owner, UnixTime, Usage, Waiver};

const KINDS: &[u8] = include_bytes!("../../tests/certificates/kinds.pem");

fn catalog(rules: Vec<Rule>) -> Catalog {
    let caps = Caps {
        total: usize::MAX,
        per_namespace: usize::MAX,
    };
    Catalog::new(rules, caps)
}

/// An object of this kind that stores real certificates under these keys.
fn object(kind: &'static str, name: &str, keys: &[&str]) -> Declared {
    let owner = Owner {
        created: None,
        kind,
        namespace: "shop".into(),
        name: name.into(),
    };
    let mut declared = Declared::nothing(owner, Arc::default());
    for key in keys {
        declared.store(from_pem(key, Usage::CaBundle, KINDS));
    }
    declared
}

/// The changes, as `+ name key …` and `- name`.
fn hear(catalog: &mut Catalog, update: Update) -> Vec<String> {
    let changes = catalog.apply("webhook", update).into_iter();
    let line = changes.map(|change| match change {
        Change::Stored(object) => {
            let keys = object
                .stored
                .iter()
                .map(|stored| format!(" {}", stored.key));
            format!("+ {}{}", object.place.name, keys.collect::<String>())
        }
        Change::StoredGone(place) => format!("- {}", place.name),
        other => format!("{other:?}"),
    });
    line.collect()
}

#[test]
fn what_is_stored_comes_changes_and_goes_with_its_object() {
    let mut catalog = catalog(vec![]);
    let first = || object("A", "one", &["x"]);
    assert_eq!(hear(&mut catalog, Update::Changed(first())), ["+ one x"]);
    assert_eq!(hear(&mut catalog, Update::Changed(first())), [""; 0]);
    let more = object("A", "one", &["x", "y"]);
    assert_eq!(hear(&mut catalog, Update::Changed(more)), ["+ one x y"]);
    let key = ObjectKey::from(&first().object);
    assert_eq!(hear(&mut catalog, Update::Gone(key.clone())), ["- one"]);
    assert_eq!(hear(&mut catalog, Update::Gone(key)), [""; 0]);
}

#[test]
fn what_is_no_longer_listed_or_stored_goes() {
    let mut catalog = catalog(vec![]);
    let both = vec![object("A", "one", &["x"]), object("A", "two", &["x"])];
    assert_eq!(
        hear(&mut catalog, Update::Listed(both)),
        ["+ one x", "+ two x"]
    );
    let emptied = vec![object("A", "one", &[])];
    assert_eq!(
        hear(&mut catalog, Update::Listed(emptied)),
        ["- one", "- two"]
    );
}

#[test]
fn objects_of_two_kinds_under_one_name_are_shown_as_one() {
    let mut catalog = catalog(vec![]);
    let (a, b) = (object("A", "one", &["x"]), object("B", "one", &["x", "y"]));
    assert_eq!(hear(&mut catalog, Update::Changed(a.clone())), ["+ one x"]);
    assert_eq!(hear(&mut catalog, Update::Changed(b)), ["+ one x x y"]);
    let key = ObjectKey::from(&a.object);
    assert_eq!(hear(&mut catalog, Update::Gone(key)), ["+ one x y"]);
}

#[test]
fn a_rule_for_the_source_or_the_namespace_says_what_is_accepted() {
    let rule = |matches| Rule {
        matches,
        ca_file: None,
        plaintext: None,
        probe: None,
        accept: vec![Waiver {
            finding: "ca_bundle_expiring".into(),
            until: "2027-03-01".into(),
            ends: UnixTime::from_secs(1_803_945_600),
            reason: "being replaced".into(),
        }]
        .into(),
    };
    let accepted = |matches| {
        let changes = catalog(vec![rule(matches)])
            .apply("webhook", Update::Changed(object("A", "one", &["x"])));
        match changes.as_slice() {
            [Change::Stored(object)] => object.accept.len(),
            other => panic!("{other:?}"),
        }
    };
    let source = |name: &str| RuleMatch {
        source: Some(name.to_owned()),
        ..RuleMatch::default()
    };
    let namespace = |name: &str| RuleMatch {
        namespace: Some(name.to_owned()),
        ..RuleMatch::default()
    };
    assert_eq!(accepted(source("webhook")), 1);
    assert_eq!(accepted(source("ingress")), 0);
    assert_eq!(accepted(namespace("shop")), 1);
    assert_eq!(accepted(namespace("bank")), 0);
}
