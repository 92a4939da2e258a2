//! The part of a handshake that comes in clear: what a server shows before TLS 1.3.
//!
//! For servers that the TLS library cannot finish a handshake with: those that stop below TLS
//! 1.2, and those whose keys it does not know. Nothing is proven here; the server's key is not
//! used, and its certificate is only what was presented.

use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::{Message, ServerHello, named_group};
use super::ended::Ended;
use super::exchange::Exchange;
use crate::model::{ClientAuth, Failure, TlsVersion};

/// The most that is read. A certificate with 10,000 names has 289 kB.
const FLIGHT_MAX_BYTES: usize = 1 << 20;

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
    let mut exchange = Exchange::open(stream, version, server_name, FLIGHT_MAX_BYTES).await;
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
            // A stapled OCSP response, or the HelloRequest that may come at any time.
            (Message::Other(0 | 22), _) => {}
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
