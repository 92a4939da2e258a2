//! Where the hosts that objects publish are dialled: at the addresses that their controllers
//! published, at what DNS says of them, or both (the configuration's `resolve`).
//!
//! A host is dialled at its own name, a wildcard at the name below it that is asked for there; the
//! ports are those of the published addresses. What has no host has no name to look up, and stays
//! where it is published. As with every name, what it resolves to is checked against `security`
//! at each probe, on the address that is dialled.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Declared, Update};
use crate::config::Resolve;
use crate::model::{Address, PlainDoor, Target};

/// The sources whose objects publish hosts at addresses that somebody else gives them.
const SOURCES: [&str; 6] = [
    "ingress",
    "gateway",
    "traefik",
    "istio",
    "contour",
    "openshift",
];

/// What a source says, its hosts dialled where `how` says.
pub(super) fn led(source: &'static str, how: Resolve, update: Update) -> Update {
    if how == Resolve::Status || !SOURCES.contains(&source) {
        return update;
    }
    match update {
        Update::Listed(all) => {
            Update::Listed(all.into_iter().map(|one| declared(how, one)).collect())
        }
        Update::Changed(one) => Update::Changed(declared(how, one)),
        Update::Gone(key) => Update::Gone(key),
        Update::Health(health) => Update::Health(health),
    }
}

fn declared(how: Resolve, declared: Declared) -> Declared {
    let mut targets: Vec<Target> = Vec::with_capacity(declared.targets.len());
    let mut places = HashMap::new();
    for published in declared.targets {
        let by_name = by_name(&published);
        let stays = by_name.is_none() || how != Resolve::Dns;
        for target in stays.then_some(published).into_iter().chain(by_name) {
            let at = *(places.entry(target.row.place().clone())).or_insert(targets.len());
            match targets.get_mut(at) {
                Some(same) => join(same, target),
                None => targets.push(target),
            }
        }
    }
    Declared {
        targets,
        ..declared
    }
}

/// The target as it is at its host's own name; `None` where it has no host.
fn by_name(published: &Target) -> Option<Target> {
    let name = published.tls.server_name.as_ref()?;
    let address = Address::Name(Arc::clone(name));
    let mut target = published.clone();
    target.row.edit(|row| row.address = Arc::clone(name));
    Arc::make_mut(&mut target.tls).address = address.clone();
    for door in &mut target.plaintext {
        let door: &mut PlainDoor = Arc::make_mut(door);
        door.address = address.clone();
    }
    Some(target)
}

/// The same row of several published addresses: plaintext is looked for wherever one of them has it.
fn join(target: &mut Target, other: Target) {
    for door in other.plaintext {
        if !target.plaintext.contains(&door) {
            target.plaintext.push(door);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{Objects, documents, rendered, walk};
    use super::super::{SOURCES as ALL, ingress};
    use super::*;

    #[test]
    fn every_fixture_is_dialled_where_is_written_beside_it() {
        walk("resolve", |text| {
            let objects = Objects::of(documents(text));
            let led = |(word, how)| {
                let update = Update::Listed(ingress::declared_for_tests(&objects));
                let Update::Listed(declared) = led("ingress", how, update) else {
                    panic!("a listing stays one");
                };
                format!("{word}:\n{}", rendered(&declared))
            };
            [
                ("status", Resolve::Status),
                ("dns", Resolve::Dns),
                ("both", Resolve::Both),
            ]
            .map(led)
            .concat()
        });
    }

    #[test]
    fn every_source_of_hosts_is_one() {
        for name in SOURCES {
            assert!(ALL.iter().any(|source| source.name == name), "{name}");
        }
    }

    #[test]
    fn what_no_controller_publishes_is_dialled_where_it_is_declared() {
        let text = include_str!("../../tests/fixtures/resolve/hosts.yaml");
        let objects = Objects::of(documents(text));
        let update = Update::Listed(ingress::declared_for_tests(&objects));
        for (source, stays) in [
            ("ingress", false),
            ("validating_webhook", true),
            ("file", true),
        ] {
            let after = led(source, Resolve::Dns, update.clone());
            assert_eq!(after == update, stays, "{source}");
        }
    }
}
