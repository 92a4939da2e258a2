//! Whether a port that must be closed answers.
//!
//! Only bytes from the peer count as an answer: a service mesh accepts every connection on behalf
//! of whoever is meant to be there, and then closes it. The hello of TLS is enough of a question:
//! servers of HTTP in clear say that they do not understand it. Critical, because what listens on
//! these ports asks nobody who they are.

use super::Check;
use super::assess::Assessed;
use crate::model::{AddressSeen, Clients, FindingSpec, Reason, Severity, Verdict};

pub(super) const CHECK: Check = Check {
    name: "closed",
    families: &[],
    findings: &[INSECURE_PORT_OPEN],
    judge,
};

const INSECURE_PORT_OPEN: FindingSpec = FindingSpec {
    name: "insecure_port_open",
    help: "A port that gives access without credentials, and must be closed, answers",
};

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    let target = assessed.case.target;
    if target.expect.clients != Clients::Nobody || target.expect.reach.is_some() {
        return;
    }
    let mut addresses = assessed.case.tls.addresses.iter();
    if let Some(how) = addresses.find_map(answers) {
        let detail = format!("port {} answers: {how}", target.row.port);
        verdict.find(&INSECURE_PORT_OPEN, Severity::Critical, detail);
    }
}

/// How the address answered when it was last tried; `None` where it did not.
pub(super) fn answers(address: &AddressSeen) -> Option<&str> {
    match &address.failure {
        None => address.handshake.is_some().then_some("it speaks TLS"),
        Some(failure) => match failure.reason {
            Reason::NotTls | Reason::Alert | Reason::Protocol => Some(&failure.detail),
            Reason::Dns
            | Reason::Denied
            | Reason::Refused
            | Reason::Timeout
            | Reason::Unreachable
            | Reason::Reset
            | Reason::Closed
            | Reason::Other => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::fixtures::{Scene, detail, failure, findings, pki, trusting};

    fn closed(scene: Scene) -> Verdict {
        let mut scene = scene;
        scene.target.expect.clients = Clients::Nobody;
        scene.target.expect.tls = false;
        scene.target.row.edit(|row| row.source = "node");
        scene.judged(&trusting(&pki().root))
    }

    #[test]
    fn a_port_that_answers_is_critical_and_silence_is_as_it_should_be() {
        for reason in Reason::ALL {
            let verdict = closed(Scene::new().failing(reason));
            let expected: &[_] = match reason {
                Reason::NotTls | Reason::Alert | Reason::Protocol => {
                    &[("insecure_port_open", Severity::Critical)]
                }
                _ => &[],
            };
            assert_eq!(findings(&verdict), expected, "{reason:?}");
            assert_eq!(verdict.samples, [], "{reason:?}");
        }
        assert_eq!(closed(Scene::new()).findings, []);
    }

    #[test]
    fn tls_is_an_answer_too_and_its_certificate_is_no_matter() {
        let pki = pki();
        let verdict = closed(Scene::new().showing(&[&pki.leaf]));
        assert_eq!(
            findings(&verdict),
            [("insecure_port_open", Severity::Critical)]
        );
        let said = "port 443 answers: it speaks TLS";
        assert_eq!(detail(&verdict, "insecure_port_open"), said);
        assert_eq!(verdict.samples, []);
    }

    #[test]
    fn a_port_that_was_closed_since_is_forgiven() {
        let pki = pki();
        let mut scene = Scene::new().showing(&[&pki.leaf]);
        scene.tls.addresses[0].failure = Some(failure(Reason::Refused));
        let verdict = closed(scene);
        assert_eq!(verdict.findings, []);
        assert_eq!(verdict.samples, []);
    }

    #[test]
    fn elsewhere_an_answer_is_no_open_port() {
        let scene = Scene::new().failing(Reason::NotTls);
        let verdict = scene.judged(&trusting(&pki().root));
        assert_eq!(findings(&verdict), [("tls_not_spoken", Severity::Critical)]);
    }
}
