//! Servers that are hostile once the handshake is done, and those that answer HTTP without end: the
//! handshake's facts are there, and nobody else's probes are late.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::ca::{CA, ECDSA, NAME};
use crate::exporter::Exporter;
use crate::process::Site;
use crate::scrape::Scrape;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    /// It answers as it should.
    Behave,
    /// It sends a thousand session tickets.
    Tickets,
    /// It changes its keys, and asks for the same, as fast as that is taken.
    KeyUpdates,
    /// It resets.
    Reset,
    /// It sends data that nobody asked for, as fast as they are taken.
    Data,
    /// It answers with headers as fast as they are taken, a million and more.
    Headers,
    /// The same in clear.
    HeadersInClear,
}

const ALL: [Then; 7] = [
    Then::Behave,
    Then::Tickets,
    Then::KeyUpdates,
    Then::Reset,
    Then::Data,
    Then::Headers,
    Then::HeadersInClear,
];

struct Server {
    address: SocketAddr,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start(then: Then) -> Self {
        let chain = vec![CertificateDer::from(ECDSA.der.clone())];
        let key = PrivateKeyDer::from_pem_slice(ECDSA.key_pem.as_bytes()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth();
        let mut config = config.with_single_cert(chain, key).unwrap();
        if then == Then::Tickets {
            config.send_tls13_tickets = 1_000;
        }
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.spawn(serve(stream, acceptor.clone(), then));
                while open.try_join_next().is_some() {}
            }
        });
        Self {
            address,
            task: task.abort_handle(),
        }
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, then: Then) {
    let mut first = [0];
    let in_clear = stream.peek(&mut first).await.is_ok() && first != [22];
    if in_clear {
        if then == Then::HeadersInClear {
            headers(stream).await;
        }
        return;
    }
    let Ok(mut tls) = acceptor.accept(stream).await else {
        return;
    };
    match then {
        Then::Behave | Then::Tickets | Then::HeadersInClear => answer(tls).await,
        Then::KeyUpdates => update_keys(tls).await,
        Then::Reset => drop(tls.get_ref().0.set_zero_linger()),
        Then::Data => while tls.write_all(&[0; 4096]).await.is_ok() {},
        Then::Headers => headers(tls).await,
    }
}

async fn answer(mut tls: TlsStream<TcpStream>) {
    let mut request = [0; 1024];
    if tls.read(&mut request).await.is_ok_and(|read| read > 0) {
        let answer = "HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=63072000\r\nContent-Length: 0\r\n\r\n";
        tls.write_all(answer.as_bytes()).await.ok();
    }
    tls.shutdown().await.ok();
}

async fn update_keys(mut tls: TlsStream<TcpStream>) {
    loop {
        let (_, session) = tls.get_mut();
        // Where it may not (TLS 1.2), it says nothing more.
        if session.refresh_traffic_keys().is_err() {
            return std::future::pending().await;
        }
        if tls.flush().await.is_err() {
            return;
        }
    }
}

async fn headers(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin) {
    let mut request = [0; 1024];
    drop(stream.read(&mut request).await);
    stream.write_all(b"HTTP/1.1 200 OK\r\n").await.ok();
    let many = b"A: b\r\n".repeat(1_000);
    while stream.write_all(&many).await.is_ok() {}
}

/// In KiB; as of servers that are hostile before.
const MOST_MEMORY: u64 = 64 << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_after_the_handshake_takes_nothing_away() {
    let site = Site::new("after");
    let ca = site.write("ca.pem", &CA.issuer.pem());
    let (mut servers, mut targets) = (Vec::new(), Vec::new());
    for then in ALL {
        let server = Server::start(then).await;
        let url = format!("https://{NAME}:{}", server.address.port());
        targets.push(json!({"name": format!("{then:?}"), "url": url, "address": "127.0.0.1"}));
        servers.push(server);
    }
    let config = json!({
        "interval": "2s", "deep_interval": "4s", "timeout": "1s",
        "trust": {"ca_files": [ca]}, "targets": targets,
    });
    let exporter = Exporter::serve(&config, None).await;
    let deep = |scrape: &Scrape, name: &str| {
        let last = scrape.metric("kube_https_deep_probe_last_success_timestamp_seconds");
        last.label("name", name).get()
    };
    exporter
        .until("each was asked all", |scrape| {
            ALL.iter()
                .all(|then| deep(scrape, &format!("{then:?}")).is_some())
        })
        .await;
    let last = |scrape: &Scrape| {
        let last = scrape.metric("kube_https_probe_last_timestamp_seconds");
        last.label("name", "Behave").get().unwrap()
    };
    let (mut before, mut slowest) = (last(&exporter.scrape().await), Duration::ZERO);
    for _ in 0..3 {
        let scrape = exporter
            .until("another turn", |scrape| last(scrape) > before)
            .await;
        slowest = slowest.max(Duration::from_secs_f64(last(&scrape) - before));
        before = last(&scrape);
        for then in ALL {
            let name = format!("{then:?}");
            // Its certificate was shown, whatever came then.
            let info = scrape
                .metric("kube_https_certificate_info")
                .label("name", &name);
            info.holds();
            let success = scrape
                .metric("kube_https_probe_success")
                .label("name", &name);
            assert_eq!(success.get(), Some(1.0), "{name}");
        }
    }
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    let memory = exporter.peak_memory();
    assert!(memory < MOST_MEMORY, "{memory} KiB");
    let ended = exporter.stop().await;
    assert_eq!(ended.code, Some(0));
    assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
}
