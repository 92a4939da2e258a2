//! Expectations of what can be reached from where this instance stands.

use std::net::IpAddr;
use std::sync::Arc;

use super::field::{Field, Section, Written};
use super::node::Value;
use super::{host, value};
use crate::model::Reach;

/// Whether a port can be reached, as the operator means it to be.
#[derive(Clone, Debug, PartialEq)]
pub struct ReachExpectation {
    /// Shown as the label `name`.
    pub name: Arc<str>,
    /// Dialled; not subject to [`Security`](super::Security).
    pub address: IpAddr,
    /// The TCP port.
    pub port: u16,
    /// What is expected.
    pub expect: Reach,
    /// What can be reached for certain: a host and its port. Where it cannot, this instance
    /// reaches nothing, and so proves nothing.
    pub control: (Arc<str>, u16),
}

/// An expectation while it is read.
#[derive(Default)]
pub(super) struct Draft {
    name: Option<Arc<str>>,
    address: Option<IpAddr>,
    port: Option<u16>,
    expect: Option<Reach>,
    control: Option<(Arc<str>, u16)>,
}

/// Reads one expectation.
pub(super) fn expectation(written: &Written<'_>) -> Option<ReachExpectation> {
    let mut draft = Draft::default();
    written.section(&mut draft);
    written.require("name", "a name for the metrics, such as `name: etcd`");
    written.require("address", "an IP address, such as `address: 192.0.2.9`");
    written.require("port", "a TCP port, such as `port: 2379`");
    written.require("expect", "`expect: unreachable` or `expect: reachable`");
    written.require(
        "control",
        "what can be reached for certain, such as `control: 192.0.2.9:443`",
    );
    Some(ReachExpectation {
        name: draft.name?,
        address: draft.address?,
        port: draft.port?,
        expect: draft.expect?,
        control: draft.control?,
    })
}

impl Section for Draft {
    const FIELDS: &'static [Field<Self>] = &[
        Field {
            name: "name",
            kind: "text",
            default: "(required)",
            meaning: "Shown as the label `name`; each name once.",
            read: |draft, written| draft.name = written.value(name),
            inside: None,
        },
        Field {
            name: "address",
            kind: "IP address",
            default: "(required)",
            meaning: "Dialled. `security` does not apply to it.",
            read: |draft, written| draft.address = written.value(host::address),
            inside: None,
        },
        Field {
            name: "port",
            kind: "port",
            default: "(required)",
            meaning: "The TCP port. That a connection comes about is enough to be reachable; a TLS \
                      hello and a `GET /` in clear are sent.",
            read: |draft, written| draft.port = written.value(value::port),
            inside: None,
        },
        Field {
            name: "expect",
            kind: "`reachable` or `unreachable`",
            default: "(required)",
            meaning: "What is expected, from where this instance stands.",
            read: |draft, written| draft.expect = written.value(reach),
            inside: None,
        },
        Field {
            name: "control",
            kind: "host with a port",
            default: "(required)",
            meaning: "What can be reached for certain. While it cannot, nothing is said of a port \
                      that cannot be reached either.",
            read: |draft, written| draft.control = written.value(host::named_port),
            inside: None,
        },
    ];
}

fn reach(value: &Value) -> Result<Reach, String> {
    let reaches = [Reach::Reachable, Reach::Unreachable].map(|one| (one.label(), one));
    value::choice(value, &reaches)
}

fn name(value: &Value) -> Result<Arc<str>, String> {
    match value::label(value)? {
        "" => Err("an expectation needs a name that is not empty".to_owned()),
        name => Ok(name.into()),
    }
}
