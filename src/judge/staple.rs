//! Whether a certificate that must come with proof that it is not revoked does.
//!
//! A certificate with the TLS feature `status_request` (RFC 7633 section 4.2.3.1) tells clients to
//! refuse it without a stapled OCSP response. A warning: few clients obey, so that most notice
//! nothing while some cannot connect at all.

use super::Check;
use super::assess::Assessed;
use crate::model::{FindingSpec, Severity, Verdict};

pub(super) const CHECK: Check = Check {
    name: "staple",
    families: &[],
    findings: &[MUST_STAPLE_MISSING],
    judge,
};

const MUST_STAPLE_MISSING: FindingSpec = FindingSpec {
    name: "must_staple_missing",
    help: "The certificate that is served demands a stapled OCSP response, and the server sends none",
};

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    assessed.find(verdict, &MUST_STAPLE_MISSING, |address| {
        let missing = address.facts?.must_staple && address.seen.value.stapled == Some(false);
        let said = "its certificate demands a stapled OCSP response, and none was sent";
        missing.then(|| (Severity::Warning, said.to_owned()))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::fixtures::{Scene, findings, pki, trusting};

    #[test]
    fn a_staple_is_missed_only_where_it_is_demanded_and_was_asked_for() {
        let pki = pki();
        let found = |must_staple, stapled| {
            let scene = Scene::new().showing(&[&pki.leaf, &pki.intermediate]);
            let mut scene = scene.reading(0, |facts| facts.must_staple = must_staple);
            let seen = scene.tls.addresses[0].handshake.as_mut().unwrap();
            seen.value.stapled = stapled;
            findings(&scene.judged(&trusting(&pki.root)))
        };
        let missing = [(MUST_STAPLE_MISSING.name, Severity::Warning)];
        assert_eq!(found(true, Some(false)), missing);
        assert_eq!(found(true, Some(true)), []);
        assert_eq!(found(true, None), []);
        assert_eq!(found(false, Some(false)), []);
    }
}
