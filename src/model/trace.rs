//! What passed over the wire in one attempt, as far as anybody on the way could see it.

/// In order, and no more than a probe's worth: what comes after is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace(pub Box<[Step]>);

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Microseconds since dialling began.
    pub at: u32,
    /// What.
    pub what: Passed,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// The connection came about.
    Connected,
    /// The peer ended its side of it.
    Ended,
    /// A record's header passed (RFC 9846 section 5.1).
    Record {
        /// From us to the peer.
        sent: bool,
        /// The content type.
        content: u8,
        /// Where it is in clear: the type of a handshake message, or an alert's description.
        message: Option<u8>,
        /// Of what it carries, in bytes.
        length: u16,
    },
}

impl Passed {
    /// The content type by its name in RFC 9846 appendix B.1; anything else is no TLS.
    #[must_use]
    pub const fn content(content: u8) -> &'static str {
        match content {
            20 => "change_cipher_spec",
            21 => "alert",
            22 => "handshake",
            23 => "application_data",
            _ => "not_tls",
        }
    }

    /// The type of a handshake message by its name in the IANA registry, where it is one that passes in clear.
    #[must_use]
    pub const fn message(message: u8) -> Option<&'static str> {
        Some(match message {
            0 => "hello_request",
            1 => "client_hello",
            2 => "server_hello",
            4 => "new_session_ticket",
            11 => "certificate",
            12 => "server_key_exchange",
            13 => "certificate_request",
            14 => "server_hello_done",
            15 => "certificate_verify",
            16 => "client_key_exchange",
            20 => "finished",
            22 => "certificate_status",
            _ => return None,
        })
    }
}
