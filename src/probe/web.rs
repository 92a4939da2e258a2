//! Web: one request by HTTP for who asks for a single probe: a status, a redirect, and how long it took. No
//! credentials; who answers is not verified here, for that is judged by the handshake.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

use super::Prober;
use super::dial::connect;
use super::failure::{failure, from_io, within};
use crate::model::{Failure, Reason};

/// What is read of an answer: its headers.
const READ_BYTES: u64 = 64 * 1024;

/// Headers that are read; an answer with more is not understood.
const HEADER_LIMIT: usize = 128;

/// What is asked for, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebRequest {
    /// The host as the request names it: with the port where that is not the scheme's own.
    pub authority: String,
    /// The name to ask TLS for; `None` sends none.
    pub server_name: Option<Arc<str>>,
    /// Whether it goes over TLS.
    pub tls: bool,
    /// The TCP port.
    pub port: u16,
    /// Path and query; begins with a slash.
    pub path: String,
    /// `HEAD` rather than `GET`.
    pub head: bool,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebAnswer {
    /// The status code.
    pub status: u16,
    /// The minor version of HTTP/1.
    pub minor: u8,
    /// `Content-Length`, where the answer has one that is a number.
    pub length: Option<u64>,
    /// `Location`, as it came.
    pub location: Option<String>,
    /// From the request's end to the headers' end.
    pub processing: Duration,
}

impl Prober {
    /// Asks one address by HTTP/1.1. The error says how far it came.
    pub async fn web(
        &self,
        ip: IpAddr,
        request: &WebRequest,
        deadline: Instant,
    ) -> Result<WebAnswer, Failure> {
        let stream = connect(ip, request.port, deadline).await?;
        if !request.tls {
            return converse(stream, request, deadline).await;
        }
        let name = request.server_name.as_deref();
        let shaken = within(deadline, "shaking hands", async {
            let shaken = self.handshaker.for_http(stream, name).await;
            shaken.map_err(|error| from_io(&error))
        });
        converse(shaken.await?, request, deadline).await
    }
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &WebRequest,
    deadline: Instant,
) -> Result<WebAnswer, Failure> {
    let mut asked = Instant::now();
    let answer = within(deadline, "waiting for an answer", async {
        let text = written(request);
        stream
            .write_all(text.as_bytes())
            .await
            .map_err(|error| from_io(&error))?;
        asked = Instant::now();
        let mut seen = Vec::with_capacity(1024);
        let mut reader = (&mut stream).take(READ_BYTES);
        loop {
            let count = reader
                .read_buf(&mut seen)
                .await
                .map_err(|error| from_io(&error))?;
            if let Some(answer) = read(&seen, asked.elapsed()).map_err(not_http)? {
                return Ok(answer);
            }
            if count == 0 {
                return Err(failure(
                    Reason::Closed,
                    "the answer has no end to its headers",
                ));
            }
        }
    });
    let answer = answer.await?;
    // Politeness only: the answer is there.
    drop(timeout_at(deadline, stream.shutdown()).await);
    Ok(answer)
}

fn not_http(error: httparse::Error) -> Failure {
    failure(Reason::Protocol, format!("the answer is not HTTP: {error}"))
}

fn written(request: &WebRequest) -> String {
    let method = if request.head { "HEAD" } else { "GET" };
    format!(
        "{method} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {}/{}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        request.path,
        request.authority,
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
    )
}

/// What the headers say, once all of them are there. Pure.
pub(super) fn read(
    seen: &[u8],
    processing: Duration,
) -> Result<Option<WebAnswer>, httparse::Error> {
    let mut headers = [httparse::EMPTY_HEADER; HEADER_LIMIT];
    let mut response = httparse::Response::new(&mut headers);
    let complete = response.parse(seen)?.is_complete();
    let (true, Some(status), Some(minor)) = (complete, response.code, response.version) else {
        return Ok(None);
    };
    let header = |name: &str| {
        let mut found = response.headers.iter();
        let found = found.find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok()
    };
    Ok(Some(WebAnswer {
        status,
        minor,
        length: header("content-length").and_then(|text| text.trim().parse().ok()),
        location: header("location").map(str::to_owned),
        processing,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_are_read_once_all_are_there() {
        let whole = b"HTTP/1.1 301 Moved\r\nlocation: /a\r\nContent-Length: 12\r\n\r\nmoved";
        let end = whole.len() - "moved".len();
        for end in 0..end {
            assert_eq!(read(&whole[..end], Duration::ZERO), Ok(None), "{end}");
        }
        let answer = read(whole, Duration::ZERO).unwrap().unwrap();
        assert_eq!(
            (answer.status, answer.minor, answer.length),
            (301, 1, Some(12))
        );
        assert_eq!(answer.location.as_deref(), Some("/a"));
        assert!(read(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", Duration::ZERO).is_err());
    }
}
