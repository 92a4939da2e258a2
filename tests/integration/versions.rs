//! Real servers accept exactly the versions that they were configured to, by our hellos, and show
//! the certificate that they were given.

use std::time::Duration;

use kube_https_exporter::model::TlsVersion::{Ssl30, Tls10, Tls11, Tls12, Tls13};
use kube_https_exporter::model::{
    Acceptance, ClientAuth, Failure, Reason, TlsVersion, VersionSupport,
};
use kube_https_exporter::probe::legacy::{LegacyFacts, legacy_handshake};
use kube_https_exporter::probe::version::{HelloAnswer, ask, settle};
use rcgen::KeyPair;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ca::{CA, Ca, ECDSA, Leaf, NAME, RSA};
use crate::peers;
use crate::process::{Peer, Site, command, run};

/// Ample on loopback, with two dozen servers starting on two cores.
const DEADLINE: Duration = Duration::from_secs(20);

async fn answers(peer: &Peer) -> [HelloAnswer; 5] {
    let mut answers = [HelloAnswer::Missing; 5];
    for (answer, version) in answers.iter_mut().zip(TlsVersion::ALL) {
        let asking = async {
            let mut stream = TcpStream::connect(peer.address).await.unwrap();
            ask(&mut stream, version, Some(NAME)).await
        };
        *answer = timeout(DEADLINE, asking).await.unwrap_or(*answer);
    }
    answers
}

async fn shown(peer: &Peer, version: TlsVersion) -> Result<LegacyFacts, Failure> {
    let handshake = async {
        let mut stream = TcpStream::connect(peer.address).await.unwrap();
        legacy_handshake(&mut stream, version, Some(NAME)).await
    };
    timeout(DEADLINE, handshake).await.unwrap()
}

/// Each version is either accepted or refused, and those `expected` are the accepted ones. What
/// comes in clear shows the leaf, under the best version that the hello and the server share.
async fn accepts(peer: Peer, leaf: &Leaf, expected: &[TlsVersion]) {
    let answers = answers(&peer).await;
    let settled = TlsVersion::ALL.map(|version| {
        if expected.contains(&version) {
            Acceptance::Accepted
        } else {
            Acceptance::Refused
        }
    });
    assert_eq!(
        settle(&answers, None),
        VersionSupport(settled),
        "{answers:?}"
    );

    let best_in_clear = expected.iter().filter(|version| **version <= Tls12).max();
    let shown = shown(&peer, Tls12).await;
    let Some(best) = best_in_clear else {
        return assert_eq!(shown.unwrap_err().reason, Reason::Alert);
    };
    check(&shown.unwrap(), *best, leaf);
    if *best < Tls12 {
        // What the regular probe sends where the TLS library finds no common version.
        check(&self::shown(&peer, Tls11).await.unwrap(), *best, leaf);
    }
}

fn check(facts: &LegacyFacts, version: TlsVersion, leaf: &Leaf) {
    assert_eq!(facts.version, version);
    assert_eq!(facts.certificates[0], leaf.der);
    assert_eq!(facts.client_auth, ClientAuth::NotRequested);
}

#[tokio::test]
async fn nginx_up_to_tls_1_2() {
    let peer = peers::nginx(&ECDSA, "TLSv1 TLSv1.1 TLSv1.2");
    accepts(peer, &ECDSA, &[Tls10, Tls11, Tls12]).await;
}

#[tokio::test]
async fn nginx_from_tls_1_2() {
    accepts(
        peers::nginx(&ECDSA, "TLSv1.2 TLSv1.3"),
        &ECDSA,
        &[Tls12, Tls13],
    )
    .await;
}

#[tokio::test]
async fn nginx_with_tls_1_3_alone() {
    accepts(peers::nginx(&ECDSA, "TLSv1.3"), &ECDSA, &[Tls13]).await;
}

#[tokio::test]
async fn nginx_with_a_hole() {
    accepts(peers::nginx(&RSA, "TLSv1 TLSv1.3"), &RSA, &[Tls10, Tls13]).await;
}

#[tokio::test]
async fn haproxy_from_tls_1_0() {
    accepts(
        peers::haproxy(&ECDSA, "TLSv1.0"),
        &ECDSA,
        &[Tls10, Tls11, Tls12, Tls13],
    )
    .await;
}

#[tokio::test]
async fn haproxy_from_tls_1_2() {
    accepts(peers::haproxy(&RSA, "TLSv1.2"), &RSA, &[Tls12, Tls13]).await;
}

/// Its security level refuses TLS 1.0 and 1.1 with `internal_error`.
#[tokio::test]
async fn openssl_as_it_comes() {
    accepts(peers::openssl(&RSA, &[]), &RSA, &[Tls12, Tls13]).await;
}

#[tokio::test]
async fn openssl_with_everything_it_has() {
    accepts(
        peers::openssl_weak(&ECDSA, &[]),
        &ECDSA,
        &[Tls10, Tls11, Tls12, Tls13],
    )
    .await;
}

#[tokio::test]
async fn openssl_with_tls_1_0_alone() {
    accepts(peers::openssl_weak(&RSA, &["-tls1"]), &RSA, &[Tls10]).await;
}

#[tokio::test]
async fn openssl_with_tls_1_1_alone() {
    accepts(peers::openssl_weak(&ECDSA, &["-tls1_1"]), &ECDSA, &[Tls11]).await;
}

#[tokio::test]
async fn openssl_with_tls_1_3_alone() {
    accepts(peers::openssl(&RSA, &["-tls1_3"]), &RSA, &[Tls13]).await;
}

#[tokio::test]
async fn gnutls_with_everything_it_has() {
    let versions = "+VERS-TLS1.3:+VERS-TLS1.2:+VERS-TLS1.1:+VERS-TLS1.0";
    accepts(
        peers::gnutls(&ECDSA, versions),
        &ECDSA,
        &[Tls10, Tls11, Tls12, Tls13],
    )
    .await;
}

#[tokio::test]
async fn gnutls_with_tls_1_0_and_1_2() {
    let peer = peers::gnutls(&RSA, "+VERS-TLS1.2:+VERS-TLS1.0");
    accepts(peer, &RSA, &[Tls10, Tls12]).await;
}

/// It breaks off without the promise about renegotiation.
#[tokio::test]
async fn gnutls_that_insists_on_safe_renegotiation() {
    let peer = peers::gnutls(&RSA, "+VERS-TLS1.1:+VERS-TLS1.0:%SAFE_RENEGOTIATION");
    accepts(peer, &RSA, &[Tls10, Tls11]).await;
}

#[tokio::test]
async fn nss_from_ssl_3_0() {
    accepts(
        peers::nss(&RSA, "ssl3:tls1.2"),
        &RSA,
        &[Ssl30, Tls10, Tls11, Tls12],
    )
    .await;
}

#[tokio::test]
async fn nss_up_to_tls_1_3() {
    accepts(
        peers::nss(&RSA, "tls1.1:tls1.3"),
        &RSA,
        &[Tls11, Tls12, Tls13],
    )
    .await;
}

#[tokio::test]
async fn java_with_all_five() {
    accepts(peers::java(&RSA, "ssl3", "tls1.3"), &RSA, &TlsVersion::ALL).await;
}

#[tokio::test]
async fn java_with_tls_1_2_alone() {
    accepts(peers::java(&ECDSA, "tls1.2", "tls1.2"), &ECDSA, &[Tls12]).await;
}

#[tokio::test]
async fn tlslite_with_ssl_3_0_alone() {
    accepts(peers::tlslite(&RSA, "ssl3", "ssl3"), &RSA, &[Ssl30]).await;
}

#[tokio::test]
async fn tlslite_with_tls_1_1_alone() {
    accepts(peers::tlslite(&RSA, "tls1.1", "tls1.1"), &RSA, &[Tls11]).await;
}

#[tokio::test]
async fn tlslite_with_all_five() {
    accepts(
        peers::tlslite(&RSA, "ssl3", "tls1.3"),
        &RSA,
        &TlsVersion::ALL,
    )
    .await;
}

#[tokio::test]
async fn node_up_to_tls_1_2() {
    accepts(
        peers::node(&ECDSA, "tls1.0", "tls1.2"),
        &ECDSA,
        &[Tls10, Tls11, Tls12],
    )
    .await;
}

#[tokio::test]
async fn go_from_tls_1_1() {
    accepts(
        peers::go(&ECDSA, "tls1.1", "tls1.3"),
        &ECDSA,
        &[Tls11, Tls12, Tls13],
    )
    .await;
}

#[tokio::test]
async fn go_with_tls_1_0_alone() {
    accepts(peers::go(&RSA, "tls1.0", "tls1.0"), &RSA, &[Tls10]).await;
}

#[tokio::test]
async fn a_server_that_does_not_know_the_name_says_nothing_about_versions() {
    let peer = peers::nginx_server(
        &ECDSA,
        "ssl_protocols TLSv1.2 TLSv1.3; ssl_reject_handshake on;",
    );
    let answers = answers(&peer).await;
    assert_eq!(answers[4], HelloAnswer::Alert(112), "{answers:?}");
    assert_eq!(
        settle(&answers, None),
        VersionSupport([Acceptance::Unknown; 5])
    );
}

#[tokio::test]
async fn a_wish_for_a_client_certificate_shows_in_clear() {
    let peer = peers::openssl_weak(&RSA, &["-tls1_1", "-Verify", "1"]);
    let facts = shown(&peer, Tls11).await.unwrap();
    assert_eq!(facts.client_auth, ClientAuth::Requested);
    assert_eq!(facts.certificates[0], RSA.der);
}

#[tokio::test]
async fn a_key_that_the_tls_library_does_not_take_shows_its_certificate_all_the_same() {
    for key in [
        ["ecparam", "-genkey", "-name", "secp256k1"].as_slice(),
        &["ecparam", "-genkey", "-name", "brainpoolP384r1"],
        &["genrsa", "512"],
        &["dsaparam", "-genkey", "1024"],
    ] {
        let leaf = openssl_leaf(key);
        let peer = peers::openssl_weak(&leaf, &[]);
        let facts = shown(&peer, Tls12).await.unwrap();
        assert_eq!(facts.certificates, [leaf.der], "{key:?}");
    }
}

/// A self-signed certificate for a key that this command of OpenSSL makes, and rcgen cannot.
fn openssl_leaf(key: &[&str]) -> Leaf {
    let site = Site::new("leaf");
    let [key_file, cert_file, der_file] =
        ["key.pem", "cert.pem", "cert.der"].map(|file| site.path(file));
    let (made, options) = key.split_first().unwrap();
    run(command("openssl")
        .args([made, "-out", &key_file])
        .args(options));
    run(command("openssl")
        .args(["req", "-x509", "-subj", "/CN=peer.test"])
        .args(["-key", &key_file, "-out", &cert_file]));
    run(command("openssl").args([
        "x509", "-in", &cert_file, "-outform", "DER", "-out", &der_file,
    ]));
    Leaf {
        der: std::fs::read(der_file).unwrap(),
        cert_pem: std::fs::read_to_string(cert_file).unwrap(),
        key_pem: std::fs::read_to_string(key_file).unwrap(),
    }
}

#[tokio::test]
async fn a_certificate_with_ten_thousand_names_is_read() {
    let names: Vec<String> = (0..10_000)
        .map(|n| format!("host-{n}.example.com"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let leaf = CA.issue(&Ca::params(&names), &KeyPair::generate().unwrap());
    let facts = shown(&peers::openssl(&leaf, &[]), Tls12).await.unwrap();
    assert!(leaf.der.len() > 1 << 16, "more than the TLS library reads");
    assert!(facts.certificates == [leaf.der]);
}

#[tokio::test]
async fn an_ssl_3_0_server_shows_its_certificate_to_a_hello_of_its_own() {
    let facts = shown(&peers::tlslite(&RSA, "ssl3", "ssl3"), Ssl30)
        .await
        .unwrap();
    assert_eq!(facts.version, Ssl30);
    assert_eq!(facts.certificates[0], RSA.der);
}
