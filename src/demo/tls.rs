//! A TLS port: modern hellos go to rustls; plaintext and, where wanted, hellos of TLS 1.0 and 1.1
//! are answered here, as the servers found in clusters answer them.

use std::collections::HashMap;
use std::io::{self, Cursor};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Chain, Join};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a client may take over its hello and handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How a record of handshake messages begins (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;

/// Record header, handshake header and the hello's version: what tells an old hello from others.
const START_BYTES: usize = 5 + 4 + 2;

/// How nginx answers HTTP on a TLS port.
const NGINX_IN_CLEAR: &str = "HTTP/1.1 400 Bad Request\r\n\
    Server: nginx\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n\
    <html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\
    <body><center><h1>400 Bad Request</h1></center>\
    <center>The plain HTTP request was sent to HTTPS port</center></body></html>\r\n";

/// How a server written in Go, such as the API server, answers HTTP on a TLS port.
const GO_IN_CLEAR: &str =
    "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// What a TLS port does besides modern TLS.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    /// The answer to anything that is not TLS; empty closes without one.
    pub(super) in_clear: &'static str,
    /// Where TLS 1.0 and 1.1 are accepted: the chain shown to them.
    pub(super) old_versions: Option<Arc<CertifiedKey>>,
}

impl Manner {
    /// As nginx does.
    pub(super) const fn nginx() -> Self {
        Self {
            in_clear: NGINX_IN_CLEAR,
            old_versions: None,
        }
    }

    /// As the API server does.
    pub(super) const fn go() -> Self {
        Self {
            in_clear: GO_IN_CLEAR,
            old_versions: None,
        }
    }
}

/// Chooses the certificate by server name, as an ingress controller does.
#[derive(Debug)]
pub(super) struct ByServerName {
    /// By exact name, or by `*.suffix` for one label before the suffix.
    pub(super) named: HashMap<&'static str, Arc<CertifiedKey>>,
    /// For every other name, and where none is asked for.
    pub(super) default: Arc<CertifiedKey>,
}

impl ResolvesServerCert for ByServerName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let found = hello.server_name().and_then(|name| {
            let wildcard = || format!("*.{}", name.split_once('.').map_or("", |(_, rest)| rest));
            let exact = self.named.get(name);
            exact.or_else(|| self.named.get(wildcard().as_str()))
        });
        Some(Arc::clone(found.unwrap_or(&self.default)))
    }
}

/// A connection whose first bytes were looked at, then put back in front.
type Replayed = Join<Chain<Cursor<[u8; START_BYTES]>, OwnedReadHalf>, OwnedWriteHalf>;

/// Hands out connections whose TLS handshake is done.
pub(super) struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
    manner: Manner,
    /// Those still busy with it, so that a slow client delays nobody.
    arriving: JoinSet<Option<(TlsStream<Replayed>, SocketAddr)>>,
}

impl TlsListener {
    pub(super) fn new(tcp: TcpListener, config: ServerConfig, manner: Manner) -> Self {
        Self {
            tcp,
            acceptor: Arc::new(config).into(),
            manner,
            arriving: JoinSet::new(),
        }
    }

    fn welcome(&mut self, stream: TcpStream, peer: SocketAddr) {
        let (acceptor, manner) = (self.acceptor.clone(), self.manner.clone());
        self.arriving.spawn(async move {
            let greeted = tokio::time::timeout(HANDSHAKE_TIMEOUT, greet(stream, acceptor, manner));
            Some((greeted.await.ok()?.ok()??, peer))
        });
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<Replayed>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                (stream, peer) = Listener::accept(&mut self.tcp) => self.welcome(stream, peer),
                Some(arrived) = self.arriving.join_next() => {
                    if let Ok(Some(ready)) = arrived {
                        return ready;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

/// Answers a new connection; `None` where what it sent does not lead to TLS.
async fn greet(
    mut stream: TcpStream,
    acceptor: TlsAcceptor,
    manner: Manner,
) -> io::Result<Option<TlsStream<Replayed>>> {
    let mut start = [stream.read_u8().await?; START_BYTES];
    let [HANDSHAKE, rest @ ..] = &mut start else {
        answer_in_clear(stream, manner.in_clear).await?;
        return Ok(None);
    };
    stream.read_exact(rest).await?;
    if let (Some(version), Some(shown)) = (old_version(start), manner.old_versions) {
        answer_old_hello(stream, start, version, &shown.cert).await?;
        return Ok(None);
    }
    let (read, write) = stream.into_split();
    let replayed = tokio::io::join(Cursor::new(start).chain(read), write);
    acceptor.accept(replayed).await.map(Some)
}

async fn answer_in_clear(mut stream: TcpStream, answer: &str) -> io::Result<()> {
    /// Enough for the whole of any probe's request.
    const REQUEST_BYTES: usize = 8 * 1024;
    // What is left unread at close would reset the connection and could take the answer with it.
    drop(stream.try_read(&mut [0; REQUEST_BYTES]));
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

/// The version of a TLS 1.0 or 1.1 hello. Later ones all say 1.2 here (RFC 8446 section 4.1.2).
fn old_version(start: [u8; START_BYTES]) -> Option<[u8; 2]> {
    let [.., major, minor] = start;
    matches!((major, minor), (3, 1 | 2)).then_some([major, minor])
}

/// What an old client with an ECDSA server agrees on (RFC 8422 section 6).
const ECDHE_ECDSA_WITH_AES_128_CBC_SHA: [u8; 2] = [0xc0, 0x09];

/// A fatal `handshake_failure`.
const NO_COMMON_SUITE: [u8; 2] = [2, 40];

/// Accepts the version and the one old suite, shows the certificate and closes: the deep probe asks
/// for no more.
async fn answer_old_hello(
    mut stream: TcpStream,
    start: [u8; START_BYTES],
    version: [u8; 2],
    chain: &[CertificateDer<'_>],
) -> io::Result<()> {
    let [_, _, _, high, low, consumed @ ..] = start;
    let record = usize::from(u16::from_be_bytes([high, low]));
    let mut rest = vec![0; record.saturating_sub(consumed.len())];
    stream.read_exact(&mut rest).await?;
    let answer = if offers(&rest, ECDHE_ECDSA_WITH_AES_128_CBC_SHA) {
        old_flight(version, chain)
    } else {
        refusal(version)
    };
    stream.write_all(&answer).await?;
    stream.shutdown().await
}

/// Whether a hello, from its random on, offers the suite (RFC 4346 section 7.4.1.2).
fn offers(hello: &[u8], suite: [u8; 2]) -> bool {
    const RANDOM_BYTES: usize = 32;
    let find = || {
        let (session, rest) = hello.get(RANDOM_BYTES..)?.split_first()?;
        let (length, rest) = rest.get(usize::from(*session)..)?.split_first_chunk()?;
        let suites = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
        Some(suites.as_chunks().0.contains(&suite))
    };
    find().unwrap_or(false)
}

fn refusal(version: [u8; 2]) -> Vec<u8> {
    const ALERT: u8 = 21;
    let mut record = vec![ALERT];
    record.extend(version);
    record.extend(sized::<2>(&NO_COMMON_SUITE));
    record
}

/// One record with a `ServerHello` and a Certificate message (RFC 4346 sections 6.2.1, 7.4).
fn old_flight(version: [u8; 2], chain: &[CertificateDer<'_>]) -> Vec<u8> {
    const SERVER_HELLO: u8 = 2;
    const CERTIFICATE: u8 = 11;
    /// Nothing comes of this handshake, so its random need not be.
    const RANDOM: [u8; 32] = [0x5a; 32];
    const NO_SESSION: u8 = 0;
    const NO_COMPRESSION: u8 = 0;

    let mut hello = version.to_vec();
    hello.extend(RANDOM);
    hello.push(NO_SESSION);
    hello.extend(ECDHE_ECDSA_WITH_AES_128_CBC_SHA);
    hello.push(NO_COMPRESSION);

    let certificates: Vec<u8> = chain.iter().flat_map(|one| sized::<3>(one)).collect();
    let mut messages = vec![SERVER_HELLO];
    messages.extend(sized::<3>(&hello));
    messages.push(CERTIFICATE);
    messages.extend(sized::<3>(&sized::<3>(&certificates)));

    let mut record = vec![HANDSHAKE];
    record.extend(version);
    record.extend(sized::<2>(&messages));
    record
}

/// `bytes` behind their length in `N` big-endian bytes.
fn sized<const N: usize>(bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len().to_be_bytes();
    let length = length.into_iter().skip(length.len() - N);
    length.chain(bytes.iter().copied()).collect()
}
