//! HTTP over TLS: one request, and what came back of it. No credentials, no redirect followed, no
//! body kept; whoever answers is not verified, for what it says is only judged.

use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::client::TlsStream;

use super::dial::connect;
use super::handshake::Handshaker;
use crate::model::{HttpsAnswer, TlsDoor, clean};

/// What is read of an answer: its headers, and the short body of a 400.
const READ_BYTES: u64 = 8 * 1024;

/// Headers that are read; an answer with more is not understood.
const HEADER_LIMIT: usize = 128;

/// The port of `https`, which no request names (RFC 9110 section 4.2.2).
const HTTPS: u16 = 443;

/// How nginx refuses, by 400, whom it asked for a certificate in vain (`ssl_verify_client on`).
const CERTIFICATE_MISSING: &[u8] = b"No required SSL certificate was sent";

/// Asks one address of a door for `path`, by the deadline. `None` where no whole HTTP/1 answer
/// came.
pub(super) async fn ask(
    handshaker: &Handshaker,
    door: &TlsDoor,
    ip: IpAddr,
    path: &'static str,
    deadline: Instant,
) -> Option<HttpsAnswer> {
    let name = door.server_name.as_deref();
    let opened = async {
        let stream = connect(ip, door.port, deadline).await.ok()?;
        let mut stream = handshaker.for_http(stream, name).await.ok()?;
        let host = name.map_or_else(|| bracketed(ip), str::to_owned);
        let request = request(&host, door.port, path);
        stream.write_all(request.as_bytes()).await.ok()?;
        Some(stream)
    };
    let mut stream = timeout_at(deadline, opened).await.ok()??;
    let mut seen = Vec::with_capacity(1024);
    // What came before the deadline, or before an end without a goodbye, was said all the same.
    drop(timeout_at(deadline, read(&mut stream, path, &mut seen)).await);
    let answer = answer(&seen, path);
    // Politeness only: the answer is there.
    drop(timeout_at(deadline, stream.shutdown()).await);
    answer
}

fn bracketed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

fn request(host: &str, port: u16, path: &str) -> String {
    let port = if port == HTTPS {
        String::new()
    } else {
        format!(":{port}")
    };
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}{port}\r\nUser-Agent: {}/{}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
    )
}

/// Reads until there is enough to tell, the peer ends, or there is too much.
async fn read(stream: &mut TlsStream<TcpStream>, path: &'static str, seen: &mut Vec<u8>) {
    let mut reader = stream.take(READ_BYTES);
    while let Ok(1..) = reader.read_buf(seen).await {
        // Only the wording of a 400 is wanted of a body.
        if answer(seen, path)
            .is_some_and(|so_far| so_far.status != 400 || so_far.misses_certificate)
        {
            return;
        }
    }
}

/// What the headers say, once all of them are there. Pure.
pub(super) fn answer(seen: &[u8], path: &'static str) -> Option<HttpsAnswer> {
    let mut headers = [httparse::EMPTY_HEADER; HEADER_LIMIT];
    let mut response = httparse::Response::new(&mut headers);
    if !response.parse(seen).ok()?.is_complete() {
        return None;
    }
    let status = response.code?;
    let is_hsts = |name: &str| name.eq_ignore_ascii_case("strict-transport-security");
    // Only the first header of this name counts (RFC 6797 section 8.1).
    let hsts = (response.headers.iter())
        .find(|header| is_hsts(header.name))
        .map(|header| clean(&String::from_utf8_lossy(header.value)).into());
    let wording = seen.windows(CERTIFICATE_MISSING.len());
    Some(HttpsAnswer {
        path: path.split_once('?').map_or(path, |(path, _)| path),
        status,
        hsts,
        misses_certificate: status == 400 && wording.into_iter().any(|w| w == CERTIFICATE_MISSING),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, hsts: Option<&str>) -> HttpsAnswer {
        HttpsAnswer {
            path: "/",
            status,
            hsts: hsts.map(Into::into),
            misses_certificate: false,
        }
    }

    #[test]
    fn the_headers_are_read_once_all_are_there() {
        let whole = b"HTTP/1.1 200 OK\r\nstrict-transport-security: max-age=1\r\nA: b\r\n\r\nbody";
        let headers_end = whole.len() - "body".len();
        for end in 0..headers_end {
            assert_eq!(answer(&whole[..end], "/"), None, "{end}");
        }
        assert_eq!(
            answer(&whole[..headers_end], "/"),
            Some(said(200, Some("max-age=1")))
        );
        assert_eq!(answer(whole, "/"), Some(said(200, Some("max-age=1"))));
        let old = b"HTTP/1.0 404 Not Found\r\n\r\n";
        assert_eq!(answer(old, "/"), Some(said(404, None)));
    }

    #[test]
    fn the_first_header_counts_and_is_cleaned() {
        let twice = b"HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=1\xe2\x80\xae\r\n\
            Strict-Transport-Security: max-age=2\r\n\r\n";
        assert_eq!(answer(twice, "/"), Some(said(200, Some("max-age=1"))));
    }

    #[test]
    fn what_is_no_answer_or_has_too_many_headers_says_nothing() {
        assert_eq!(answer(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "/"), None);
        let mut many = b"HTTP/1.1 200 OK\r\n".to_vec();
        many.extend(b"A: b\r\n".repeat(HEADER_LIMIT + 1));
        many.extend(b"\r\n");
        assert_eq!(answer(&many, "/"), None);
    }

    #[test]
    fn a_certificate_is_missing_where_a_400_says_so() {
        let misses = |status| {
            let body = "<center>No required SSL certificate was sent</center>";
            let whole = format!("HTTP/1.1 {status} Said\r\n\r\n{body}");
            answer(whole.as_bytes(), "/").unwrap().misses_certificate
        };
        assert!(misses(400));
        assert!(!misses(200));
        let other = answer(b"HTTP/1.1 400 Bad Request\r\n\r\nbad host", "/");
        assert!(!other.unwrap().misses_certificate);
    }

    #[test]
    fn requests_name_the_host_and_the_port_that_is_not_the_scheme_s_own() {
        let lines = |host, port| {
            let request = request(host, port, "/api/v1/namespaces?limit=1");
            assert!(!request.to_ascii_lowercase().contains("authorization"));
            request.lines().take(2).collect::<Vec<_>>().join(" ")
        };
        let start = "GET /api/v1/namespaces?limit=1 HTTP/1.1 Host: ";
        assert_eq!(lines("a.example", 443), format!("{start}a.example"));
        let ip = bracketed("2001:db8::1".parse().unwrap());
        assert_eq!(lines(&ip, 6443), format!("{start}[2001:db8::1]:6443"));
        let shown = answer(
            b"HTTP/1.1 403 Forbidden\r\n\r\n",
            "/api/v1/namespaces?limit=1",
        );
        assert_eq!(shown.unwrap().path, "/api/v1/namespaces");
    }
}
