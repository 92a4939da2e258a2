//! One conversation: our hello out, the server's messages in, and a farewell.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::answer::{Answer, Message};
use super::ended::Ended;
use super::hello::{Offer, client_hello};
use crate::model::TlsVersion;

/// How long a server gets to close after our farewell: one round trip between continents.
const FAREWELL_MAX: Duration = Duration::from_millis(250);

/// What is read and thrown away meanwhile, because closing a socket with something unread resets
/// the connection, which servers log. The rest of an ordinary server's flight fits.
const FAREWELL_MAX_BYTES: u64 = 1 << 16;

/// One read, in bytes: an answer without its certificates fits.
const CHUNK: usize = 2048;

/// A hello that was sent over `stream`, and its answer as it arrives. Deadlines are the caller's.
#[derive(Debug)]
pub(super) struct Exchange<'a, S> {
    stream: &'a mut S,
    answer: Answer,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Exchange<'a, S> {
    /// Sends a hello with this offer, to read `limit` bytes of answer at most.
    pub(super) async fn open(
        stream: &'a mut S,
        offer: &Offer,
        server_name: Option<&str>,
        limit: usize,
    ) -> Self {
        let hello = client_hello(offer, server_name, random());
        // A server may have answered and closed already: what it said is still to be read, and
        // where nothing is, reading tells why.
        stream.write_all(&hello).await.ok();
        stream.flush().await.ok();
        Self {
            stream,
            answer: Answer::new(limit),
        }
    }

    /// The next message, or why there is none.
    pub(super) async fn next_message(&mut self) -> Result<Message, Ended> {
        let mut chunk = [0; CHUNK];
        loop {
            if let Some(message) = self.answer.next_message()? {
                return Ok(message);
            }
            let (read, _) = match self.stream.read(&mut chunk).await? {
                0 => return Err(Ended::Closed),
                length => chunk.split_at_checked(length).unwrap_or_default(),
            };
            self.answer.feed(read)?;
        }
    }

    /// Says that this was all, on both layers (haproxy closes for the alert or for TCP's end, as it
    /// happens), and waits a little for the server to close. It may be gone: what was learnt
    /// stands.
    pub(super) async fn close(self, version: TlsVersion) {
        let farewell = async {
            self.stream.write_all(&farewell(version)).await.ok();
            self.stream.shutdown().await.ok();
            let mut rest = self.stream.take(FAREWELL_MAX_BYTES);
            let mut thrown_away = [0; CHUNK];
            while let Ok(1..) = rest.read(&mut thrown_away).await {}
        };
        timeout(FAREWELL_MAX, farewell).await.ok();
    }
}

/// The warnings `user_canceled`, which says that nothing is wrong, and `close_notify` (RFC 8446
/// section 6.1), in clear, for no keys were agreed on. SSL 3.0 knows only the second.
fn farewell(version: TlsVersion) -> Vec<u8> {
    let [major, minor] = version.min(TlsVersion::Tls12).wire().to_be_bytes();
    let warning = |description| [21, major, minor, 0, 2, 1, description];
    if version == TlsVersion::Ssl30 {
        warning(0).to_vec()
    } else {
        [warning(90), warning(0)].concat()
    }
}

/// Fresh bytes for the hello. Nothing secret hangs on them, so that zeros do where the system has
/// none to give.
fn random() -> [u8; 32] {
    let mut random = [0; 32];
    aws_lc_rs::rand::fill(&mut random).ok();
    random
}
