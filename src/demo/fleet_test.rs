//! The hosts, asked as the exporter asks them.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime as Now};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::cast::{CAST, Role};
use super::{Demo, LOOPBACK, start};
use crate::clock;

/// Long enough for loopback, short enough to wait for what never comes.
const PATIENCE: Duration = Duration::from_millis(100);

fn role(name: &str) -> &'static Role {
    CAST.iter().find(|role| role.name() == name).unwrap()
}

/// The ports that the status of a host's Ingress lists: for TLS, and for plaintext.
fn ports(demo: &Demo, name: &str) -> [u16; 2] {
    let state = demo.objects.subscribe();
    let state = state.borrow();
    let mut ingresses = state.objects.values();
    let ingress = ingresses.find(|o| o["metadata"]["name"] == name).unwrap();
    let ports = &ingress["status"]["loadBalancer"]["ingress"][0]["ports"];
    [0, 1].map(|at| u16::try_from(ports[at]["port"].as_u64().unwrap()).unwrap())
}

async fn connect(port: u16) -> std::io::Result<TcpStream> {
    TcpStream::connect((LOOPBACK, port)).await
}

/// All that comes back until the other side closes.
async fn exchange(port: u16, sent: &[u8]) -> Vec<u8> {
    let mut stream = connect(port).await.unwrap();
    stream.write_all(sent).await.unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.unwrap();
    received
}

async fn http(port: u16, host: &str) -> String {
    let request = format!("GET /a HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    String::from_utf8(exchange(port, request.as_bytes()).await).unwrap()
}

/// Accepts any certificate, so that it can be looked at.
#[derive(Debug)]
struct Anything;

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: Now,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = aws_lc_rs::default_provider();
        provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Verifies against the authority that the demo hands out.
fn verifier(demo: &Demo) -> Arc<dyn ServerCertVerifier> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(demo.ca_pem().as_bytes());
    roots.add(root.unwrap()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .unwrap()
}

/// The chain shown to a client that asks for `name`, or why it would have none of it.
async fn chain(
    port: u16,
    name: &str,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<Vec<CertificateDer<'static>>, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let stream = connect(port).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let stream = connector
        .connect(name, stream)
        .await
        .map_err(|e| e.to_string())?;
    Ok(stream.get_ref().1.peer_certificates().unwrap().to_vec())
}

#[tokio::test]
async fn each_host_is_taken_or_refused_by_a_careful_client_for_its_own_reason() {
    let demo = start(clock::now()).await.unwrap();
    for (name, asked, expected) in [
        ("shop", "shop.demo.test", None),
        ("apps", "anything.apps.demo.test", None),
        ("redirect", "redirect.demo.test", None),
        ("short-lived", "short-lived.demo.test", None),
        ("plaintext", "plaintext.demo.test", None),
        ("expiring", "expiring.demo.test", None),
        ("expiring-soon", "expiring-soon.demo.test", None),
        ("old-tls", "old-tls.demo.test", None),
        ("expired", "expired.demo.test", Some("certificate expired")),
        (
            "self-signed",
            "self-signed.demo.test",
            Some("UnknownIssuer"),
        ),
        ("untrusted", "untrusted.demo.test", Some("UnknownIssuer")),
        ("no-secret", "no-secret.demo.test", Some("UnknownIssuer")),
        (
            "wrong-name",
            "wrong-name.demo.test",
            Some("not valid for name"),
        ),
    ] {
        let [port, _] = ports(&demo, name);
        match (chain(port, asked, verifier(&demo)).await, expected) {
            (Ok(chain), None) => assert_eq!(chain.len(), 2, "{name}"),
            (Err(error), Some(expected)) => assert!(error.contains(expected), "{name}: {error}"),
            (outcome, _) => panic!("{name}: {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn certificates_are_dated_around_the_instant_given() {
    const DAY: i64 = 24 * 3600;
    let now = crate::model::UnixTime::from_secs(2_000_000_000);
    let demo = start(now).await.unwrap();
    for (name, issued, expires) in [
        ("shop", -30, 60),
        ("expiring", -347, 18),
        ("expiring-soon", -85, 5),
        ("expired", -93, -3),
        ("no-secret", 0, 365),
    ] {
        let [port, _] = ports(&demo, name);
        let chain = chain(port, role(name).host, Arc::new(Anything))
            .await
            .unwrap();
        let (_, leaf) = X509Certificate::from_der(&chain[0]).unwrap();
        let validity = leaf.validity();
        let days = |at: x509_parser::time::ASN1Time| (at.timestamp() - now.as_secs()) / DAY;
        assert_eq!(
            (days(validity.not_before), days(validity.not_after)),
            (issued, expires),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_host_without_a_certificate_of_its_own_gets_the_controllers_fake_one() {
    let demo = start(clock::now()).await.unwrap();
    for (name, asked) in [
        ("no-secret", "no-secret.demo.test"),
        ("shop", "a.b.apps.demo.test"),
    ] {
        let [port, _] = ports(&demo, name);
        let chain = chain(port, asked, Arc::new(Anything)).await.unwrap();
        let (_, leaf) = X509Certificate::from_der(&chain[0]).unwrap();
        let subject = "O=Acme Co, CN=Kubernetes Ingress Controller Fake Certificate";
        assert_eq!(leaf.subject().to_string(), subject);
        assert_eq!(leaf.issuer().to_string(), subject);
    }
}

/// The start of a hello of this version, as long as its record says.
fn hello(minor: u8) -> Vec<u8> {
    let mut record = vec![22, 3, 1, 0, 60, 1, 0, 0, 56, 3, minor];
    record.resize(11 + 32, 0); // random
    record.extend([0, 0, 2, 0xc0, 0x09]); // no session, one suite
    record.resize(5 + 60, 0);
    record
}

#[tokio::test]
async fn an_old_hello_is_answered_in_its_version_by_the_old_controller_only() {
    let demo = start(clock::now()).await.unwrap();
    let ([old, _], [new, _]) = (ports(&demo, "old-tls"), ports(&demo, "shop"));
    for minor in [1, 2] {
        let answer = exchange(old, &hello(minor)).await;
        assert_eq!(answer[..3], [22, 3, minor], "record");
        assert_eq!(answer[5], 2, "a ServerHello");
        assert_eq!(answer[9..11], [3, minor], "the version agreed on");
        assert_eq!(
            usize::from(u16::from_be_bytes([answer[3], answer[4]])),
            answer.len() - 5
        );
        assert_eq!(exchange(new, &hello(minor)).await[0], 21, "an alert");
        let mut other_suite = hello(minor);
        other_suite[47] = 0x0a;
        let refused = [21, 3, minor, 0, 2, 2, 40];
        assert_eq!(exchange(old, &other_suite).await, refused);
    }
    assert_eq!(exchange(old, &hello(0)).await[0], 21, "SSL 3.0");
}

#[tokio::test]
async fn plaintext_is_redirected_served_or_unknown_by_host() {
    let demo = start(clock::now()).await.unwrap();
    let [tls, port] = ports(&demo, "shop");
    let answer = http(port, &format!("shop.demo.test:{port}")).await;
    assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
    let location = format!("location: https://shop.demo.test:{tls}/a\r\n");
    assert!(answer.contains(&location), "{answer}");
    assert!(
        http(port, "x.apps.demo.test")
            .await
            .starts_with("HTTP/1.1 308 ")
    );
    for name in ["plaintext", "no-tls"] {
        let [_, port] = ports(&demo, name);
        let answer = http(port, role(name).host).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{name}: {answer}");
    }
    assert!(http(port, "other.test").await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn plaintext_on_a_tls_port_is_refused_as_real_servers_refuse_it() {
    let demo = start(clock::now()).await.unwrap();
    let [tls, _] = ports(&demo, "shop");
    let answer = http(tls, "shop.demo.test").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(
        answer.contains("The plain HTTP request was sent to HTTPS port"),
        "{answer}"
    );
    let [old, _] = ports(&demo, "old-tls");
    assert_eq!(http(old, "old-tls.demo.test").await, "");
}

#[tokio::test]
async fn the_refusing_host_refuses_and_the_silent_one_says_nothing() {
    let demo = start(clock::now()).await.unwrap();
    for port in ports(&demo, "refused") {
        let error = connect(port).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    }
    for port in ports(&demo, "silent") {
        let answer = exchange(port, b"GET / HTTP/1.1\r\n\r\n");
        tokio::time::timeout(PATIENCE, answer).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_client_that_stalls_in_its_handshake_delays_nobody() {
    let demo = start(clock::now()).await.unwrap();
    let [port, _] = ports(&demo, "shop");
    let mut stalled = connect(port).await.unwrap();
    stalled.write_all(&hello(3)[..20]).await.unwrap();
    chain(port, "shop.demo.test", verifier(&demo))
        .await
        .unwrap();
}

#[tokio::test]
async fn dropping_the_demo_closes_every_port() {
    let demo = start(clock::now()).await.unwrap();
    let ports: Vec<u16> = CAST
        .iter()
        .flat_map(|role| ports(&demo, role.name()))
        .collect();
    drop(demo);
    let closed = async {
        for port in ports {
            while connect(port).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), closed)
        .await
        .unwrap();
}
