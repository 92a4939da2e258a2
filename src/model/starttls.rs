//! The protocols that begin in clear and turn to TLS when they are asked to.

/// How a connection turns to TLS before the handshake. Such a port is in clear by nature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StartTls {
    /// `STARTTLS` (RFC 3207).
    Smtp,
    /// `STARTTLS` (RFC 9051 section 6.2.1).
    Imap,
    /// `STLS` (RFC 2595 section 4).
    Pop3,
    /// `AUTH TLS` (RFC 4217 section 4).
    Ftp,
    /// The extended operation `StartTLS` (RFC 4511 section 4.14).
    Ldap,
    /// `<starttls/>` of client-to-server streams (RFC 6120 section 5).
    Xmpp,
    /// `SSLRequest` (its manual, "Message Flow", "SSL Session Encryption").
    Postgres,
    /// `SSLRequest` (its protocol's documentation, "Connection Phase").
    MySql,
}

impl StartTls {
    /// Every protocol, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::Smtp,
        Self::Imap,
        Self::Pop3,
        Self::Ftp,
        Self::Ldap,
        Self::Xmpp,
        Self::Postgres,
        Self::MySql,
    ];

    /// The spelling in the configuration and on the command line.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Ftp => "ftp",
            Self::Ldap => "ldap",
            Self::Xmpp => "xmpp",
            Self::Postgres => "postgres",
            Self::MySql => "mysql",
        }
    }
}
