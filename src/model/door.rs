//! Doors: the places that are dialled, shared by every target that points at them.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::StartTls;
use super::request_path::RequestPath;

/// What was declared to dial: an IP address, or a name whose every address is dialled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// Dialled as it stands.
    Ip(IpAddr),
    /// Resolved at each probe; lower case, no trailing dot.
    Name(Arc<str>),
}

impl Address {
    /// Reads an IP address (brackets allowed), or takes `text` as a name.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let bare = text
            .strip_prefix('[')
            .and_then(|t| t.strip_suffix(']'))
            .unwrap_or(text);
        bare.parse().map_or_else(
            |_| Self::Name(text.trim_end_matches('.').to_ascii_lowercase().into()),
            Self::Ip,
        )
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Where a TLS handshake is made, and the name it asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsDoor {
    /// Where to dial.
    pub address: Address,
    /// The TCP port.
    pub port: u16,
    /// The server name to send (SNI, RFC 6066 section 3): a DNS name in A-label form, never an
    /// IP address; `None` sends none.
    pub server_name: Option<Arc<str>>,
    /// What is spoken in clear before the handshake, if anything is.
    pub starttls: Option<StartTls>,
    /// Whether the address came from a tenant, so that `security` applies to what it resolves
    /// to. A guarded and an unguarded door are never shared.
    pub guarded: bool,
    /// What the deep probe requests there by HTTP.
    pub requests: Requests,
}

/// What the deep probe requests by HTTP over TLS: as a stranger, without credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Requests {
    /// Nothing.
    Nothing,
    /// The front page, as a browser would.
    Browser,
    /// What an API server answers strangers, and what it must not.
    ApiServer,
    /// What a kubelet must answer no stranger.
    Kubelet,
}

impl Requests {
    /// The paths, with their queries. Of an API server: two that Kubernetes itself opens to
    /// everybody (the `ClusterRole` `system:public-info-viewer`), and four that it does not; of
    /// namespaces one is enough to know.
    #[must_use]
    pub const fn paths(self) -> &'static [&'static str] {
        match self {
            Self::Nothing => &[],
            Self::Browser => &["/"],
            Self::ApiServer => &[
                "/livez",
                "/version",
                "/api",
                "/apis",
                "/metrics",
                "/api/v1/namespaces?limit=1",
            ],
            Self::Kubelet => &["/pods", "/metrics"],
        }
    }
}

/// Where HTTP is asked for in clear, and the host it asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PlainDoor {
    /// Where to dial.
    pub address: Address,
    /// The TCP port.
    pub port: u16,
    /// The host to ask for, without port; empty where none was declared.
    pub host: Arc<str>,
    /// What to ask for there.
    pub path: RequestPath,
    /// As [`TlsDoor::guarded`].
    pub guarded: bool,
}

/// Either kind of door: the unit that is scheduled and probed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// A TLS handshake, and from time to time the deep probe.
    Tls(Arc<TlsDoor>),
    /// One plaintext HTTP request.
    Plain(Arc<PlainDoor>),
}

impl Door {
    /// Where this door is dialled.
    #[must_use]
    pub fn address(&self) -> &Address {
        match self {
            Self::Tls(door) => &door.address,
            Self::Plain(door) => &door.address,
        }
    }

    /// The TCP port it is dialled at.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::Tls(door) => door.port,
            Self::Plain(door) => door.port,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_ip_where_it_reads_as_one() {
        assert_eq!(Address::parse("192.0.2.1").to_string(), "192.0.2.1");
        assert_eq!(
            Address::parse("[2001:db8::1]"),
            Address::Ip("2001:db8::1".parse().unwrap())
        );
        assert_eq!(
            Address::parse("LB.Example.com."),
            Address::Name("lb.example.com".into())
        );
    }
}
