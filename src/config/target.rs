//! Targets written by hand.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use super::field::{Field, Section, Written};
use super::node::Value;
use super::{host, trust, value};
use crate::model::StartTls;

/// A target written by hand.
#[derive(Clone, Debug, PartialEq)]
pub struct StaticTarget {
    /// Shown as the label `name`.
    pub name: Arc<str>,
    /// The URL's host: a DNS name in A-label form, or an IP address without brackets.
    pub host: Arc<str>,
    /// The URL's port; 443 where it has none.
    pub port: u16,
    /// Dialled rather than what DNS says; such a target is not subject to
    /// [`Security`](super::Security).
    pub address: Option<IpAddr>,
    /// Roots instead of the system's.
    pub ca_file: Option<Arc<Path>>,
    /// Where plaintext is looked for besides the TLS port; 80 where the port is 443.
    pub http_port: Option<u16>,
    /// What is spoken in clear before the handshake; plaintext is then not looked for.
    pub starttls: Option<StartTls>,
}

/// A target while it is read.
#[derive(Default)]
pub(super) struct Draft {
    name: Option<Arc<str>>,
    url: Option<(String, u16)>,
    address: Option<IpAddr>,
    ca_file: Option<Arc<Path>>,
    http_port: Option<u16>,
    starttls: Option<StartTls>,
}

/// Reads one target.
pub(super) fn target(written: &Written<'_>) -> Option<StaticTarget> {
    let mut draft = Draft::default();
    written.section(&mut draft);
    written.require("name", "a name for the metrics, such as `name: shop`");
    written.require(
        "url",
        "what to look at, such as `url: https://shop.example.com`",
    );
    let (host, port) = draft.url?;
    Some(StaticTarget {
        name: draft.name?,
        host: host.into(),
        port,
        address: draft.address,
        ca_file: draft.ca_file,
        http_port: draft.http_port,
        starttls: draft.starttls,
    })
}

impl Section for Draft {
    const FIELDS: &'static [Field<Self>] = &[
        Field {
            name: "name",
            kind: "text",
            default: "(required)",
            meaning: "Shown as the label `name`; each name once.",
            read: |target, written| target.name = written.value(name),
            inside: None,
        },
        Field {
            name: "url",
            kind: "URL",
            default: "(required)",
            meaning: "`https://HOST` or `https://HOST:PORT`. The host is a DNS name, or an IP \
                      address (IPv6 in brackets); the certificate must carry it.",
            read: |target, written| target.url = written.value(host::url),
            inside: None,
        },
        Field {
            name: "address",
            kind: "IP address",
            default: "(what DNS says)",
            meaning: "Dialled rather than what DNS says. `security` does not apply to a target \
                      that has it.",
            read: |target, written| target.address = written.value(host::address),
            inside: None,
        },
        Field {
            name: "ca_file",
            kind: "path",
            default: "(the system's roots and `trust.ca_files`)",
            meaning: "A PEM file: the chain must lead to one of its certificates.",
            read: |target, written| trust::set_ca_file(&mut target.ca_file, written),
            inside: None,
        },
        Field {
            name: "http_port",
            kind: "port",
            default: "(80 where the URL's port is 443)",
            meaning: "Where HTTP in clear is looked for besides the URL's port.",
            read: |target, written| target.http_port = written.value(value::port),
            inside: None,
        },
        Field {
            name: "starttls",
            kind: "`smtp`, `imap`, `pop3`, `ftp`, `ldap`, `xmpp`, `postgres` or `mysql`",
            default: "(TLS from the first byte)",
            meaning: "The protocol that is spoken in clear at the URL's port, until the server is \
                      asked for TLS. HTTP in clear is then not looked for. Servers log such \
                      visits; MySQL also counts them towards `max_connect_errors`, and blocks the \
                      exporter's address when there were too many.",
            read: |target, written| target.starttls = written.value(starttls),
            inside: None,
        },
    ];
}

fn starttls(value: &Value) -> Result<StartTls, String> {
    value::choice(value, &StartTls::ALL.map(|one| (one.label(), one)))
}

fn name(value: &Value) -> Result<Arc<str>, String> {
    match value::label(value)? {
        "" => Err("a target needs a name that is not empty".to_owned()),
        name => Ok(name.into()),
    }
}
