//! The certificates that controllers serve when they have none for a host.
//!
//! Such a certificate has a fine expiry while every client fails, and says little to whoever meets
//! it: one finding that names the cause takes the place of "self-signed", "untrusted" and "wrong
//! name". Known by common names, as its key is made anew at each start; organisations are left out
//! where the common names suffice, since not every version sets them.

use crate::model::CertificateFacts;

struct Default {
    controller: &'static str,
    /// `None` where it names the host.
    subject_common_name: Option<&'static str>,
    issuer_common_name: &'static str,
    /// Only where the common names are not telling.
    issuer_organization: Option<&'static str>,
}

const DEFAULTS: &[Default] = &[
    Default {
        controller: "ingress-nginx or HAProxy Ingress",
        subject_common_name: Some("Kubernetes Ingress Controller Fake Certificate"),
        issuer_common_name: "Kubernetes Ingress Controller Fake Certificate",
        issuer_organization: None,
    },
    Default {
        controller: "Traefik",
        subject_common_name: Some("TRAEFIK DEFAULT CERT"),
        issuer_common_name: "TRAEFIK DEFAULT CERT",
        issuer_organization: None,
    },
    Default {
        controller: "Kong",
        subject_common_name: Some("localhost"),
        issuer_common_name: "localhost",
        issuer_organization: Some("Kong"),
    },
    // Served while an issuance is under way, or stuck.
    Default {
        controller: "cert-manager (temporary certificate)",
        subject_common_name: None,
        issuer_common_name: "cert-manager.local",
        issuer_organization: None,
    },
];

/// Whose default certificate this is, where it is one.
pub(super) fn controller(facts: &CertificateFacts) -> Option<&'static str> {
    let is_it = |known: &&Default| {
        let subject = known.subject_common_name;
        let organization = known.issuer_organization;
        subject.is_none_or(|name| facts.subject_common_name == name)
            && facts.issuer_common_name == known.issuer_common_name
            && organization.is_none_or(|name| facts.issuer_organization == name)
    };
    DEFAULTS.iter().find(is_it).map(|known| known.controller)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::fixtures::facts;

    fn whose(subject: &str, issuer: &str, organization: &str) -> Option<&'static str> {
        controller(&CertificateFacts {
            subject_common_name: subject.into(),
            issuer_common_name: issuer.into(),
            issuer_organization: organization.into(),
            ..facts()
        })
    }

    #[test]
    fn a_default_certificate_is_known_by_subject_and_issuer() {
        let fake = "Kubernetes Ingress Controller Fake Certificate";
        let nginx = Some("ingress-nginx or HAProxy Ingress");
        assert_eq!(whose(fake, fake, "Acme Co"), nginx);
        assert_eq!(whose(fake, fake, ""), nginx);
        assert_eq!(whose(fake, "Real CA", "Acme Co"), None);
        assert_eq!(whose("a.example", fake, "Acme Co"), None);
        let traefik = "TRAEFIK DEFAULT CERT";
        assert_eq!(whose(traefik, traefik, ""), Some("Traefik"));
        assert_eq!(whose("localhost", "localhost", "Kong"), Some("Kong"));
        assert_eq!(whose("localhost", "localhost", ""), None);
        let temporary = Some("cert-manager (temporary certificate)");
        assert_eq!(whose("a.example", "cert-manager.local", ""), temporary);
        assert_eq!(whose("", "", ""), None);
    }
}
