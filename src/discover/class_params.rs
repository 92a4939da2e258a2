//! What AWS's controllers are told of all Ingresses of a class, in the object that the class names as
//! its parameters: `IngressClassParams`, of which the AWS Load Balancer Controller has one kind, and
//! EKS Auto Mode another, whose fields are the same but for the certificates' (its user guide: "Create
//! an `IngressClass` to configure an Application Load Balancer").
//!
//! What is set there stands before the annotations of the Ingresses, one for one, and is taken as
//! such (the controller's guide to `IngressClass`). `sslRedirectPort` makes no difference: the
//! redirect is expected anyway. What else there is to it is measured.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::kind::Kind;
use super::world::ALB_PREFIX;

/// The kind's name, which both kinds have.
const NAME: &str = "IngressClassParams";

/// The AWS Load Balancer Controller's, in the one version there is. Named with its group, to be told
/// from the other.
const CONTROLLER: Kind = kind(
    "elbv2.k8s.aws",
    "IngressClassParams.elbv2.k8s.aws",
    &["v1beta1"],
);

/// EKS Auto Mode's, likewise.
const AUTO_MODE: Kind = kind(
    "eks.amazonaws.com",
    "IngressClassParams.eks.amazonaws.com",
    &["v1"],
);

/// Both kinds.
pub(super) const KINDS: [Kind; 2] = [CONTROLLER, AUTO_MODE];

const fn kind(group: &'static str, name: &'static str, versions: &'static [&'static str]) -> Kind {
    Kind {
        cluster_scoped: true,
        ..Kind::custom(group, name, "ingressclassparams", versions)
    }
}

/// The one of them that a class means by this group and kind, if either.
pub(super) fn meant(group: Option<&str>, name: &str) -> Option<Kind> {
    let mut kinds = KINDS.into_iter();
    kinds.find(|kind| name == NAME && group == Some(kind.group))
}

/// Whether objects of this name are of either kind.
pub(super) fn are(kind_name: &str) -> bool {
    KINDS.iter().any(|kind| kind.name == kind_name)
}

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
    /// The alias is EKS Auto Mode's.
    #[serde(alias = "certificateARNs")]
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
