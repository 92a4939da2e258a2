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
