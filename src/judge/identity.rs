//! Whose certificate it is.

use std::sync::Arc;

use super::Check;
use super::assess::Assessed;
use crate::model::{Chain, Family, Kind, Scope, Verdict};

pub(super) const CHECK: Check = Check {
    name: "identity",
    families: &[INFO],
    findings: &[],
    judge,
};

const INFO: Family = Family {
    name: "kube_https_certificate_info",
    help: "The certificate that was served at the last periodic probe that saw one, always 1",
    labels: &[
        "subject_common_name",
        "issuer_common_name",
        "issuer_organization",
        "serial_number",
        "fingerprint_sha256",
        "key_algorithm",
        "key_size",
        "signature_algorithm",
    ],
    scope: Scope::Target,
    kind: Kind::Gauge,
};

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    if let Some(address) = assessed.least_favourable() {
        verdict.texts(&INFO, Arc::clone(&address.known.identity), 1.0);
    }
}

/// The values of [`INFO`]'s labels for the leaf of `chain`, made once for all who share it. All
/// but the fingerprint are empty where the leaf cannot be read.
pub(super) fn labels(chain: &Chain) -> Arc<[Box<str>]> {
    let facts = chain.leaf().and_then(|leaf| leaf.facts.as_ref().ok());
    let fingerprint = chain.leaf().map(|leaf| leaf.fingerprint.to_string());
    let key_size = facts.map(|facts| facts.key_size).filter(|bits| *bits > 0);
    let key_size = key_size.map(|bits| bits.to_string());
    let text = |text: Option<&str>| text.unwrap_or_default().into();
    Arc::new([
        text(facts.map(|facts| &*facts.subject_common_name)),
        text(facts.map(|facts| &*facts.issuer_common_name)),
        text(facts.map(|facts| &*facts.issuer_organization)),
        text(facts.map(|facts| &*facts.serial_number)),
        text(fingerprint.as_deref()),
        text(facts.map(|facts| &*facts.key_algorithm)),
        text(key_size.as_deref()),
        text(facts.map(|facts| &*facts.signature_algorithm)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::fixtures::{Scene, ca_params, pki, root, trusting, values};
    use crate::probe::chain::read_chain;

    #[test]
    fn the_leaf_is_shown_with_all_that_is_known_of_it() {
        let pki = pki();
        let scene = Scene::new().showing(&[&pki.leaf, &pki.intermediate]);
        let verdict = scene.judged(&trusting(&pki.root));
        let shown = &values(&verdict, INFO.name)[0].0;
        let parts: Vec<_> = shown.split('/').collect();
        assert_eq!(parts.len(), INFO.labels.len());
        assert_eq!(parts[..3], ["leaf", "Intermediate", ""]);
        assert_eq!(parts[4].len(), 64);
        assert_eq!(parts[5..], ["ECDSA", "256", "ECDSA-SHA256"]);
    }

    #[test]
    fn a_key_without_a_size_shows_none() {
        let mut chain = read_chain(&[root(ca_params("Root")).der]).unwrap();
        let facts = chain.certificates[0].facts.as_mut().unwrap();
        facts.key_size = 0;
        assert_eq!(&*labels(&chain)[6], "");
    }
}
