//! Whether a server asks its clients for certificates as it has to.
//!
//! etcd keeps all of the cluster's secrets and has, as it is mostly run, no other lock than its
//! clients' certificates: it has to refuse without one, and is critical where it does not. A kubelet
//! asks for one and goes on without, as its clients may show a token instead; one that does not ask
//! has no authority of clients (`--client-ca-file`), so that the API server is as anonymous to it as
//! anybody: a warning.

use super::Check;
use super::assess::Assessed;
use crate::model::{ClientAuth, FindingSpec, Severity, Verdict};

pub(super) const CHECK: Check = Check {
    name: "client_certificate",
    families: &[],
    findings: &[NOT_REQUIRED],
    judge,
};

const NOT_REQUIRED: FindingSpec = FindingSpec {
    name: "client_certificate_not_required",
    help: "A server that must know its clients by their certificates does not ask for one, or does without",
};

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    let expected = assessed.case.target.expect.client_auth;
    let addresses = assessed.addresses.iter();
    let least = addresses.map(|address| address.client_auth).min();
    let Some(seen) = least.filter(|seen| *seen < expected) else {
        return;
    };
    let severity = match expected {
        ClientAuth::Required => Severity::Critical,
        ClientAuth::Requested | ClientAuth::NotRequested => Severity::Warning,
    };
    let said = match seen {
        ClientAuth::NotRequested => "asks for no client certificate",
        ClientAuth::Requested | ClientAuth::Required => "goes on without a client certificate",
    };
    verdict.find(&NOT_REQUIRED, severity, said);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::fixtures::{Scene, detail, findings, pki, trusting};

    fn judged(expected: ClientAuth, seen: &[ClientAuth]) -> Verdict {
        let pki = pki();
        let mut scene = Scene::new();
        scene.target.expect.client_auth = expected;
        for client_auth in seen {
            scene = scene.showing(&[&pki.leaf, &pki.intermediate]);
            let address = scene.tls.addresses.last_mut().unwrap();
            address.handshake.as_mut().unwrap().value.client_auth = *client_auth;
        }
        scene.judged(&trusting(&pki.root))
    }

    #[test]
    fn a_server_is_found_that_asks_for_less_than_it_has_to() {
        use ClientAuth::{NotRequested, Requested, Required};
        let found = |expected, seen| {
            let found = findings(&judged(expected, &[seen]));
            found.first().map(|(_, severity)| *severity)
        };
        for seen in [NotRequested, Requested, Required] {
            assert_eq!(found(NotRequested, seen), None);
        }
        assert_eq!(found(Requested, NotRequested), Some(Severity::Warning));
        assert_eq!(found(Requested, Requested), None);
        assert_eq!(found(Requested, Required), None);
        assert_eq!(found(Required, NotRequested), Some(Severity::Critical));
        assert_eq!(found(Required, Requested), Some(Severity::Critical));
        assert_eq!(found(Required, Required), None);
    }

    #[test]
    fn the_most_open_address_is_the_finding() {
        let seen = [ClientAuth::Required, ClientAuth::Requested];
        let verdict = judged(ClientAuth::Required, &seen);
        let said = "goes on without a client certificate";
        assert_eq!(detail(&verdict, NOT_REQUIRED.name), said);
    }
}
