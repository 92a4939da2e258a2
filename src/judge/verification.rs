//! Whether those who connect are told not to verify whom they reach.
//!
//! A warning, because whoever can answer at the address is taken for the server. For information
//! where an aggregated API has it so, for that is how some come: the manifest of metrics-server
//! does. Said of the object alone, whether the server answers or not.

use super::Check;
use super::assess::Assessed;
use crate::model::{Clients, FindingSpec, Severity, Verdict};

pub(super) const CHECK: Check = Check {
    name: "verification",
    families: &[],
    findings: &[VERIFICATION_DISABLED],
    judge,
};

pub(super) const VERIFICATION_DISABLED: FindingSpec = FindingSpec {
    name: "verification_disabled",
    help: "Who connects is told not to verify the server's certificate",
};

/// Sources of which an object that comes so is usual, and the field that says it.
const USUAL: (&str, &str) = ("apiservice", "insecureSkipTLSVerify");

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    let target = assessed.case.target;
    if target.expect.clients != Clients::Unverifying {
        return;
    }
    let (severity, field) = if target.row.source == USUAL.0 {
        (Severity::Info, USUAL.1)
    } else {
        (Severity::Warning, "insecure-skip-tls-verify")
    };
    let name = &target.row.name;
    let detail = format!("\"{name}\" has {field}, so that its certificate protects nothing");
    verdict.find(&VERIFICATION_DISABLED, severity, detail);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::fixtures::{Scene, ca_params, findings, pki, root, trusting};

    #[test]
    fn what_is_not_verified_is_said_and_its_certificate_is_for_information() {
        let pki = pki();
        let policy = trusting(&root(ca_params("Other")));
        let mut scene = Scene::new().showing(&[&pki.leaf, &pki.intermediate]);
        let disabled = |scene: &Scene| {
            let mut found = findings(&scene.judged(&policy));
            found.sort_unstable();
            found
        };
        let untrusted = "certificate_untrusted";
        assert_eq!(disabled(&scene), [(untrusted, Severity::Critical)]);
        scene.target.expect.clients = Clients::Unverifying;
        let found = [
            (untrusted, Severity::Info),
            ("verification_disabled", Severity::Warning),
        ];
        assert_eq!(disabled(&scene), found);
        scene.target.row.edit(|row| row.source = "apiservice");
        assert_eq!(disabled(&scene)[1].1, Severity::Info);
    }

    #[test]
    fn it_is_said_of_a_server_that_does_not_answer_too() {
        let mut scene = Scene::new();
        scene.target.expect.clients = Clients::Unverifying;
        let verdict = scene.judged(&trusting(&pki().root));
        let said = [("verification_disabled", Severity::Warning)];
        assert_eq!(findings(&verdict), said);
    }
}
