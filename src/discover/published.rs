//! A host that an object has published at an address: the target that it comes to.

use std::sync::Arc;

use super::host::Host;
use crate::model::{
    Address, Expectation, Owner, PlainDoor, PlaintextRule, RootsRef, Row, SecretName, Target,
    TlsDoor,
};

/// The most targets that one object may come to: twice what the caps allow a whole namespace by
/// default. Bounds the work that hosts times addresses could cause.
pub(super) const TARGETS_PER_OBJECT: usize = 10_000;

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
    /// The Secret that the certificate is taken from, where there is one alone.
    pub(super) secret: Option<&'a SecretName>,
}

impl Published<'_> {
    /// The target, with the object as its only owner.
    pub(super) fn target(self) -> Target {
        let looked_for = self.plaintext != PlaintextRule::Allowed;
        Target {
            row: Row {
                source: self.source,
                namespace: Arc::clone(&self.owner.namespace),
                host: self.host.label(),
                port: self.port,
                address: self.address.to_string().into(),
                name: Arc::clone(&self.owner.name),
            },
            tls: Arc::new(TlsDoor {
                address: self.address.clone(),
                port: self.port,
                server_name: self.name.cloned(),
                guarded: true,
            }),
            plaintext: std::iter::once(self.port)
                .chain(self.http.iter().copied())
                .filter(|_| looked_for)
                .map(|port| self.plain_door(port))
                .collect(),
            expect: Expectation {
                tls: self.tls,
                name: self.name.cloned(),
                roots: RootsRef::Public,
                plaintext: self.plaintext,
                secret: self.secret.cloned(),
                ..Expectation::default()
            },
            owners: vec![self.owner.clone()],
        }
    }

    fn plain_door(&self, port: u16) -> Arc<PlainDoor> {
        Arc::new(PlainDoor {
            address: self.address.clone(),
            port,
            host: self.name.cloned().unwrap_or_default(),
            guarded: true,
        })
    }
}
