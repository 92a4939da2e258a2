//! What a door showed when it was last asked: which doors are alike, and where a deep probe starts.

use std::net::IpAddr;

use crate::model::{ClientAuth, Fingerprint, Handshake, TlsReport, TlsVersion};

/// What the last handshake with an address showed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Shown {
    ip: IpAddr,
    chain: Fingerprint,
    version: TlsVersion,
    cipher: u16,
    group: Option<u16>,
    client_auth: ClientAuth,
}

/// The addresses behind a door, and what they showed: what a deep probe starts from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Faces(Box<[Shown]>);

impl Faces {
    /// Of a regular probe: nothing of an address that failed.
    pub(super) fn of(report: &TlsReport) -> Self {
        let attempts = report.attempts.as_deref().unwrap_or_default();
        let seen = |handshake: &Handshake, ip| Shown {
            ip,
            chain: handshake.chain.id,
            version: handshake.version,
            cipher: handshake.cipher,
            group: handshake.group,
            client_auth: handshake.client_auth,
        };
        let mut shown: Vec<_> = attempts
            .iter()
            .filter_map(|attempt| Some(seen(attempt.outcome.as_ref().ok()?, attempt.ip)))
            .collect();
        // Names resolve to their addresses in any order.
        shown.sort_unstable();
        Self(shown.into())
    }

    /// The addresses, and the versions agreed on.
    pub(super) fn versions(&self) -> Vec<(IpAddr, TlsVersion)> {
        self.0
            .iter()
            .map(|shown| (shown.ip, shown.version))
            .collect()
    }
}
