//! Why a probe failed: from what the system and the TLS library say to the closed set of reasons.

use std::io;

use rustls::Error as TlsError;
use tokio::time::Instant;

use crate::model::{Failure, Reason, clean};

/// A failure with particulars for people.
pub(super) fn failure(reason: Reason, detail: impl AsRef<str>) -> Failure {
    Failure {
        reason,
        detail: clean(detail.as_ref()).into(),
    }
}

/// Runs a step of a probe, up to the probe's deadline.
pub(super) async fn within<T>(
    deadline: Instant,
    doing: &str,
    step: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::time::timeout_at(deadline, step)
        .await
        .unwrap_or_else(|_| {
            Err(failure(
                Reason::Timeout,
                format!("the deadline passed while {doing}"),
            ))
        })
}

/// What the system says of a socket.
pub(super) fn from_io(error: &io::Error) -> Failure {
    use io::ErrorKind as Kind;
    let reason = match error.kind() {
        Kind::ConnectionRefused => Reason::Refused,
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe => Reason::Reset,
        Kind::TimedOut => Reason::Timeout,
        Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::AddrNotAvailable => {
            Reason::Unreachable
        }
        Kind::UnexpectedEof => Reason::Closed,
        _ => Reason::Other,
    };
    failure(reason, error.to_string())
}

/// What the TLS library says of a handshake. `first` is the first byte that came back.
pub(super) fn from_tls(error: &TlsError, first: Option<u8>) -> Failure {
    if first.is_some_and(|byte| !is_record_type(byte)) {
        return failure(Reason::NotTls, "what came back is not TLS");
    }
    match error {
        TlsError::AlertReceived(alert) => failure(
            Reason::Alert,
            format!("alert {} {alert:?}", u8::from(*alert)),
        ),
        other => failure(Reason::Protocol, other.to_string()),
    }
}

/// The content types of TLS records (RFC 9846 section 5.1), from `change_cipher_spec` to
/// `application_data`.
fn is_record_type(byte: u8) -> bool {
    (20..=23).contains(&byte)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::AlertDescription;

    use super::*;

    #[test]
    fn what_the_system_says_becomes_a_reason() {
        let table = [
            (io::ErrorKind::ConnectionRefused, Reason::Refused),
            (io::ErrorKind::ConnectionReset, Reason::Reset),
            (io::ErrorKind::HostUnreachable, Reason::Unreachable),
            (io::ErrorKind::NetworkUnreachable, Reason::Unreachable),
            (io::ErrorKind::TimedOut, Reason::Timeout),
            (io::ErrorKind::UnexpectedEof, Reason::Closed),
            (io::ErrorKind::PermissionDenied, Reason::Other),
        ];
        for (kind, reason) in table {
            assert_eq!(from_io(&kind.into()).reason, reason, "{kind}");
        }
    }

    #[test]
    fn an_alert_is_named_and_other_bytes_are_not_tls() {
        let alert = TlsError::AlertReceived(AlertDescription::ProtocolVersion);
        let seen = from_tls(&alert, Some(21));
        assert_eq!(
            (seen.reason, &*seen.detail),
            (Reason::Alert, "alert 70 ProtocolVersion")
        );
        let error = TlsError::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        assert_eq!(from_tls(&error, Some(b'H')).reason, Reason::NotTls);
        assert_eq!(from_tls(&error, Some(22)).reason, Reason::Protocol);
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_ends_at_the_deadline() {
        let deadline = Instant::now() + Duration::from_secs(3);
        let never = within(
            deadline,
            "waiting",
            std::future::pending::<Result<(), Failure>>(),
        );
        let failed = never.await.unwrap_err();
        assert_eq!(failed.reason, Reason::Timeout);
        assert_eq!(&*failed.detail, "the deadline passed while waiting");
        assert_eq!(Instant::now(), deadline);
    }
}
