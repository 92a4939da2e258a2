//! Targets: the rows of the metrics, as the cluster's objects or the operator declared them.

use std::fmt;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use super::chain::{CertificateFacts, Fingerprint};
use super::door::{PlainDoor, TlsDoor};
use super::observation::ClientAuth;
use super::remark::Remark;
use super::request_path::RequestPath;
use super::time::UnixTime;
use super::verdict::Waiver;

/// The labels that every metric about a row carries: its [`Place`], and the name that its owners
/// give it. The place's parts are read through it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row {
    place: Place,
    /// The owning object; the oldest where several share the row.
    pub name: Arc<str>,
}

/// The labels of a [`Row`], of which it is made.
#[derive(Clone, Debug)]
pub struct RowParts {
    /// The discovery source's name.
    pub source: &'static str,
    /// The owning object's namespace; empty where there is none.
    pub namespace: Arc<str>,
    /// The name as declared: lower case, A-labels, `*.` kept; empty where none was.
    pub host: Arc<str>,
    /// The TLS door's port.
    pub port: u16,
    /// What was declared to dial, never what it resolved to.
    pub address: Arc<str>,
    /// The owning object.
    pub name: Arc<str>,
}

impl Row {
    /// What tells it from every other row.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Makes it another row.
    pub fn edit(&mut self, change: impl FnOnce(&mut RowParts)) {
        let mut parts = RowParts {
            source: self.source,
            namespace: Arc::clone(&self.namespace),
            host: Arc::clone(&self.host),
            port: self.port,
            address: Arc::clone(&self.address),
            name: Arc::clone(&self.name),
        };
        change(&mut parts);
        *self = parts.into();
    }
}

impl Deref for Row {
    type Target = Spot;

    fn deref(&self) -> &Spot {
        &self.place
    }
}

impl From<RowParts> for Row {
    fn from(parts: RowParts) -> Self {
        let apart = JUDGED_APART.contains(&parts.source);
        let spot = Spot {
            entry: if apart {
                Arc::clone(&parts.name)
            } else {
                Arc::default()
            },
            source: parts.source,
            namespace: parts.namespace,
            host: parts.host,
            port: parts.port,
            address: parts.address,
        };
        Self {
            place: spot.into(),
            name: parts.name,
        }
    }
}

/// The source of the targets that the operator writes by hand.
pub const BY_HAND: &str = "static";

/// The source of what the operator expects to be reachable, or not.
pub const EXPECTED: &str = "expectation";

/// The sources whose objects each say by what a door is judged: each has a row of its own.
const JUDGED_APART: [&str; 6] = [
    BY_HAND,
    EXPECTED,
    "validating_webhook",
    "mutating_webhook",
    "apiservice",
    "crd_conversion",
];

/// What tells one row from another: there is exactly one row for each. An object's name is no
/// part of it, because the row has the oldest owner's, and owners come and go. The order is that
/// of the exposition.
///
/// Shared: every stage has tables by it, and a key that is a pointer leaves them small.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(Arc<Spot>);

impl Deref for Place {
    type Target = Spot;

    fn deref(&self) -> &Spot {
        &self.0
    }
}

impl From<Spot> for Place {
    fn from(spot: Spot) -> Self {
        Self(Arc::new(spot))
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The parts of a [`Place`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "as in `RowParts`")]
pub struct Spot {
    pub source: &'static str,
    pub namespace: Arc<str>,
    pub host: Arc<str>,
    pub port: u16,
    pub address: Arc<str>,
    /// The name of a target written by hand, or of an object that gives its own roots; empty
    /// otherwise. One door may be judged twice, by different roots.
    pub entry: Arc<str>,
}

/// One row, where it is looked at, and what was declared about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The row's labels.
    pub row: Row,
    /// Where TLS is spoken, or should be.
    pub tls: Arc<TlsDoor>,
    /// Where plaintext is looked for: the TLS port itself and, mostly, port 80; there a door for
    /// each path.
    pub plaintext: Vec<Arc<PlainDoor>>,
    /// What was declared, or is configured for it.
    pub expect: Expectation,
    /// Every object behind the row, the oldest first.
    pub owners: Vec<Owner>,
}

/// What a target is judged by.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// Whether the object declares TLS. Where it does not, a missing TLS answer is no failure.
    pub tls: bool,
    /// The name (or IP literal) that the certificate must carry; `None` where any will do.
    pub name: Option<Arc<str>>,
    /// What the chain must lead to.
    pub roots: RootsRef,
    /// What plaintext may do here.
    pub plaintext: PlaintextRule,
    /// The paths where the object asks for plaintext, although `plaintext` is stricter.
    pub in_clear: Arc<[RequestPath]>,
    /// Who is meant to connect.
    pub clients: Clients,
    /// The least that the server has to ask of its clients.
    pub client_auth: ClientAuth,
    /// Whether it is to be reachable from here, where that alone is judged: of the target's first
    /// plaintext door, by the second as the control.
    pub reach: Option<Reach>,
    /// What is accepted here although it is wrong.
    pub accept: Arc<[Waiver]>,
    /// The Secret that the certificate is taken from, where the object names one alone.
    pub secret: Option<SecretName>,
    /// What was issued into that Secret, where it is known.
    pub issued: Option<Arc<Issued>>,
    /// What the objects declare that is worth a finding by itself: at most one of each kind.
    pub remarks: Arc<[Remark]>,
}

/// The name of a Secret, of which nothing is read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

/// A certificate that was issued for a server, as known without the Secret that it was put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// SHA-256 of its DER.
    pub fingerprint: Fingerprint,
    /// What it says.
    pub facts: CertificateFacts,
    /// When it was issued, by the cluster's clock: its own first instant may be set back.
    pub at: UnixTime,
    /// The object that had it issued, cleaned: `Certificate shop/www`.
    pub by: Arc<str>,
}

#[cfg(test)]
impl Issued {
    /// One that is told from others by a number.
    pub(crate) fn for_tests(number: u8) -> Self {
        let at = UnixTime::from_secs(0);
        Self {
            fingerprint: Fingerprint([number; 32]),
            facts: CertificateFacts {
                subject_common_name: String::new(),
                issuer_common_name: String::new(),
                issuer_organization: String::new(),
                serial_number: String::new(),
                validity: super::validity::Validity::between(at, at),
                key_algorithm: String::new(),
                key_size: 0,
                signature_algorithm: String::new(),
                self_issued: false,
                is_ca: false,
                key_usage: None,
                for_servers: true,
                must_staple: false,
                dns_names: Vec::new(),
                ip_names: Vec::new(),
                names_issuer_url: false,
            },
            at,
            by: "Certificate shop/web".into(),
        }
    }
}

/// What holds unless something else was declared: TLS of any name by the system's roots, and in
/// clear no more than a redirect to it.
impl Default for Expectation {
    fn default() -> Self {
        Self {
            tls: true,
            name: None,
            roots: RootsRef::Public,
            plaintext: PlaintextRule::Redirect,
            in_clear: Arc::default(),
            clients: Clients::Verifying,
            client_auth: ClientAuth::NotRequested,
            reach: None,
            accept: Arc::default(),
            secret: None,
            issued: None,
            remarks: Arc::default(),
        }
    }
}

/// Who is meant to connect to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients {
    /// Clients that verify the certificate, for a host or a component was declared.
    Verifying,
    /// Clients of which nobody knows whether they verify: no host is declared, or a self-signed
    /// certificate is what the server comes with. One that does not lead to the expected roots is
    /// then for information only.
    Unknown,
    /// Clients that are told not to verify it, so that it protects nobody from who poses as the
    /// server. What is wrong with the certificate is for information, as with `Unknown`.
    Unverifying,
    /// Nobody: whatever answers is a finding, and no answer is as it should be.
    Nobody,
}

/// Whether a connection comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It does, whatever is said there.
    Reachable,
    /// It is refused, or nothing answers.
    Unreachable,
}

impl Reach {
    /// The spelling in labels and in the configuration.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Reachable => "reachable",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Which trust anchors a target's chain must lead to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RootsRef {
    /// The system's roots and the configuration's `trust.ca_files`.
    Public,
    /// The cluster's own certificate authority.
    Cluster,
    /// Either of these: clients that are not told the cluster's authority have the system's roots.
    PublicOrCluster,
    /// The certificates of one PEM file.
    File(Arc<Path>),
    /// These certificates (DER), which the object itself carries, such as a webhook's `caBundle`.
    /// None of them may be usable: then nothing verifies.
    Given(Arc<[Box<[u8]>]>),
    /// Whatever it leads to: who connects has roots of their own, which nobody else is told.
    Any,
}

/// What HTTP in clear may do at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaintextRule {
    /// Nothing may answer, not even a redirect.
    Forbidden,
    /// A redirect to https is fine, as is no answer.
    Redirect,
    /// The object asks for content to be served in clear: what is served is no surprise.
    Declared,
    /// Not looked for: the target has no plaintext doors.
    Allowed,
}

/// An object of the cluster, or an entry of the configuration, that owns targets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// When it was created, where known; the oldest owner names the row.
    pub created: Option<UnixTime>,
    /// The object's kind as Kubernetes spells it (`Ingress`), or `Target` for the configuration's.
    pub kind: &'static str,
    /// Its namespace, empty where there is none.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(source: &'static str, name: &str) -> Row {
        RowParts {
            source,
            namespace: Arc::default(),
            host: "shop.example".into(),
            port: 443,
            address: "192.0.2.1".into(),
            name: name.into(),
        }
        .into()
    }

    #[test]
    fn only_what_is_judged_by_roots_of_its_own_is_told_apart_by_its_name() {
        assert_eq!(row("ingress", "a").place(), row("ingress", "b").place());
        for source in JUDGED_APART {
            assert_ne!(row(source, "a").place(), row(source, "b").place());
        }
    }
}
