//! Rows for the tests of this module and of those that show its reports.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{
    Acceptance, AddressSeen, At, Certificate, CertificateFacts, Chain, Clients, DeepSeen,
    Fingerprint, Handshake, Passed, PlainAddressSeen, PlainAnswer, PlainSeen, Reason, Severity,
    Step, Summary, Target, TlsSeen, TlsVersion, Trace, UnixTime, Validity, Verdict, VersionSupport,
    Waived, Waiver,
};
use crate::record::samples::{EXPIRED, PLAINTEXT, edited, handshake, record, row, target};
use crate::record::{RowRecord, Seen};

const DAY: u64 = 86_400;

/// When the tests take place: 2026-01-01.
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_767_225_600);

fn facts(subject: &str, not_after: UnixTime) -> CertificateFacts {
    CertificateFacts {
        subject_common_name: subject.to_owned(),
        issuer_common_name: "Test CA".to_owned(),
        issuer_organization: String::new(),
        serial_number: "07".to_owned(),
        validity: Validity::between(
            not_after.saturating_sub(Duration::from_secs(90 * DAY)),
            not_after,
        ),
        key_algorithm: "ECDSA".to_owned(),
        key_size: 256,
        signature_algorithm: "ECDSA-SHA256".to_owned(),
        self_issued: false,
        is_ca: false,
        key_usage: None,
        for_servers: true,
        must_staple: false,
        dns_names: vec![subject.into()],
        ip_names: Vec::new(),
        names_issuer_url: false,
    }
}

/// The chain of a leaf with that subject, and of a certificate that cannot be read.
fn shaken(subject: &str, not_after: UnixTime) -> Handshake {
    let mut shaken = handshake(7);
    let certificate = |number, facts| Certificate {
        der: [number].into(),
        fingerprint: Fingerprint([number; 32]),
        facts,
    };
    shaken.chain = Arc::new(Chain {
        id: Fingerprint([7; 32]),
        certificates: vec![
            certificate(7, Ok(facts(subject, not_after))),
            certificate(8, Err("a test".into())),
        ],
    });
    shaken
}

fn seen(target: &Target, subject: &str, not_after: UnixTime) -> Seen {
    use Acceptance::{Accepted, Refused, Unknown};
    let ip = [192, 0, 2, 1].into();
    let answer = PlainAnswer::Http {
        status: 301,
        location: Some(format!("https://{subject}/").into()),
        names_https_port: false,
    };
    let door = target.plaintext.iter().find(|door| door.port == 80);
    let plain = PlainSeen {
        last_attempt: Some(NOW),
        failure: None,
        addresses: vec![PlainAddressSeen { ip, answer }],
    };
    Seen {
        tls: Arc::new(TlsSeen {
            last_attempt: Some(NOW),
            took: Some(Duration::from_millis(35)),
            failure: None,
            addresses: vec![AddressSeen {
                trace: Trace(Box::from([
                    Step {
                        at: 900,
                        what: Passed::Connected,
                    },
                    Step {
                        at: 1_100,
                        what: Passed::Record {
                            sent: true,
                            content: 22,
                            message: Some(1),
                            length: 240,
                        },
                    },
                    Step {
                        at: 34_000,
                        what: Passed::Record {
                            sent: false,
                            content: 23,
                            message: None,
                            length: 2_000,
                        },
                    },
                ])),
                ip,
                failure: None,
                handshake: Some(At {
                    at: NOW,
                    value: shaken(subject, not_after),
                }),
                deep: Some(At {
                    at: NOW,
                    value: DeepSeen::of_versions(VersionSupport([
                        Unknown, Unknown, Refused, Accepted, Unknown,
                    ])),
                }),
            }],
        }),
        plain: door
            .map(|door| (Arc::clone(door), Arc::new(plain)))
            .into_iter()
            .collect(),
    }
}

fn shown(host: &str, subject: &str, mut verdict: Verdict, not_after: UnixTime) -> RowRecord {
    let target = target(row(host, "192.0.2.1"));
    verdict.summary = Summary {
        not_after: Some(not_after),
        version: Some(TlsVersion::Tls13),
        failure: None,
        met: None,
    };
    let seen = seen(&target, subject, not_after);
    record(target, verdict, seen)
}

/// A row with nothing against it, whose certificate lives for 80 days more.
pub(crate) fn good(host: &str) -> RowRecord {
    good_for(host, 80)
}

/// A row with nothing against it, whose certificate lives for so many days more.
pub(crate) fn good_for(host: &str, days: u64) -> RowRecord {
    let not_after = NOW.saturating_add(Duration::from_secs(days * DAY));
    shown(host, host, Verdict::default(), not_after)
}

/// A row whose certificate expired three days ago and that serves in clear, which is accepted.
pub(crate) fn expired(host: &str) -> RowRecord {
    named(host, host, "it expired 3 days ago")
}

/// As [`expired`], with another certificate subject, and that detail.
pub(crate) fn named(host: &str, subject: &str, detail: &str) -> RowRecord {
    let mut verdict = Verdict::default();
    verdict.find(&PLAINTEXT, Severity::Warning, "");
    let waiver = Waiver {
        finding: "plaintext_served".into(),
        until: "2027-03-01".into(),
        ends: UnixTime::from_secs(1_803_945_600),
        reason: "being moved".into(),
    };
    let accepted = verdict.findings.drain(..).map(|finding| Waived {
        finding,
        waiver: waiver.clone(),
    });
    verdict.waived = accepted.collect();
    verdict.find(&EXPIRED, Severity::Critical, detail);
    let not_after = NOW.saturating_sub(Duration::from_secs(3 * DAY));
    shown(host, subject, verdict, not_after)
}

/// As [`good`], with an RSA certificate of that subject beside the other.
pub(crate) fn with_beside(host: &str, subject: &str) -> RowRecord {
    let mut other = shaken(subject, NOW);
    let chain = Arc::make_mut(&mut other.chain);
    chain.certificates.truncate(1);
    if let Ok(facts) = &mut chain.certificates[0].facts {
        facts.key_algorithm = "RSA".to_owned();
    }
    edited(&good(host), |_, _, seen| {
        let tls = Arc::make_mut(&mut seen.tls);
        for deep in tls.addresses.iter_mut().flat_map(|one| &mut one.deep) {
            let value = other.clone();
            deep.value.by_key = [At { at: NOW, value }].into();
        }
    })
}

/// A row of a port that must be closed, and is.
pub(crate) fn closed(address: &str) -> RowRecord {
    let mut target = target(row("", address));
    target.expect.clients = Clients::Nobody;
    target.expect.tls = false;
    let mut verdict = Verdict::default();
    verdict.summary.failure = Some(Reason::Refused);
    record(target, verdict, Seen::default())
}

/// A row that has not been probed yet.
pub(crate) fn unseen(host: &str) -> RowRecord {
    let target = target(row(host, "192.0.2.1"));
    record(target, Verdict::default(), Seen::default())
}
