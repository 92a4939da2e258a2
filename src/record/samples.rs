//! Families, rows and targets for the tests of this module and of those that read it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::model::{
    Address, Certificate, Chain, ClientAuth, Expectation, Failure, Family, FindingSpec,
    Fingerprint, Handshake, Kind, Owner, PlainDoor, PlaintextRule, Reason, RequestPath, Requests,
    RootsRef, Row, RowParts, Scope, Target, TlsAttempt, TlsDoor, TlsVersion, Trace, Verdict,
};

use super::catalogue::{Catalogue, Standing};
use super::{Own, Progress, Records, RowRecord, Seen, Store};

/// Nothing recorded, of nothing.
pub(crate) fn empty() -> Records {
    Records {
        store: Arc::new(Store::new(&[], &[], Standing::default())),
        own: Arc::new(Own::new(&[], Duration::ZERO, Duration::ZERO, "")),
        progress: Arc::new(Progress::new(&[])),
        interval: Duration::ZERO,
        questions: mpsc::channel(1).0,
    }
}

const fn family(name: &'static str, labels: &'static [&'static str], scope: Scope) -> Family {
    Family {
        name,
        help: "For a test",
        labels,
        scope,
        kind: Kind::Gauge,
    }
}

pub(crate) static SUCCESS: Family = family("t_success", &[], Scope::Target);
pub(crate) static NOT_AFTER: Family = family("t_not_after", &["position"], Scope::Target);
pub(crate) static VERSION: Family = family("t_version", &["version"], Scope::Target);
pub(crate) static INFO: Family = family("t_info", &["subject", "issuer"], Scope::Target);
pub(crate) static DECLARED: Family = family("t_declared", &[], Scope::Host);
pub(crate) const DIFFERENT: Family = family("t_different", &["what"], Scope::HostCount);
pub(crate) static RENEWAL: Family = family("t_renewal", &["name"], Scope::Own);
pub(crate) static SERVED: Family = Family {
    name: "t_served_total",
    help: "Served",
    labels: &[],
    scope: Scope::Target,
    kind: Kind::Counter,
};

pub(crate) static EXPIRED: FindingSpec = finding("certificate_expired");
pub(crate) static UNREACHABLE: FindingSpec = finding("unreachable");
pub(crate) static PLAINTEXT: FindingSpec = finding("plaintext_served");
pub(crate) static OPEN: FindingSpec = finding("insecure_port_open");

const fn finding(name: &'static str) -> FindingSpec {
    FindingSpec {
        name,
        help: "For a test",
    }
}

pub(crate) fn row(host: &str, address: &str) -> Row {
    RowParts {
        source: "ingress",
        namespace: "default".into(),
        host: host.into(),
        port: 443,
        address: address.into(),
        name: "shop".into(),
    }
    .into()
}

/// A target with a TLS door and two plaintext doors, owned by the Ingress that names the row.
pub(crate) fn target(row: Row) -> Target {
    let address = Address::parse(&row.address);
    let plain = |port| {
        Arc::new(PlainDoor {
            address: address.clone(),
            port,
            host: Arc::clone(&row.host),
            path: RequestPath::default(),
            guarded: true,
        })
    };
    Target {
        tls: Arc::new(TlsDoor {
            address: address.clone(),
            port: row.port,
            server_name: Some(Arc::clone(&row.host)),
            starttls: None,
            guarded: true,
            requests: Requests::Nothing,
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
pub(crate) fn handshake(number: u8) -> Handshake {
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

pub(crate) fn failure(reason: Reason) -> Failure {
    Failure {
        reason,
        detail: "a test".into(),
    }
}

/// An attempt that took 10 ms to connect and, where it worked, 20 ms for the handshake.
pub(crate) fn attempt(ip: &str, outcome: Result<u8, Reason>) -> TlsAttempt {
    TlsAttempt {
        trace: Trace::default(),
        ip: ip.parse::<IpAddr>().unwrap(),
        connect: Some(Duration::from_millis(10)),
        handshake: outcome.is_ok().then_some(Duration::from_millis(20)),
        outcome: outcome.map(handshake).map_err(failure),
    }
}

/// A row as readers find it in the store.
pub(crate) fn record(target: Target, verdict: Verdict, seen: Seen) -> RowRecord {
    let probed = verdict.summary.not_after.is_some();
    let catalogue = Catalogue::new(&[], &[], Standing::default());
    RowRecord::new(&catalogue, Arc::new(target), verdict, probed, seen)
}

/// A store with these rows.
pub(crate) fn store(rows: impl IntoIterator<Item = RowRecord>) -> Store {
    let store = Store::new(&[], &[], Standing::default());
    for row in rows {
        let probed = row.summary.not_after.is_some();
        let target = Arc::clone(&row.target);
        store.publish(target, verdict_of(&row), probed, row.seen.clone());
    }
    store
}

/// The row as it would be of a target, a verdict and what was seen that are a little different.
pub(crate) fn edited(
    row: &RowRecord,
    change: impl FnOnce(&mut Target, &mut Verdict, &mut Seen),
) -> RowRecord {
    let (mut target, mut verdict) = (Target::clone(&row.target), verdict_of(row));
    let mut seen = row.seen.clone();
    change(&mut target, &mut verdict, &mut seen);
    record(target, verdict, seen)
}

fn verdict_of(row: &RowRecord) -> Verdict {
    Verdict {
        findings: row.findings.to_vec(),
        waived: row.waived.to_vec(),
        summary: row.summary,
        ..Verdict::default()
    }
}
