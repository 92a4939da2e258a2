//! Which protocol versions a server accepts: one hello each, and what the answers add up to.

use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::Message;
use super::ended::Ended;
use super::exchange::Exchange;
use crate::model::{TlsVersion, VersionAnswer, VersionSupport};

/// Far more than any `ServerHello`, which is all that is read.
const ANSWER_MAX_BYTES: usize = 1 << 16;

/// What a server did with a hello for one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloAnswer {
    /// It answered with that very version.
    Accepted,
    /// It answered with this older one instead.
    Older(TlsVersion),
    /// It sent a fatal alert, by its number.
    Alert(u8),
    /// It closed or reset the connection without a word.
    Closed,
    /// It sent something that answers nothing: not TLS, or against its rules.
    Unclear,
    /// There was no connection, or nothing before the deadline: for the caller to say.
    Missing,
}

/// Asks over a fresh `stream` whether the server takes `version`.
///
/// The caller sets the deadline, and takes [`HelloAnswer::Missing`] where it passes. After the
/// answer the server gets a quarter of a second to close.
pub async fn ask<S>(stream: &mut S, version: TlsVersion, server_name: Option<&str>) -> HelloAnswer
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut exchange = Exchange::open(stream, version, server_name, ANSWER_MAX_BYTES).await;
    match exchange.next_message().await {
        Ok(Message::ServerHello(hello)) => {
            let chosen = TlsVersion::from_wire(hello.version);
            exchange.close(chosen.unwrap_or(version)).await;
            compare(version, chosen)
        }
        Err(Ended::Alert(description)) => HelloAnswer::Alert(description),
        Err(Ended::Closed | Ended::Reset) => HelloAnswer::Closed,
        Ok(_) | Err(_) => HelloAnswer::Unclear,
    }
}

/// A server that does not speak the version asked for may choose an older one (RFC 5246 appendix
/// E.1), so that an answer alone does not mean that it was accepted.
fn compare(asked: TlsVersion, chosen: Option<TlsVersion>) -> HelloAnswer {
    match chosen {
        Some(chosen) if chosen == asked => HelloAnswer::Accepted,
        Some(older) if older < asked => HelloAnswer::Older(older),
        _ => HelloAnswer::Unclear,
    }
}

/// What the answers to the hellos for each of [`TlsVersion::ALL`] add up to, beside the version
/// that a full handshake with the same server settled on, where one did.
///
/// A refusal is believed only from a server that is known to speak TLS to hellos like ours: one
/// that answered any of them with a version. A full handshake will do as well, unless our hello
/// for the very version it used was refused: then it is our hellos that are unwelcome (there are
/// firewalls that know clients by them), and nothing follows about the versions.
#[must_use]
pub fn settle(answers: &[HelloAnswer; 5], handshake: Option<TlsVersion>) -> VersionSupport {
    let is_heard = answers
        .iter()
        .any(|answer| matches!(answer, HelloAnswer::Accepted | HelloAnswer::Older(_)));
    let is_contradicted =
        asked(answers).any(|(version, answer)| Some(version) == handshake && is_refusal(answer));
    let is_believed = is_heard || (handshake.is_some() && !is_contradicted);

    let mut support = VersionSupport([VersionAnswer::Unknown; 5]);
    for (settled, (version, answer)) in support.0.iter_mut().zip(asked(answers)) {
        *settled = match answer {
            HelloAnswer::Accepted => VersionAnswer::Accepted,
            refusal if is_believed && is_refusal(refusal) => VersionAnswer::Refused,
            _ if Some(version) == handshake => VersionAnswer::Accepted,
            _ => VersionAnswer::Unknown,
        };
    }
    support
}

fn asked(answers: &[HelloAnswer; 5]) -> impl Iterator<Item = (TlsVersion, HelloAnswer)> {
    TlsVersion::ALL.into_iter().zip(answers.iter().copied())
}

/// Whether the answer speaks against the version, rather than of something else or not at all.
///
/// Servers differ in how they refuse. Besides `protocol_version` there come `handshake_failure`
/// (and `insufficient_security`, which says the same of the suites: no suite of that version is
/// good enough), `internal_error` (OpenSSL, where only its security level forbids the version),
/// `illegal_parameter` (SSL 3.0 has no other alert for a field that is out of range), a close and
/// a reset (Windows).
///
/// Everything else is about something else: a name or an application protocol the server does not
/// know, an extension it misses, a hello that it cannot read, a fallback that we never claimed.
fn is_refusal(answer: HelloAnswer) -> bool {
    match answer {
        HelloAnswer::Older(_) | HelloAnswer::Closed => true,
        HelloAnswer::Alert(description) => matches!(description, 40 | 47 | 70 | 71 | 80),
        HelloAnswer::Accepted | HelloAnswer::Unclear | HelloAnswer::Missing => false,
    }
}
