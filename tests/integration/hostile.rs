//! Listeners that misbehave towards whoever connects, each in one way, for as long as the value
//! lives.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

/// What a hostile server does once somebody has connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It says nothing.
    Hang,
    /// It closes at once.
    Close,
    /// It reads the hello, sends the start of a `ServerHello`, and resets.
    ResetMidHandshake,
    /// It sends bytes that are no protocol.
    Garbage,
    /// It sends zeros as fast as they are taken.
    EndlessZeros,
    /// It sends empty handshake records as fast as they are taken.
    EndlessEmptyRecords,
    /// It sends warnings as fast as they are taken.
    EndlessWarnings,
    /// It sends handshake records of a Certificate message of 16 MB as fast as they are taken.
    EndlessCertificate,
    /// It sends the start of an answer, a byte every tenth of a second.
    Drip,
    /// It answers as HTTP in clear.
    Http,
    /// It answers as HTTP in clear, with a header that never ends.
    EndlessHttp,
    /// It greets as SSH.
    Ssh,
    /// It answers with a fatal alert that no standard knows.
    UnknownAlert,
    /// It sends this many bytes of a sound answer, and no more.
    HangAfter(usize),
    /// It says that it has no more to say, without a word, and keeps its side of the connection open.
    HalfClose,
    /// It answers with a version that no client offers.
    VersionOfNobody,
    /// It shows its certificate compressed, as 16 MiB that nobody asked to have compressed.
    CompressedCertificate,
    /// It asks for another hello, and again after that, for ever.
    EndlessRetries,
    /// It puts a whole TLS answer where the data of an agreed session would be.
    TlsInsideTls,
    /// It sends half a record of a certificate, and resets.
    ResetMidCertificate,
}

/// A sound answer to a hello for TLS 1.2 of this program's own: two certificates.
pub(crate) const SOUND_ANSWER: &[u8] = include_bytes!("../../src/probe/testdata/tls12.bin");

/// A running listener.
#[derive(Debug)]
pub(crate) struct Hostile {
    pub(crate) address: SocketAddr,
    task: AbortHandle,
}

impl Hostile {
    pub(crate) async fn start(manner: Manner) -> Self {
        Self::start_at([127, 0, 0, 1], manner).await
    }

    /// At one port of every address of this machine.
    pub(crate) async fn start_everywhere(manner: Manner) -> Self {
        Self::start_at([0, 0, 0, 0], manner).await
    }

    async fn start_at(ip: [u8; 4], manner: Manner) -> Self {
        let listener = TcpListener::bind(SocketAddr::from((ip, 0))).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(serve(listener, manner)).abort_handle();
        Self { address, task }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, manner: Manner) {
    // Aborted with the task.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(misbehave(stream, manner));
        // What is over is let go.
        while connections.try_join_next().is_some() {}
    }
}

async fn misbehave(mut stream: TcpStream, manner: Manner) {
    match manner {
        Manner::Hang => until_closed(stream).await,
        Manner::Close => {}
        Manner::ResetMidHandshake => {
            read_some(&mut stream).await;
            stream.write_all(SERVER_HELLO_START).await.ok();
            stream.set_zero_linger().ok();
        }
        Manner::Garbage => say(stream, &[0xaa; 64]).await,
        Manner::EndlessZeros => repeat(stream, &[0; 4096]).await,
        Manner::EndlessEmptyRecords => repeat(stream, &[22, 3, 3, 0, 0]).await,
        Manner::EndlessWarnings => repeat(stream, &[21, 3, 3, 0, 2, 1, 112]).await,
        Manner::EndlessCertificate => {
            stream
                .write_all(&[22, 3, 3, 0, 4, 11, 0xff, 0xff, 0xff])
                .await
                .ok();
            let record = [&[22, 3, 3, 0x40, 0][..], &[0; 1 << 14]].concat();
            repeat(stream, &record).await;
        }
        Manner::Drip => {
            for byte in SERVER_HELLO_START.iter().cycle() {
                if stream.write_all(&[*byte]).await.is_err() {
                    return;
                }
                sleep(Duration::from_millis(100)).await;
            }
        }
        Manner::Http => {
            let answer = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
            say(stream, answer.as_bytes()).await;
        }
        Manner::EndlessHttp => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nServer: ").await.ok();
            repeat(stream, &[b'a'; 4096]).await;
        }
        Manner::Ssh => say(stream, b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n").await,
        Manner::UnknownAlert => say(stream, &[21, 3, 3, 0, 2, 2, 255]).await,
        Manner::HangAfter(length) => {
            read_some(&mut stream).await;
            stream.write_all(&SOUND_ANSWER[..length]).await.ok();
            until_closed(stream).await;
        }
        Manner::HalfClose => {
            read_some(&mut stream).await;
            stream.shutdown().await.ok();
            until_closed(stream).await;
        }
        Manner::VersionOfNobody => {
            let session = read_session(&mut stream).await;
            say_on(stream, &server_hello([3, 9], [7; 32], &session, &[])).await;
        }
        Manner::CompressedCertificate => {
            let session = read_session(&mut stream).await;
            let hello = server_hello([3, 3], [7; 32], &session, &[]);
            // RFC 8879 section 4: zlib, the length of 16 MiB that it would inflate to, the content.
            let bomb = [
                &[25, 0, 0, 40, 0, 1, 0xff, 0xff, 0xff, 0, 0, 32][..],
                &[0; 32],
            ]
            .concat();
            say_on(stream, &[hello, handshake_record(&bomb)].concat()).await;
        }
        Manner::EndlessRetries => {
            let mut said = 0;
            loop {
                let session = read_session(&mut stream).await;
                // TLS 1.3, with a key share of secp256r1: what is offered, but not sent at first.
                let extensions = [0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 23];
                let retry = server_hello([3, 3], RETRY, &session, &extensions);
                said += 1;
                if session.is_empty() && said > 1 || stream.write_all(&retry).await.is_err() {
                    return;
                }
            }
        }
        Manner::TlsInsideTls => {
            let inner = &SOUND_ANSWER[..900];
            let length = u16::try_from(inner.len()).unwrap().to_be_bytes();
            say(stream, &[&[23, 3, 3], &length[..], inner].concat()).await;
        }
        Manner::ResetMidCertificate => {
            read_some(&mut stream).await;
            stream.write_all(&SOUND_ANSWER[..400]).await.ok();
            stream.set_zero_linger().ok();
        }
    }
}

/// The random number that makes a `ServerHello` a `HelloRetryRequest` (RFC 8446 section 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// A record with a `ServerHello` (RFC 8446 section 4.1.3); TLS 1.3's first suite for a retry.
fn server_hello(version: [u8; 2], random: [u8; 32], session: &[u8], extensions: &[u8]) -> Vec<u8> {
    let cipher = if random == RETRY {
        [0x13, 0x01]
    } else {
        [0xc0, 0x2b]
    };
    let mut body = [
        &version[..],
        &random,
        &[u8::try_from(session.len()).unwrap()],
    ]
    .concat();
    body.extend(session);
    body.extend(cipher);
    body.push(0);
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let [.., high, low] = body.len().to_be_bytes();
    handshake_record(&[&[2, 0, high, low], &body[..]].concat())
}

fn handshake_record(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
    [&[22, 3, 3], &length[..], message].concat()
}

/// The session id of the hello that is read, for the answer to echo; empty where none is.
async fn read_session(stream: &mut TcpStream) -> Vec<u8> {
    let mut buffer = [0; 4096];
    let read = stream.read(&mut buffer).await.unwrap_or_default();
    // Headers of record and message, version, random; then the id's length.
    let length = usize::from(buffer[43]);
    if read < 44 + length || length > 32 {
        return Vec::new();
    }
    buffer[44..44 + length].to_vec()
}

/// The first bytes of a record that holds a `ServerHello`.
const SERVER_HELLO_START: &[u8] = &[22, 3, 3, 0, 80, 2, 0, 0, 76, 3, 3, 7, 7, 7, 7, 7];

/// Reads what came first, says `bytes`, and waits for the other side to close: closing with
/// something unread would reset.
async fn say(mut stream: TcpStream, bytes: &[u8]) {
    read_some(&mut stream).await;
    say_on(stream, bytes).await;
}

/// As [`say`], where what came first has been read.
async fn say_on(mut stream: TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).await.ok();
    stream.shutdown().await.ok();
    tokio::io::copy(&mut stream, &mut tokio::io::sink())
        .await
        .ok();
}

/// Says nothing more.
async fn until_closed(mut stream: TcpStream) {
    tokio::io::copy(&mut stream, &mut tokio::io::sink())
        .await
        .ok();
}

async fn repeat(mut stream: TcpStream, bytes: &[u8]) {
    while stream.write_all(bytes).await.is_ok() {}
}

async fn read_some(stream: &mut TcpStream) {
    let mut buffer = [0; 4096];
    drop(stream.read(&mut buffer).await);
}
