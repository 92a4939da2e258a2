//! The demo's hosts: what each is there to show, and what it takes to show it.
//!
//! To add a host: add a line to [`CAST`]. Its Ingress, its certificate and its answers follow.

use Certificate::{Issued, IssuedFor, MissingSecret, SelfSigned, Untrusted};
use Stage::{OldController, PlaintextOnly, Refusing, Silent};

/// One host of the demo, declared by an Ingress of its own.
#[derive(Clone, Copy, Debug)]
pub struct Role {
    /// The Ingress' namespace.
    pub namespace: &'static str,
    /// The host that it declares.
    pub host: &'static str,
    /// What it shows, in a line.
    pub shows: &'static str,
    /// The findings that it is there to bring about; empty where all is well.
    pub findings: &'static [&'static str],
    pub(super) stage: Stage,
    pub(super) certificate: Certificate,
    pub(super) in_clear: InClear,
}

/// The load balancer that the Ingress' status points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// For the host, by the authority that the exporter trusts: how many days ago, for how many.
    Issued(u32, u32),
    /// The same, but for this name.
    IssuedFor(&'static str),
    /// For the host, by an authority that nobody knows.
    Untrusted,
    /// For the host, by itself.
    SelfSigned,
    /// None of its own: the controller falls back on its default certificate.
    MissingSecret,
}

/// What a host answers to HTTP in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InClear {
    /// A redirect to https.
    Redirect,
    /// Its page.
    Page,
}

/// Every host.
pub(super) const CAST: &[Role] = &[
    good("storefront", "shop.demo.test", "a good host"),
    good(
        "storefront",
        "*.apps.demo.test",
        "a wildcard host and certificate",
    ),
    good("storefront", "redirect.demo.test", "http leads to https"),
    good(
        "storefront",
        "short-lived.demo.test",
        "4 days left of 6: early, by share of lifetime",
    )
    .shown(Issued(2, 6)),
    good(
        "storefront",
        "plaintext.demo.test",
        "serves its page in clear too, without a redirect",
    )
    .page_in_clear()
    .finds(&["plaintext_served"]),
    good(
        "storefront",
        "no-tls.demo.test",
        "declares no TLS, and serves its page in clear only",
    )
    .on(PlaintextOnly)
    .page_in_clear()
    .finds(&["plaintext_declared"]),
    good(
        "billing",
        "expiring.demo.test",
        "18 days left of 365: a warning",
    )
    .shown(Issued(347, 365))
    .finds(&["certificate_expiring"]),
    good(
        "billing",
        "expiring-soon.demo.test",
        "5 days left of 90: critical",
    )
    .shown(Issued(85, 90))
    .finds(&["certificate_expiring"]),
    good("billing", "expired.demo.test", "expired 3 days ago")
        .shown(Issued(93, 90))
        .finds(&["certificate_expired"]),
    good("internal", "self-signed.demo.test", "vouches for itself")
        .shown(SelfSigned)
        .finds(&["certificate_self_signed"]),
    good(
        "internal",
        "untrusted.demo.test",
        "issued by an authority that nobody knows",
    )
    .shown(Untrusted)
    .finds(&["certificate_untrusted"]),
    good(
        "internal",
        "wrong-name.demo.test",
        "shows a certificate for another host",
    )
    .shown(IssuedFor("other.demo.test"))
    .finds(&["certificate_name_mismatch"]),
    good(
        "internal",
        "no-secret.demo.test",
        "its Secret is missing: the controller's fake one",
    )
    .shown(MissingSecret)
    .finds(&["certificate_default"]),
    good(
        "legacy",
        "old-tls.demo.test",
        "still accepts TLS 1.0 and 1.1",
    )
    .on(OldController)
    .finds(&["tls_version_outdated"]),
    good("legacy", "refused.demo.test", "refuses connections")
        .on(Refusing)
        .finds(&["unreachable"]),
    good(
        "legacy",
        "silent.demo.test",
        "accepts connections and never answers",
    )
    .on(Silent)
    .finds(&["unreachable"]),
];

/// A host with nothing wrong.
const fn good(namespace: &'static str, host: &'static str, shows: &'static str) -> Role {
    Role {
        namespace,
        host,
        shows,
        findings: &[],
        stage: Stage::Controller,
        certificate: Issued(30, 90),
        in_clear: InClear::Redirect,
    }
}

impl Role {
    const fn on(mut self, stage: Stage) -> Self {
        self.stage = stage;
        self
    }

    const fn shown(mut self, certificate: Certificate) -> Self {
        self.certificate = certificate;
        self
    }

    const fn page_in_clear(mut self) -> Self {
        self.in_clear = InClear::Page;
        self
    }

    const fn finds(mut self, findings: &'static [&'static str]) -> Self {
        self.findings = findings;
        self
    }

    /// The Ingress' name: the host's first label, a wildcard's second.
    #[must_use]
    pub fn name(&self) -> &'static str {
        let host = self.host.trim_start_matches("*.");
        host.split_once('.').map_or(host, |(label, _)| label)
    }

    /// Whether a request for `name` is for this host; a wildcard stands for one label.
    pub(super) fn answers_to(&self, name: &str) -> bool {
        match self.host.strip_prefix('*') {
            Some(suffix) => {
                let label = name.strip_suffix(suffix);
                label.is_some_and(|label| !label.is_empty() && !label.contains('.'))
            }
            None => self.host == name,
        }
    }
}
