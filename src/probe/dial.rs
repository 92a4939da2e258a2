//! Dialling: from what was declared to the addresses that may be connected to.
//!
//! The address that is checked is the one that is dialled: a name is resolved once per probe, and
//! what it resolved to is filtered and connected to as it stands.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::failure::{failure, from_io, within};
use super::starttls::start_tls;
use crate::config::Security;
use crate::model::{Address, Failure, Reason, TlsDoor};

/// The most addresses of one name that are dialled. More than any sane name has; a hostile one
/// must not turn one probe into thousands.
const ADDRESS_LIMIT: usize = 16;

/// Between two tries for a file descriptor: short against any deadline.
const FULL_PAUSE: Duration = Duration::from_millis(50);

/// Resolves and connects.
#[derive(Clone, Debug)]
pub(super) struct Dialer {
    resolver: Result<Arc<TokioResolver>, Arc<str>>,
    security: Security,
}

impl Dialer {
    /// Reads the system's resolver configuration; where that fails, names do not resolve, and
    /// say why, while addresses are dialled all the same.
    pub(super) fn new(security: &Security) -> Self {
        let resolver = TokioResolver::builder_tokio()
            .and_then(|mut builder| {
                // A name with a dot is tried as it stands first: a cluster's `ndots:5` would
                // make eight queries of it.
                builder.options_mut().ndots = 1;
                builder.build()
            })
            .map(Arc::new)
            .map_err(|error| format!("no resolver configuration: {error}").into());
        Self {
            resolver,
            security: security.clone(),
        }
    }

    /// The one address to dial, where there is nothing to resolve and it is permitted: most doors.
    pub(super) fn known(&self, address: &Address, guarded: bool) -> Option<IpAddr> {
        match address {
            Address::Ip(ip) => (!guarded || self.security.permits(*ip)).then_some(*ip),
            Address::Name(_) => None,
        }
    }

    /// The addresses to dial, in a stable order: at least one, and at most [`ADDRESS_LIMIT`].
    pub(super) async fn addresses(
        &self,
        address: &Address,
        guarded: bool,
        deadline: Instant,
    ) -> Result<Vec<IpAddr>, Failure> {
        let mut found = match address {
            Address::Ip(ip) => vec![*ip],
            Address::Name(name) => within(deadline, "resolving", self.resolve(name)).await?,
        };
        let first = found.first().copied();
        found.retain(|ip| !guarded || self.security.permits(*ip));
        match first {
            Some(first) if found.is_empty() => Err(failure(
                Reason::Denied,
                format!("{first} is in a network that `security` denies"),
            )),
            _ => Ok(found),
        }
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Failure> {
        let resolver = self
            .resolver
            .as_ref()
            .map_err(|why| failure(Reason::Dns, why))?;
        let found = resolver
            .lookup_ip(name)
            .await
            .map_err(|error| failure(Reason::Dns, error.to_string()))?;
        let mut addresses: Vec<IpAddr> = found.iter().collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(ADDRESS_LIMIT);
        if addresses.is_empty() {
            return Err(failure(Reason::Dns, format!("{name} has no addresses")));
        }
        Ok(addresses)
    }
}

/// Connects to one address. Where this process has no file descriptor left, which says nothing of
/// the address, it waits for another probe to end.
pub(super) async fn connect(
    ip: IpAddr,
    port: u16,
    deadline: Instant,
) -> Result<TcpStream, Failure> {
    loop {
        let connected = within(deadline, "connecting", async {
            Ok(TcpStream::connect(SocketAddr::new(ip, port)).await)
        });
        match connected.await? {
            // It says nothing of the address, not at the deadline either.
            Err(error) if is_ours(&error) && Instant::now() >= deadline => {
                let detail = "no file descriptor came free before the deadline";
                return Err(failure(Reason::Timeout, detail));
            }
            Err(error) if is_ours(&error) => {
                sleep_until(deadline.min(Instant::now() + FULL_PAUSE)).await;
            }
            outcome => return outcome.map_err(|error| from_io(&error)),
        }
    }
}

/// Whether the process, or the whole system, has no file descriptor left (EMFILE, ENFILE).
fn is_ours(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(24 | 23))
}

/// Speaks what comes before the handshake at this door, if anything does.
pub(super) async fn turn_to_tls(
    stream: &mut TcpStream,
    door: &TlsDoor,
    deadline: Instant,
) -> Result<(), Failure> {
    let Some(protocol) = door.starttls else {
        return Ok(());
    };
    let doing = format!("asking for TLS in {}", protocol.label());
    let name = door.server_name.as_deref();
    within(deadline, &doing, start_tls(stream, protocol, name)).await
}

/// A connection to one address of a door, at which a `ClientHello` is due.
pub(super) async fn reach(
    door: &TlsDoor,
    ip: IpAddr,
    deadline: Instant,
) -> Result<TcpStream, Failure> {
    let mut stream = connect(ip, door.port, deadline).await?;
    turn_to_tls(&mut stream, door, deadline).await?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialer(deny: &[&str], allow: &[&str]) -> Dialer {
        let read = |networks: &[&str]| networks.iter().map(|n| n.parse().unwrap()).collect();
        Dialer::new(&Security {
            deny_networks: read(deny),
            allow_networks: read(allow),
        })
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn a_tenants_address_is_denied_where_security_says_so() {
        let dialer = dialer(
            &["127.0.0.0/8", "169.254.0.0/16", "::1/128"],
            &["127.0.0.2/32"],
        );
        for (address, allowed) in [
            ("192.0.2.1", true),
            ("127.0.0.1", false),
            ("::ffff:127.0.0.1", false),
            ("169.254.169.254", false),
            ("::1", false),
            ("127.0.0.2", true),
        ] {
            let found = dialer
                .addresses(&Address::parse(address), true, soon())
                .await;
            assert_eq!(found.is_ok(), allowed, "{address}");
            if let Err(failed) = found {
                assert_eq!(failed.reason, Reason::Denied);
            }
        }
    }

    #[tokio::test]
    async fn an_operators_address_is_dialled_as_it_stands() {
        let dialer = dialer(&["0.0.0.0/0"], &[]);
        let found = dialer
            .addresses(&Address::parse("127.0.0.1"), false, soon())
            .await;
        assert_eq!(found, Ok(vec![[127, 0, 0, 1].into()]));
    }

    #[tokio::test]
    async fn a_name_is_checked_by_what_it_resolves_to() {
        let found = dialer(&["127.0.0.0/8", "::1/128"], &[]);
        let found = found
            .addresses(&Address::parse("localhost"), true, soon())
            .await;
        assert_eq!(found.unwrap_err().reason, Reason::Denied);
    }

    #[tokio::test]
    async fn a_port_that_nobody_listens_at_refuses() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let failed = connect([127, 0, 0, 1].into(), port, soon())
            .await
            .unwrap_err();
        assert_eq!(failed.reason, Reason::Refused);
    }
}
