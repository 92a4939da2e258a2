//! What everybody may do, as the API server says it of two groups (`discover`, source
//! `access_review`): critical where that takes no credentials, a warning where any will do.
//!
//! Says nothing of a target: see [`stored`](super::stored).

use super::Check;
use crate::model::FindingSpec;

pub(super) const CHECK: Check = Check {
    name: "permissions",
    families: &[],
    findings: &[PUBLIC_PERMISSIONS],
    judge: |_, _| {},
};

pub(super) const PUBLIC_PERMISSIONS: FindingSpec = FindingSpec {
    name: "public_permissions",
    help: "The API server permits everybody, or everybody with an account, what gives the cluster away",
};
