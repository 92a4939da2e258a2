//! Certificates that no handshake shows: they are kept in objects of the cluster, or in files.

use std::sync::Arc;

use super::chain::{Certificate, CertificateFacts};
use super::time::UnixTime;
use super::verdict::Waiver;

/// What its labels tell from every other: of all objects that share them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoredPlace {
    /// The discovery source's name.
    pub source: &'static str,
    /// The object's namespace; empty where there is none.
    pub namespace: Arc<str>,
    /// The object's name.
    pub name: Arc<str>,
}

/// All that is stored in one place, and what is accepted there.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredObject {
    /// Its labels.
    pub place: StoredPlace,
    /// The certificates. Objects of two kinds may have one name and the same keys.
    pub stored: Vec<Stored>,
    /// What is wrong with the objects besides.
    pub flaws: Vec<Flaw>,
    /// What is accepted of it although it is wrong.
    pub accept: Arc<[Waiver]>,
}

/// The certificates that one object has under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Where the object has them: a field, an entry's name.
    pub key: Arc<str>,
    /// What they are for.
    pub usage: Usage,
    /// A leaf comes first, before the chain that leads to it. Empty only where no more is known
    /// than when it is to be renewed.
    pub certificates: Vec<Certificate>,
    /// When whoever issues the leaf means to replace it, where that is known.
    pub renewal: Option<UnixTime>,
}

/// What an object says for itself that no probe would show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// What it is.
    pub kind: FlawKind,
    /// Where in the object, for people.
    pub place: Box<str>,
}

/// What an object may say for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FlawKind {
    /// Clients that are configured by it do not verify whom they talk to.
    VerificationDisabled,
    /// Clients that are configured by it send what they send in clear.
    Plaintext,
    /// Who has no credentials is permitted what gives the cluster away.
    PermittedToStrangers,
    /// Whoever has some is.
    PermittedToEverybody,
    /// Nothing that its pods are sent is refused.
    NothingDenied,
}

/// What stored certificates are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Usage {
    /// The cluster's own authority: what the API server verifies its clients by, and they it.
    ClusterCa,
    /// What extension API servers verify the API server by when it passes on whose request it is.
    FrontProxyCa,
    /// What some client verifies servers by.
    CaBundle,
    /// The leaf that a client shows.
    Client,
    /// The leaf that a server shows.
    Server,
}

impl Usage {
    /// The spelling in labels.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::ClusterCa => "cluster_ca",
            Self::FrontProxyCa => "front_proxy_ca",
            Self::CaBundle => "ca_bundle",
            Self::Client => "client",
            Self::Server => "server",
        }
    }

    /// Whether others' certificates are verified by these.
    #[must_use]
    pub const fn is_authority(self) -> bool {
        match self {
            Self::ClusterCa | Self::FrontProxyCa | Self::CaBundle => true,
            Self::Client | Self::Server => false,
        }
    }
}

impl Stored {
    /// The certificate whose dates count: a leaf; or the first authority to expire, apart from
    /// those that another of the same name outlives, which are about to be replaced by it. `None`
    /// where it cannot be read.
    #[must_use]
    pub fn decisive(&self) -> Option<&CertificateFacts> {
        let mut readable = self
            .certificates
            .iter()
            .filter_map(|one| one.facts.as_ref().ok());
        let end = |facts: &CertificateFacts| facts.validity.not_after;
        if self.usage.is_authority() {
            let lasting = readable.clone().filter(|facts| {
                let name = &facts.subject_common_name;
                name.is_empty()
                    || !readable
                        .clone()
                        .any(|other| other.subject_common_name == *name && end(other) > end(facts))
            });
            // What ends at nobody knows when comes last.
            lasting.min_by_key(|facts| (end(facts).is_none(), end(facts)))
        } else {
            readable.next()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UnixTime;

    const KINDS: &[u8] = include_bytes!("../../tests/certificates/kinds.pem");

    /// A real certificate with another name and end, which cannot be read where it is 0.
    fn ending(name: &str, not_after: i64) -> Certificate {
        use rustls_pki_types::{CertificateDer, pem::PemObject};
        let der = CertificateDer::pem_slice_iter(KINDS).next().unwrap();
        let mut certificate = Certificate::read(&der.unwrap());
        let facts = certificate.facts.as_mut().unwrap();
        facts.subject_common_name = name.to_owned();
        facts.validity.not_after = (not_after > 0).then(|| UnixTime::from_secs(not_after));
        certificate
    }

    fn decisive(usage: Usage, certificates: Vec<Certificate>) -> Option<i64> {
        let stored = Stored {
            key: "ca.crt".into(),
            usage,
            certificates,
            renewal: None,
        };
        let end = |facts: &CertificateFacts| facts.validity.not_after;
        stored.decisive().and_then(end).map(UnixTime::as_secs)
    }

    #[test]
    fn of_a_bundle_the_first_authority_to_expire_counts() {
        let bundle = vec![ending("a", 30), ending("b", 10), ending("c", 20)];
        assert_eq!(decisive(Usage::CaBundle, bundle), Some(10));
    }

    #[test]
    fn an_authority_that_is_being_replaced_by_one_of_its_name_does_not_count() {
        let rotating = vec![ending("a", 10), ending("a", 30), ending("b", 20)];
        assert_eq!(decisive(Usage::ClusterCa, rotating), Some(20));
        let nameless = vec![ending("", 10), ending("", 30)];
        assert_eq!(decisive(Usage::ClusterCa, nameless), Some(10));
        let alike = vec![ending("a", 10), ending("a", 10)];
        assert_eq!(decisive(Usage::ClusterCa, alike), Some(10));
        let odd = vec![ending("a", 0), ending("b", 20)];
        assert_eq!(decisive(Usage::ClusterCa, odd), Some(20));
    }

    #[test]
    fn a_leaf_counts_and_not_the_chain_behind_it() {
        let chain = || vec![ending("leaf", 30), ending("intermediate", 10)];
        assert_eq!(decisive(Usage::Server, chain()), Some(30));
        assert_eq!(decisive(Usage::Client, chain()), Some(30));
    }

    #[test]
    fn what_cannot_be_read_has_no_dates() {
        let unreadable = vec![Certificate::read(b"\x30\x00")];
        assert_eq!(decisive(Usage::CaBundle, unreadable.clone()), None);
        assert_eq!(decisive(Usage::Server, unreadable), None);
    }
}
