//! Probe: what is there. Dials a door and reports only what it saw.
//!
//! A regular probe makes a finished handshake with every address (`dial`, `handshake`, `chain`),
//! by one deadline from name resolution to close. The deep probe and old servers are asked with
//! hellos of our own: `hello` (bytes out) ► `exchange` (one conversation) ► `records` ► `answer`
//! (bytes in), put to use by `version` (is it accepted?) and `legacy` (which certificate is
//! shown?). `deep` is the deep probe's plan: versions, then `suites` and groups, which it
//! `eliminate`s. Where a port begins in clear, `starttls` comes before any hello. `plaintext` asks
//! for HTTP in clear, `https` over TLS, and `web` either way for who asks for a single probe.

mod deep;
mod dial;
mod failure;
mod handshake;
mod https;
mod plaintext;
mod starttls;
mod trace;
pub mod answer;
pub mod chain;
pub mod ended;
mod eliminate;
mod exchange;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod hello;
pub mod legacy;
pub mod names;
mod records;
pub mod suites;
pub mod version;
mod web;

#[cfg(test)]
mod testdata;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use self::chain::Chains;
use self::deep::Deep;
use self::dial::{Dialer, connect, reach, turn_to_tls};
use self::failure::within;
use self::handshake::{Handshaker, Keys};
use self::legacy::legacy_handshake;
use self::trace::Tracer;
use crate::clock;
use crate::config::Config;
use crate::model::{
    Address, DeepReport, Failure, Handshake, PlainDoor, PlainReport, Reason, TlsAttempt, TlsDoor,
    TlsReport, TlsVersion,
};
use crate::schedule::Probe;

pub use web::{WebAnswer, WebRequest};

/// Why no probe can be made at all.
#[derive(Debug, thiserror::Error)]
#[error("the TLS library supports no protocol version")]
pub struct Error(#[from] rustls::Error);

/// Makes the probes.
#[derive(Clone, Debug)]
pub struct Prober {
    dialer: Dialer,
    handshaker: Handshaker,
    chains: Arc<Chains>,
    timeout: Duration,
}

impl Prober {
    /// Reads the system's resolver configuration, and warms the crypto library (its first use
    /// costs tens of milliseconds, which would count against the first probe).
    pub fn new(config: &Config) -> Result<Self, Error> {
        let chains = Arc::new(Chains::default());
        Ok(Self {
            dialer: Dialer::new(&config.security),
            handshaker: Handshaker::new(Arc::clone(&chains))?,
            chains,
            timeout: config.timeout,
        })
    }

    /// The addresses behind `address` that `security` permits, in a stable order; at least one.
    pub async fn addresses(
        &self,
        address: &Address,
        deadline: Instant,
    ) -> Result<Vec<IpAddr>, Failure> {
        self.dialer.addresses(address, true, deadline).await
    }

    /// Connects to an address, and closes.
    pub async fn reach(&self, ip: IpAddr, port: u16, deadline: Instant) -> Result<(), Failure> {
        connect(ip, port, deadline).await.map(drop)
    }

    /// The same with another deadline for each probe.
    #[must_use]
    pub fn within(&self, timeout: Duration) -> Self {
        Self {
            timeout,
            ..self.clone()
        }
    }

    async fn attempt(&self, door: &TlsDoor, ip: IpAddr, deadline: Instant) -> TlsAttempt {
        let started = Instant::now();
        let mut tracer = Tracer::new(started);
        let mut stream = match connect(ip, door.port, deadline).await {
            Ok(stream) => stream,
            Err(failed) => {
                return TlsAttempt {
                    ip,
                    outcome: Err(failed),
                    connect: None,
                    handshake: None,
                    trace: tracer.finish(),
                };
            }
        };
        let connected = Instant::now();
        tracer.connected();
        let seen = self.handshake(&mut stream, door, ip, deadline, &mut tracer);
        let seen = seen.await;
        let over = seen
            .as_ref()
            .map_or_else(|_| Instant::now(), |(_, over)| *over);
        TlsAttempt {
            ip,
            outcome: seen.map(|(handshake, _)| handshake),
            connect: Some(connected - started),
            handshake: Some(over - connected),
            trace: tracer.finish(),
        }
    }

    async fn handshake(
        &self,
        stream: &mut TcpStream,
        door: &TlsDoor,
        ip: IpAddr,
        deadline: Instant,
        tracer: &mut Tracer,
    ) -> Result<(Handshake, Instant), Failure> {
        turn_to_tls(stream, door, deadline).await?;
        let run = self.handshaker.run(stream, door, Keys::Any, tracer);
        let run = within(deadline, "shaking hands", run);
        match run.await {
            Err(failed) if may_speak_otherwise(&failed) => {
                let shown = self.legacy(door, ip, deadline).await.ok_or(failed)?;
                Ok((shown, Instant::now()))
            }
            outcome => outcome,
        }
    }

    /// What a server shows in clear to our own hellos, where the library could not agree with it.
    async fn legacy(&self, door: &TlsDoor, ip: IpAddr, deadline: Instant) -> Option<Handshake> {
        // A server should answer a TLS 1.2 hello with what it has from TLS 1.0 up; some do not.
        for version in [TlsVersion::Tls12, TlsVersion::Tls10, TlsVersion::Ssl30] {
            let shown = within(deadline, "shaking hands", async {
                let mut stream = reach(door, ip, deadline).await?;
                legacy_handshake(&mut stream, version, door.server_name.as_deref()).await
            });
            let Ok(facts) = shown.await else { continue };
            return facts.handshake(&self.chains);
        }
        None
    }
}

/// Whether the failure may come from what the TLS library does not speak, rather than from the
/// network or the name: alert 112 is about the name (RFC 6066 section 3).
fn may_speak_otherwise(failed: &Failure) -> bool {
    match failed.reason {
        Reason::Alert => !failed.detail.starts_with("alert 112 "),
        Reason::Protocol | Reason::Closed | Reason::Reset => true,
        _ => false,
    }
}

impl Probe for Prober {
    async fn tls(&self, door: &TlsDoor) -> TlsReport {
        let started = Instant::now();
        let deadline = started + self.timeout;
        if let Some(ip) = self.dialer.known(&door.address, door.guarded) {
            return TlsReport {
                attempts: Ok(vec![self.attempt(door, ip, deadline).await]),
                resolve: None,
                at: clock::now(),
            };
        }
        let found = self
            .dialer
            .addresses(&door.address, door.guarded, deadline)
            .await;
        let resolve = matches!(door.address, Address::Name(_)).then(|| started.elapsed());
        let attempts = match found {
            Ok(ips) => {
                Ok(join_all(ips.into_iter().map(|ip| self.attempt(door, ip, deadline))).await)
            }
            Err(failed) => Err(failed),
        };
        TlsReport {
            at: clock::now(),
            resolve,
            attempts,
        }
    }

    async fn deep(&self, door: &TlsDoor, known: &[(IpAddr, TlsVersion)]) -> DeepReport {
        let started = Instant::now();
        let asked = known.iter().map(async |(ip, handshake)| {
            let deep = Deep::new(door, *ip, &self.handshaker, &self.chains, self.timeout);
            (*ip, deep.ask(*handshake).await)
        });
        let addresses = join_all(asked).await;
        DeepReport {
            at: clock::now(),
            took: started.elapsed(),
            addresses,
        }
    }

    async fn plain(&self, door: &PlainDoor) -> PlainReport {
        let deadline = Instant::now() + self.timeout;
        let answers = match self
            .dialer
            .addresses(&door.address, door.guarded, deadline)
            .await
        {
            Ok(ips) => Ok(join_all(ips.into_iter().map(async |ip| {
                let late = crate::model::PlainAnswer::Silent;
                let answer = timeout_at(deadline, plaintext::ask(door, ip, deadline)).await;
                (ip, answer.unwrap_or(late))
            }))
            .await),
            Err(failed) => Err(failed),
        };
        PlainReport {
            at: clock::now(),
            answers,
        }
    }
}
