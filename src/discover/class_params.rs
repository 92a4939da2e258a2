//! What the AWS Load Balancer Controller is told of all Ingresses of a class, in the object that the
//! class names as its parameters: `IngressClassParams`.
//!
//! What is set there stands before the annotations of the Ingresses, one for one, and is taken as
//! such (the controller's guide to `IngressClass`). What else there is to it is measured.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::kind::Kind;
use super::world::ALB_PREFIX;

/// The kind, in the one version there is.
pub(super) const KIND: Kind = Kind {
    cluster_scoped: true,
    ..Kind::custom(
        "elbv2.k8s.aws",
        "IngressClassParams",
        "ingressclassparams",
        &["v1beta1"],
    )
};

/// Annotations, by their keys.
pub(super) type Annotations = BTreeMap<String, String>;

/// What of the object is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct IngressClassParams {
    spec: Spec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    scheme: String,
    #[serde(rename = "inboundCIDRs")]
    inbound_cidrs: Vec<String>,
    certificate_arn: Vec<String>,
    group: Group,
    /// The alias is the spelling of its first releases.
    #[serde(rename = "prefixListsIDs", alias = "PrefixListsIDs")]
    prefix_lists: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Group {
    name: String,
}

impl IngressClassParams {
    /// As the annotations that it stands before.
    pub(super) fn annotations(self) -> Annotations {
        let spec = self.spec;
        let said = [
            ("scheme", spec.scheme),
            ("inbound-cidrs", spec.inbound_cidrs.join(",")),
            ("certificate-arn", spec.certificate_arn.join(",")),
            ("group.name", spec.group.name),
            ("security-group-prefix-lists", spec.prefix_lists.join(",")),
        ];
        let set = said.into_iter().filter(|(_, value)| !value.is_empty());
        set.map(|(key, value)| (format!("{ALB_PREFIX}{key}"), value))
            .collect()
    }
}
