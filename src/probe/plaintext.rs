//! HTTP in clear: one request, and what came back of it. No credentials, no redirect followed.

use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::dial::connect;
use super::failure::from_io;
use crate::model::{Failure, PlainAnswer, PlainDoor, Reason, clean};

/// What is read of an answer: a status line, the headers that count, and the short body of a 400.
const READ_LIMIT: usize = 8 * 1024;

/// Headers that are looked through for `Location`; what has more is still told by its status.
const HEADER_LIMIT: usize = 64;

/// How long a body may take to follow its headers: only the wording of a 400 is wanted of it.
const BODY_PATIENCE: Duration = Duration::from_millis(500);

/// The HTTP/2 connection preface and an empty SETTINGS frame (RFC 9113 sections 3.4 and 6.5).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The type byte of a SETTINGS frame, the fourth byte of what an HTTP/2 server sends first.
const HTTP2_SETTINGS: u8 = 4;

/// What servers say in clear where TLS was expected of the client: nginx; Go, so Kubernetes and
/// Caddy too; Apache; Tomcat.
const HTTPS_PORT_BODIES: [&str; 4] = [
    "plain HTTP request was sent to HTTPS port",
    "Client sent an HTTP request to an HTTPS server",
    "speaking plain HTTP to an SSL-enabled server port",
    "This combination of host and port requires TLS",
];

/// Asks one address of a door, by the deadline.
pub(super) async fn ask(door: &PlainDoor, ip: IpAddr, deadline: Instant) -> PlainAnswer {
    let answer = converse(ip, door.port, &request(door), deadline).await;
    if answer != PlainAnswer::NoAnswer {
        return answer;
    }
    // Servers that know only HTTP/2 in clear hang up on HTTP/1 (measured: Go's h2c).
    match converse(ip, door.port, HTTP2_PREFACE, deadline).await {
        PlainAnswer::Http2 => PlainAnswer::Http2,
        _ => PlainAnswer::NoAnswer,
    }
}

fn request(door: &PlainDoor) -> Vec<u8> {
    let host = if door.host.is_empty() {
        door.address.to_string()
    } else {
        door.host.to_string()
    };
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host
    };
    // RFC 9110 section 7.2 wants the port where it is not the scheme's own; 443 is left out too,
    // because a client that took it for an https port would not name it.
    let port = if matches!(door.port, 80 | 443) {
        String::new()
    } else {
        format!(":{}", door.port)
    };
    let path = &door.path;
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}{port}\r\nUser-Agent: {}/{}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
    )
    .into_bytes()
}

async fn converse(ip: IpAddr, port: u16, request: &[u8], deadline: Instant) -> PlainAnswer {
    let mut stream = match connect(ip, port, deadline).await {
        Ok(stream) => stream,
        Err(failed) => return from_connect(failed),
    };
    if let Err(error) = stream.write_all(request).await {
        return from_end(&from_io(&error));
    }
    let mut seen = Vec::with_capacity(1024);
    match read_answer(&mut stream, &mut seen, deadline).await {
        Err(failed) if seen.is_empty() => from_end(&failed),
        Ok(()) | Err(_) => classify(&seen),
    }
}

fn from_connect(failed: Failure) -> PlainAnswer {
    match failed.reason {
        Reason::Refused => PlainAnswer::Closed,
        Reason::Timeout | Reason::Unreachable => PlainAnswer::Filtered,
        _ => PlainAnswer::Unknown(failed),
    }
}

fn from_end(failed: &Failure) -> PlainAnswer {
    match failed.reason {
        Reason::Timeout => PlainAnswer::Silent,
        _ => PlainAnswer::NoAnswer,
    }
}

/// Reads until there is enough to tell, the peer ends, or the deadline passes.
async fn read_answer(
    stream: &mut TcpStream,
    seen: &mut Vec<u8>,
    mut deadline: Instant,
) -> Result<(), Failure> {
    let mut waits_for_body = false;
    while seen.len() < READ_LIMIT {
        let space = READ_LIMIT - seen.len();
        let read = super::failure::within(deadline, "waiting for an answer", async {
            (&mut *stream)
                .take(space as u64)
                .read_buf(seen)
                .await
                .map_err(|e| from_io(&e))
        });
        if read.await? == 0 {
            return Ok(());
        }
        match classify(seen) {
            PlainAnswer::Http {
                status: 400,
                names_https_port: false,
                ..
            } if !waits_for_body => {
                waits_for_body = true;
                deadline = deadline.min(Instant::now() + BODY_PATIENCE);
            }
            PlainAnswer::Http {
                status: 400,
                names_https_port: false,
                ..
            } => {}
            PlainAnswer::NotHttp if seen.len() < 16 => {}
            _ if !has_all_headers(seen) && seen.starts_with(b"HTTP/") => {}
            _ => return Ok(()),
        }
    }
    Ok(())
}

fn has_all_headers(seen: &[u8]) -> bool {
    seen.windows(4).any(|end| end == b"\r\n\r\n") || seen.windows(2).any(|end| end == b"\n\n")
}

/// What these bytes are, which may be only the beginning of an answer. Pure.
pub(super) fn classify(seen: &[u8]) -> PlainAnswer {
    if seen.is_empty() {
        return PlainAnswer::NoAnswer;
    }
    if seen.first() == Some(&b'<') {
        return PlainAnswer::Document;
    }
    if seen.get(3) == Some(&HTTP2_SETTINGS) && seen.starts_with(&[0, 0]) {
        return PlainAnswer::Http2;
    }
    let mut headers = [httparse::EMPTY_HEADER; HEADER_LIMIT];
    let mut response = httparse::Response::new(&mut headers);
    // Too many headers, or a malformed one, after a status line: the status still holds.
    let _is_whole = response.parse(seen);
    let Some(status) = response.code.or_else(|| status_line(seen)) else {
        return PlainAnswer::NotHttp;
    };
    let location = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("location"))
        .map(|header| clean(&String::from_utf8_lossy(header.value)).into());
    let text = String::from_utf8_lossy(seen);
    let names_https_port =
        status == 400 && HTTPS_PORT_BODIES.iter().any(|body| text.contains(body));
    PlainAnswer::Http {
        status,
        location,
        names_https_port,
    }
}

/// The status of `HTTP/1.x NNN`, where the rest cannot be read.
fn status_line(seen: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(seen.get(..12)?).ok()?;
    let (version, status) = line.split_once(' ')?;
    version
        .starts_with("HTTP/1.")
        .then(|| status.parse().ok())?
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::model::{Address, RequestPath};

    fn http(status: u16, location: Option<&str>, names_https_port: bool) -> PlainAnswer {
        PlainAnswer::Http {
            status,
            location: location.map(Into::into),
            names_https_port,
        }
    }

    #[test]
    fn an_answer_is_told_by_its_first_bytes() {
        let table: [(&[u8], PlainAnswer); 10] = [
            (b"", PlainAnswer::NoAnswer),
            (b"HTTP/1.1 200 OK\r\n\r\nhello", http(200, None, false)),
            (
                b"HTTP/1.1 308 Permanent Redirect\r\nLocation: https://a.example/\r\n\r\n",
                http(308, Some("https://a.example/"), false),
            ),
            (
                b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
                http(400, None, true),
            ),
            (b"HTTP/1.1 400 Bad Request\r\n\r\nbad host", http(400, None, false)),
            (b"<!DOCTYPE HTML PUBLIC", PlainAnswer::Document),
            (b"\0\0\x06\x04\0\0\0\0\0\0\x05\0\0@\0", PlainAnswer::Http2),
            (b"SSH-2.0-OpenSSH_9.2\r\n", PlainAnswer::NotHttp),
            (b"\x15\x03\x01\0\x02\x02\x46", PlainAnswer::NotHttp),
            (b"HTTP/1.1 503 \r\nbroken header\r\n\r\n", http(503, None, false)),
        ];
        for (bytes, answer) in table {
            assert_eq!(
                classify(bytes),
                answer,
                "{:?}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    #[test]
    fn a_million_headers_and_control_characters_lose_nothing_but_themselves() {
        let mut many = b"HTTP/1.1 200 OK\r\n".to_vec();
        many.extend(b"A: b\r\n".repeat(1000));
        assert_eq!(classify(&many), http(200, None, false));
        let hostile = b"HTTP/1.1 301 Moved\r\nLocation: https://a\xe2\x80\xaeb/\r\n\r\n";
        assert_eq!(classify(hostile), http(301, Some("https://ab/"), false));
    }

    #[test]
    fn no_prefix_of_an_answer_is_anything_but_itself() {
        let whole = b"HTTP/1.1 308 Permanent Redirect\r\nLocation: https://a.example/\r\n\r\n";
        for end in 0..whole.len() {
            match classify(&whole[..end]) {
                PlainAnswer::NoAnswer | PlainAnswer::NotHttp => {}
                PlainAnswer::Http { status, .. } => assert_eq!(status, 308, "after {end} bytes"),
                other => panic!("{other:?} after {end} bytes"),
            }
        }
    }

    #[test]
    fn the_request_names_the_host_and_the_path_that_were_declared() {
        let door = |host: &str, port| PlainDoor {
            address: Address::parse("2001:db8::1"),
            port,
            host: host.into(),
            path: RequestPath::parse("/api").unwrap(),
            guarded: true,
        };
        let host = |door: &PlainDoor| {
            let request = String::from_utf8(request(door)).unwrap();
            request.lines().nth(1).unwrap().to_owned()
        };
        assert_eq!(host(&door("a.example", 80)), "Host: a.example");
        assert_eq!(host(&door("a.example", 443)), "Host: a.example");
        assert_eq!(host(&door("a.example", 8080)), "Host: a.example:8080");
        assert_eq!(host(&door("", 80)), "Host: [2001:db8::1]");
        let request = String::from_utf8(request(&door("a.example", 80))).unwrap();
        assert_eq!(request.lines().next(), Some("GET /api HTTP/1.1"));
    }

    /// Accepts twice and does the same to each connection.
    async fn peer(act: fn(std::net::TcpStream)) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .into_std()
            .unwrap();
        listener.set_nonblocking(false).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming().take(2) {
                act(stream.unwrap());
            }
        });
        port
    }

    async fn answer(port: u16) -> PlainAnswer {
        let door = PlainDoor {
            address: Address::parse("127.0.0.1"),
            port,
            host: "a.example".into(),
            path: RequestPath::default(),
            guarded: false,
        };
        ask(
            &door,
            [127, 0, 0, 1].into(),
            Instant::now() + Duration::from_millis(300),
        )
        .await
    }

    #[tokio::test]
    async fn silence_a_hang_up_and_endless_bytes_are_told_apart() {
        use std::io::{Read, Write};
        let silent = peer(|mut stream| {
            drop(stream.read_to_end(&mut Vec::new()));
        });
        assert_eq!(answer(silent.await).await, PlainAnswer::Silent);
        let hangs_up = peer(drop);
        assert_eq!(answer(hangs_up.await).await, PlainAnswer::NoAnswer);
        let endless = peer(|mut stream| while stream.write_all(&[b'x'; 4096]).is_ok() {});
        assert_eq!(answer(endless.await).await, PlainAnswer::NotHttp);
    }
}
