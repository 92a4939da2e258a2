//! HTTP requests, one connection each.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What a server on loopback is given; the largest body here takes milliseconds.
const DEADLINE: Duration = Duration::from_secs(10);

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Asks for `path`.
pub(crate) async fn get(server: SocketAddr, path: &str) -> io::Result<Answer> {
    ask(server, "GET", path).await
}

/// By HTTP 1.0, so that the answer comes whole and ends with the connection.
pub(crate) async fn ask(server: SocketAddr, method: &str, path: &str) -> io::Result<Answer> {
    let request = format!("{method} {path} HTTP/1.0\r\nHost: {server}\r\n\r\n");
    let exchange = async {
        let mut stream = TcpStream::connect(server).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        io::Result::Ok(answer)
    };
    let answer = timeout(DEADLINE, exchange)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    read(&answer).ok_or_else(|| io::Error::other(format!("{path} was not answered by HTTP")))
}

fn read(answer: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    Some(Answer {
        status: status.parse().ok()?,
        body: body.to_owned(),
    })
}
