//! Intermediate certificates: which of those at hand can matter to a path, and those that were
//! seen on verified paths, by which a missing one is told from an unknown authority.

use std::collections::HashMap;

use crate::model::{Certificate, CertificateFacts};

/// Intermediates tried for one chain. Public chains have at most three, and path building takes
/// time exponential in their number where a hostile server chose them.
const TRIED_LIMIT: usize = 8;

/// Of these, the most with one name: an authority's reissues and cross-signatures. A bridge between
/// four authorities, the largest of bettertls, needs this many.
const NAMESAKES_LIMIT: usize = 4;

/// Intermediates remembered: the public authorities have a few hundred in use.
const REMEMBERED_LIMIT: usize = 512;

/// Those of `candidates` that may lie on a path from `leaf`: its issuer by name, the issuer's
/// issuer, and so on.
pub(super) fn relevant<'a>(
    leaf: &CertificateFacts,
    candidates: &[&'a Certificate],
) -> Vec<&'a Certificate> {
    let mut names = vec![leaf.issuer_common_name.as_str()];
    let mut chosen: Vec<&Certificate> = Vec::new();
    let mut next = 0;
    while let Some(&name) = names.get(next) {
        next += 1;
        let mut namesakes = 0;
        for (candidate, facts) in readable(candidates.iter().copied()) {
            let known = chosen.iter().any(|other| other.der == candidate.der);
            let room = namesakes < NAMESAKES_LIMIT && chosen.len() < TRIED_LIMIT;
            if facts.subject_common_name == name && !known && room {
                namesakes += 1;
                chosen.push(candidate);
                if !names.contains(&facts.issuer_common_name.as_str()) {
                    names.push(&facts.issuer_common_name);
                }
            }
        }
    }
    chosen
}

/// The certificates that could be read, with what was.
pub(super) fn readable<'a>(
    certificates: impl Iterator<Item = &'a Certificate>,
) -> impl Iterator<Item = (&'a Certificate, &'a CertificateFacts)> {
    certificates.filter_map(|certificate| Some((certificate, certificate.facts.as_ref().ok()?)))
}

/// Intermediates that were seen on verified paths.
///
/// Only those: nobody without an authority's blessing can put anything here.
#[derive(Debug, Default)]
pub(super) struct Pool {
    by_name: HashMap<String, Vec<Certificate>>,
    count: usize,
}

impl Pool {
    /// How many there are; a pool that has not grown has nothing new to say.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Remembers a certificate of a verified path.
    pub(super) fn add(&mut self, certificate: &Certificate) {
        let Ok(facts) = &certificate.facts else {
            return;
        };
        if self.count >= REMEMBERED_LIMIT {
            return;
        }
        let name = facts.subject_common_name.clone();
        let namesakes = self.by_name.entry(name).or_default();
        let known = namesakes.iter().any(|other| other.der == certificate.der);
        if !known && namesakes.len() < NAMESAKES_LIMIT {
            namesakes.push(certificate.clone());
            self.count += 1;
        }
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Certificate> {
        self.by_name.values().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::fixtures::facts;

    fn certificate(serial: u8, subject: &str, issuer: &str) -> Certificate {
        let mut certificate = Certificate::read(&[serial]);
        certificate.facts = Ok(CertificateFacts {
            subject_common_name: subject.into(),
            issuer_common_name: issuer.into(),
            ..facts()
        });
        certificate
    }

    fn serials(chosen: &[&Certificate]) -> Vec<u8> {
        chosen
            .iter()
            .map(|certificate| certificate.der[0])
            .collect()
    }

    #[test]
    fn only_what_can_lie_on_the_path_is_chosen_nearest_first() {
        let leaf = certificate(0, "leaf", "A").facts.unwrap();
        let sent = [
            certificate(1, "root", "root"),
            certificate(2, "unrelated", "root"),
            certificate(3, "B", "root"),
            certificate(4, "A", "B"),
            certificate(4, "A", "B"),
        ];
        assert_eq!(
            serials(&relevant(&leaf, &sent.iter().collect::<Vec<_>>())),
            [4, 3, 1]
        );
    }

    #[test]
    fn a_hostile_number_of_namesakes_or_of_links_is_cut() {
        let leaf = certificate(0, "leaf", "A").facts.unwrap();
        let namesakes: Vec<_> = (0..200)
            .map(|serial| certificate(serial, "A", "A"))
            .collect();
        assert_eq!(
            serials(&relevant(&leaf, &namesakes.iter().collect::<Vec<_>>())),
            [0, 1, 2, 3]
        );
        let names = ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K"];
        let links = names
            .windows(2)
            .zip(0..)
            .map(|(pair, at)| certificate(at, pair[0], pair[1]));
        let links: Vec<_> = links.collect();
        assert_eq!(
            relevant(&leaf, &links.iter().collect::<Vec<_>>()).len(),
            TRIED_LIMIT
        );
    }

    #[test]
    fn the_pool_keeps_each_certificate_once_and_is_bounded() {
        let mut pool = Pool::default();
        pool.add(&certificate(1, "A", "B"));
        pool.add(&certificate(1, "A", "B"));
        assert_eq!((pool.count(), pool.iter().count()), (1, 1));
        for number in 0..10_000_u32 {
            pool.add(&certificate(0, &number.to_string(), "B"));
        }
        assert_eq!(pool.count(), REMEMBERED_LIMIT);
        assert_eq!(pool.iter().count(), REMEMBERED_LIMIT);
    }
}
