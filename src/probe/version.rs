//! Which protocol versions a server accepts: one hello each, and what the answers add up to.

use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::Message;
use super::ended::Ended;
use super::exchange::Exchange;
use super::hello::Offer;
use crate::model::{Acceptance, TlsVersion, VersionSupport};

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
    let mut exchange =
        Exchange::open(stream, &Offer::of(version), server_name, ANSWER_MAX_BYTES).await;
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

    let mut support = VersionSupport([Acceptance::Unknown; 5]);
    for (settled, (version, answer)) in support.0.iter_mut().zip(asked(answers)) {
        *settled = match answer {
            HelloAnswer::Accepted => Acceptance::Accepted,
            refusal if is_believed && is_refusal(refusal) => Acceptance::Refused,
            _ if Some(version) == handshake => Acceptance::Accepted,
            _ => Acceptance::Unknown,
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

#[cfg(test)]
mod tests {
    use Acceptance::{Accepted, Refused, Unknown};
    use HelloAnswer::{Alert, Closed, Missing, Older, Unclear};
    use TlsVersion::{Ssl30, Tls10, Tls11, Tls12, Tls13};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::probe::testdata::{TLS10, TLS12, TLS13};

    const YES: HelloAnswer = HelloAnswer::Accepted;

    /// The answer to one version of a server that sends `bytes` and closes.
    async fn answer(version: TlsVersion, bytes: &[u8]) -> HelloAnswer {
        let (mut client, mut server) = tokio::io::duplex(1 << 16);
        server.write_all(bytes).await.unwrap();
        server.shutdown().await.unwrap();
        ask(&mut client, version, None).await
    }

    #[tokio::test]
    async fn a_version_is_accepted_only_where_it_is_the_one_asked_for() {
        assert_eq!(answer(Tls13, TLS13).await, YES);
        assert_eq!(answer(Tls12, TLS12).await, YES);
        assert_eq!(answer(Tls10, TLS10).await, YES);
        assert_eq!(answer(Tls11, TLS10).await, Older(Tls10));
        assert_eq!(answer(Ssl30, TLS10).await, Unclear, "a newer one");
    }

    #[tokio::test]
    async fn what_is_no_server_hello_is_told_apart() {
        assert_eq!(answer(Tls12, &[21, 3, 1, 0, 2, 2, 70]).await, Alert(70));
        assert_eq!(answer(Tls12, &[21, 3, 1, 0, 2, 1, 0]).await, Closed);
        assert_eq!(answer(Tls12, b"").await, Closed);
        assert_eq!(answer(Tls12, b"HTTP/1.1 400 Bad Request").await, Unclear);
        let done_first = [22, 3, 3, 0, 4, 14, 0, 0, 0];
        assert_eq!(answer(Tls12, &done_first).await, Unclear);
    }

    #[tokio::test]
    async fn a_warning_about_the_name_and_a_hello_request_are_read_past() {
        let warning = [21, 3, 3, 0, 2, 1, 112];
        let request = [22, 3, 3, 0, 4, 0, 0, 0, 0];
        let bytes = [&warning[..], &request, TLS12].concat();
        assert_eq!(answer(Tls12, &bytes).await, YES);
    }

    #[tokio::test]
    async fn a_server_is_told_that_nothing_is_wrong_and_that_this_was_all() {
        let (mut client, mut server) = tokio::io::duplex(1 << 16);
        server.write_all(TLS12).await.unwrap();
        let (answer, ()) = tokio::join!(ask(&mut client, Tls12, None), async {
            let mut hello = [0; 5 + 512];
            server.read_exact(&mut hello).await.unwrap();
            let mut farewell = [0; 14];
            server.read_exact(&mut farewell).await.unwrap();
            assert_eq!(
                farewell,
                *b"\x15\x03\x03\0\x02\x01\x5a\x15\x03\x03\0\x02\x01\0"
            );
            server.shutdown().await.unwrap();
        });
        assert_eq!(answer, YES);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_closes_costs_a_quarter_of_a_second() {
        let (mut client, mut server) = tokio::io::duplex(1 << 16);
        server.write_all(TLS12).await.unwrap();
        let start = tokio::time::Instant::now();
        assert_eq!(ask(&mut client, Tls12, None).await, YES);
        assert_eq!(start.elapsed().as_millis(), 250);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_stops_talking_costs_no_more() {
        let (mut client, mut server) = tokio::io::duplex(1 << 16);
        server.write_all(TLS12).await.unwrap();
        let babble = async { while server.write_all(&[22; 4096]).await.is_ok() {} };
        tokio::select! {
            answer = ask(&mut client, Tls12, None) => assert_eq!(answer, YES),
            () = babble => panic!("the connection is still open"),
        }
    }

    #[test]
    fn what_is_not_accepted_by_a_server_that_accepts_another_is_refused() {
        let answers = [Alert(40), Older(Ssl30), Closed, YES, Alert(80)];
        let expected = VersionSupport([Refused, Refused, Refused, Accepted, Refused]);
        assert_eq!(settle(&answers, None), expected);
    }

    #[test]
    fn an_older_version_in_answer_shows_that_the_server_speaks_tls() {
        let answers = [Missing, Missing, Older(Tls10), Alert(70), Alert(70)];
        let expected = VersionSupport([Unknown, Unknown, Refused, Refused, Refused]);
        assert_eq!(settle(&answers, None), expected);
    }

    #[test]
    fn only_alerts_about_the_version_or_its_suites_refuse_it() {
        for description in 0..=255 {
            let settled = settle(&[Alert(description), YES, YES, YES, YES], None).0[0];
            let refuses = [40, 47, 70, 71, 80].contains(&description);
            assert_eq!(settled == Refused, refuses, "{description}");
            assert_eq!(settled == Unknown, !refuses, "{description}");
        }
    }

    #[test]
    fn silence_and_nonsense_say_nothing() {
        let answers = [Missing, Unclear, Alert(112), Alert(109), YES];
        let expected = VersionSupport([Unknown, Unknown, Unknown, Unknown, Accepted]);
        assert_eq!(settle(&answers, Some(Tls13)), expected);
    }

    #[test]
    fn refusals_from_a_server_that_takes_nothing_say_nothing() {
        let answers = [Closed, Alert(70), Alert(40), Alert(80), Closed];
        assert_eq!(settle(&answers, None), VersionSupport([Unknown; 5]));
    }

    #[test]
    fn a_full_handshake_vouches_for_refusals_and_for_its_own_version() {
        let answers = [Alert(70), Alert(70), Alert(70), Alert(70), Missing];
        let expected = VersionSupport([Refused, Refused, Refused, Refused, Accepted]);
        assert_eq!(settle(&answers, Some(Tls13)), expected);
    }

    #[test]
    fn refusals_that_contradict_the_handshake_are_not_believed() {
        let expected = VersionSupport([Unknown, Unknown, Unknown, Unknown, Accepted]);
        assert_eq!(settle(&[Closed; 5], Some(Tls13)), expected);
    }

    #[test]
    fn a_refusal_is_believed_over_a_handshake_where_another_hello_was_taken() {
        let answers = [Alert(70), Alert(70), Alert(70), YES, Alert(70)];
        let expected = VersionSupport([Refused, Refused, Refused, Accepted, Refused]);
        assert_eq!(settle(&answers, Some(Tls13)), expected);
    }
}
