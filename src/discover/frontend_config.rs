//! What Google's ingress controller is told of the frontend of an Ingress, in an object beside it that
//! an annotation names: `FrontendConfig`.
//!
//! It says whether plaintext is redirected. The versions and suites that its `sslPolicy` permits are
//! measured.

use serde::Deserialize;

use super::kind::Kind;
use crate::model::PlaintextRule;

/// The kind, in the one version there is.
pub(super) const KIND: Kind = Kind::custom(
    "networking.gke.io",
    "FrontendConfig",
    "frontendconfigs",
    &["v1beta1"],
);

/// Names it, in the Ingress.
pub(super) const ANNOTATION: &str = "networking.gke.io/v1beta1.FrontendConfig";

/// What of the object is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FrontendConfig {
    spec: Spec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    redirect_to_https: Option<Redirect>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Redirect {
    enabled: bool,
}

impl FrontendConfig {
    /// What it says of plaintext, if anything. Where there is no HTTP at all (the annotation
    /// `allow-http`), nothing is redirected either.
    pub(super) fn plaintext(&self) -> Option<PlaintextRule> {
        let redirect = self.spec.redirect_to_https.as_ref()?;
        Some(if redirect.enabled {
            PlaintextRule::Redirect
        } else {
            PlaintextRule::Declared
        })
    }
}
