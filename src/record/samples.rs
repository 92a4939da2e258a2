//! Families, rows and targets for this module's tests.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{
    Address, Certificate, Chain, ClientAuth, Expectation, Failure, Family, FindingSpec,
    Fingerprint, Handshake, Kind, Owner, PlainDoor, PlaintextRule, Reason, RootsRef, Row, Scope,
    Target, TlsAttempt, TlsDoor, TlsVersion,
};

const fn family(name: &'static str, labels: &'static [&'static str], scope: Scope) -> Family {
    Family {
        name,
        help: "For a test",
        labels,
        scope,
        kind: Kind::Gauge,
    }
}

pub(super) static SUCCESS: Family = family("t_success", &[], Scope::Target);
pub(super) static NOT_AFTER: Family = family("t_not_after", &["position"], Scope::Target);
pub(super) static VERSION: Family = family("t_version", &["version"], Scope::Target);
pub(super) static INFO: Family = family("t_info", &["subject", "issuer"], Scope::Target);
pub(super) static DECLARED: Family = family("t_declared", &[], Scope::Host);
pub(super) const DIFFERENT: Family = family("t_different", &["what"], Scope::HostCount);
pub(super) static RENEWAL: Family = family("t_renewal", &["name"], Scope::Own);
pub(super) static SERVED: Family = Family {
    name: "t_served_total",
    help: "Served",
    labels: &[],
    scope: Scope::Target,
    kind: Kind::Counter,
};

pub(super) static EXPIRED: FindingSpec = finding("certificate_expired");
pub(super) static UNREACHABLE: FindingSpec = finding("unreachable");
pub(super) static PLAINTEXT: FindingSpec = finding("plaintext_served");
pub(super) static OPEN: FindingSpec = finding("insecure_port_open");

const fn finding(name: &'static str) -> FindingSpec {
    FindingSpec {
        name,
        help: "For a test",
    }
}

pub(super) fn row(host: &str, address: &str) -> Row {
    Row {
        source: "ingress",
        namespace: "default".into(),
        host: host.into(),
        port: 443,
        address: address.into(),
        name: "shop".into(),
    }
}

/// A target with a TLS door and two plaintext doors, owned by the Ingress that names the row.
pub(super) fn target(row: Row) -> Target {
    let address = Address::parse(&row.address);
    let plain = |port| {
        Arc::new(PlainDoor {
            address: address.clone(),
            port,
            host: Arc::clone(&row.host),
            guarded: true,
        })
    };
    Target {
        tls: Arc::new(TlsDoor {
            address: address.clone(),
            port: row.port,
            server_name: Some(Arc::clone(&row.host)),
            guarded: true,
        }),
        plaintext: vec![plain(row.port), plain(80)],
        expect: Expectation {
            tls: true,
            name: Some(Arc::clone(&row.host)),
            roots: RootsRef::Public,
            plaintext: PlaintextRule::Redirect,
            ..Expectation::default()
        },
        owners: vec![Owner {
            created: None,
            kind: "Ingress",
            namespace: Arc::clone(&row.namespace),
            name: Arc::clone(&row.name),
        }],
        row,
    }
}

/// A handshake that showed the certificate numbered `number`.
pub(super) fn handshake(number: u8) -> Handshake {
    let fingerprint = Fingerprint([number; 32]);
    Handshake {
        chain: Arc::new(Chain {
            id: fingerprint,
            certificates: vec![Certificate {
                der: [number].into(),
                fingerprint,
                facts: Err("a test".into()),
            }],
        }),
        version: TlsVersion::Tls13,
        cipher: 0x1301,
        group: None,
        alpn: None,
        client_auth: ClientAuth::NotRequested,
        key_proven: Some(true),
        stapled: Some(false),
    }
}

pub(super) fn failure(reason: Reason) -> Failure {
    Failure {
        reason,
        detail: "a test".into(),
    }
}

/// An attempt that took 10 ms to connect and, where it worked, 20 ms for the handshake.
pub(super) fn attempt(ip: &str, outcome: Result<u8, Reason>) -> TlsAttempt {
    TlsAttempt {
        ip: ip.parse::<IpAddr>().unwrap(),
        connect: Some(Duration::from_millis(10)),
        handshake: outcome.is_ok().then_some(Duration::from_millis(20)),
        outcome: outcome.map(handshake).map_err(failure),
    }
}
