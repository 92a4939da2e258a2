//! Whether a chain leads to the trust anchors that are expected of it.
//!
//! Trust is judged apart from names, dates and usage, so that a certificate that is expired *and* from an
//! unknown authority is both. The answer therefore holds for all time: it is the same for every
//! host behind one wildcard and at every instant, and is worked out once. The dates on the path are
//! handed out for the checks to compare with the clock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::identity;
use super::memo::Memo;
use super::path::{self, Path};
use super::pool::{Pool, readable, relevant};
use super::roots::{About, AnchorKind, Roots, Store, StoreId};
use super::strength;
use crate::model::{Certificate, CertificateFacts, Chain, Fingerprint, RootsRef, Validity};

/// Half of the chains remembered: in all enough for the default cap of 100,000 targets, were each
/// to have a chain of its own, at some 500 bytes each.
const REMEMBERED_HALF: usize = 65_536;

/// Said where an object gives anchors of its own that cannot be any.
const NO_ANCHOR: &str = "the CA bundle that is given for it has no certificate that can be read";

/// Said where the only path leads over an intermediate whose key usage lacks `keyCertSign`.
const NO_SIGNER: &str = "an authority on its path may not sign certificates (key usage)";

/// What a chain comes to under some roots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// It leads to an anchor of this kind.
    Anchored(AnchorKind),
    /// The server's certificate vouches only for itself.
    SelfSigned,
    /// It would lead to an anchor, or may well, but for an intermediate that was not sent.
    Incomplete(Box<str>),
    /// It leads nowhere that is trusted, for this reason.
    Untrusted(Box<str>),
    /// Clients refuse it whatever it leads to, for what a check of its own finds.
    Refused,
    /// It is not known which anchors are expected.
    Unknown,
}

/// What is known of a chain under some roots, whatever the time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// What the chain comes to.
    pub(super) trust: Trust,
    /// The intermediates on the verified path; without one, those that were sent.
    pub(super) issuers: Box<[Issuer]>,
    /// The anchor at the end of the verified path, where its dates are known.
    pub(super) anchor: Option<Issuer>,
    /// The anchor is one that browsers trust, too.
    pub(super) in_browsers: bool,
    /// The intermediate on the verified path that is not for servers, where there is one.
    pub(super) not_for_servers: Option<Box<str>>,
    /// The values of the labels that say whose certificate it is, as [`identity`] orders them.
    pub(super) identity: Arc<[Box<str>]>,
}

impl Known {
    /// Whether the verified path is without this intermediate, and so clients are.
    pub(super) fn goes_round(&self, intermediate: &CertificateFacts) -> bool {
        let anchored = matches!(self.trust, Trust::Anchored(_));
        anchored && !self.issuers.contains(&issuer(intermediate))
    }
}

/// An authority's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Issuer {
    /// Its subject's common name.
    pub(super) name: Box<str>,
    /// From when to when it is valid, as far as that is known.
    pub(super) validity: Validity,
}

/// Judges chains, each one once.
#[derive(Debug)]
pub(super) struct Verifier {
    roots: Roots,
    memo: Mutex<Memo<Key, Answer>>,
    pool: Mutex<Pool>,
}

/// A chain, and the store it was judged by.
type Key = (Fingerprint, Option<StoreId>);

#[derive(Clone, Debug)]
struct Answer {
    known: Arc<Known>,
    /// How many intermediates were known then, where knowing more may change the answer.
    pool_then: Option<usize>,
}

impl Verifier {
    pub(super) fn new(roots: Roots) -> Self {
        Self {
            roots,
            memo: Mutex::new(Memo::new(REMEMBERED_HALF)),
            pool: Mutex::new(Pool::default()),
        }
    }

    /// What `chain` comes to under `roots`.
    pub(super) fn known(&self, chain: &Chain, roots: &RootsRef) -> Arc<Known> {
        let key = (chain.id, self.roots.id(roots));
        let remembered = lock(&self.memo).recall(&key);
        let pool_now = lock(&self.pool).count();
        match remembered {
            Some(it) if it.pool_then.is_none_or(|then| then == pool_now) => it.known,
            _ => {
                let fresh = self.judge(chain, self.roots.of(roots).as_deref());
                lock(&self.memo).remember(key, fresh.clone());
                fresh.known
            }
        }
    }

    fn judge(&self, chain: &Chain, store: Option<&Store>) -> Answer {
        let without_path = |trust, pool_then| Answer {
            known: Arc::new(Known {
                trust,
                issuers: sent_issuers(chain),
                anchor: None,
                in_browsers: false,
                not_for_servers: None,
                identity: identity::labels(chain),
            }),
            pool_then,
        };
        let Some((leaf, facts)) = readable(chain.certificates.iter().take(1)).next() else {
            return without_path(unreadable(chain), None);
        };
        let Some(store) = store else {
            return without_path(Trust::Unknown, None);
        };
        if store.anchors.is_empty() {
            return without_path(Trust::Untrusted(NO_ANCHOR.into()), None);
        }
        let sent = relevant(facts, &sent(chain));
        let signers: Vec<_> = sent.iter().copied().filter(|one| may_sign(one)).collect();
        match path::find(leaf, facts, &signers, store) {
            Ok(path) => {
                // What leads to a tenant's own anchor says nothing about anybody else's chains.
                if matches!(store.id, StoreId::Kept(_)) {
                    let mut pool = lock(&self.pool);
                    path.intermediates.iter().for_each(|one| pool.add(one));
                }
                Answer {
                    known: Arc::new(anchored(&path, identity::labels(chain))),
                    pool_then: None,
                }
            }
            Err(_) if is_self_signed(chain, leaf, facts) => without_path(Trust::SelfSigned, None),
            Err(_) if signers != sent && path::find(leaf, facts, &sent, store).is_ok() => {
                without_path(Trust::Untrusted(NO_SIGNER.into()), None)
            }
            Err(_) if has_unreadable_dates(facts, &sent) => without_path(Trust::Refused, None),
            Err(webpki::Error::UnknownIssuer) => {
                let (trust, pool_then) = self.without_issuer(chain, leaf, facts, store);
                without_path(trust, pool_then)
            }
            Err(error) => without_path(refused(&error, facts, &sent), None),
        }
    }

    /// Tells a missing intermediate from an unknown authority: by the intermediates that other
    /// servers sent, which proves it, or by the signs that there are.
    fn without_issuer(
        &self,
        chain: &Chain,
        leaf: &Certificate,
        facts: &CertificateFacts,
        store: &Store,
    ) -> (Trust, Option<usize>) {
        let (elsewhere, pool_then) = self.with_pool(chain, facts);
        let elsewhere: Vec<_> = elsewhere.iter().collect();
        let on_top = relevant(facts, &sent(chain)).into_iter().last();
        let top = on_top.map_or(Some(facts), |last| last.facts.as_ref().ok());
        let missing = top.map_or("", |facts| &facts.issuer_common_name);
        if path::find(leaf, facts, &elsewhere, store).is_ok() {
            let detail = format!("its issuer \"{missing}\" was not sent");
            return (Trust::Incomplete(detail.into()), None);
        }
        let trust = match top {
            Some(top) if is_staging(top) => Trust::Untrusted(
                format!(
                    "its issuer \"{missing}\" is of Let's Encrypt's staging environment, for trying things out"
                )
                .into(),
            ),
            Some(top) if top.self_issued => Trust::Untrusted(
                format!("the root that it sends, \"{missing}\", is not among the trust anchors")
                    .into(),
            ),
            Some(top) if top.names_issuer_url => Trust::Incomplete(
                format!("its issuer \"{missing}\" was not sent, nor is it a trust anchor").into(),
            ),
            _ => Trust::Untrusted(
                format!("its issuer \"{missing}\" is not among the trust anchors").into(),
            ),
        };
        (trust, Some(pool_then))
    }

    /// What may lie on a path if the intermediates of other servers are taken in, and how many of
    /// those there are. Copied, so that nobody waits for a path that is long in the finding.
    fn with_pool(&self, chain: &Chain, leaf: &CertificateFacts) -> (Vec<Certificate>, usize) {
        let pool = lock(&self.pool);
        let all: Vec<_> = sent(chain).into_iter().chain(pool.iter()).collect();
        let chosen = relevant(leaf, &all).into_iter().cloned().collect();
        (chosen, pool.count())
    }
}

/// Whether it comes of the environment that Let's Encrypt has for tests: every name in it begins so,
/// of intermediates as of roots. It names where its issuers are, as if they had been left out.
fn is_staging(facts: &CertificateFacts) -> bool {
    const MARK: &str = "(STAGING)";
    facts.issuer_common_name.starts_with(MARK) || facts.issuer_organization.starts_with(MARK)
}

/// Why no path holds. What the checks of signatures and of usage find of these very certificates
/// is left to them.
fn refused(error: &webpki::Error, leaf: &CertificateFacts, sent: &[&Certificate]) -> Trust {
    let others = readable(sent.iter().copied()).map(|(_, facts)| facts);
    let mut all = std::iter::once(leaf).chain(others);
    let found_elsewhere = match error {
        webpki::Error::CaUsedAsEndEntity => leaf.is_ca,
        webpki::Error::EmptyEkuExtension => !leaf.for_servers,
        error if path::is_about_a_signature_s_kind(error) => all.any(strength::is_signed_weakly),
        _ => false,
    };
    if found_elsewhere {
        Trust::Refused
    } else {
        Trust::Untrusted(path::reason(error).into())
    }
}

/// Whether a date cannot be read, of the leaf or of what may lie on its path.
fn has_unreadable_dates(leaf: &CertificateFacts, sent: &[&Certificate]) -> bool {
    let sent = readable(sent.iter().copied()).map(|(_, facts)| facts);
    let mut all = std::iter::once(leaf).chain(sent);
    all.any(|facts| facts.validity.unreadable().is_some())
}

/// Whether its key may sign certificates (RFC 5280 section 6.1.4 (n)), which path building does not
/// look at, while OpenSSL and Go do.
fn may_sign(certificate: &Certificate) -> bool {
    let facts = certificate.facts.as_ref().ok();
    let usage = facts.and_then(|facts| facts.key_usage);
    usage.is_none_or(|usage| usage.certificate_sign)
}

fn sent(chain: &Chain) -> Vec<&Certificate> {
    chain.certificates.iter().skip(1).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is remembered is never half-written: a panic elsewhere cannot have spoilt it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unreadable(chain: &Chain) -> Trust {
    let reason = chain.leaf().and_then(|leaf| leaf.facts.as_ref().err());
    let reason = reason.map_or("", AsRef::as_ref);
    Trust::Untrusted(format!("its certificate cannot be read: {reason}").into())
}

/// Subject and issuer are the same, and nobody else can have signed it or its own key did. (An
/// authority and its server are sometimes given the same name by mistake.)
fn is_self_signed(chain: &Chain, leaf: &Certificate, facts: &CertificateFacts) -> bool {
    facts.self_issued && (chain.certificates.len() == 1 || path::verifies_itself(leaf))
}

fn anchored(path: &Path<'_>, identity: Arc<[Box<str>]>) -> Known {
    Known {
        trust: Trust::Anchored(path.anchor.kind),
        issuers: readable(path.intermediates.iter().copied())
            .map(|(_, facts)| issuer(facts))
            .collect(),
        anchor: anchor(path.anchor),
        in_browsers: path.anchor.in_browsers,
        not_for_servers: readable(path.intermediates.iter().copied())
            .find(|(_, facts)| !facts.for_servers)
            .map(|(_, facts)| facts.subject_common_name.as_str().into()),
        identity,
    }
}

fn anchor(about: &About) -> Option<Issuer> {
    Some(Issuer {
        name: about.name.clone(),
        validity: about.validity?,
    })
}

fn issuer(facts: &CertificateFacts) -> Issuer {
    Issuer {
        name: facts.subject_common_name.as_str().into(),
        validity: facts.validity,
    }
}

/// What was sent besides the leaf and any roots.
fn sent_issuers(chain: &Chain) -> Box<[Issuer]> {
    readable(chain.certificates.iter().skip(1))
        .filter(|(_, facts)| !facts.self_issued)
        .map(|(_, facts)| issuer(facts))
        .collect()
}

#[cfg(test)]
#[path = "trust_test.rs"]
mod tests;
