//! What was seen on the wire: reports of one probe, and what they add up to over time.
//!
//! Reports are facts of one attempt. `TlsSeen` and `PlainSeen` keep the last success beside the
//! last failure, so that a certificate seen yesterday behind a door that is shut today can still
//! be judged.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::chain::Chain;
use super::deep::DeepSeen;
use super::door::Requests;
use super::time::UnixTime;
use super::trace::Trace;

/// A value and when it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At<T> {
    /// When the probe that saw it ended.
    pub at: UnixTime,
    /// What was seen.
    pub value: T,
}

/// A protocol version, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// RFC 6101.
    Ssl30,
    /// RFC 2246.
    Tls10,
    /// RFC 4346.
    Tls11,
    /// RFC 5246.
    Tls12,
    /// RFC 9846.
    Tls13,
}

impl TlsVersion {
    /// Every version that is asked for, oldest first.
    pub const ALL: [Self; 5] = [
        Self::Ssl30,
        Self::Tls10,
        Self::Tls11,
        Self::Tls12,
        Self::Tls13,
    ];

    /// The spelling in labels and on pages, as Go writes it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ssl30 => "SSL 3.0",
            Self::Tls10 => "TLS 1.0",
            Self::Tls11 => "TLS 1.1",
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        }
    }

    /// The two bytes that name it on the wire.
    #[must_use]
    pub const fn wire(self) -> u16 {
        match self {
            Self::Ssl30 => 0x0300,
            Self::Tls10 => 0x0301,
            Self::Tls11 => 0x0302,
            Self::Tls12 => 0x0303,
            Self::Tls13 => 0x0304,
        }
    }

    /// The version that these two bytes name.
    #[must_use]
    pub const fn from_wire(wire: u16) -> Option<Self> {
        match wire {
            0x0300 => Some(Self::Ssl30),
            0x0301 => Some(Self::Tls10),
            0x0302 => Some(Self::Tls11),
            0x0303 => Some(Self::Tls12),
            0x0304 => Some(Self::Tls13),
            _ => None,
        }
    }
}

/// What a handshake showed, whatever the verdict on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// What was sent; shared by every door that shows the same chain.
    pub chain: Arc<Chain>,
    /// The version agreed on.
    pub version: TlsVersion,
    /// The cipher suite's IANA number.
    pub cipher: u16,
    /// The key-exchange group's IANA number, where there is one and it could be seen.
    pub group: Option<u16>,
    /// The application protocol agreed on, where one was.
    pub alpn: Option<Box<str>>,
    /// Whether a client certificate was asked for.
    pub client_auth: ClientAuth,
    /// The server proved that it holds the leaf's key; `None` where that could not be checked
    /// (an unfinished handshake, or a key that the crypto library does not know).
    pub key_proven: Option<bool>,
    /// An OCSP response was stapled to the leaf (RFC 6066 section 8); `None` where none was asked
    /// for.
    pub stapled: Option<bool>,
}

/// Whether the server asked for a client certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientAuth {
    /// It did not.
    NotRequested,
    /// It did, and went on without one.
    Requested,
    /// It did, and broke off without one, or answered HTTP by nothing but that.
    Required,
}

impl ClientAuth {
    /// The spelling in labels.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotRequested => "not_requested",
            Self::Requested => "requested",
            Self::Required => "required",
        }
    }
}

/// Why an attempt showed no certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The closed set that metrics carry.
    pub reason: Reason,
    /// The particulars, for people; cleaned. Shared: thousands of doors may fail by one connection.
    pub detail: Arc<str>,
}

/// The closed set of reasons for a failed probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The name did not resolve.
    Dns,
    /// The address is one that `security` forbids.
    Denied,
    /// The connection was refused.
    Refused,
    /// The deadline passed.
    Timeout,
    /// No route, or the network said so.
    Unreachable,
    /// The connection was reset.
    Reset,
    /// The peer closed before it had shown a certificate.
    Closed,
    /// What came back is not TLS.
    NotTls,
    /// A fatal alert.
    Alert,
    /// TLS, but against its rules, or beyond what can be read.
    Protocol,
    /// None of these: this program's own trouble, such as no file descriptors left.
    Other,
}

impl Reason {
    /// Every reason, in the order of the documentation.
    pub const ALL: [Self; 11] = [
        Self::Dns,
        Self::Denied,
        Self::Refused,
        Self::Timeout,
        Self::Unreachable,
        Self::Reset,
        Self::Closed,
        Self::NotTls,
        Self::Alert,
        Self::Protocol,
        Self::Other,
    ];

    /// The spelling in labels.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Denied => "denied",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::NotTls => "not_tls",
            Self::Alert => "alert",
            Self::Protocol => "protocol",
            Self::Other => "other",
        }
    }
}

/// One regular probe of one address of a TLS door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsAttempt {
    /// The address dialled.
    pub ip: IpAddr,
    /// What was seen, or why nothing was.
    pub outcome: Result<Handshake, Failure>,
    /// Time to connect; `None` where no connection came about.
    pub connect: Option<Duration>,
    /// Time from the connection to the end of the handshake; `None` where there was none.
    pub handshake: Option<Duration>,
    /// What passed.
    pub trace: Trace,
}

/// One regular probe of a TLS door: all its addresses, or why there were none to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsReport {
    /// When it ended.
    pub at: UnixTime,
    /// Time to resolve; `None` where there was no name to resolve.
    pub resolve: Option<Duration>,
    /// One attempt per address, or the failure (`dns`, `denied`) that came before any.
    pub attempts: Result<Vec<TlsAttempt>, Failure>,
}

/// One deep probe of a TLS door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeepReport {
    /// When it ended.
    pub at: UnixTime,
    /// How long it took, over all addresses.
    pub took: Duration,
    /// What each address said.
    pub addresses: Vec<(IpAddr, DeepSeen)>,
}

impl DeepReport {
    /// What holds for another door that leads to the same addresses and is asked the same: what is
    /// answered to a browser's request depends on the name that was asked for.
    #[must_use]
    pub fn for_other(&self, requests: Requests) -> Self {
        let mut report = self.clone();
        if requests == Requests::Browser {
            for (_, seen) in &mut report.addresses {
                seen.https.clear();
            }
        }
        report
    }
}

/// What one address answered to HTTP in clear. Only what was seen: whether it is an exposure
/// depends on the target, and is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlainAnswer {
    /// The connection was refused.
    Closed,
    /// No connection came about: a timeout, or no route.
    Filtered,
    /// An HTTP/1 response.
    Http {
        /// Its status code.
        status: u16,
        /// Its `Location`, cleaned.
        location: Option<Box<str>>,
        /// The body says that plain HTTP was sent to an HTTPS port (nginx, Go and others).
        names_https_port: bool,
    },
    /// The connection speaks HTTP/2 in clear (a SETTINGS frame came back, RFC 9113 section 3.4).
    Http2,
    /// A body that looks like a document, without an HTTP status line (HTTP/0.9, Python).
    Document,
    /// Connected, then closed or reset without a byte.
    NoAnswer,
    /// Connected, then nothing until the deadline.
    Silent,
    /// Bytes that are not HTTP.
    NotHttp,
    /// It could not be asked: this program's own trouble, or the name or `security`.
    Unknown(Failure),
}

/// One plaintext probe: every address, or why there was none to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainReport {
    /// When it ended.
    pub at: UnixTime,
    /// By address; or the failure (`dns`, `denied`) that came before any.
    pub answers: Result<Vec<(IpAddr, PlainAnswer)>, Failure>,
}

/// All that is known of a TLS door.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSeen {
    /// When it was last probed; `None` before the first probe ended.
    pub last_attempt: Option<UnixTime>,
    /// How long the last regular probe took: resolving, and the slowest address.
    pub took: Option<Duration>,
    /// Why no address could be dialled last time.
    pub failure: Option<Failure>,
    /// The addresses of the last resolution that worked.
    pub addresses: Vec<AddressSeen>,
}

/// All that is known of one address behind a TLS door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressSeen {
    /// The address.
    pub ip: IpAddr,
    /// Why the last probe of it failed; `None` where it succeeded.
    pub failure: Option<Failure>,
    /// The last handshake that showed a certificate.
    pub handshake: Option<At<Handshake>>,
    /// What passed in the last probe, whether it failed or not.
    pub trace: Trace,
    /// The last deep probe's answers.
    pub deep: Option<At<DeepSeen>>,
}

impl AddressSeen {
    /// Whether it asks for a client certificate; `None` where no handshake was seen. Some servers
    /// finish the handshake without one, and refuse by HTTP (nginx, by 400).
    #[must_use]
    pub fn client_auth(&self) -> Option<ClientAuth> {
        let asked = self.handshake.as_ref()?.value.client_auth;
        let refused = (self.deep.iter())
            .flat_map(|deep| &deep.value.https)
            .any(|answer| answer.misses_certificate);
        let refused = refused && asked == ClientAuth::Requested;
        Some(if refused { ClientAuth::Required } else { asked })
    }

    /// What it shows besides, of another kind of key than the regular handshake shows: some servers
    /// have an RSA and an ECDSA certificate for a host.
    #[must_use]
    pub fn beside(&self) -> Option<&At<Handshake>> {
        let key = |seen: &At<Handshake>| {
            let facts = seen.value.chain.leaf()?.facts.as_ref().ok()?;
            Some(facts.key_algorithm.clone())
        };
        let shown = key(self.handshake.as_ref()?);
        let mut by_key = self.deep.iter().flat_map(|deep| &deep.value.by_key);
        by_key.find(|seen| key(seen) != shown)
    }
}

/// All that is known of a plaintext door.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlainSeen {
    /// When it was last probed; `None` before the first probe ended.
    pub last_attempt: Option<UnixTime>,
    /// Why no address could be dialled last time.
    pub failure: Option<Failure>,
    /// By address, the last answer.
    pub addresses: Vec<PlainAddressSeen>,
}

/// The last answer of one address behind a plaintext door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainAddressSeen {
    /// The address.
    pub ip: IpAddr,
    /// What it answered.
    pub answer: PlainAnswer,
}

#[cfg(test)]
mod tests {
    use super::super::{Acceptance, HttpsAnswer, VersionSupport};
    use super::*;

    #[test]
    fn what_a_browser_was_answered_is_no_other_doors() {
        let mut seen = DeepSeen::of_versions(VersionSupport([Acceptance::Accepted; 5]));
        seen.https = vec![HttpsAnswer {
            path: "/",
            status: 200,
            hsts: None,
            misses_certificate: false,
        }];
        let report = DeepReport {
            at: UnixTime::from_secs(1),
            took: Duration::ZERO,
            addresses: vec![(IpAddr::from([192, 0, 2, 1]), seen)],
        };
        let other = report.for_other(Requests::Browser);
        assert_eq!(other.addresses[0].1.https, []);
        assert_eq!(
            other.addresses[0].1.versions,
            report.addresses[0].1.versions
        );
        // An API server answers strangers alike, whatever it is called.
        assert_eq!(report.for_other(Requests::ApiServer), report);
    }
}
