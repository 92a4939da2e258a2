//! Hosts that an object has published at addresses: the targets that they come to.

use std::collections::HashSet;
use std::sync::Arc;

use super::demands::demanded_at;
use super::host::Host;
use super::object::{Targets, shared};
use super::paths::Paths;
use super::{DropReason, Dropped};
use crate::model::{
    Address, Clients, Expectation, Owner, PlainDoor, PlaintextRule, RequestPath, Requests,
    RootsRef, RowParts, SecretName, Target, TlsDoor, clean,
};

/// The most targets that one object may come to: twice what the caps allow a whole namespace by
/// default. Bounds the work that hosts times addresses could cause.
pub(super) const TARGETS_PER_OBJECT: usize = 10_000;

/// A host, and what the object says of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Exposed {
    /// The host.
    pub(super) host: Host,
    /// Whether TLS is declared for it.
    pub(super) tls: bool,
    /// What it may do in clear.
    pub(super) plaintext: PlaintextRule,
    /// What is known of its paths.
    pub(super) paths: Paths,
    /// The name of the Secret, beside the object, that the certificate is taken from, where there
    /// is one alone.
    pub(super) secret: Option<Arc<str>>,
}

/// One place where an object is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Front {
    /// Where it is dialled.
    pub(super) address: Address,
    /// Where TLS is spoken.
    pub(super) port: u16,
    /// Where plaintext is looked for besides the TLS port.
    pub(super) plaintext: Vec<u16>,
}

/// Every host at every front; and every host that cannot be a target, with the reason that there is
/// no front or its own. Each host is given once.
pub(super) fn targets(
    source: &'static str,
    owner: &Owner,
    exposed: &[Exposed],
    fronts: Result<&[Front], DropReason>,
) -> Targets {
    let hosts: HashSet<_> = exposed.iter().map(|exposed| &exposed.host).collect();
    let (mut targets, mut dropped) = (Vec::new(), Vec::new());
    for exposed in exposed {
        let more = fronts.and_then(|fronts| {
            let name = exposed.host.asked(|other| hosts.contains(other))?;
            if targets.len() + fronts.len() > TARGETS_PER_OBJECT {
                return Err(DropReason::Cap);
            }
            let target = |front| exposed.at(source, owner, front, name.as_ref());
            Ok(fronts.iter().map(target).collect::<Vec<_>>())
        });
        match more {
            Ok(more) => targets.extend(more),
            Err(reason) => dropped.push(Dropped {
                host: exposed.host.label(),
                reason,
            }),
        }
    }
    (targets, dropped)
}

/// What is written as a host and is none.
pub(super) fn unusable(text: &str) -> Dropped {
    Dropped {
        host: clean(text).into(),
        reason: DropReason::Unsupported,
    }
}

impl Exposed {
    fn at(
        &self,
        source: &'static str,
        owner: &Owner,
        front: &Front,
        name: Option<&Arc<str>>,
    ) -> Target {
        let secret = self.secret.as_ref().map(|name| SecretName {
            namespace: Arc::clone(&owner.namespace),
            name: Arc::clone(name),
        });
        let published = Published {
            source,
            owner,
            host: &self.host,
            name,
            address: &front.address,
            port: front.port,
            tls: self.tls,
            http: &front.plaintext,
            plaintext: self.plaintext,
            paths: &self.paths,
            secret: secret.as_ref(),
        };
        published.target()
    }
}

/// One host at one address, written by tenants and meant for the public.
#[derive(Clone, Copy)]
pub(super) struct Published<'a> {
    /// The source's name.
    pub(super) source: &'static str,
    /// The object.
    pub(super) owner: &'a Owner,
    /// The host.
    pub(super) host: &'a Host,
    /// What to ask for, from [`Host::asked`].
    pub(super) name: Option<&'a Arc<str>>,
    /// Where it is dialled.
    pub(super) address: &'a Address,
    /// Where TLS is spoken.
    pub(super) port: u16,
    /// Whether the object declares TLS.
    pub(super) tls: bool,
    /// Where plaintext is looked for besides the TLS port.
    pub(super) http: &'a [u16],
    /// What it may do there.
    pub(super) plaintext: PlaintextRule,
    /// What is known of its paths.
    pub(super) paths: &'a Paths,
    /// The Secret that the certificate is taken from, where there is one alone.
    pub(super) secret: Option<&'a SecretName>,
}

impl Published<'_> {
    /// The target, with the object as its only owner.
    pub(super) fn target(self) -> Target {
        let looked_for = self.plaintext != PlaintextRule::Allowed;
        Target {
            row: RowParts {
                source: self.source,
                namespace: Arc::clone(&self.owner.namespace),
                host: self.host.label(),
                port: self.port,
                address: self.address.to_string().into(),
                name: Arc::clone(&self.owner.name),
            }
            .into(),
            tls: Arc::new(TlsDoor {
                address: self.address.clone(),
                port: self.port,
                server_name: self.name.cloned(),
                starttls: None,
                guarded: true,
                requests: if looked_for && self.name.is_some() {
                    Requests::Browser
                } else {
                    Requests::Nothing
                },
            }),
            plaintext: if looked_for {
                self.plain_doors()
            } else {
                Vec::new()
            },
            expect: Expectation {
                tls: self.tls,
                name: self.name.cloned(),
                roots: RootsRef::Public,
                plaintext: self.plaintext,
                in_clear: shared(self.paths.in_clear.iter().cloned()),
                secret: self.secret.cloned(),
                ..Expectation::default()
            },
            owners: vec![self.owner.clone()],
        }
    }

    /// Each port at `/`; and the plaintext ports at the other paths too. A TLS port that answers in
    /// clear does so whatever the path.
    fn plain_doors(&self) -> Vec<Arc<PlainDoor>> {
        let doors = |port| {
            let for_plaintext = port != self.port || !self.tls && self.http.is_empty();
            let more = self.paths.asked.iter().filter(|path| !path.is_root());
            let more = more.filter(move |_| for_plaintext);
            let paths = std::iter::once(RequestPath::default()).chain(more.cloned());
            paths.map(move |path| self.plain_door(port, path))
        };
        let ports = std::iter::once(self.port).chain(self.http.iter().copied());
        ports.flat_map(doors).collect()
    }

    fn plain_door(&self, port: u16, path: RequestPath) -> Arc<PlainDoor> {
        Arc::new(PlainDoor {
            address: self.address.clone(),
            port,
            host: self.name.cloned().unwrap_or_default(),
            path,
            guarded: true,
        })
    }
}

/// A port that is open to the outside and that no host is declared for, with the object as its only
/// owner. Plaintext is looked for on the very port, unless it is allowed: what else the object has
/// open is rows of its own.
pub(super) fn nameless(
    source: &'static str,
    owner: &Owner,
    address: &Address,
    port: u16,
    tls: bool,
    plaintext: PlaintextRule,
) -> Target {
    let host = Published {
        source,
        owner,
        host: &Host::Any,
        name: None,
        address,
        port,
        tls,
        http: &[],
        plaintext,
        paths: &Paths::default(),
        secret: None,
    };
    let mut target = host.target();
    target.expect.clients = Clients::Unknown;
    target.expect.client_auth = demanded_at(port);
    target
}
