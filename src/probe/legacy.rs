//! The part of a handshake that comes in clear: what a server shows before TLS 1.3.
//!
//! For servers that the TLS library cannot finish a handshake with: those that stop below TLS
//! 1.2, and those whose keys it does not know. Nothing is proven here; the server's key is not
//! used, and its certificate is only what was presented.

use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::{Message, ServerHello, named_group};
use super::chain::Chains;
use super::ended::Ended;
use super::exchange::Exchange;
use super::hello::Offer;
use crate::model::{ClientAuth, Failure, Handshake, TlsVersion};

/// The most that is read. A certificate with 10,000 names has 289 kB.
pub(super) const FLIGHT_MAX_BYTES: usize = 1 << 20;

/// What a server showed in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyFacts {
    /// The version it chose.
    pub version: TlsVersion,
    /// The cipher suite's IANA number.
    pub cipher: u16,
    /// The key-exchange group's IANA number, where the suite has one that is named.
    pub group: Option<u16>,
    /// As sent, each in DER, the leaf first; never empty.
    pub certificates: Vec<Vec<u8>>,
    /// [`ClientAuth::Requested`] where one was asked for; whether it is required shows only later.
    pub client_auth: ClientAuth,
}

impl LegacyFacts {
    /// As a handshake that was not finished; `None` where no certificate was shown.
    pub(super) fn handshake(&self, chains: &Chains) -> Option<Handshake> {
        Some(Handshake {
            chain: chains.intern(&self.certificates)?,
            version: self.version,
            cipher: self.cipher,
            group: self.group,
            alpn: None,
            client_auth: self.client_auth,
            key_proven: None,
            stapled: None,
        })
    }
}

/// Offers `version` over a fresh `stream`, reads all that the server says in clear, and takes its
/// leave. A server may choose an older version.
///
/// `version` is TLS 1.2 at most: of TLS 1.3 only the `ServerHello` comes in clear. The caller sets
/// the deadline.
pub async fn legacy_handshake<S>(
    stream: &mut S,
    version: TlsVersion,
    server_name: Option<&str>,
) -> Result<LegacyFacts, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    flight(stream, &Offer::of(version), server_name).await
}

/// Likewise, with this offer.
pub(super) async fn flight<S>(
    stream: &mut S,
    offer: &Offer,
    server_name: Option<&str>,
) -> Result<LegacyFacts, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let version = offer.version;
    let mut exchange = Exchange::open(stream, offer, server_name, FLIGHT_MAX_BYTES).await;
    let mut flight = Flight::default();
    while !flight.is_over {
        flight.take(exchange.next_message().await?, version)?;
    }
    let facts = flight.finish()?;
    exchange.close(facts.version).await;
    Ok(facts)
}

/// The messages so far (RFC 5246 section 7.3).
#[derive(Debug, Default)]
struct Flight {
    hello: Option<(TlsVersion, ServerHello)>,
    certificates: Vec<Vec<u8>>,
    group: Option<u16>,
    is_client_asked: bool,
    is_over: bool,
}

impl Flight {
    fn take(&mut self, message: Message, offered: TlsVersion) -> Result<(), Ended> {
        match (message, &self.hello) {
            (Message::ServerHello(hello), None) => {
                let version = TlsVersion::from_wire(hello.version)
                    .filter(|chosen| *chosen <= offered)
                    .ok_or(Ended::Malformed("a version that was not offered"))?;
                self.hello = Some((version, hello));
            }
            (Message::ServerHello(_), Some(_)) => {
                return Err(Ended::Malformed("a second ServerHello"));
            }
            (Message::Certificate(certificates), Some(_)) => self.certificates = certificates,
            (Message::ServerKeyExchange(body), Some((_, hello))) => {
                self.group = named_group(hello.cipher, &body);
            }
            (Message::CertificateRequest, Some(_)) => self.is_client_asked = true,
            (Message::ServerHelloDone, Some(_)) => self.is_over = true,
            // A stapled OCSP response (RFC 6066 section 8).
            (Message::Other(22), Some(_)) => {}
            (Message::Other(_), _) => return Err(Ended::Malformed("an unexpected message")),
            (_, None) => return Err(Ended::Malformed("no ServerHello first")),
        }
        Ok(())
    }

    fn finish(self) -> Result<LegacyFacts, Ended> {
        let (version, hello) = self.hello.ok_or(Ended::Malformed("no ServerHello"))?;
        if self.certificates.is_empty() {
            return Err(Ended::Malformed("no certificate"));
        }
        Ok(LegacyFacts {
            version,
            cipher: hello.cipher,
            group: self.group,
            certificates: self.certificates,
            client_auth: if self.is_client_asked {
                ClientAuth::Requested
            } else {
                ClientAuth::NotRequested
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::model::Reason;
    use crate::probe::testdata::{SSL30, TLS10, TLS12, TLS13};

    async fn shown(version: TlsVersion, bytes: &[u8]) -> Result<LegacyFacts, Failure> {
        let (mut client, mut server) = tokio::io::duplex(bytes.len() + 1024);
        server.write_all(bytes).await.unwrap();
        server.shutdown().await.unwrap();
        legacy_handshake(&mut client, version, Some("peer.test")).await
    }

    async fn reason(version: TlsVersion, bytes: &[u8]) -> (Reason, String) {
        let failure = shown(version, bytes).await.unwrap_err();
        (failure.reason, failure.detail.to_string())
    }

    #[tokio::test]
    async fn a_tls_1_2_server_shows_chain_group_and_request() {
        let facts = shown(TlsVersion::Tls12, TLS12).await.unwrap();
        assert_eq!(facts.version, TlsVersion::Tls12);
        assert_eq!((facts.cipher, facts.group), (0xc02b, Some(29)));
        assert_eq!(facts.certificates.len(), 2);
        assert_eq!(facts.client_auth, ClientAuth::Requested);
    }

    #[tokio::test]
    async fn an_older_server_shows_its_certificate_under_the_version_it_chose() {
        let facts = shown(TlsVersion::Tls11, TLS10).await.unwrap();
        assert_eq!(facts.version, TlsVersion::Tls10);
        assert_eq!((facts.cipher, facts.group), (0x002f, None));
        let facts = shown(TlsVersion::Tls11, SSL30).await.unwrap();
        assert_eq!(facts.version, TlsVersion::Ssl30);
        assert_eq!(facts.certificates.len(), 1);
        assert_eq!(facts.client_auth, ClientAuth::NotRequested);
    }

    #[tokio::test]
    async fn a_flight_that_breaks_off_anywhere_shows_nothing() {
        for length in 0..TLS10.len() {
            let (reason, _) = reason(TlsVersion::Tls11, &TLS10[..length]).await;
            assert_eq!(reason, Reason::Closed, "{length}");
        }
    }

    #[tokio::test]
    async fn a_refusal_names_its_alert() {
        let (reason, detail) = reason(TlsVersion::Tls11, &[21, 3, 2, 0, 2, 2, 70]).await;
        assert_eq!(reason, Reason::Alert);
        assert!(detail.ends_with("protocol_version (70)"), "{detail}");
    }

    #[tokio::test]
    async fn another_protocol_shows_how_it_begins() {
        let (reason, detail) = reason(TlsVersion::Tls11, b"SSH-2.0-OpenSSH_9.2\r\n").await;
        assert_eq!(reason, Reason::NotTls);
        assert!(detail.contains("SSH-2.0-OpenSSH_9.2"), "{detail}");
    }

    #[tokio::test]
    async fn a_version_that_was_not_offered_is_against_the_rules() {
        assert_eq!(reason(TlsVersion::Tls10, TLS12).await.0, Reason::Protocol);
        assert_eq!(reason(TlsVersion::Tls12, TLS13).await.0, Reason::Protocol);
    }

    #[tokio::test]
    async fn messages_out_of_order_and_missing_certificates_are_against_the_rules() {
        let record = |content: &[u8]| [&[22, 3, 3, 0, 4], content].concat();
        let done = record(&[14, 0, 0, 0]);
        // The ServerHello of the capture, alone in the first record.
        let hello = &TLS12[..5 + usize::from(TLS12[4])];
        for (bytes, what) in [
            (done.clone(), "no ServerHello first"),
            ([hello, hello].concat(), "a second ServerHello"),
            ([hello, &done].concat(), "no certificate"),
            (
                [hello, &record(&[20, 0, 0, 0])].concat(),
                "an unexpected message",
            ),
        ] {
            let (reason, detail) = reason(TlsVersion::Tls12, &bytes).await;
            assert_eq!(reason, Reason::Protocol);
            assert_eq!(detail, format!("the server sent {what}"));
        }
    }

    #[tokio::test]
    async fn a_chain_of_three_hundred_kilobytes_is_read_and_an_endless_one_is_not() {
        let hello = &TLS12[..5 + usize::from(TLS12[4])];
        let flight = |size: usize| {
            let block = |content: Vec<u8>| [&content.len().to_be_bytes()[5..], &content].concat();
            let chain = block(block(vec![48; size]));
            let message = [vec![11], block(chain), vec![14, 0, 0, 0]].concat();
            let records = message.chunks(1 << 14).flat_map(|part| {
                let length = u16::try_from(part.len()).unwrap().to_be_bytes();
                [&[22, 3, 3], &length[..], part].concat()
            });
            hello.iter().copied().chain(records).collect::<Vec<u8>>()
        };
        let facts = shown(TlsVersion::Tls12, &flight(300_000)).await.unwrap();
        assert_eq!(facts.certificates, [vec![48; 300_000]]);
        let (reason, detail) = reason(TlsVersion::Tls12, &flight(FLIGHT_MAX_BYTES)).await;
        assert_eq!(reason, Reason::Protocol);
        assert!(detail.contains("more than 1048576 bytes"), "{detail}");
    }
}

#[cfg(test)]
#[path = "replay_test.rs"]
mod replay_test;
