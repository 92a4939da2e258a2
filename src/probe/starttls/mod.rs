//! From cleartext to TLS: the few words before the `ClientHello` where a port begins in clear.
//!
//! A protocol is a list of turns: what is said, and a pure reader of what is to be heard, which
//! tells whole replies from beginnings of them. `Dialogue` takes the turns over bytes; `start_tls`
//! moves the bytes. The deadline is the caller's.

mod database;
mod ldap;
mod reply;
mod xmpp;

use std::borrow::Cow;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::failure::{failure, from_io};
use crate::model::{Failure, Reason, StartTls, clean};

/// The most that a server may say before TLS. Banners and lists of capabilities have one or two
/// thousand bytes.
const HEARD_MAX_BYTES: usize = 16 * 1024;

/// One read: most replies at once.
const READ_BYTES: usize = 1024;

/// How long the reply is that these bytes begin with, if it is whole and allows to go on.
type Reader = fn(&[u8]) -> Result<Option<usize>, Stopped>;

/// A step of a dialogue.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// These bytes are sent.
    Say(&'static [u8]),
    /// An XMPP stream to the server name is opened.
    OpenStream,
    /// A reply is waited for.
    Hear(Reader),
}

use Turn::{Hear, OpenStream, Say};

/// What the dialogue wants next.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// These bytes sent.
    Send(Cow<'static, [u8]>),
    /// More bytes.
    Receive,
    /// The TLS handshake.
    Handshake,
}

/// Why it does not come to TLS.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
enum Stopped {
    /// The server serves nobody, or not us, or not now; in its own words.
    #[error("the server turned us away: {0:?}")]
    TurnedAway(Box<str>),
    /// It was asked for TLS and declined, in its own words.
    #[error("the server refuses to start TLS: {0:?}")]
    Refused(Box<str>),
    /// TLS is not among what it says that it can do.
    #[error("the server does not offer to start TLS")]
    NotOffered,
    /// It speaks another protocol, as these first bytes of it show.
    #[error("what the server sent is something else: {0:?}")]
    Else(Box<str>),
    /// Bytes that came in clear and would be taken as if they were protected (CVE-2011-0411,
    /// CVE-2021-23222).
    #[error("the server sent {0} bytes in clear after it agreed to start TLS")]
    Injected(usize),
    /// It goes on and on.
    #[error("the server sent more than {HEARD_MAX_BYTES} bytes before TLS")]
    TooLong,
    /// It had enough.
    #[error("the server closed the connection before TLS")]
    Closed,
}

impl Stopped {
    fn reason(&self) -> Reason {
        match self {
            Self::Refused(_) | Self::NotOffered | Self::Else(_) => Reason::NotTls,
            Self::TurnedAway(_) | Self::Injected(_) | Self::TooLong => Reason::Protocol,
            Self::Closed => Reason::Closed,
        }
    }
}

/// What a server said, as errors carry it.
fn said(bytes: &[u8]) -> Box<str> {
    clean(&String::from_utf8_lossy(bytes)).into()
}

const fn turns(protocol: StartTls) -> &'static [Turn] {
    match protocol {
        StartTls::Smtp => &[
            Hear(reply::smtp_greeting),
            // The name says who it is in the server's log, and is nobody else's (RFC 2606).
            Say(b"EHLO kube-https-exporter.invalid\r\n"),
            Hear(reply::smtp_capabilities),
            Say(b"STARTTLS\r\n"),
            Hear(reply::smtp_consent),
        ],
        StartTls::Imap => &[
            Hear(reply::imap_greeting),
            Say(b"a STARTTLS\r\n"),
            Hear(reply::imap_consent),
        ],
        StartTls::Pop3 => &[
            Hear(reply::pop3_greeting),
            Say(b"STLS\r\n"),
            Hear(reply::pop3_consent),
        ],
        StartTls::Ftp => &[
            Hear(reply::ftp_greeting),
            Say(b"AUTH TLS\r\n"),
            Hear(reply::ftp_consent),
        ],
        StartTls::Ldap => &[Say(ldap::REQUEST), Hear(ldap::consent)],
        StartTls::Xmpp => &[
            OpenStream,
            Hear(xmpp::features),
            Say(xmpp::REQUEST),
            Hear(xmpp::consent),
        ],
        StartTls::Postgres => &[
            Say(database::POSTGRES_REQUEST),
            Hear(database::postgres_consent),
        ],
        // The server says nothing to the request, but awaits the handshake.
        StartTls::MySql => &[Hear(database::mysql_greeting), Say(database::MYSQL_REQUEST)],
    }
}

/// A dialogue on its way. Pure: bytes in, wishes out.
#[derive(Debug)]
struct Dialogue<'a> {
    turns: &'static [Turn],
    server_name: Option<&'a str>,
    /// What was received and is not understood yet.
    heard: Vec<u8>,
    heard_bytes: usize,
}

impl<'a> Dialogue<'a> {
    fn new(protocol: StartTls, server_name: Option<&'a str>) -> Self {
        Self {
            turns: turns(protocol),
            server_name,
            heard: Vec::new(),
            heard_bytes: 0,
        }
    }

    /// Takes in what was received.
    fn take(&mut self, bytes: &[u8]) -> Result<(), Stopped> {
        self.heard_bytes += bytes.len();
        if self.heard_bytes > HEARD_MAX_BYTES {
            return Err(Stopped::TooLong);
        }
        self.heard.extend_from_slice(bytes);
        Ok(())
    }

    fn next(&mut self) -> Result<Next, Stopped> {
        while let Some((turn, rest)) = self.turns.split_first() {
            let send = match turn {
                Say(bytes) => Cow::Borrowed(*bytes),
                OpenStream => xmpp::open(self.server_name).into(),
                Hear(read) => {
                    let Some(length) = read(&self.heard)? else {
                        return Ok(Next::Receive);
                    };
                    self.heard.drain(..length.min(self.heard.len()));
                    self.turns = rest;
                    continue;
                }
            };
            self.turns = rest;
            return Ok(Next::Send(send));
        }
        match self.heard.len() {
            0 => Ok(Next::Handshake),
            length => Err(Stopped::Injected(length)),
        }
    }
}

/// Talks a fresh `stream` up to where the `ClientHello` is due. `server_name` is for protocols
/// that name the server before TLS does.
pub(super) async fn start_tls<S>(
    stream: &mut S,
    protocol: StartTls,
    server_name: Option<&str>,
) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let told = |stopped: Stopped| {
        let detail = format!("{}: {stopped}", protocol.label());
        failure(stopped.reason(), detail)
    };
    let mut dialogue = Dialogue::new(protocol, server_name);
    loop {
        match dialogue.next().map_err(told)? {
            Next::Handshake => return Ok(()),
            Next::Send(bytes) => {
                let sent = stream.write_all(&bytes).await;
                sent.map_err(|error| from_io(&error))?;
            }
            Next::Receive => {
                let mut space = [0; READ_BYTES];
                let length = stream.read(&mut space).await;
                let length = length.map_err(|error| from_io(&error))?;
                let (bytes, _) = space.split_at_checked(length).unwrap_or_default();
                if bytes.is_empty() {
                    return Err(told(Stopped::Closed));
                }
                dialogue.take(bytes).map_err(told)?;
            }
        }
    }
}

#[cfg(test)]
mod tests;
