//! A hostile server costs one deadline at most, and is reported for what it does.

use std::time::Duration;

use futures::future::join;
use futures::stream::{self, StreamExt};
use kube_https_exporter::model::{Acceptance, Reason, TlsVersion, VersionSupport};
use kube_https_exporter::probe::legacy::legacy_handshake;
use kube_https_exporter::probe::version::{HelloAnswer, ask, settle};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::hostile::{Hostile, Manner, SOUND_ANSWER};

/// What a probe is given; those that end by themselves are far quicker.
const DEADLINE: Duration = Duration::from_millis(500);

/// For what ends by itself, on a busy machine.
const AMPLE: Duration = Duration::from_secs(10);

async fn answer(manner: Manner) -> HelloAnswer {
    answer_within(DEADLINE, manner).await
}

async fn answer_within(deadline: Duration, manner: Manner) -> HelloAnswer {
    let hostile = Hostile::start(manner).await;
    let mut stream = TcpStream::connect(hostile.address).await.unwrap();
    timeout(deadline, ask(&mut stream, TlsVersion::Tls12, None))
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
        (Manner::HalfClose, HelloAnswer::Closed, Some(Reason::Closed)),
        (
            Manner::VersionOfNobody,
            HelloAnswer::Unclear,
            Some(Reason::Protocol),
        ),
        (
            Manner::CompressedCertificate,
            HelloAnswer::Accepted,
            Some(Reason::Protocol),
        ),
        (
            Manner::EndlessRetries,
            HelloAnswer::Unclear,
            Some(Reason::Protocol),
        ),
        (
            Manner::TlsInsideTls,
            HelloAnswer::Unclear,
            Some(Reason::Protocol),
        ),
        (
            Manner::ResetMidCertificate,
            HelloAnswer::Accepted,
            Some(Reason::Reset),
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

/// Whatever the byte that it stops at, one deadline is all that it costs: the certificate is never
/// half read, and the version is known as soon as the `ServerHello` is there.
#[tokio::test]
async fn a_server_that_hangs_after_any_byte_costs_one_deadline() {
    let hello = 5 + usize::from(u16::from_be_bytes([SOUND_ANSWER[3], SOUND_ANSWER[4]]));
    let outcomes = stream::iter(0..SOUND_ANSWER.len()).map(|length| async move {
        let manner = Manner::HangAfter(length);
        let (within, known) = if length < hello {
            (DEADLINE, HelloAnswer::Missing)
        } else {
            (AMPLE, HelloAnswer::Accepted)
        };
        let (answer, failure) = join(answer_within(within, manner), failure(manner)).await;
        assert_eq!(answer, known, "{length}");
        assert_eq!(failure, None, "{length}");
    });
    outcomes.buffer_unordered(64).collect::<()>().await;
}
