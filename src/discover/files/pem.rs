//! PEM files: the certificates in them, told apart by what they say they are for.

use std::path::Path;
use std::sync::Arc;

use super::follow::Found;
use super::owner;
use crate::discover::Declared;
use crate::discover::bundle::{BundleError, from_pem};
use crate::model::{CertificateFacts, Usage};

/// Reads a PEM file. One without a certificate, such as a private key's, is passed over where the
/// configuration does not name it.
pub(super) fn read(path: &Path, bytes: &[u8], named: bool) -> Result<Found, String> {
    let key = path.file_name().unwrap_or_default().to_string_lossy();
    let mut stored = match from_pem(&key, Usage::Server, bytes) {
        Ok(stored) => stored,
        Err(BundleError::Empty { .. }) if !named => return Ok(Found::default()),
        Err(error) => return Err(error.to_string()),
    };
    let first = stored.certificates.first();
    if let Some(facts) = first.and_then(|first| first.facts.as_ref().ok()) {
        stored.usage = usage(facts);
    }
    let mut declared = Declared::nothing(owner("File", path), Arc::default());
    declared.store(Ok(stored));
    Ok(Found {
        declared: vec![declared],
        beside: Vec::new(),
    })
}

/// By basic constraints and extended key usage (RFC 5280 sections 4.2.1.9 and 4.2.1.12).
fn usage(facts: &CertificateFacts) -> Usage {
    if facts.is_ca {
        Usage::CaBundle
    } else if facts.for_servers {
        Usage::Server
    } else {
        Usage::Client
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair};

    /// A certificate and its key, in one PEM file.
    fn pem(adjust: impl FnOnce(&mut CertificateParams)) -> String {
        let mut params = CertificateParams::new(vec![]).unwrap();
        adjust(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        format!("{}{}", key.serialize_pem(), certificate.pem())
    }

    fn usage_of(pem: &str) -> Usage {
        let found = read(Path::new("/etc/tls/some.pem"), pem.as_bytes(), true).unwrap();
        assert_eq!(&*found.declared[0].object.name, "/etc/tls/some.pem");
        assert_eq!(&*found.declared[0].stored[0].key, "some.pem");
        found.declared[0].stored[0].usage
    }

    #[test]
    fn a_certificate_says_itself_what_it_is_for() {
        assert_eq!(usage_of(&pem(|_| {})), Usage::Server);
        let client = pem(|params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        });
        assert_eq!(usage_of(&client), Usage::Client);
        let authority = pem(|params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        });
        assert_eq!(usage_of(&authority), Usage::CaBundle);
    }

    #[test]
    fn a_file_without_a_certificate_is_wrong_only_where_it_is_named() {
        let key = KeyPair::generate().unwrap().serialize_pem();
        let found = |named| read(Path::new("tls.key"), key.as_bytes(), named);
        assert_eq!(found(false), Ok(Found::default()));
        let refused = found(true).unwrap_err();
        assert!(
            refused.starts_with("\"tls.key\" has no certificate"),
            "{refused}"
        );
    }
}
