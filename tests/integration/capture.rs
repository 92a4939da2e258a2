//! Rewrites the captured answers that the unit tests of `probe` replay: `make capture`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use kube_https_exporter::model::TlsVersion;
use kube_https_exporter::probe::hello::{Offer, client_hello};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ca::{CA, ECDSA, NAME, RSA};
use crate::cluster::Cluster;
use crate::peers;

/// A server that says no more for this long waits for the client.
const SILENCE: Duration = Duration::from_secs(1);

#[tokio::test]
#[ignore = "rewrites files of the project"]
async fn of_every_server() {
    let versions = [TlsVersion::Tls12, TlsVersion::Tls13];
    let peers = [
        ("nginx", peers::nginx(&ECDSA, "TLSv1.2 TLSv1.3")),
        ("haproxy", peers::haproxy(&RSA, "TLSv1.2")),
        ("openssl", peers::openssl(&RSA, &["-verify", "1"])),
        ("gnutls", peers::gnutls(&ECDSA, "+VERS-TLS1.3:+VERS-TLS1.2")),
        ("nss", peers::nss(&RSA, "tls1.2:tls1.3")),
        ("java", peers::java(&RSA, "tls1.2", "tls1.3")),
        ("tlslite", peers::tlslite(&RSA, "tls1.2", "tls1.3")),
        ("node", peers::node(&ECDSA, "tls1.2", "tls1.3")),
        ("go", peers::go(&ECDSA, "tls1.2", "tls1.3")),
        (
            "etcd",
            peers::etcd(&CA.leaf(&[NAME]), Ipv4Addr::new(127, 7, 7, 7)),
        ),
    ];
    let cluster = Cluster::start().await;
    let mut servers: Vec<(&str, SocketAddr)> = peers
        .iter()
        .map(|(name, peer)| (*name, peer.address))
        .collect();
    servers.push(("kube-apiserver", cluster.address));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/probe/testdata/captured");
    fs::create_dir_all(&folder).unwrap();
    for (name, address) in servers {
        for version in versions {
            let answer = answer(address, version).await;
            assert!(!answer.is_empty(), "{name} {version:?}");
            let [_, minor] = version.wire().to_be_bytes();
            fs::write(folder.join(format!("{name}-1.{}.bin", minor - 1)), answer).unwrap();
        }
    }
}

/// What a server says to our hello, up to where it waits for the client or closes.
async fn answer(address: SocketAddr, version: TlsVersion) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let hello = client_hello(&Offer::of(version), Some(NAME), [7; 32]);
    stream.write_all(&hello).await.unwrap();
    let mut answer = Vec::new();
    while let Ok(Ok(1..)) = timeout(SILENCE, stream.read_buf(&mut answer)).await {}
    answer
}
