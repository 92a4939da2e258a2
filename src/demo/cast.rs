//! The demo's hosts: what each is there to show, and what it takes to show it.
//!
//! To add a host: add a line to [`CAST`]. Its Ingress, its certificate and its answers follow.

use Certificate::{Issued, IssuedFor, Missing, SelfSigned, Untrusted};
use Stage::{OldController, PlaintextOnly, Refusing, Silent};

/// One host of the demo, declared by an Ingress of its own.
#[derive(Clone, Copy, Debug)]
pub struct Role {
    /// The Ingress' namespace.
    pub namespace: &'static str,
    /// The host that it declares.
    pub host: &'static str,
    /// The finding that it is there to bring about; `None` where all is well.
    pub finding: Option<&'static str>,
    /// What it shows, in a few words.
    pub shows: &'static str,
    pub(super) stage: Stage,
    pub(super) certificate: Certificate,
    /// How many days ago its certificate was issued, and for how many.
    pub(super) days: (u32, u32),
    /// Whether its page is served in clear too, rather than a redirect to https.
    pub(super) page_in_clear: bool,
    /// Whether its page tells browsers to come back over TLS only.
    pub(super) hsts: bool,
}

/// The load balancer that the Ingress' status points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// An ingress controller: TLS 1.2 and 1.3, the certificate chosen by server name.
    Controller,
    /// Another, which still accepts TLS 1.0 and 1.1.
    OldController,
    /// Nobody listens.
    Refusing,
    /// Connections are accepted and never answered.
    Silent,
    /// The controller's plaintext port; nobody listens on the TLS port, and no TLS is declared.
    PlaintextOnly,
}

/// What a host shows on its TLS port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Certificate {
    /// For the host, by the authority that the exporter trusts.
    Issued,
    /// The same, but for this name.
    IssuedFor(&'static str),
    /// For the host, by an authority that nobody knows.
    Untrusted,
    /// For the host, by itself.
    SelfSigned,
    /// None of its own: the controller falls back on its default certificate.
    Missing,
}

/// Every host.
#[rustfmt::skip] // One line a host.
pub(super) const CAST: &[Role] = &[
    good("storefront", "shop.demo.test", "a good host"),
    good("storefront", "*.apps.demo.test", "a good wildcard host"),
    good("storefront", "redirect.demo.test", "http leads to https"),
    good("storefront", "short-lived.demo.test", "4 days left of 6: early, by share of lifetime").issued(2, 6),
    good("storefront", "plaintext.demo.test", "serves its page in clear too").page_in_clear().finds("plaintext_served"),
    good("storefront", "no-tls.demo.test", "no TLS declared, and plaintext only").on(PlaintextOnly).page_in_clear().finds("plaintext_declared"),
    good("billing", "expiring.demo.test", "18 days left of 365: a warning").issued(347, 365).finds("certificate_expiring"),
    good("billing", "expiring-soon.demo.test", "5 days left of 90: critical").issued(85, 90).finds("certificate_expiring"),
    good("billing", "expired.demo.test", "expired 3 days ago").issued(93, 90).finds("certificate_expired"),
    good("internal", "self-signed.demo.test", "vouches for itself").showing(SelfSigned).finds("certificate_self_signed"),
    good("internal", "untrusted.demo.test", "issued by nobody known").showing(Untrusted).finds("certificate_untrusted"),
    good("internal", "wrong-name.demo.test", "shows another's").showing(IssuedFor("other.demo.test")).finds("certificate_name_mismatch"),
    good("internal", "no-secret.demo.test", "has none: the controller's fake one").showing(Missing).finds("certificate_default"),
    good("legacy", "old-tls.demo.test", "accepts TLS 1.0 and 1.1 too").on(OldController).finds("tls_version_outdated"),
    good("legacy", "no-hsts.demo.test", "lets browsers come back in clear").without_hsts().finds("hsts_missing"),
    good("legacy", "refused.demo.test", "refuses connections").on(Refusing).finds("unreachable"),
    good("legacy", "silent.demo.test", "accepts connections and never answers").on(Silent).finds("unreachable"),
];

/// A host with nothing wrong.
const fn good(namespace: &'static str, host: &'static str, shows: &'static str) -> Role {
    Role {
        namespace,
        host,
        finding: None,
        shows,
        stage: Stage::Controller,
        certificate: Issued,
        days: (30, 90),
        page_in_clear: false,
        hsts: true,
    }
}

impl Role {
    const fn on(self, stage: Stage) -> Self {
        Self { stage, ..self }
    }

    const fn showing(self, certificate: Certificate) -> Self {
        Self {
            certificate,
            ..self
        }
    }

    const fn issued(self, days_ago: u32, for_days: u32) -> Self {
        Self {
            days: (days_ago, for_days),
            ..self
        }
    }

    const fn page_in_clear(self) -> Self {
        Self {
            page_in_clear: true,
            ..self
        }
    }

    const fn without_hsts(self) -> Self {
        Self {
            hsts: false,
            ..self
        }
    }

    const fn finds(self, finding: &'static str) -> Self {
        Self {
            finding: Some(finding),
            ..self
        }
    }

    /// The Ingress' name: the host's first label, or what the wildcard stands before.
    #[must_use]
    pub fn name(&self) -> &'static str {
        let host = self.host.trim_start_matches("*.");
        host.split_once('.').map_or(host, |(label, _)| label)
    }

    /// Whether a request for `name` is for this host; a wildcard stands for one label.
    pub(super) fn answers_to(&self, name: &str) -> bool {
        let parent = name.split_once('.').map(|(_, parent)| parent);
        match self.host.strip_prefix("*.") {
            Some(suffix) => parent == Some(suffix),
            None => self.host == name,
        }
    }
}
