//! The regular handshake: finished, whatever the verdict on what it shows, and closed politely.
//!
//! The TLS library is given a verifier that records the chain and accepts all of them: judging
//! comes later, from the record. The connection is driven here rather than by a stream adapter,
//! because a handshake that fails half-way still has facts to give.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Poll, ready};
use std::time::Duration;

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature,
    verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName, UnixTime as PkiTime};
use rustls::sign::CertifiedKey;
use rustls::{
    AlertDescription, CipherSuite, ClientConfig, ClientConnection, DigitallySignedStruct,
    Error as TlsError, NamedGroup, ProtocolVersion, SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::chain::Chains;
use super::failure::{failure, from_io, from_tls};
use super::trace::Tracer;
use crate::model::{Chain, ClientAuth, Failure, Handshake, Reason, TlsDoor, TlsVersion};

/// How long a server may take to answer our goodbye. Its answer tells whether it missed a client
/// certificate (measured: within a millisecond), and lets it close first, so that the waiting
/// state of the closed connection is not ours.
const GOODBYE: Duration = Duration::from_millis(200);

/// One read: more than most servers' first flight, and little enough for the stack; what is longer
/// comes in several.
const READ_BYTES: usize = 8 * 1024;

/// Room for a flight of ours: a hello with the longest name has some 500 bytes.
const FLIGHT_BYTES: usize = 512;

/// Kits that are kept, as many as there are handshakes at once by default.
const KITS: usize = 64;

/// Reads after our goodbye: a server that goes on talking is not listened to for ever.
const GOODBYE_READS: usize = 16;

/// The kinds of keys that a handshake offers to verify, and so asks to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    /// Every kind.
    Any,
    /// RSA alone.
    Rsa,
    /// All but RSA.
    Others,
}

/// Makes handshakes; one for all probes.
#[derive(Clone, Debug)]
pub(super) struct Handshaker {
    provider: Arc<CryptoProvider>,
    template: ClientConfig,
    chains: Arc<Chains>,
    blank: Arc<Recorder>,
    kits: Arc<Mutex<Vec<Kit>>>,
}

/// What a handshake needs and leaves as it was, so that the next one need not make it again.
#[derive(Debug)]
struct Kit {
    recorder: Arc<Recorder>,
    config: Arc<ClientConfig>,
    flight: Vec<u8>,
}

impl Handshaker {
    /// Fails only where the crypto provider supports no protocol version, which it does.
    pub(super) fn new(chains: Arc<Chains>) -> Result<Self, TlsError> {
        let mut provider = aws_lc_rs::default_provider();
        // X25519 alone is sent as a key share; a server that prefers the post-quantum hybrid
        // asks for it, and the small hello passes where middleboxes drop large ones.
        provider
            .kx_groups
            .sort_by_key(|group| group.name() != NamedGroup::X25519);
        // AES-128 first, as browsers have it: where the server lets the client choose, that is
        // what most of its clients get; and SHA-256 has instructions of its own, SHA-384 has not.
        provider
            .cipher_suites
            .sort_by_key(|suite| !is_aes_128(suite.suite()));
        let provider = Arc::new(provider);
        let algorithms = provider.signature_verification_algorithms;
        let blank = Arc::new(Recorder::new(algorithms, &chains, Keys::Any));
        let mut template = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&blank) as _)
            .with_no_client_auth();
        template.resumption = rustls::client::Resumption::disabled();
        // PostgreSQL with TLS from the first byte insists on its own.
        template.alpn_protocols = [&b"h2"[..], b"http/1.1", b"postgresql"]
            .map(<[u8]>::to_vec)
            .to_vec();
        Ok(Self {
            provider,
            template,
            chains,
            blank,
            kits: Arc::default(),
        })
    }

    /// Makes one handshake over a connection, for a certificate of these `keys`, and closes it;
    /// gives what was seen, and when the handshake was over, before the goodbyes. The caller bounds
    /// the time.
    pub(super) async fn run(
        &self,
        stream: &mut TcpStream,
        door: &TlsDoor,
        keys: Keys,
        tracer: &mut Tracer,
    ) -> Result<(Handshake, Instant), Failure> {
        let kit = self.kit(door, keys);
        let recorder = kit.recorder;
        let connection = connection(&kit.config, door)?;
        let mut wire = Wire::new(stream, connection, kit.flight, tracer);
        let ended = wire.handshake().await;
        let over = Instant::now();
        let connection = &wire.connection;
        let Some(chain) = recorder.chain.get().cloned() else {
            let ended = ended.err();
            return Err(
                ended.unwrap_or_else(|| failure(Reason::Protocol, "no certificate was sent"))
            );
        };
        let mut seen = Handshake {
            chain,
            version: connection
                .protocol_version()
                .map_or(TlsVersion::Tls13, version),
            cipher: connection
                .negotiated_cipher_suite()
                .map_or(0, |suite| suite.suite().into()),
            group: connection
                .negotiated_key_exchange_group()
                .map(|group| group.name().into()),
            alpn: connection
                .alpn_protocol()
                .map(|name| crate::model::clean(&String::from_utf8_lossy(name)).into()),
            client_auth: ClientAuth::NotRequested,
            key_proven: recorder.key_proven.get().copied().flatten(),
            stapled: recorder.stapled.get().copied(),
        };
        let asked = recorder.client_certificate.get().is_some();
        let refused = match ended {
            Ok(()) => wire.goodbye(asked).await,
            Err(_) => wire.refused_by.is_some(),
        };
        seen.client_auth = match (asked, refused) {
            (false, _) => ClientAuth::NotRequested,
            (true, false) => ClientAuth::Requested,
            (true, true) => ClientAuth::Required,
        };
        let Wire {
            flight, connection, ..
        } = wire;
        // It shares the configuration.
        drop(connection);
        self.put_back(Kit {
            recorder,
            config: kit.config,
            flight,
        });
        Ok((seen, over))
    }

    /// Makes one handshake over a connection, for HTTP/1.1, with whoever is there; nobody is
    /// verified. The caller bounds the time.
    pub(super) async fn for_http(
        &self,
        stream: TcpStream,
        server_name: Option<&str>,
    ) -> io::Result<TlsStream<TcpStream>> {
        let recorder = Arc::new(self.recorder(Keys::Any));
        let mut config = self.config(&recorder, server_name);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = to_send(server_name).map_err(io::Error::other)?;
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await
    }

    /// For a handshake at this door, for a certificate of these keys, with nothing recorded.
    fn kit(&self, door: &TlsDoor, keys: Keys) -> Kit {
        let server_name = door.server_name.as_deref();
        let kept = door.starttls.is_none().then(|| self.kits().pop()).flatten();
        if let Some(mut kit) = kept
            && let Some(recorder) = Arc::get_mut(&mut kit.recorder)
            && let Some(config) = Arc::get_mut(&mut kit.config)
        {
            recorder.keys = keys;
            fit(config, &kit.recorder, server_name);
            return kit;
        }
        let recorder = Arc::new(self.recorder(keys));
        let mut config = self.config(&recorder, server_name);
        if door.starttls.is_some() {
            // It is settled what will be spoken.
            config.alpn_protocols.clear();
        }
        Kit {
            recorder,
            config: Arc::new(config),
            flight: Vec::with_capacity(FLIGHT_BYTES),
        }
    }

    /// Keeps it for another handshake, without what this one showed; not where somebody else still
    /// has a part of it.
    fn put_back(&self, mut kit: Kit) {
        let is_usual = kit.config.alpn_protocols.len() == self.template.alpn_protocols.len();
        let Some(config) = Arc::get_mut(&mut kit.config).filter(|_| is_usual) else {
            return;
        };
        // Which takes the recorder out of it.
        fit(config, &self.blank, None);
        let Some(recorder) = Arc::get_mut(&mut kit.recorder) else {
            return;
        };
        *recorder = self.recorder(Keys::Any);
        let mut kits = self.kits();
        if kits.len() < KITS {
            kits.push(kit);
        }
    }

    fn kits(&self) -> MutexGuard<'_, Vec<Kit>> {
        // A list has no half-done state worth refusing.
        self.kits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recorder(&self, keys: Keys) -> Recorder {
        let algorithms = self.provider.signature_verification_algorithms;
        Recorder::new(algorithms, &self.chains, keys)
    }

    fn config(&self, recorder: &Arc<Recorder>, server_name: Option<&str>) -> ClientConfig {
        let mut config = self.template.clone();
        fit(&mut config, recorder, server_name);
        config
    }
}

fn fit(config: &mut ClientConfig, recorder: &Arc<Recorder>, server_name: Option<&str>) {
    config
        .dangerous()
        .set_certificate_verifier(Arc::clone(recorder) as _);
    config.client_auth_cert_resolver = Arc::clone(recorder) as _;
    config.enable_sni = server_name.is_some();
}

fn connection(config: &Arc<ClientConfig>, door: &TlsDoor) -> Result<ClientConnection, Failure> {
    let name = to_send(door.server_name.as_deref())
        .map_err(|_| failure(Reason::Other, "the name cannot be sent as a server name"))?;
    ClientConnection::new(Arc::clone(config), name).map_err(|error| from_tls(&error, None))
}

/// Where no name is to be sent, the library still wants one.
fn to_send(server_name: Option<&str>) -> Result<ServerName<'static>, InvalidDnsNameError> {
    ServerName::try_from(server_name.unwrap_or("unnamed.invalid").to_owned())
}

const fn is_aes_128(suite: CipherSuite) -> bool {
    matches!(
        suite,
        CipherSuite::TLS13_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    )
}

const fn is_rsa(scheme: SignatureScheme) -> bool {
    matches!(
        scheme,
        SignatureScheme::RSA_PKCS1_SHA1
            | SignatureScheme::RSA_PKCS1_SHA256
            | SignatureScheme::RSA_PKCS1_SHA384
            | SignatureScheme::RSA_PKCS1_SHA512
            | SignatureScheme::RSA_PSS_SHA256
            | SignatureScheme::RSA_PSS_SHA384
            | SignatureScheme::RSA_PSS_SHA512
    )
}

fn version(version: ProtocolVersion) -> TlsVersion {
    TlsVersion::from_wire(version.into()).unwrap_or(TlsVersion::Tls13)
}

/// A TLS connection over a socket.
struct Wire<'a> {
    stream: &'a mut TcpStream,
    connection: ClientConnection,
    tracer: &'a mut Tracer,
    /// The first byte that came back: it tells TLS from other protocols.
    first: Option<u8>,
    /// What is being sent: emptied, and kept for the next flight.
    flight: Vec<u8>,
    /// A fatal alert came: after the certificate was seen, it says that ours was missed.
    refused_by: Option<AlertDescription>,
}

impl<'a> Wire<'a> {
    fn new(
        stream: &'a mut TcpStream,
        connection: ClientConnection,
        flight: Vec<u8>,
        tracer: &'a mut Tracer,
    ) -> Self {
        Self {
            stream,
            connection,
            tracer,
            first: None,
            flight,
            refused_by: None,
        }
    }

    async fn handshake(&mut self) -> Result<(), Failure> {
        self.flush().await?;
        while self.connection.is_handshaking() {
            let ended = self.read().await;
            // What is left to say is an alert or the next flight, and is sent; or our last flight,
            // which goes with our goodbye: one packet fewer for both sides.
            if ended.is_err() || self.connection.is_handshaking() {
                self.flush()
                    .await
                    .or_else(|failed| if ended.is_err() { Ok(()) } else { Err(failed) })?;
            }
            if !ended? {
                return Err(failure(
                    Reason::Closed,
                    "the peer closed during the handshake",
                ));
            }
        }
        Ok(())
    }

    /// Says goodbye and hears the server out: whether it sent a fatal alert. A server that asked
    /// for a client certificate under TLS 1.3 refuses only now (RFC 9846 section 4.4.2.4).
    async fn goodbye(&mut self, asked: bool) -> bool {
        self.connection.send_close_notify();
        if self.flush().await.is_err() {
            return false;
        }
        let hear_out = async {
            for _ in 0..GOODBYE_READS {
                // Only after a request for a certificate is there anything to learn.
                let goes_on = if asked {
                    matches!(self.read().await, Ok(true))
                } else {
                    let trace = |bytes: &[u8]| self.tracer.received(bytes);
                    matches!(read_some(self.stream, trace).await, Ok(1..))
                };
                if !goes_on {
                    break;
                }
            }
        };
        // A server that never answers is left; nothing is lost by it.
        drop(tokio::time::timeout(GOODBYE, hear_out).await);
        asked && self.refused_by.is_some()
    }

    /// Reads once; `false` at the end of the stream.
    async fn read(&mut self) -> Result<bool, Failure> {
        let Self {
            stream,
            connection,
            tracer,
            first,
            refused_by,
            ..
        } = self;
        let mut taken = Ok(());
        let read = read_some(stream, |bytes| {
            tracer.received(bytes);
            *first = first.or_else(|| bytes.first().copied());
            taken = take_in(connection, bytes).map_err(|error| {
                if let TlsError::AlertReceived(alert) = error {
                    *refused_by = Some(alert);
                }
                from_tls(&error, *first)
            });
        });
        let read = read.await.map_err(|error| from_io(&error))?;
        taken.map(|()| read > 0)
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        self.flight.clear();
        while self.connection.wants_write() {
            self.connection
                .write_tls(&mut self.flight)
                .map_err(|error| from_io(&error))?;
        }
        if self.flight.is_empty() {
            return Ok(());
        }
        self.tracer.sent(&self.flight);
        self.stream
            .write_all(&self.flight)
            .await
            .map_err(|error| from_io(&error))
    }
}

/// Reads once, and hands over what came: how many bytes, 0 at the end of the stream. The space for
/// them is on the stack, so that a probe that waits holds none.
async fn read_some(stream: &mut TcpStream, mut give: impl FnMut(&[u8])) -> io::Result<usize> {
    poll_fn(|context| {
        let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
        give(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    })
    .await
}

/// Gives the library what came.
fn take_in(connection: &mut ClientConnection, mut bytes: &[u8]) -> Result<(), TlsError> {
    while !bytes.is_empty() {
        connection
            .read_tls(&mut bytes)
            .map_err(|error| TlsError::General(error.to_string()))?;
        let state = connection.process_new_packets()?;
        discard(connection, state.plaintext_bytes_to_read() as u64);
    }
    Ok(())
}

/// Throws away application data that a server sends of its own accord, so that it does not pile up.
fn discard(connection: &mut ClientConnection, mut pending: u64) {
    let mut reader = connection.reader();
    while pending > 0 {
        match io::copy(&mut io::Read::take(&mut reader, pending), &mut io::sink()) {
            Ok(0) | Err(_) => break,
            Ok(copied) => pending = pending.saturating_sub(copied),
        }
    }
}

/// Records what a server shows and accepts all of it.
#[derive(Debug)]
struct Recorder {
    algorithms: WebPkiSupportedAlgorithms,
    keys: Keys,
    chains: Arc<Chains>,
    chain: OnceLock<Arc<Chain>>,
    stapled: OnceLock<bool>,
    key_proven: OnceLock<Option<bool>>,
    client_certificate: OnceLock<()>,
}

impl Recorder {
    fn new(algorithms: WebPkiSupportedAlgorithms, chains: &Arc<Chains>, keys: Keys) -> Self {
        Self {
            algorithms,
            keys,
            chains: Arc::clone(chains),
            chain: OnceLock::new(),
            stapled: OnceLock::new(),
            key_proven: OnceLock::new(),
            client_certificate: OnceLock::new(),
        }
    }

    /// A wrong signature is a fact; one that cannot be checked is none.
    fn record_proof(&self, verified: &Result<HandshakeSignatureValid, TlsError>) {
        use rustls::CertificateError;
        let proven = match verified {
            Ok(_) => Some(true),
            Err(TlsError::InvalidCertificate(CertificateError::BadSignature)) => Some(false),
            Err(_) => None,
        };
        // Set once per connection: the library verifies one signature.
        self.key_proven.get_or_init(|| proven);
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp_response: &[u8],
        _: PkiTime,
    ) -> Result<ServerCertVerified, TlsError> {
        self.stapled.get_or_init(|| !ocsp_response.is_empty());
        self.chain
            .get_or_init(|| self.chains.intern_all(std::iter::once(leaf).chain(rest)));
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.record_proof(&verify_tls12_signature(
            message,
            leaf,
            signed,
            &self.algorithms,
        ));
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.record_proof(&verify_tls13_signature(
            message,
            leaf,
            signed,
            &self.algorithms,
        ));
        Ok(HandshakeSignatureValid::assertion())
    }

    /// Also those that this program cannot check: a server that has nothing else still shows its
    /// certificate.
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let checked = self.algorithms.mapping.iter().map(|(scheme, _)| *scheme);
        let unchecked = [
            SignatureScheme::ED448,
            SignatureScheme::RSA_PKCS1_SHA1,
            SignatureScheme::ECDSA_SHA1_Legacy,
        ];
        // With its length known beforehand it takes one allocation.
        let mut schemes = Vec::with_capacity(checked.len() + unchecked.len());
        schemes.extend(checked);
        schemes.extend(unchecked);
        match self.keys {
            Keys::Any => {}
            Keys::Rsa => schemes.retain(|scheme| is_rsa(*scheme)),
            Keys::Others => schemes.retain(|scheme| !is_rsa(*scheme)),
        }
        schemes
    }
}

impl ResolvesClientCert for Recorder {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.client_certificate.get_or_init(|| ());
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Address, Requests, StartTls};

    fn door(starttls: Option<StartTls>) -> TlsDoor {
        TlsDoor {
            address: Address::parse("192.0.2.1"),
            port: 443,
            server_name: Some("shop.test".into()),
            starttls,
            guarded: true,
            requests: Requests::Nothing,
        }
    }

    #[test]
    fn the_next_handshake_gets_the_kit_with_nothing_in_it() {
        let handshaker = Handshaker::new(Arc::default()).unwrap();
        let kit = handshaker.kit(&door(None), Keys::Any);
        let config = Arc::as_ptr(&kit.config);
        let chain = handshaker.chains.intern(&[b"der"]).unwrap();
        let held = Arc::downgrade(&chain);
        kit.recorder.chain.set(chain).unwrap();
        kit.recorder.key_proven.set(Some(true)).unwrap();
        kit.recorder.stapled.set(true).unwrap();
        kit.recorder.client_certificate.set(()).unwrap();
        handshaker.put_back(kit);
        assert_eq!(held.strong_count(), 0);
        let kit = handshaker.kit(&door(None), Keys::Any);
        assert_eq!(Arc::as_ptr(&kit.config), config);
        let Recorder {
            chain,
            stapled,
            key_proven,
            client_certificate,
            ..
        } = &*kit.recorder;
        assert!(chain.get().is_none() && stapled.get().is_none());
        assert!(key_proven.get().is_none() && client_certificate.get().is_none());
    }

    #[test]
    fn a_kit_that_is_in_use_or_unusual_is_not_kept() {
        let handshaker = Handshaker::new(Arc::default()).unwrap();
        let kit = handshaker.kit(&door(None), Keys::Any);
        let in_use = Arc::clone(&kit.config);
        handshaker.put_back(kit);
        assert!(handshaker.kits().is_empty());
        drop(in_use);
        let unusual = handshaker.kit(&door(Some(StartTls::Smtp)), Keys::Any);
        assert!(unusual.config.alpn_protocols.is_empty());
        handshaker.put_back(unusual);
        assert!(handshaker.kits().is_empty());
    }

    #[test]
    fn no_more_kits_are_kept_than_are_used_at_once() {
        let handshaker = Handshaker::new(Arc::default()).unwrap();
        let kits: Vec<_> = (0..=KITS)
            .map(|_| handshaker.kit(&door(None), Keys::Any))
            .collect();
        for kit in kits {
            handshaker.put_back(kit);
        }
        assert_eq!(handshaker.kits().len(), KITS);
    }
}
