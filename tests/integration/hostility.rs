//! A hostile server costs one deadline at most, and is reported for what it does.

use std::time::Duration;

use kube_https_exporter::model::{Acceptance, Reason, TlsVersion, VersionSupport};
use kube_https_exporter::probe::legacy::legacy_handshake;
use kube_https_exporter::probe::version::{HelloAnswer, ask, settle};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::hostile::{Hostile, Manner};

/// What a probe is given; those that end by themselves are far quicker.
const DEADLINE: Duration = Duration::from_millis(500);

async fn answer(manner: Manner) -> HelloAnswer {
    let hostile = Hostile::start(manner).await;
    let mut stream = TcpStream::connect(hostile.address).await.unwrap();
    timeout(DEADLINE, ask(&mut stream, TlsVersion::Tls12, None))
        .await
        .unwrap_or(HelloAnswer::Missing)
}

/// `None` where the deadline passed.
async fn failure(manner: Manner) -> Option<Reason> {
    let hostile = Hostile::start(manner).await;
    let mut stream = TcpStream::connect(hostile.address).await.unwrap();
    let handshake = legacy_handshake(&mut stream, TlsVersion::Tls12, None);
    let outcome = timeout(DEADLINE, handshake).await.ok()?;
    Some(outcome.unwrap_err().reason)
}

#[tokio::test]
async fn each_manner_has_its_reason() {
    for (manner, expected_answer, expected_reason) in [
        (Manner::Hang, HelloAnswer::Missing, None),
        (Manner::Drip, HelloAnswer::Missing, None),
        (
            Manner::ResetMidHandshake,
            HelloAnswer::Closed,
            Some(Reason::Reset),
        ),
        (Manner::Garbage, HelloAnswer::Unclear, Some(Reason::NotTls)),
        (
            Manner::EndlessZeros,
            HelloAnswer::Unclear,
            Some(Reason::NotTls),
        ),
        (
            Manner::EndlessEmptyRecords,
            HelloAnswer::Unclear,
            Some(Reason::Protocol),
        ),
        (
            Manner::EndlessWarnings,
            HelloAnswer::Unclear,
            Some(Reason::Protocol),
        ),
        (
            Manner::EndlessCertificate,
            HelloAnswer::Unclear,
            Some(Reason::Protocol),
        ),
        (Manner::Http, HelloAnswer::Unclear, Some(Reason::NotTls)),
        (Manner::Ssh, HelloAnswer::Unclear, Some(Reason::NotTls)),
        (
            Manner::UnknownAlert,
            HelloAnswer::Alert(255),
            Some(Reason::Alert),
        ),
    ] {
        assert_eq!(answer(manner).await, expected_answer, "{manner:?}");
        assert_eq!(failure(manner).await, expected_reason, "{manner:?}");
    }
}

/// The hello reaches a socket that is closed already, which resets; or the close is read first.
#[tokio::test]
async fn a_server_that_closes_at_once_has_closed_or_reset() {
    assert_eq!(answer(Manner::Close).await, HelloAnswer::Closed);
    let reason = failure(Manner::Close).await;
    assert!(
        matches!(reason, Some(Reason::Closed | Reason::Reset)),
        "{reason:?}"
    );
}

#[tokio::test]
async fn no_version_is_said_to_be_refused_by_what_speaks_no_tls() {
    for manner in [Manner::Close, Manner::Hang, Manner::Http, Manner::Garbage] {
        let settled = settle(&[answer(manner).await; 5], None);
        assert_eq!(
            settled,
            VersionSupport([Acceptance::Unknown; 5]),
            "{manner:?}"
        );
    }
}
