//! Namespaces whose pods take connections from anywhere (`discover`, source `network_policy`): for
//! information, as a CNI's own policies may say more.
//!
//! Says nothing of a target: see [`stored`](super::stored).

use super::Check;
use crate::model::FindingSpec;

pub(super) const CHECK: Check = Check {
    name: "segmentation",
    families: &[],
    findings: &[DEFAULT_DENY_MISSING],
    judge: |_, _| {},
};

pub(super) const DEFAULT_DENY_MISSING: FindingSpec = FindingSpec {
    name: "default_deny_missing",
    help: "No NetworkPolicy has the namespace's pods refuse by default what nobody allowed",
};
