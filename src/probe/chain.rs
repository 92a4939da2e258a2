//! Reads the chain that a server sent, once for every door that shows it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use aws_lc_rs::digest;

use crate::model::{Certificate, Chain, Fingerprint};

/// The chain of these certificates, in the order sent; `None` where there are none.
#[must_use]
pub fn read_chain(ders: &[impl AsRef<[u8]>]) -> Option<Chain> {
    (!ders.is_empty()).then(|| read(chain_id(ders), ders.iter()))
}

fn read(id: Fingerprint, ders: impl Iterator<Item: AsRef<[u8]>>) -> Chain {
    let certificates = ders.map(|der| Certificate::read(der.as_ref()));
    Chain {
        id,
        certificates: certificates.collect(),
    }
}

/// Chains in use, each read and stored once however many doors show it.
///
/// A chain is forgotten when nobody else holds it: the table never has more than about twice as
/// many entries as there are chains in use.
#[derive(Debug, Default)]
pub struct Chains {
    known: Mutex<HashMap<Fingerprint, Weak<Chain>>>,
}

impl Chains {
    /// As [`read_chain`], giving out the same chain for the same certificates.
    #[must_use]
    pub fn intern(&self, ders: &[impl AsRef<[u8]>]) -> Option<Arc<Chain>> {
        (!ders.is_empty()).then(|| self.intern_all(ders.iter()))
    }

    /// As [`Self::intern`], of certificates that are in no list; there must be one.
    pub(super) fn intern_all(&self, ders: impl Iterator<Item: AsRef<[u8]>> + Clone) -> Arc<Chain> {
        let id = chain_id(ders.clone());
        // Held only for look-ups: reading a hostile chain must not hold up the other probes.
        if let Some(chain) = self.lock().get(&id).and_then(Weak::upgrade) {
            return chain;
        }
        let chain = Arc::new(read(id, ders));
        let mut known = self.lock();
        if let Some(earlier) = known.get(&id).and_then(Weak::upgrade) {
            return earlier;
        }
        // Swept whenever the table would have to grow: bounded, at a constant cost per chain.
        if known.len() == known.capacity() {
            known.retain(|_, chain| chain.strong_count() > 0);
        }
        known.insert(id, Arc::downgrade(&chain));
        chain
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Fingerprint, Weak<Chain>>> {
        // A table of weak references has no half-done state worth refusing.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Over each certificate's length and bytes, so that no two chains have the same input.
pub(crate) fn chain_id(ders: impl IntoIterator<Item: AsRef<[u8]>>) -> Fingerprint {
    let mut context = digest::Context::new(&digest::SHA256);
    for der in ders {
        let der = der.as_ref();
        context.update(&der.len().to_be_bytes());
        context.update(der);
    }
    (&context.finish()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_none_without_certificates_and_its_identity_depends_on_their_bounds() {
        assert_eq!(read_chain(&[] as &[&[u8]]), None);
        let one = read_chain(&[b"ab".as_slice(), b"c"]).unwrap();
        let other = read_chain(&[b"a".as_slice(), b"bc"]).unwrap();
        assert_ne!(one.id, other.id);
        assert_eq!(one.leaf().unwrap().der.as_ref(), b"ab");
    }

    #[test]
    fn of_sixty_four_kibibytes_every_certificate_is_read_that_can_be() {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = (0..100).map(|number| format!("host-{number}.example"));
        let params = rcgen::CertificateParams::new(names.collect::<Vec<_>>()).unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        let odd = [0x30, 0x82, 0xff, 0xff];
        let mut ders = vec![odd.to_vec()];
        ders.extend(std::iter::repeat_n(der.clone(), (64 << 10) / der.len()));
        let chain = read_chain(&ders).unwrap();
        let (odd, others) = chain.certificates.split_first().unwrap();
        assert!(odd.facts.is_err());
        for certificate in others {
            assert_eq!(certificate.facts.as_ref().unwrap().dns_names.len(), 100);
        }
    }

    #[test]
    fn equal_chains_are_one_and_are_forgotten_when_nobody_holds_them() {
        let (chains, der) = (Chains::default(), b"der");
        let first = chains.intern(&[der]).unwrap();
        assert!(Arc::ptr_eq(&first, &chains.intern(&[der]).unwrap()));
        drop(first);
        for at in 0..100_u8 {
            drop(chains.intern(&[[at]]));
        }
        assert!(chains.lock().len() <= 4, "{}", chains.lock().len());
    }
}
