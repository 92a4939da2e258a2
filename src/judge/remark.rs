//! What objects say of themselves that is worth knowing, whatever a probe sees: that the whole
//! Internet may connect, and that TLS ends before the last hop.
//!
//! For information: both are meant more often than not, and what an object does not say (a firewall,
//! a mesh that encrypts) may make up for it. Sources remark on it only where the object is clear.

use super::Check;
use super::assess::Assessed;
use crate::model::{FindingSpec, RemarkKind, Severity, Verdict};

pub(super) const CHECK: Check = Check {
    name: "remark",
    families: &[],
    findings: &[OPEN_TO_THE_WORLD, BACKEND_PLAINTEXT],
    judge,
};

const OPEN_TO_THE_WORLD: FindingSpec = FindingSpec {
    name: "open_to_the_world",
    help: "The object has a public load balancer and does not limit from where clients may connect",
};

const BACKEND_PLAINTEXT: FindingSpec = FindingSpec {
    name: "backend_plaintext",
    help: "TLS ends at the edge, and the object has the last hop to the back end go in clear",
};

const fn spec(kind: RemarkKind) -> &'static FindingSpec {
    match kind {
        RemarkKind::OpenToTheWorld => &OPEN_TO_THE_WORLD,
        RemarkKind::BackendInClear => &BACKEND_PLAINTEXT,
    }
}

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    let remarks = &assessed.case.target.expect.remarks;
    for kind in RemarkKind::ALL {
        if let Some(remark) = remarks.iter().find(|remark| remark.kind == kind) {
            verdict.find(spec(kind), Severity::Info, &*remark.detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::fixtures::{Scene, detail, findings, pki, trusting};
    use crate::model::{Remark, UnixTime, Waiver};

    fn remarked() -> Scene {
        let mut scene = Scene::new();
        scene.target.expect.remarks = [
            Remark::new(RemarkKind::BackendInClear, "one"),
            Remark::new(RemarkKind::OpenToTheWorld, "other"),
            Remark::new(RemarkKind::BackendInClear, "again"),
        ]
        .into();
        scene
    }

    #[test]
    fn each_kind_of_remark_is_one_finding_for_information() {
        let verdict = remarked().judged(&trusting(&pki().root));
        let found = [
            ("backend_plaintext", Severity::Info),
            ("open_to_the_world", Severity::Info),
        ];
        assert_eq!(findings(&verdict), found);
        assert_eq!(detail(&verdict, "backend_plaintext"), "one");
        assert_eq!(detail(&verdict, "open_to_the_world"), "other");
    }

    #[test]
    fn a_remark_holds_beside_what_a_probe_saw() {
        let pki = pki();
        let mut scene = Scene::new().showing(&[&pki.leaf, &pki.intermediate]);
        scene.target.expect.remarks = [Remark::new(RemarkKind::OpenToTheWorld, "open")].into();
        let verdict = scene.judged(&trusting(&pki.root));
        assert_eq!(findings(&verdict), [("open_to_the_world", Severity::Info)]);
    }

    #[test]
    fn a_remark_is_accepted_as_any_finding_is() {
        let mut scene = remarked();
        scene.target.expect.accept = [Waiver {
            finding: "open_to_the_world".into(),
            until: "9999-12-31".into(),
            ends: UnixTime::from_secs(i64::MAX),
            reason: "a shop".into(),
        }]
        .into();
        let verdict = scene.judged(&trusting(&pki().root));
        assert_eq!(findings(&verdict), [("backend_plaintext", Severity::Info)]);
        assert_eq!(verdict.waived.len(), 1);
    }
}
