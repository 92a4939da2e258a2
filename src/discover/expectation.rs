//! The source `expectation`: what the configuration expects to be reachable from here, or not.
//!
//! The expected port is a target's first door for plaintext, its control the second: the answers
//! there tell whether a connection came about, whatever is spoken.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};

use super::{Context, Declared, Health, Source, Start, Update};
use crate::config::ReachExpectation;
use crate::model::{
    Address, Clients, EXPECTED, Expectation, Owner, PlainDoor, PlaintextRule, RequestPath,
    Requests, RootsRef, RowParts, Target, TlsDoor,
};

pub(super) const SOURCE: Source = Source {
    name: EXPECTED,
    help: "Expectations written in the configuration of what can be reached from here.",
    access: &[],
    enabled: |config| !config.expectations.is_empty(),
    start: Start::Alone(start),
};

fn start(context: &Context) -> BoxStream<'static, Update> {
    let declared = context.config.expectations.iter().map(declared);
    let listed = Update::Listed(declared.collect());
    let synced = Update::Health(Health::Synced((context.clock)()));
    stream::iter([listed, synced]).boxed()
}

fn declared(written: &ReachExpectation) -> Declared {
    let owner = Owner {
        created: None,
        kind: "Expectation",
        namespace: Arc::default(),
        name: Arc::clone(&written.name),
    };
    Declared {
        targets: vec![target(written, &owner)],
        ..Declared::nothing(owner, Arc::default())
    }
}

fn target(written: &ReachExpectation, owner: &Owner) -> Target {
    let address = Address::Ip(written.address);
    let (control, control_port) = &written.control;
    let door = |address: &Address, port| {
        Arc::new(PlainDoor {
            address: address.clone(),
            port,
            host: Arc::default(),
            path: RequestPath::default(),
            guarded: false,
        })
    };
    Target {
        row: RowParts {
            source: EXPECTED,
            namespace: Arc::default(),
            host: Arc::default(),
            port: written.port,
            address: address.to_string().into(),
            name: Arc::clone(&written.name),
        }
        .into(),
        plaintext: vec![
            door(&address, written.port),
            door(&Address::parse(control), *control_port),
        ],
        tls: Arc::new(TlsDoor {
            address,
            port: written.port,
            server_name: None,
            starttls: None,
            guarded: false,
            requests: Requests::Nothing,
        }),
        expect: Expectation {
            tls: false,
            roots: RootsRef::Any,
            plaintext: PlaintextRule::Declared,
            clients: Clients::Nobody,
            reach: Some(written.expect),
            ..Expectation::default()
        },
        owners: vec![owner.clone()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Reach;

    #[test]
    fn the_expected_port_and_its_control_are_dialled_unguarded() {
        let written = ReachExpectation {
            name: "etcd".into(),
            address: "192.0.2.9".parse().unwrap(),
            port: 2379,
            expect: Reach::Unreachable,
            control: ("api.example".into(), 443),
        };
        let target = declared(&written).targets.remove(0);
        let row = &target.row;
        assert_eq!(
            (&*row.name, &*row.address, row.port),
            ("etcd", "192.0.2.9", 2379)
        );
        let doors = target.plaintext.iter();
        let doors: Vec<_> = doors
            .map(|door| (door.address.to_string(), door.port))
            .collect();
        let expected = [
            ("192.0.2.9".to_owned(), 2379),
            ("api.example".to_owned(), 443),
        ];
        assert_eq!(doors, expected);
        assert!(target.plaintext.iter().all(|door| !door.guarded));
        assert_eq!(target.expect.reach, Some(Reach::Unreachable));
    }
}
