//! What is kept of each object: of a request only what its leaf says, for there may be many.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;

use super::CERTIFICATES;
use crate::model::{Certificate, Issued, Owner, UnixTime, clean};

/// Of which Certificate a request is, and of which of its revisions.
const NAME: &str = "cert-manager.io/certificate-name";
const REVISION: &str = "cert-manager.io/certificate-revision";

/// What is kept of an object of either kind.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kept {
    Certificate(Wanted),
    Request(Option<Request>),
}

/// A Certificate: what is wanted, and how far that has come.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    /// The name of the Secret that it goes into.
    pub(super) secret: Arc<str>,
    /// Which issuance is in the Secret now; none before the first.
    pub(super) revision: Option<i64>,
    /// When it is to be renewed; none where nothing was issued, or renewal is switched off.
    pub(super) renewal: Option<UnixTime>,
}

/// A request that a Certificate has made.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    /// The Certificate's name.
    pub(super) certificate: Arc<str>,
    pub(super) revision: i64,
    /// What was issued; none before that.
    pub(super) leaf: Option<Arc<Issued>>,
}

/// `Certificate`, as far as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct CertificateObject {
    spec: CertificateSpec,
    #[serde(default)]
    status: CertificateStatus,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CertificateSpec {
    secret_name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CertificateStatus {
    revision: Option<i64>,
    renewal_time: Option<Time>,
}

/// `CertificateRequest`, as far as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct RequestObject {
    #[serde(default)]
    metadata: RequestMetadata,
    #[serde(default)]
    status: RequestStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RequestMetadata {
    annotations: BTreeMap<String, String>,
    owner_references: Vec<OwnerReference>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RequestStatus {
    /// PEM: the leaf, then its chain.
    certificate: Option<ByteString>,
    conditions: Vec<Condition>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    last_transition_time: Option<Time>,
}

impl Kept {
    /// Reads a Certificate.
    pub(super) fn certificate(_: &Owner, certificate: CertificateObject) -> Self {
        let CertificateObject { spec, status } = certificate;
        Self::Certificate(Wanted {
            secret: spec.secret_name.into(),
            revision: status.revision,
            renewal: status.renewal_time.as_ref().map(instant),
        })
    }

    /// Reads a request; nothing is kept of one that no Certificate has made.
    pub(super) fn request(owner: &Owner, request: RequestObject) -> Self {
        let RequestObject { metadata, status } = request;
        Self::Request(Request::of(owner, &metadata, &status))
    }
}

impl Request {
    /// Whoever may make requests could say of any that it is a Certificate's: the owner is what
    /// cert-manager itself goes by.
    fn of(owner: &Owner, metadata: &RequestMetadata, status: &RequestStatus) -> Option<Self> {
        let certificate = metadata.annotations.get(NAME)?;
        let is_owner = |reference: &OwnerReference| {
            reference.kind == CERTIFICATES.name
                && reference.controller == Some(true)
                && reference.name == *certificate
        };
        metadata.owner_references.iter().find(|one| is_owner(one))?;
        Some(Self {
            certificate: certificate.as_str().into(),
            revision: metadata.annotations.get(REVISION)?.parse().ok()?,
            leaf: issued(owner, certificate, status).map(Arc::new),
        })
    }
}

/// What was issued; `None` too for what is no certificate, which cert-manager would not take.
fn issued(owner: &Owner, certificate: &str, status: &RequestStatus) -> Option<Issued> {
    let ByteString(pem) = status.certificate.as_ref()?;
    let first = CertificateDer::pem_slice_iter(pem).next()?.ok()?;
    let Certificate {
        fingerprint, facts, ..
    } = Certificate::read(&first);
    let facts = facts.ok()?;
    let ready = (status.conditions.iter())
        .find(|condition| condition.kind == "Ready" && condition.status == "True");
    let ready = ready.and_then(|condition| condition.last_transition_time.as_ref());
    let by = format!("{} {}/{certificate}", CERTIFICATES.name, owner.namespace);
    Some(Issued {
        at: ready
            .map(instant)
            .or(owner.created)
            .or(facts.validity.not_before)?,
        fingerprint,
        facts,
        by: clean(&by).into(),
    })
}

fn instant(time: &Time) -> UnixTime {
    UnixTime::from_millis(time.0.as_millisecond())
}
