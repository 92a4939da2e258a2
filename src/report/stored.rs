//! What no handshake shows as it is told to other programs: certificates that are stored, by their
//! objects.

use serde::Serialize;

use crate::model::{Severity, Stored};
use crate::record::StoredRecord;

use super::time::When;
use super::view::{FindingView, WaivedView};

/// An object that stores certificates: its labels as in the metrics, and its verdict.
#[derive(Clone, Debug, Serialize)]
pub struct StoredView<'a> {
    /// The discovery source.
    pub source: &'static str,
    /// The object's namespace; empty where there is none.
    pub namespace: &'a str,
    /// The object's name.
    pub name: &'a str,
    /// How bad the worst finding is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<&'static str>,
    /// What is wrong with it.
    pub findings: Vec<FindingView<'a>>,
    /// What is wrong with it and accepted.
    pub waived: Vec<WaivedView<'a>>,
    /// The certificates, by where the object has them.
    pub certificates: Vec<StoredCertificateView<'a>>,
}

/// What is stored under one key: of a bundle, the certificate whose dates count.
#[derive(Clone, Debug, Serialize)]
pub struct StoredCertificateView<'a> {
    /// Where the object has it.
    pub key: &'a str,
    /// What it is for.
    pub usage: &'static str,
    /// The subject's common name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_common_name: Option<&'a str>,
    /// When it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<When>,
    /// When it expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<When>,
    /// When whoever issued it means to replace it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewal: Option<When>,
}

impl<'a> From<&'a StoredRecord> for StoredView<'a> {
    fn from(record: &'a StoredRecord) -> Self {
        let place = &record.object.place;
        let worst = record.findings.iter().map(|finding| finding.severity).max();
        Self {
            source: place.source,
            namespace: &place.namespace,
            name: &place.name,
            severity: worst.map(Severity::label),
            findings: record.findings.iter().map(Into::into).collect(),
            waived: record.waived.iter().map(Into::into).collect(),
            certificates: record.object.stored.iter().map(Into::into).collect(),
        }
    }
}

impl<'a> From<&'a Stored> for StoredCertificateView<'a> {
    fn from(stored: &'a Stored) -> Self {
        let facts = stored.decisive();
        let subject = facts.map(|facts| facts.subject_common_name.as_str());
        Self {
            key: &stored.key,
            usage: stored.usage.label(),
            subject_common_name: subject.filter(|name| !name.is_empty()),
            not_before: facts
                .and_then(|facts| facts.validity.not_before)
                .and_then(When::new),
            not_after: facts
                .and_then(|facts| facts.validity.not_after)
                .and_then(When::new),
            renewal: stored.renewal.and_then(When::new),
        }
    }
}
