//! The exporter's own port, with TLS and a password: slow, idle, oversized and guessing clients, in
//! numbers, cost a scraper nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::ca::CA;
use crate::exporter::Exporter;
use crate::process::Site;

/// What a scrape may take, on two cores that run other tests too: a scraper gives it 10 s.
const SCRAPE_WITHIN: Duration = Duration::from_secs(3);

/// `ann:secret`, and what is not her password.
const RIGHT: &str = "Authorization: Basic YW5uOnNlY3JldA==\r\n";
const WRONG: &str = "Authorization: Basic YW5uOndyb25n\r\n";

async fn guarded() -> Exporter {
    let site = Site::new("own-port");
    let leaf = CA.leaf(&["127.0.0.1"]);
    site.write("server.pem", &leaf.cert_pem);
    site.write("server.key", &leaf.key_pem);
    let tls = json!({"cert_file": "server.pem", "key_file": "server.key"});
    let users = json!({"ann": bcrypt::hash("secret", 10).unwrap()});
    let web = json!({"tls_server_config": tls, "basic_auth_users": users});
    // So many rows that an answer is more than what the system takes of it by itself.
    let target = |n: u32| json!({"name": format!("t{n}"), "url": format!("https://h{n}.test:1"), "address": "127.0.0.1"});
    let config = json!({"targets": (0..4000).map(target).collect::<Vec<_>>()});
    let flags = [
        format!(
            "--config.file={}",
            site.write("config.yaml", &config.to_string())
        ),
        format!(
            "--web.config.file={}",
            site.write("web.yml", &web.to_string())
        ),
    ];
    Exporter::start(site, "serve", &flags).await
}

/// A client at another address of this machine.
async fn connect_from(last: u8, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    socket.bind((Ipv4Addr::new(127, 0, 1, last), 0).into())?;
    socket.connect(to).await
}

async fn over_tls(stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CA.issuer.der().clone()).unwrap();
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

/// Asks by a connection of its own, and gives all that came back; empty where nothing did in 15 s.
async fn ask(to: SocketAddr, last: u8, path: &str, headers: &str) -> String {
    let request = format!("GET {path} HTTP/1.0\r\n{headers}\r\n");
    let asked = async {
        let mut stream = over_tls(connect_from(last, to).await?).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        // What ends without a goodbye has ended all the same.
        stream.read_to_end(&mut answer).await.ok();
        std::io::Result::Ok(answer)
    };
    let answer = timeout(Duration::from_secs(15), asked)
        .await
        .unwrap_or(Ok(Vec::new()));
    String::from_utf8(answer.unwrap_or_default()).unwrap()
}

/// Scrapes, each by a new connection, whatever others do.
#[track_caller]
fn scrapes(exporter: &Exporter, what: &'static str) -> impl Future<Output = ()> {
    let to = exporter.address;
    async move {
        for _ in 0..5 {
            let started = Instant::now();
            let answer = ask(to, 9, "/metrics", RIGHT).await;
            let took = started.elapsed();
            assert!(answer.starts_with("HTTP/1.0 200 "), "{what}: {answer:.200}");
            assert!(answer.contains("\nkube_https_build_info"), "{what}");
            assert!(took < SCRAPE_WITHIN, "{what}: {took:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_are_idle_slow_or_guess_cost_a_scraper_nothing() {
    let exporter = guarded().await;
    let to = exporter.address;
    // Guesses, more than can be checked, from before the scraper has ever logged in.
    let mut guessers = JoinSet::new();
    for n in 0..40 {
        guessers.spawn(async move {
            loop {
                ask(to, 20 + n % 2, "/metrics", WRONG).await;
            }
        });
    }
    sleep(Duration::from_secs(1)).await;
    scrapes(&exporter, "guesses").await;
    let guessed = ask(to, 30, "/metrics", WRONG).await;
    assert!(guessed.starts_with("HTTP/1.0 401 "), "{guessed}");
    guessers.shutdown().await;

    // Some that send a header byte by byte, after the handshake; and some that stop in the middle of it.
    let mut slow = JoinSet::new();
    for n in 0..300 {
        slow.spawn(async move {
            let Ok(stream) = connect_from(40, to).await else {
                return;
            };
            if n % 2 == 0 {
                let mut stream = stream;
                stream.write_all(&[22, 3, 1, 2, 0, 1]).await.ok();
                return std::future::pending().await;
            }
            let Ok(mut stream) = over_tls(stream).await else {
                return;
            };
            for byte in b"GET /metrics HTTP/1.1\r\nX: "
                .iter()
                .chain(std::iter::repeat(&b'a'))
            {
                if stream.write_all(&[*byte]).await.is_err() || stream.flush().await.is_err() {
                    return;
                }
                sleep(Duration::from_millis(500)).await;
            }
        });
    }
    sleep(Duration::from_secs(2)).await;
    scrapes(&exporter, "headers without end").await;

    // Some that ask for everything and read nothing.
    for _ in 0..20 {
        slow.spawn(async move {
            let Ok(stream) = connect_from(50, to).await else {
                return;
            };
            let Ok(mut stream) = over_tls(stream).await else {
                return;
            };
            let request = format!("GET /metrics HTTP/1.1\r\nHost: x\r\n{RIGHT}\r\n");
            stream.write_all(request.as_bytes()).await.ok();
            std::future::pending::<()>().await;
        });
    }
    sleep(Duration::from_secs(2)).await;
    scrapes(&exporter, "answers that nobody reads").await;
    slow.shutdown().await;

    // Too much of everything is refused, or ends the connection.
    let long = "a".repeat(1 << 20);
    for (path, headers) in [
        (format!("/{long}"), String::new()),
        ("/metrics".to_owned(), format!("X: {long}\r\n")),
        ("/metrics".to_owned(), "X: y\r\n".repeat(1000)),
        (
            "/metrics".to_owned(),
            format!("Authorization: Basic {long}\r\n"),
        ),
    ] {
        let answer = ask(to, 60, &path, &headers).await;
        let refused = answer.is_empty()
            || ["400", "414", "431"].iter().any(|code| {
                answer.starts_with(&format!("HTTP/1.1 {code} "))
                    || answer.starts_with(&format!("HTTP/1.0 {code} "))
            });
        assert!(refused, "{answer:.300}");
    }
    scrapes(&exporter, "oversized requests").await;
    let ended = exporter.stop().await;
    assert_eq!(ended.code, Some(0));
}

/// 10,000, or half of the files that this process may open; that is printed.
fn connections() -> u32 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let open_files = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = open_files.unwrap().split_whitespace().next().unwrap();
    let most = soft.parse().unwrap_or(u32::MAX) / 2;
    if most < 10_000 {
        eprintln!("no more than {most} connections: the limit of open files (ulimit -n) is {soft}");
    }
    most.min(10_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections_leave_room_for_a_scraper() {
    let exporter = guarded().await;
    let to = exporter.address;
    let before = exporter.peak_memory();
    let mut idle = Vec::new();
    for n in 0..connections() {
        // Those that were let go are held as well: the client need not notice.
        match connect_from(u8::try_from(100 + n % 50).unwrap(), to).await {
            Ok(stream) => idle.push(stream),
            Err(error) => panic!("{n}: {error}"),
        }
    }
    scrapes(&exporter, "idle connections").await;
    let grown = exporter.peak_memory() - before;
    assert!(grown < 64 << 10, "{grown} KiB");
    drop(idle);
    assert_eq!(exporter.stop().await.code, Some(0));
}
