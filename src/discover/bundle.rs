//! PEM text as objects and files carry it, read into what is stored there. Private keys and
//! whatever else stands between the certificates are passed over and not kept.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use thiserror::Error;
use tracing::warn;

use super::{Declared, DropReason, Dropped, Object};
use crate::model::{Certificate, Stored, Usage};

/// The most certificates that are kept of one object; the largest public bundles have 150.
const CERTIFICATES: usize = 1000;

/// Why nothing is stored under a key.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum BundleError {
    /// There is no certificate.
    #[error(
        "\"{key}\" has no certificate: it must have PEM blocks that begin with -----BEGIN CERTIFICATE-----"
    )]
    Empty {
        /// The key.
        key: String,
    },
    /// It is no base64, or no PEM.
    #[error("cannot read \"{key}\" as PEM: {reason}")]
    Pem {
        /// The key.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// It is PEM around something else.
    #[error("cannot read certificate {number} of \"{key}\": {reason}")]
    Certificate {
        /// The key.
        key: String,
        /// Which of its certificates, from 1.
        number: usize,
        /// What is wrong.
        reason: Box<str>,
    },
}

/// Reads the certificates that stand under `key` as PEM: all of them, or none.
///
/// An API object's `caBundle` or Secret value comes decoded where it is read as a `ByteString`.
pub(super) fn from_pem(key: &str, usage: Usage, pem: &[u8]) -> Result<Stored, BundleError> {
    let broken = |reason: &dyn std::fmt::Display| BundleError::Pem {
        key: key.to_owned(),
        reason: reason.to_string(),
    };
    let ders = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| broken(&error))?;
    from_ders(key, usage, &ders)
}

/// As [`from_pem`], of certificates in DER.
pub(super) fn from_ders(
    key: &str,
    usage: Usage,
    ders: &[CertificateDer<'_>],
) -> Result<Stored, BundleError> {
    if ders.is_empty() {
        let key = key.to_owned();
        return Err(BundleError::Empty { key });
    }
    let numbered = ders.iter().zip(1..).map(|(der, number)| {
        let certificate = Certificate::read(der);
        match certificate.facts {
            Ok(_) => Ok(certificate),
            Err(reason) => Err(BundleError::Certificate {
                key: key.to_owned(),
                number,
                reason,
            }),
        }
    });
    Ok(Stored {
        key: key.into(),
        usage,
        certificates: numbered.collect::<Result<_, _>>()?,
        renewal: None,
    })
}

/// As [`from_pem`], of PEM in base64, as JSON and kubeconfigs carry it.
pub(super) fn from_base64(key: &str, usage: Usage, text: &str) -> Result<Stored, BundleError> {
    let quoted = serde_json::Value::from(text.split_whitespace().collect::<String>());
    let pem: k8s_openapi::ByteString =
        serde_json::from_value(quoted).map_err(|error| BundleError::Pem {
            key: key.to_owned(),
            reason: error.to_string(),
        })?;
    from_pem(key, usage, &pem.0)
}

/// What was read of an object that declares nothing but what it stores.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bundles(pub(super) Vec<Result<Stored, BundleError>>);

impl From<Object<Bundles>> for Declared {
    fn from(object: Object<Bundles>) -> Self {
        let mut declared = Self::nothing(object.owner, object.marks);
        match object.kept {
            Some(bundles) => bundles.0.into_iter().for_each(|read| declared.store(read)),
            None => declared.dropped.push(dropped(DropReason::Unsupported)),
        }
        declared
    }
}

fn dropped(reason: DropReason) -> Dropped {
    Dropped {
        host: "".into(),
        reason,
    }
}

impl Declared {
    /// Adds what was read under one key. What could not be read is logged and counts as dropped;
    /// so does, once, what is too much for one object.
    pub(super) fn store(&mut self, read: Result<Stored, BundleError>) {
        match read {
            Ok(mut stored) => {
                let kept: usize = self.stored.iter().map(|one| one.certificates.len()).sum();
                let room = CERTIFICATES.saturating_sub(kept);
                if stored.certificates.len() > room {
                    stored.certificates.truncate(room);
                    self.dropped.push(dropped(DropReason::Cap));
                }
                if !stored.certificates.is_empty() {
                    self.stored.push(stored);
                }
            }
            Err(error) => {
                let object = &self.object;
                let (kind, namespace, name) = (object.kind, &object.namespace, &object.name);
                warn!(kind, %namespace, %name, %error, "a stored certificate is left out");
                self.dropped.push(dropped(DropReason::Unsupported));
            }
        }
    }
}

#[cfg(test)]
#[path = "bundle_test.rs"]
mod tests;
