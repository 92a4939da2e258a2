//! Listeners that misbehave towards whoever connects, each in one way, for as long as the value
//! lives.

use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

/// What a hostile server does once somebody has connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It says nothing and reads nothing.
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
}

/// A running listener.
#[derive(Debug)]
pub(crate) struct Hostile {
    pub(crate) address: SocketAddr,
    task: AbortHandle,
}

impl Hostile {
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
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
    }
}

async fn misbehave(mut stream: TcpStream, manner: Manner) {
    match manner {
        Manner::Hang => pending().await,
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
    }
}

/// The first bytes of a record that holds a `ServerHello`.
const SERVER_HELLO_START: &[u8] = &[22, 3, 3, 0, 80, 2, 0, 0, 76, 3, 3, 7, 7, 7, 7, 7];

/// Reads what came first, says `bytes`, and waits for the other side to close: closing with
/// something unread would reset.
async fn say(mut stream: TcpStream, bytes: &[u8]) {
    read_some(&mut stream).await;
    stream.write_all(bytes).await.ok();
    stream.shutdown().await.ok();
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
