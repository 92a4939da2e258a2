//! Paths from a server's certificate to a trust anchor (RFC 5280 section 6), by rustls-webpki.
//!
//! A path is looked for at an instant inside the certificates' own validity, never at the present:
//! at the present, an expired certificate from an unknown authority would only be expired.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, UnixTime as PkiTime};
use webpki::{
    ALL_VERIFICATION_ALGS, EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter,
    KeyUsage, VerifiedPath,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::roots::{About, Store};
use crate::model::{Certificate, CertificateFacts, UnixTime};

/// A verified path.
#[derive(Debug)]
pub(super) struct Path<'a> {
    /// Between the leaf and the anchor, in that order.
    pub(super) intermediates: Vec<&'a Certificate>,
    /// Where it ends.
    pub(super) anchor: &'a About,
}

/// The path from `leaf` over some of `intermediates` to an anchor that stays valid the longest: one
/// whose every certificate is for servers or, where there is none such, one for anything.
///
/// A leaf that is itself an anchor needs no path: pinning a server's own certificate is a
/// practice of its own, which path building does not know.
pub(super) fn find<'a>(
    leaf: &Certificate,
    facts: &CertificateFacts,
    intermediates: &[&'a Certificate],
    store: &'a Store,
) -> Result<Path<'a>, Error> {
    if let Some(anchor) = store.pinned(&leaf.der) {
        let intermediates = Vec::new();
        return Ok(Path {
            intermediates,
            anchor,
        });
    }
    match build(leaf, facts, intermediates, store, &KeyUsage::server_auth()) {
        Err(Error::RequiredEkuNotFoundContext(_)) => {
            build(leaf, facts, intermediates, store, &AnyUsage)
        }
        outcome => outcome,
    }
}

/// Takes every certificate, whatever it says that it is for.
struct AnyUsage;

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        Ok(())
    }
}

fn build<'a>(
    leaf: &Certificate,
    facts: &CertificateFacts,
    intermediates: &[&'a Certificate],
    store: &'a Store,
    usage: &impl ExtendedKeyUsageValidator,
) -> Result<Path<'a>, Error> {
    let der = CertificateDer::from(&*leaf.der);
    let end_entity = EndEntityCert::try_from(&der)?;
    let ders: Vec<_> = intermediates
        .iter()
        .map(|certificate| CertificateDer::from(&*certificate.der))
        .collect();
    let mut outcome = Err(Error::UnknownIssuer);
    for instant in instants(facts, intermediates) {
        let verified = end_entity.verify_for_usage(
            ALL_VERIFICATION_ALGS,
            &store.anchors,
            &ders,
            instant,
            usage,
            None,
            None,
        );
        outcome = verified.and_then(|path| described(&path, intermediates, store));
        // Errors of dates outrank all others: any other means that no path fails for its dates.
        if !matches!(
            outcome,
            Err(Error::CertExpired { .. } | Error::CertNotValidYet { .. })
        ) {
            break;
        }
    }
    outcome
}

/// When to look for a path, latest first. A path ends with its first certificate to expire, so
/// every path that has ever been valid is valid at the last instant of one of them.
fn instants(
    leaf: &CertificateFacts,
    intermediates: &[&Certificate],
) -> impl Iterator<Item = PkiTime> {
    let mut ends: Vec<UnixTime> = super::pool::readable(intermediates.iter().copied())
        .filter_map(|(_, facts)| facts.validity.not_after)
        .collect();
    ends.extend(leaf.validity.not_after);
    ends.sort_unstable();
    ends.dedup();
    ends.into_iter().rev().map(|end| {
        let since_epoch = u64::try_from(end.as_secs()).unwrap_or(0);
        PkiTime::since_unix_epoch(Duration::from_secs(since_epoch))
    })
}

fn described<'a>(
    path: &VerifiedPath<'_>,
    intermediates: &[&'a Certificate],
    store: &'a Store,
) -> Result<Path<'a>, Error> {
    let sent = |der: &[u8]| intermediates.iter().copied().find(|one| *one.der == *der);
    Ok(Path {
        intermediates: path
            .intermediate_certificates()
            .filter_map(|certificate| sent(&certificate.der()))
            .collect(),
        anchor: store.about(path.anchor()).ok_or(Error::UnknownIssuer)?,
    })
}

/// Whether the certificate's own key made its signature.
pub(super) fn verifies_itself(certificate: &Certificate) -> bool {
    let der = CertificateDer::from(&*certificate.der);
    let (Ok(key), Ok((_, parsed))) = (
        EndEntityCert::try_from(&der),
        X509Certificate::from_der(&certificate.der),
    ) else {
        return false;
    };
    let (message, signature) = (
        parsed.tbs_certificate.as_ref(),
        &parsed.signature_value.data,
    );
    ALL_VERIFICATION_ALGS
        .iter()
        .any(|algorithm| key.verify_signature(*algorithm, message, signature).is_ok())
}

/// Whether the failure is that a signature is of a kind that is not supported.
pub(super) const fn is_about_a_signature_s_kind(error: &Error) -> bool {
    matches!(
        error,
        Error::UnsupportedSignatureAlgorithmContext(_)
            | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
    )
}

/// What a failure means, for people.
pub(super) const fn reason(error: &Error) -> &'static str {
    match error {
        Error::CaUsedAsEndEntity => {
            "it is an authority's certificate, which Firefox and rustls refuse from a server"
        }
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => {
            "a certificate on its path is not meant for servers (extended key usage)"
        }
        Error::NameConstraintViolation => {
            "an authority on its path may not vouch for its names (name constraints)"
        }
        Error::PathLenConstraintViolated => {
            "an authority on its path may not have authorities below it (path length)"
        }
        Error::EndEntityUsedAsCa => "a certificate on its path is not an authority's",
        Error::InvalidSignatureForPublicKey => {
            "a signature on its path is wrong: the issuer has the right name but another key, or an \
             RSA key of fewer than 2048 bits"
        }
        error if is_about_a_signature_s_kind(error) => {
            "a signature on its path is of a kind that clients no longer accept"
        }
        Error::CertExpired { .. } | Error::CertNotValidYet { .. } => {
            "the certificates on its path were never valid at the same time"
        }
        Error::InvalidCertValidity => "a certificate on its path ends before it begins",
        Error::CertDistrusted => "a key on its path is known to be compromised or distrusted",
        Error::UnsupportedCertVersion => {
            "a certificate on its path is of an older version than 3, whose extensions it lacks"
        }
        Error::UnsupportedCriticalExtension => {
            "a certificate on its path has an extension that is critical and that clients do not know"
        }
        Error::MaximumPathBuildCallsExceeded
        | Error::MaximumPathDepthExceeded
        | Error::MaximumNameConstraintComparisonsExceeded
        | Error::MaximumSignatureChecksExceeded => {
            "there are more possible paths, or longer ones, than clients follow"
        }
        Error::BadDer
        | Error::BadDerTime
        | Error::ExtensionValueInvalid
        | Error::InvalidNetworkMaskConstraint
        | Error::InvalidSerialNumber
        | Error::MalformedDnsIdentifier
        | Error::MalformedExtensions
        | Error::MalformedNameConstraint => "a certificate on its path is malformed",
        Error::TrailingData(_) => {
            "something follows after a certificate on its path, or after a part of one"
        }
        _ => "a certificate on its path breaks the rules",
    }
}
