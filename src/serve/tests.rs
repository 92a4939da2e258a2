//! The server over real connections.

use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use flate2::read::GzDecoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::record::own_families;

struct Server {
    at: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

async fn start() -> Server {
    let families: Vec<_> = own_families().iter().collect();
    let web = Web::new(
        Arc::new(Store::new(&families, &[], "")),
        Arc::new(Own::new(&["ingress"], Duration::ZERO, Duration::ZERO, "")),
        Arc::new(Progress::new(&["ingress"])),
        "/metrics",
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(serve(vec![listener], web.unwrap(), shutdown.clone()));
    Server { at, shutdown, task }
}

/// Head and body of the answer; HTTP/1.0, so that the body comes unframed and ends the connection.
async fn ask(server: &Server, request: &str, headers: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(server.at).await.unwrap();
    let text = format!("{request} HTTP/1.0\r\n{headers}\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let body = answer.split_off(end + 4);
    (String::from_utf8(answer).unwrap().to_lowercase(), body)
}

#[tokio::test]
async fn a_plain_client_gets_the_text_format() {
    let server = start().await;
    let (head, body) = ask(&server, "GET /metrics", "Accept: */*\r\n").await;
    assert!(head.starts_with("http/1.0 200"), "{head}");
    assert!(head.contains("\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert!(head.contains("\r\nvary: accept, accept-encoding\r\n"));
    assert!(!head.contains("content-encoding"));
    let text = String::from_utf8(body).unwrap();
    assert!(text.contains("\nkube_https_probes_total 0\n"));
    assert!(!text.contains("# EOF"));
}

#[tokio::test]
async fn prometheus_gets_openmetrics_in_gzip() {
    let server = start().await;
    let accept = "Accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,\
                  text/plain;version=0.0.4;q=0.4,*/*;q=0.3\r\nAccept-Encoding: gzip\r\n";
    let (head, body) = ask(&server, "GET /metrics", accept).await;
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
    assert!(head.contains(kind), "{head}");
    assert!(head.contains("\r\ncontent-encoding: gzip\r\n"));
    let mut text = String::new();
    GzDecoder::new(body.as_slice())
        .read_to_string(&mut text)
        .unwrap();
    assert!(text.ends_with("\n# EOF\n"));
}

#[tokio::test]
async fn head_answers_as_get_without_a_body() {
    let server = start().await;
    let (head, body) = ask(&server, "HEAD /metrics", "").await;
    assert!(head.starts_with("http/1.0 200"));
    assert!(head.contains("version=0.0.4"));
    assert!(body.is_empty());
}

#[tokio::test]
async fn it_is_healthy_at_once_and_says_what_readiness_waits_for() {
    let server = start().await;
    for path in ["/-/healthy", "/livez", "/healthz"] {
        let (head, body) = ask(&server, &format!("GET {path}"), "").await;
        assert!(head.starts_with("http/1.0 200"), "{path}");
        assert_eq!(body, b"healthy\n");
    }
    for path in ["/-/ready", "/readyz"] {
        let (head, body) = ask(&server, &format!("GET {path}"), "").await;
        assert!(head.starts_with("http/1.0 503"), "{path}");
        let text = String::from_utf8(body).unwrap();
        assert!(
            text.starts_with("waiting for source ingress to list"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn the_landing_page_links_the_metrics_and_may_load_nothing() {
    let server = start().await;
    let (head, body) = ask(&server, "GET /", "").await;
    assert!(head.contains("content-security-policy: default-src 'none';"));
    assert!(head.contains("content-type: text/html"));
    let page = String::from_utf8(body).unwrap();
    assert!(page.contains(r#"<a href="/metrics">"#) && page.contains(env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed_says_so() {
    let server = start().await;
    let (head, _) = ask(&server, "GET /metric", "").await;
    assert!(head.starts_with("http/1.0 404"), "{head}");
    let (head, _) = ask(&server, "POST /metrics", "Content-Length: 0\r\n").await;
    assert!(head.starts_with("http/1.0 405"), "{head}");
    assert!(head.contains("\r\nallow: get,head\r\n"), "{head}");
}

#[tokio::test]
async fn garbage_is_refused_and_costs_only_its_connection() {
    let server = start().await;
    let mut stream = TcpStream::connect(server.at).await.unwrap();
    stream
        .write_all(b"\x16\x03\x01\x02\0garbage\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 400"));
    let (head, _) = ask(&server, "GET /livez", "").await;
    assert!(head.starts_with("http/1.0 200"));
}

#[tokio::test]
async fn shutdown_closes_idle_connections_and_the_listeners() {
    let server = start().await;
    let mut idle = TcpStream::connect(server.at).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut byte = [0];
    idle.read_exact(&mut byte).await.unwrap();
    server.shutdown.cancel();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"healthy\n"));
    server.task.await.unwrap();
    assert!(TcpStream::connect(server.at).await.is_err());
}

#[test]
fn a_telemetry_path_must_be_plain_and_free() {
    let web = |path: &str| {
        Web::new(
            Arc::new(Store::new(&[], &[], "")),
            Arc::new(Own::new(&[], Duration::ZERO, Duration::ZERO, "")),
            Arc::new(Progress::new(&[])),
            path,
        )
        .map(|web| drop(web.router()))
    };
    for path in ["/metrics", "/", "/a/b.c_d~e-f"] {
        assert_eq!(web(path), Ok(()), "{path}");
    }
    for path in ["", "metrics", "/{x}", "/a*", "/a b", "/a?b"] {
        assert_eq!(web(path), Err(Error::PathMalformed(path.to_owned())));
    }
    assert_eq!(web("/livez"), Err(Error::PathTaken("/livez".to_owned())));
    assert_eq!(
        Error::PathTaken("/livez".to_owned()).to_string(),
        r#"the telemetry path "/livez" is taken; choose another, such as "/metrics""#
    );
}
