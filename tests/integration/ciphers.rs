//! Real servers accept exactly the classes of cipher suites and the groups that they were
//! configured with, in no more connections than a server should have to bear.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kube_https_exporter::config::Config;
use kube_https_exporter::model::{
    Acceptance, Address, CipherClass, DeepSeen, Group, Requests, TlsDoor, TlsVersion,
};
use kube_https_exporter::probe::Prober;
use kube_https_exporter::schedule::Probe;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use rcgen::{KeyPair, PKCS_RSA_SHA256, date_time_ymd};
use serde_json::json;

use crate::ca::{CA, Ca, ECDSA, Leaf, NAME, RSA};
use crate::cluster::Cluster;
use crate::exporter::Exporter;
use crate::peers;
use crate::process::{Peer, Site};
use crate::scrape::Scrape;

/// The groups of OpenSSL 3.0 as it comes, and of most others.
const OPENSSL_GROUPS: &str = "X25519 X448 secp521r1 secp384r1 secp256r1 ffdhe2048 ffdhe3072";

/// The groups of Go 1.26 as it comes.
const GO_GROUPS: &str = "X25519MLKEM768 SecP256r1MLKEM768 SecP384r1MLKEM1024 X25519 secp521r1 \
                         secp384r1 secp256r1";

/// What the deep probe finds at `address`, where a full handshake came to TLS 1.2 or 1.3.
async fn deep(address: SocketAddr, handshake: TlsVersion) -> DeepSeen {
    // Ample on loopback, with a dozen servers starting on two cores.
    let config = Config {
        timeout: Duration::from_secs(20),
        ..Config::default()
    };
    let door = TlsDoor {
        address: Address::Ip(address.ip()),
        port: address.port(),
        server_name: Some(NAME.into()),
        starttls: None,
        guarded: false,
        requests: Requests::Nothing,
    };
    let prober = Prober::new(&config).unwrap();
    let report = prober.deep(&door, &[(address.ip(), handshake)]).await;
    report.addresses[0].1.clone()
}

/// The names of what is accepted, and of what could not be found out with a question mark.
fn accepted<T>(
    answers: impl Iterator<Item = (T, Acceptance)>,
    label: fn(T) -> &'static str,
) -> String {
    let said = answers.filter_map(|(one, answer)| match answer {
        Acceptance::Accepted => Some(label(one).to_owned()),
        Acceptance::Unknown => Some(format!("{}?", label(one))),
        Acceptance::Refused => None,
    });
    said.collect::<Vec<_>>().join(" ")
}

/// The server accepts these and refuses all else.
async fn accepts(peer: Peer, handshake: TlsVersion, classes: &str, groups: &str) {
    let seen = deep(peer.address, handshake).await;
    let found = (
        accepted(seen.ciphers.iter(), CipherClass::label),
        accepted(seen.groups.iter(), Group::label),
    );
    assert_eq!(found, (classes.to_owned(), groups.to_owned()));
}

/// Passes connections on to `to`, and counts them.
async fn counting(to: SocketAddr) -> (SocketAddr, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut far = TcpStream::connect(to).await.unwrap();
                tokio::io::copy_bidirectional(&mut near, &mut far)
                    .await
                    .ok();
            });
        }
    });
    (address, count)
}

#[tokio::test]
async fn nginx_as_it_comes_costs_at_most_twenty_connections() {
    let peer = peers::nginx_as_it_comes(&RSA, "ssl_protocols TLSv1.2 TLSv1.3;");
    let (front, count) = counting(peer.address).await;
    let seen = deep(front, TlsVersion::Tls13).await;
    assert_eq!(
        accepted(seen.ciphers.iter(), CipherClass::label),
        "cbc no_forward_secrecy aead unlisted uncommon"
    );
    assert_eq!(accepted(seen.groups.iter(), Group::label), OPENSSL_GROUPS);
    let count = count.load(Ordering::Relaxed);
    assert!(count <= 20, "{count} connections");
    assert_eq!(count, 19, "what the schedule reckons with");
}

#[tokio::test]
async fn nginx_as_mozilla_has_it() {
    let directives = "ssl_protocols TLSv1.2 TLSv1.3; ssl_ecdh_curve X25519:prime256v1:secp384r1;
        ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305;";
    accepts(
        peers::nginx_as_it_comes(&RSA, directives),
        TlsVersion::Tls13,
        "aead",
        "X25519 secp384r1 secp256r1",
    )
    .await;
}

#[tokio::test]
async fn nginx_with_tls_1_3_alone_has_no_weak_class() {
    accepts(
        peers::nginx_as_it_comes(&ECDSA, "ssl_protocols TLSv1.3;"),
        TlsVersion::Tls13,
        "",
        OPENSSL_GROUPS,
    )
    .await;
}

#[tokio::test]
async fn nginx_up_to_tls_1_2_names_its_curves() {
    let protocols = "ssl_protocols TLSv1.2; ssl_ecdh_curve X25519:secp384r1;";
    let classes = "cbc no_forward_secrecy aead unlisted uncommon";
    let peer = peers::nginx_as_it_comes(&RSA, protocols);
    let groups = "X25519 secp384r1 ffdhe2048? ffdhe3072?";
    accepts(peer, TlsVersion::Tls12, classes, groups).await;
}

/// Its certificate's curve has to be offered, so that a refusal without it says nothing.
#[tokio::test]
async fn curves_that_an_ecdsa_certificate_hides_are_unknown() {
    let protocols = "ssl_protocols TLSv1.2; ssl_ecdh_curve X25519:prime256v1;";
    let peer = peers::nginx_as_it_comes(&ECDSA, protocols);
    let groups = "X25519 X448? secp521r1? secp384r1? secp256r1 ffdhe2048? ffdhe3072?";
    accepts(
        peer,
        TlsVersion::Tls12,
        "cbc aead unlisted uncommon",
        groups,
    )
    .await;
}

#[tokio::test]
async fn openssl_with_everything_that_debian_compiles() {
    let ciphers = "ALL:COMPLEMENTOFALL:@SECLEVEL=0";
    let peer = peers::openssl(&RSA, &["-cipher", ciphers]);
    let classes = "null anonymous cbc no_forward_secrecy aead dhe_aead unlisted uncommon";
    accepts(peer, TlsVersion::Tls13, classes, OPENSSL_GROUPS).await;
}

#[tokio::test]
async fn openssl_with_cbc_alone() {
    let peer = peers::openssl(
        &RSA,
        &["-cipher", "ECDHE-RSA-AES128-SHA", "-groups", "P-521"],
    );
    accepts(peer, TlsVersion::Tls13, "cbc", "secp521r1").await;
}

#[tokio::test]
async fn java_with_everything_that_it_has() {
    let peer = peers::java(&RSA, "ssl3", "tls1.3");
    let classes = "null anonymous export des rc4 triple_des cbc no_forward_secrecy aead dhe_aead unlisted uncommon";
    accepts(peer, TlsVersion::Tls13, classes, OPENSSL_GROUPS).await;
}

#[tokio::test]
async fn tlslite_with_everything_that_it_has() {
    let peer = peers::tlslite(&RSA, "ssl3", "tls1.3");
    let classes = "null rc4 triple_des cbc no_forward_secrecy aead dhe_aead unlisted uncommon";
    accepts(peer, TlsVersion::Tls13, classes, OPENSSL_GROUPS).await;
}

#[tokio::test]
async fn go_with_hybrids() {
    let peer = peers::go(&RSA, "tls1.0", "tls1.3");
    let classes = "rc4 triple_des cbc no_forward_secrecy aead uncommon";
    accepts(peer, TlsVersion::Tls13, classes, GO_GROUPS).await;
}

#[tokio::test]
async fn gnutls_as_it_comes() {
    let peer = peers::gnutls(&RSA, "+VERS-TLS1.3:+VERS-TLS1.2");
    let classes = "cbc no_forward_secrecy aead dhe_aead unlisted uncommon";
    accepts(peer, TlsVersion::Tls13, classes, OPENSSL_GROUPS).await;
}

#[tokio::test]
async fn haproxy_from_tls_1_0() {
    let peer = peers::haproxy(&ECDSA, "TLSv1.0");
    accepts(
        peer,
        TlsVersion::Tls13,
        "cbc aead unlisted uncommon",
        OPENSSL_GROUPS,
    )
    .await;
}

/// It picks the ECDSA certificate wherever a suite for it is offered, and only then a suite.
#[tokio::test]
async fn haproxy_with_both_keys_shows_what_only_rsa_has() {
    let peer = peers::haproxy_with(&[&RSA, &ECDSA], "ssl-min-ver TLSv1.2");
    let classes = "cbc no_forward_secrecy aead";
    accepts(peer, TlsVersion::Tls13, classes, OPENSSL_GROUPS).await;
}

#[tokio::test]
async fn nss_from_ssl_3_0_to_tls_1_2() {
    let peer = peers::nss(&RSA, "ssl3:tls1.2");
    let classes = "rc4 triple_des cbc no_forward_secrecy aead dhe_aead unlisted uncommon";
    let groups = "X25519 secp521r1 secp384r1 secp256r1 ffdhe2048? ffdhe3072?";
    accepts(peer, TlsVersion::Tls12, classes, groups).await;
}

#[tokio::test]
async fn node_as_it_comes() {
    let peer = peers::node(&ECDSA, "tls1.2", "tls1.3");
    accepts(peer, TlsVersion::Tls13, "cbc aead", OPENSSL_GROUPS).await;
}

/// Healthy: what it accepts is no finding.
#[tokio::test]
async fn the_api_server_as_it_comes() {
    let cluster = Cluster::start().await;
    let seen = deep(cluster.address, TlsVersion::Tls13).await;
    let classes = accepted(seen.ciphers.iter(), CipherClass::label);
    assert_eq!(classes, "cbc aead");
    assert_eq!(accepted(seen.groups.iter(), Group::label), GO_GROUPS);
}

/// It takes a few connections and closes all others: not a word about what it accepts.
#[tokio::test]
async fn a_limit_on_connections_is_no_refusal() {
    let peer = peers::nginx_as_it_comes(&RSA, "ssl_protocols TLSv1.2 TLSv1.3;");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = listener.local_addr().unwrap();
    let to = peer.address;
    tokio::spawn(async move {
        for connection in 0.. {
            let (mut near, _) = listener.accept().await.unwrap();
            if connection < 7 {
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(to).await.unwrap();
                    tokio::io::copy_bidirectional(&mut near, &mut far)
                        .await
                        .ok();
                });
            }
        }
    });
    let seen = deep(front, TlsVersion::Tls13).await;
    let known = seen.ciphers.0.iter().filter_map(|answer| answer.known());
    assert_eq!(
        known.collect::<Vec<_>>(),
        [true, true, true],
        "of two answers"
    );
    assert_eq!(seen.groups.0, [Acceptance::Unknown; 10]);
}

/// However it chooses, the plan comes to its end.
#[tokio::test]
async fn a_server_that_takes_whatever_is_offered_costs_at_most_forty_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = listener.local_addr().unwrap();
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            let (near, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(choose(near, None));
        }
    });
    let seen = deep(front, TlsVersion::Tls13).await;
    assert_eq!(seen.ciphers.0, [Acceptance::Accepted; 12]);
    assert_eq!(seen.groups.0, [Acceptance::Accepted; 10]);
    let count = count.load(Ordering::Relaxed);
    assert!(count <= 40, "{count} connections");
}

/// It has an ECDSA certificate, takes one suite of each version, and closes where it refuses.
#[tokio::test]
async fn a_server_that_refuses_by_closing_costs_at_most_forty_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = listener.local_addr().unwrap();
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut start = [0; 1024];
                let length = near.peek(&mut start).await.unwrap();
                // With AES-128-CCM-8 that of TLS 1.3 alone, and else an ECDHE-ECDSA one.
                let taken = [[0x13, 0x05], [0xc0, 0x2b], [0xc0, 0x09]];
                // After the random.
                let offered =
                    |suite: &[u8; 2]| start[43..length].windows(2).any(|two| two == suite);
                if let Some(suite) = taken.iter().find(|suite| offered(suite)) {
                    choose(near, Some(*suite)).await;
                } else {
                    near.read_exact(&mut start[..length]).await.unwrap();
                    near.shutdown().await.unwrap();
                }
            });
        }
    });
    let seen = deep(front, TlsVersion::Tls13).await;
    let classes = accepted(seen.ciphers.iter(), CipherClass::label);
    assert_eq!(classes, "cbc aead unlisted uncommon");
    let count = count.load(Ordering::Relaxed);
    assert!(count <= 40, "{count} connections");
}

/// Answers a hello with this suite, or with the last one, and with the last version and group that
/// it offers, as far as a `ServerHello` says so.
async fn choose(mut stream: TcpStream, suite: Option<[u8; 2]>) {
    let mut header = [0; 5];
    stream.read_exact(&mut header).await.unwrap();
    let mut hello = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
    stream.read_exact(&mut hello).await.unwrap();
    // Header, version and random, then no session.
    let suites = 39 + 2 + usize::from(u16::from_be_bytes([hello[39], hello[40]]));
    let wanted = if hello.windows(7).any(|part| part == [0, 43, 0, 3, 2, 3, 4]) {
        // The first number of `supported_groups`, extension 10, which is the first or after a name.
        let groups = hello.windows(2).rposition(|part| part == [0, 43]).unwrap() - 2;
        Some([hello[groups], hello[groups + 1]])
    } else {
        None
    };
    // The signal comes last before TLS 1.3.
    let last = if wanted.is_some() {
        suites - 2
    } else {
        suites - 4
    };
    let suite = suite.unwrap_or([hello[last], hello[last + 1]]);
    let mut body = [&hello[4..38], &[0], &suite, &[0]].concat();
    if let Some(group) = wanted {
        let version = [0, 43, 0, 2, 3, 4];
        body.extend([&[0, 12][..], &version, &[0, 51, 0, 2], &group].concat());
    }
    let length = u8::try_from(body.len()).unwrap();
    let record = [
        &[22, 3, header[2], 0, length + 4, 2, 0, 0, length][..],
        &body,
    ]
    .concat();
    stream.write_all(&record).await.unwrap();
    stream.shutdown().await.unwrap();
}

/// An RSA certificate that expired long ago.
fn expired() -> Leaf {
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let mut params = Ca::params(&[NAME]);
    params.not_before = date_time_ymd(2025, 1, 1);
    params.not_after = date_time_ymd(2025, 6, 1);
    CA.issue(&params, &key)
}

/// nginx with an ECDSA certificate and another.
fn nginx_with(beside: &Leaf, protocols: &str) -> Peer {
    let words = format!(
        "ssl_protocols {protocols};
        ssl_certificate beside.pem; ssl_certificate_key beside.pem;"
    );
    let both = format!("{}{}", beside.cert_pem, beside.key_pem);
    peers::nginx_with_files(&ECDSA, &words, &[("beside.pem", &both)])
}

/// Servers of TLS 1.3 alone encrypt their certificates.
#[tokio::test]
async fn the_certificate_beside_is_seen_where_certificates_are_encrypted_too() {
    let expired = expired();
    let site = Site::new("both-keys-encrypted");
    let ca = site.write("ca.pem", &CA.issuer.pem());
    let (beside, key) = (
        site.write("beside.pem", &expired.cert_pem),
        site.write("beside.key", &expired.key_pem),
    );
    let openssl = ["-tls1_3", "-dcert", &beside, "-dkey", &key];
    let doors = [
        ("nginx", nginx_with(&expired, "TLSv1.3")),
        (
            "haproxy",
            peers::haproxy_with(&[&ECDSA, &expired], "ssl-min-ver TLSv1.3"),
        ),
        ("openssl", peers::openssl(&ECDSA, &openssl)),
        ("ecdsa", peers::nginx(&ECDSA, "TLSv1.3")),
        ("rsa", peers::nginx(&RSA, "TLSv1.3")),
    ];
    let target = |(name, peer): &(&str, Peer)| {
        let url = format!("https://{NAME}:{}", peer.address.port());
        json!({"name": name, "url": url, "address": "127.0.0.1", "ca_file": ca})
    };
    let config = json!({"targets": doors.iter().map(target).collect::<Vec<_>>()});
    let exporter = Exporter::serve(&config, None).await;
    let of = |scrape: &Scrape, family: &str, name| scrape.metric(family).label("name", name).get();
    let scrape = exporter
        .until("all were asked deeply", |scrape| {
            let deep = "kube_https_deep_probe_last_success_timestamp_seconds";
            doors
                .iter()
                .all(|(name, _)| of(scrape, deep, name).is_some())
        })
        .await;
    for (name, _) in &doors {
        let is_good = matches!(*name, "ecdsa" | "rsa");
        let valid = of(&scrape, "kube_https_certificate_valid", name);
        assert_eq!(valid, Some(f64::from(u8::from(is_good))), "{name}");
        let found = scrape.metric("kube_https_finding").label("name", name);
        let found = found.label("finding", "certificate_expired").get();
        assert_eq!(found.is_none(), is_good, "{name}");
    }
    let told = exporter.get("/api/v1/targets").await;
    let told: serde_json::Value = serde_json::from_str(&told.body).unwrap();
    for target in told["targets"].as_array().unwrap() {
        let address = &target["addresses"][0];
        let keys = ["chain", "other_chain"].map(|chain| &address[chain][0]["key_algorithm"]);
        let expected = match target["name"].as_str().unwrap() {
            "ecdsa" => [json!("ECDSA"), json!(null)],
            "rsa" => [json!("RSA"), json!(null)],
            _ => [json!("ECDSA"), json!("RSA")],
        };
        assert_eq!(keys, [&expected[0], &expected[1]], "{}", target["name"]);
    }
}

/// One connection more where a server of TLS 1.3 alone has no RSA certificate, and two where it has.
#[tokio::test]
async fn a_server_of_tls_1_3_alone_costs_at_most_twenty_connections() {
    for (leaf, beside) in [(&ECDSA, 1), (&RSA, 2)] {
        let peer = peers::nginx(leaf, "TLSv1.3");
        let (front, count) = counting(peer.address).await;
        deep(front, TlsVersion::Tls13).await;
        let count = count.load(Ordering::Relaxed);
        assert_eq!(count, 14 + beside, "connections");
    }
}

/// A host with a valid ECDSA certificate beside an expired RSA one, which clients of today get to see
/// from nobody but old ones.
#[tokio::test]
async fn the_certificate_beside_the_one_that_is_shown_is_judged_as_well() {
    let expired = expired();
    let site = Site::new("both-keys");
    let ca = site.write("ca.pem", &CA.issuer.pem());
    let nginx = |beside: &Leaf| nginx_with(beside, "TLSv1.2 TLSv1.3");
    let haproxy = peers::haproxy_with(&[&ECDSA, &expired], "ssl-min-ver TLSv1.2");
    let doors = [nginx(&expired), haproxy, nginx(&RSA)];
    let target = |(name, peer): (&str, &Peer)| {
        let url = format!("https://{NAME}:{}", peer.address.port());
        json!({"name": name, "url": url, "address": "127.0.0.1", "ca_file": ca})
    };
    let named = ["nginx", "haproxy", "good"].into_iter().zip(&doors);
    let config = json!({"targets": named.map(target).collect::<Vec<_>>()});
    let exporter = Exporter::serve(&config, None).await;
    let finding = |scrape: &Scrape, name| {
        let found = scrape.metric("kube_https_finding").label("name", name);
        found.label("finding", "certificate_expired").get()
    };
    let scrape = exporter
        .until("both are found", |scrape| {
            finding(scrape, "nginx").is_some() && finding(scrape, "haproxy").is_some()
        })
        .await;
    let of = |family, name| scrape.metric(family).label("name", name);
    of("kube_https_certificate_valid", "nginx").value(0.0);
    let ends = of(
        "kube_https_certificate_not_after_timestamp_seconds",
        "nginx",
    );
    ends.label("position", "leaf").value(1_748_736_000.0);
    let shown = of("kube_https_certificate_info", "haproxy");
    assert!(shown.each("key_algorithm").contains("RSA"));
    // What a modern client gets is another matter, and so is how many the addresses show.
    assert!(
        of("kube_https_tls_negotiated_info", "nginx")
            .each("version")
            .contains("TLS 1.3")
    );
    let scrape = exporter
        .until("the good one was asked", |scrape| {
            let deep = "kube_https_deep_probe_last_success_timestamp_seconds";
            scrape.metric(deep).label("name", "good").get().is_some()
        })
        .await;
    scrape
        .metric("kube_https_certificate_valid")
        .label("name", "good")
        .value(1.0);
    assert_eq!(finding(&scrape, "good"), None);
}
