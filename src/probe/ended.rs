//! Why a conversation in our own TLS ended without what was hoped for.

use std::io;

use super::names::alert_name;
use crate::model::{Failure, Reason, clean};

/// Why there is nothing more to read.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// A fatal alert, by its number (RFC 9846 section 6).
    #[error("the server sent the fatal alert {}", alert_name(*.0))]
    Alert(u8),
    /// The server closed, with or without the alert that announces it.
    #[error("the server closed the connection")]
    Closed,
    /// The server, or something before it, reset the connection.
    #[error("the server reset the connection")]
    Reset,
    /// The first bytes cannot be TLS; this is how they begin.
    #[error("what the server sent is not TLS: {0:?}")]
    NotTls(Box<str>),
    /// TLS, but not as its standards say; the text names what is wrong.
    #[error("the server sent {0}")]
    Malformed(&'static str),
    /// More bytes than were to be read, or announced to come.
    #[error("the server sent or announced more than {0} bytes")]
    TooLong(usize),
    /// The operating system's own word.
    #[error("reading from the server failed")]
    Io(#[source] io::Error),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Self::Reset,
            io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

impl Ended {
    /// The closed set that metrics carry.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Alert(_) => Reason::Alert,
            Self::Closed => Reason::Closed,
            Self::Reset => Reason::Reset,
            Self::NotTls(_) => Reason::NotTls,
            Self::Malformed(_) | Self::TooLong(_) => Reason::Protocol,
            Self::Io(error) => match error.kind() {
                io::ErrorKind::TimedOut => Reason::Timeout,
                io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                    Reason::Unreachable
                }
                _ => Reason::Other,
            },
        }
    }
}

impl From<Ended> for Failure {
    fn from(ended: Ended) -> Self {
        let detail = match &ended {
            Ended::Io(error) => format!("{ended}: {error}"),
            _ => ended.to_string(),
        };
        Self {
            reason: ended.reason(),
            detail: clean(&detail).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_a_failure_that_names_it() {
        let failure = Failure::from(Ended::Alert(40));
        assert_eq!(failure.reason, Reason::Alert);
        assert_eq!(
            &*failure.detail,
            "the server sent the fatal alert handshake_failure (40)"
        );
    }

    #[test]
    fn a_reset_is_told_from_other_trouble_of_the_network() {
        let reason = |kind: io::ErrorKind| Ended::from(io::Error::from(kind)).reason();
        assert_eq!(reason(io::ErrorKind::ConnectionReset), Reason::Reset);
        assert_eq!(reason(io::ErrorKind::BrokenPipe), Reason::Reset);
        assert_eq!(reason(io::ErrorKind::TimedOut), Reason::Timeout);
        assert_eq!(reason(io::ErrorKind::HostUnreachable), Reason::Unreachable);
        assert_eq!(reason(io::ErrorKind::OutOfMemory), Reason::Other);
    }
}
