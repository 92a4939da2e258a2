//! The source `static`: the targets written in the configuration.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};

use super::demands::demanded_at;
use super::{Context, Declared, Health, Source, Start, Update};
use crate::config::StaticTarget;
use crate::model::{
    Address, BY_HAND, Expectation, Owner, PlainDoor, PlaintextRule, RequestPath, Requests,
    RootsRef, RowParts, Target, TlsDoor,
};

pub(super) const SOURCE: Source = Source {
    name: NAME,
    help: "Targets written in the configuration.",
    access: &[],
    enabled: |config| !config.targets.is_empty(),
    start: Start::Alone(start),
};

const NAME: &str = BY_HAND;

/// Where plaintext is looked for beside TLS on 443, if nothing else is written.
const HTTP: u16 = 80;

/// See [`HTTP`].
const HTTPS: u16 = 443;

fn start(context: &Context) -> BoxStream<'static, Update> {
    let listed = Update::Listed(declared(&context.config.targets));
    let synced = Update::Health(Health::Synced((context.clock)()));
    stream::iter([listed, synced]).boxed()
}

/// One object for each name, with the targets of all the entries of that name.
fn declared(targets: &[StaticTarget]) -> Vec<Declared> {
    let mut by_name: BTreeMap<&Arc<str>, Vec<Target>> = BTreeMap::new();
    for written in targets {
        by_name
            .entry(&written.name)
            .or_default()
            .push(target(written));
    }
    by_name
        .into_iter()
        .map(|(name, targets)| Declared {
            targets,
            ..Declared::nothing(owner(name), Arc::default())
        })
        .collect()
}

fn owner(name: &Arc<str>) -> Owner {
    Owner {
        created: None,
        kind: "Target",
        namespace: Arc::default(),
        name: Arc::clone(name),
    }
}

/// The target of an entry, as if it were written in the configuration.
pub(super) fn target(written: &StaticTarget) -> Target {
    let host_ip: Option<IpAddr> = written.host.parse().ok();
    let host: Arc<str> = if host_ip.is_some() {
        Arc::default()
    } else {
        Arc::clone(&written.host)
    };
    let address = written
        .address
        .map_or_else(|| Address::parse(&written.host), Address::Ip);
    let guarded = written.address.is_none();
    let beside = written
        .http_port
        .or_else(|| (written.port == HTTPS).then_some(HTTP));
    let plain_door = |port| {
        Arc::new(PlainDoor {
            address: address.clone(),
            port,
            host: Arc::clone(&host),
            path: RequestPath::default(),
            guarded,
        })
    };
    Target {
        row: RowParts {
            source: NAME,
            namespace: Arc::default(),
            host: Arc::clone(&host),
            port: written.port,
            address: address.to_string().into(),
            name: Arc::clone(&written.name),
        }
        .into(),
        tls: Arc::new(TlsDoor {
            address: address.clone(),
            port: written.port,
            server_name: host_ip.is_none().then(|| Arc::clone(&host)),
            starttls: written.starttls,
            guarded,
            requests: if written.starttls.is_none() {
                Requests::Browser
            } else {
                Requests::Nothing
            },
        }),
        plaintext: std::iter::once(written.port)
            .chain(beside.filter(|port| *port != written.port))
            // Such a port is in clear by nature, and speaks no HTTP.
            .filter(|_| written.starttls.is_none())
            .map(plain_door)
            .collect(),
        expect: Expectation {
            tls: true,
            name: Some(Arc::clone(&written.host)),
            roots: written
                .ca_file
                .clone()
                .map_or(RootsRef::Public, RootsRef::File),
            plaintext: if written.starttls.is_some() {
                PlaintextRule::Allowed
            } else {
                PlaintextRule::Redirect
            },
            client_auth: demanded_at(written.port),
            ..Expectation::default()
        },
        owners: vec![owner(&written.name)],
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::{ClientAuth, StartTls};

    fn written(host: &str, port: u16) -> StaticTarget {
        StaticTarget {
            name: "shop".into(),
            host: host.into(),
            port,
            address: None,
            ca_file: None,
            http_port: None,
            starttls: None,
        }
    }

    fn plain_ports(target: &Target) -> Vec<u16> {
        target.plaintext.iter().map(|door| door.port).collect()
    }

    #[test]
    fn a_name_is_dialled_and_asked_for_and_expected() {
        let target = target(&written("shop.example", 8443));
        assert_eq!(
            (&*target.row.host, &*target.row.address),
            ("shop.example", "shop.example")
        );
        assert_eq!(target.tls.server_name.as_deref(), Some("shop.example"));
        assert_eq!(target.expect.name.as_deref(), Some("shop.example"));
        assert_eq!(target.expect.roots, RootsRef::Public);
        assert!(target.expect.tls);
    }

    #[test]
    fn etcd_has_to_refuse_strangers() {
        let asked = |port| target(&written("192.0.2.1", port)).expect.client_auth;
        assert_eq!(asked(2379), ClientAuth::Required);
        assert_eq!(asked(443), ClientAuth::NotRequested);
    }

    #[test]
    fn an_ip_address_is_expected_but_never_sent_as_a_server_name() {
        let target = target(&written("2001:db8::1", 443));
        assert_eq!(
            (&*target.row.host, &*target.row.address),
            ("", "2001:db8::1")
        );
        assert_eq!(target.tls.server_name, None);
        assert_eq!(target.expect.name.as_deref(), Some("2001:db8::1"));
        assert_eq!(&*target.plaintext[0].host, "");
    }

    #[test]
    fn an_address_is_dialled_instead_and_lifts_the_guard() {
        let mut written = written("shop.example", 443);
        assert!(target(&written).tls.guarded);
        written.address = Some("192.0.2.7".parse().unwrap());
        let target = target(&written);
        assert_eq!(target.tls.address, Address::parse("192.0.2.7"));
        assert_eq!(
            (&*target.row.host, &*target.row.address),
            ("shop.example", "192.0.2.7")
        );
        assert!(!target.tls.guarded && target.plaintext.iter().all(|door| !door.guarded));
    }

    #[test]
    fn plaintext_is_looked_for_on_the_tls_port_and_on_80_only_beside_443() {
        assert_eq!(plain_ports(&target(&written("a.example", 443))), [443, 80]);
        assert_eq!(plain_ports(&target(&written("a.example", 8443))), [8443]);
        let with = |port| {
            target(&StaticTarget {
                http_port: Some(port),
                ..written("a.example", 443)
            })
        };
        assert_eq!(plain_ports(&with(8080)), [443, 8080]);
        assert_eq!(plain_ports(&with(443)), [443]);
    }

    #[test]
    fn starttls_is_the_doors_and_its_port_is_in_clear_by_nature() {
        let target = target(&StaticTarget {
            starttls: Some(StartTls::Smtp),
            http_port: Some(80),
            ..written("mail.example", 443)
        });
        assert_eq!(target.tls.starttls, Some(StartTls::Smtp));
        assert_eq!(plain_ports(&target), [0; 0]);
        assert_eq!(target.expect.plaintext, PlaintextRule::Allowed);
        assert!(target.expect.tls);
    }

    #[test]
    fn a_ca_file_takes_the_place_of_the_systems_roots() {
        let file: Arc<Path> = Path::new("ca.pem").into();
        let target = target(&StaticTarget {
            ca_file: Some(Arc::clone(&file)),
            ..written("a.example", 443)
        });
        assert_eq!(target.expect.roots, RootsRef::File(file));
    }

    #[test]
    fn entries_of_one_name_are_one_object() {
        let declared = declared(&[written("a.example", 443), written("b.example", 443)]);
        assert_eq!(declared.len(), 1);
        assert_eq!(declared[0].targets.len(), 2);
    }
}
