//! What the CIS Kubernetes Benchmark asks of the control plane, as far as it shows from outside.
//!
//! The numbers are those of version 1.12 (kube-bench's `cfg/cis-1.12`). It reads flags on the node;
//! here it is what comes of them that counts, so that a control plane that somebody else runs can
//! be judged, too. An item is for the doors of its component alone, and absent where what was seen
//! does not say.
//!
//! - 1.2.24, 4.2.9: a certificate was given. Without one, the API server and the kubelet sign one
//!   themselves. The certificate that an API server shows itself is no matter.
//! - 1.2.29, 4.2.12: no suites but the ECDHE ones with AEAD, which both items list, and those of
//!   TLS 1.3 but for CCM. As it comes, Go takes CBC, too: the items ask for more than the default.
//! - 1.3.7, 1.4.2, 4.2.4: nothing listens at the node's address. Only a refusal says so: what is
//!   not answered may be filtered for us alone.
//! - 2.1 to 2.3, and 2.4 to 2.6 for members: etcd speaks TLS, refuses who has no certificate, and
//!   has not signed its own (`--auto-tls`).

use super::assess::Assessed;
use super::closed::answers;
use super::profile::{Aspect, ciphers};
use crate::config::Profile;
use crate::model::{ClientAuth, Clients, Reason, Requests, Target};

/// The source of what nodes have.
const NODE: &str = "node";

/// The kubelet's read-only port.
const READ_ONLY: u16 = 10_255;
/// The controller manager's.
const CONTROLLER_MANAGER: u16 = 10_257;
/// The scheduler's.
const SCHEDULER: u16 = 10_259;
/// Of etcd, for its members (IANA, "etcd-server").
const ETCD_MEMBERS: u16 = 2380;

/// The items for a door, each with what is wrong.
pub(super) fn items(assessed: &Assessed<'_>) -> Vec<(&'static str, Aspect)> {
    let target = assessed.case.target;
    let strong = || ciphers(assessed, Profile::Intermediate);
    match target.tls.requests {
        Requests::ApiServer => vec![
            ("cis-1.2.24", certificate(assessed)),
            ("cis-1.2.29", strong()),
        ],
        Requests::Kubelet => vec![
            ("cis-4.2.9", certificate(assessed)),
            ("cis-4.2.12", strong()),
        ],
        Requests::Nothing | Requests::Browser => {
            if let Some(item) = must_be_closed(target) {
                vec![(item, closed(assessed))]
            } else if target.expect.client_auth == ClientAuth::Required {
                etcd(assessed).into()
            } else {
                Vec::new()
            }
        }
    }
}

fn must_be_closed(target: &Target) -> Option<&'static str> {
    let nobody = target.expect.clients == Clients::Nobody;
    match target.row.port {
        _ if target.row.source != NODE => None,
        READ_ONLY if nobody => Some("cis-4.2.4"),
        CONTROLLER_MANAGER => Some("cis-1.3.7"),
        SCHEDULER => Some("cis-1.4.2"),
        _ => None,
    }
}

fn etcd(assessed: &Assessed<'_>) -> [(&'static str, Aspect); 3] {
    let [tls, clients, own] = if assessed.case.target.row.port == ETCD_MEMBERS {
        ["cis-2.4", "cis-2.5", "cis-2.6"]
    } else {
        ["cis-2.1", "cis-2.2", "cis-2.3"]
    };
    [
        (tls, served(assessed)),
        (clients, known_clients(assessed)),
        (own, signed_by_others(assessed)),
    ]
}

/// Nothing is wrong, and that is known where a certificate was seen.
fn aspect(of: &'static str, assessed: &Assessed<'_>) -> Aspect {
    Aspect {
        of,
        wrong: Vec::new(),
        is_known: !assessed.addresses.is_empty(),
    }
}

/// TLS is spoken.
fn served(assessed: &Assessed<'_>) -> Aspect {
    let mut aspect = aspect("tls", assessed);
    let addresses = assessed.case.tls.addresses.iter();
    let mut failures = addresses.filter_map(|address| address.failure.as_ref());
    if failures.any(|failure| failure.reason == Reason::NotTls) {
        aspect.wrong.push("not spoken".to_owned());
    }
    aspect
}

fn signed_by_others(assessed: &Assessed<'_>) -> Aspect {
    let mut aspect = aspect("certificate", assessed);
    let facts = assessed.addresses.iter().map(|address| address.facts);
    for facts in facts {
        match facts {
            None => aspect.is_known = false,
            Some(facts) if facts.self_issued && aspect.wrong.is_empty() => {
                aspect.wrong.push("signed by the server itself".to_owned());
            }
            Some(_) => {}
        }
    }
    aspect
}

/// TLS is spoken, with a certificate that somebody gave the server.
fn certificate(assessed: &Assessed<'_>) -> Aspect {
    let tls = served(assessed);
    if tls.wrong.is_empty() {
        signed_by_others(assessed)
    } else {
        tls
    }
}

fn known_clients(assessed: &Assessed<'_>) -> Aspect {
    let mut aspect = aspect("client certificate", assessed);
    let addresses = assessed.addresses.iter();
    match addresses.map(|address| address.client_auth).min() {
        Some(ClientAuth::NotRequested) => aspect.wrong.push("not requested".to_owned()),
        Some(ClientAuth::Requested) => aspect.wrong.push("not required".to_owned()),
        Some(ClientAuth::Required) | None => {}
    }
    aspect
}

fn closed(assessed: &Assessed<'_>) -> Aspect {
    let addresses = &assessed.case.tls.addresses;
    let answered = addresses.iter().find_map(answers);
    let refused = addresses.iter().all(|address| {
        let failure = address.failure.as_ref();
        failure.is_some_and(|failure| failure.reason == Reason::Refused)
    });
    Aspect {
        of: "port",
        wrong: answered
            .map(|how| format!("answers: {how}"))
            .into_iter()
            .collect(),
        is_known: refused && !addresses.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Config;
    use crate::judge::fixtures::{Scene, pki, taking, values};
    use crate::judge::{Policy, Roots};
    use crate::model::{CipherClass, Group};

    /// The items with their values, and their reasons.
    fn judged(scene: &Scene) -> (Vec<(String, f64)>, Vec<String>) {
        let config = Config {
            policy: Vec::new(),
            ..Config::default()
        };
        let verdict = scene.judged(&Policy::new(&config, Roots::empty()));
        let reasons = values(&verdict, "kube_https_policy_violation_info");
        (
            values(&verdict, "kube_https_policy_compliant"),
            reasons.into_iter().map(|(reason, _)| reason).collect(),
        )
    }

    fn values_of(items: &[(&str, f64)]) -> Vec<(String, f64)> {
        let items = items.iter();
        items
            .map(|(item, value)| ((*item).to_owned(), *value))
            .collect()
    }

    fn showing(requests: Requests, classes: &[CipherClass]) -> Scene {
        let pki = pki();
        let mut scene = Scene::new().showing(&[&pki.leaf]);
        scene.tls.addresses[0].deep = Some(taking(classes, &[Group::X25519]));
        Arc::make_mut(&mut scene.target.tls).requests = requests;
        scene
    }

    #[test]
    fn an_api_server_and_a_kubelet_need_a_certificate_and_strong_suites() {
        use CipherClass::{Aead, Cbc};
        for (requests, given, strong) in [
            (Requests::ApiServer, "cis-1.2.24", "cis-1.2.29"),
            (Requests::Kubelet, "cis-4.2.9", "cis-4.2.12"),
        ] {
            let good = judged(&showing(requests, &[Aead]));
            assert_eq!(good, (values_of(&[(given, 1.0), (strong, 1.0)]), vec![]));
            let weak = showing(requests, &[Aead, Cbc]);
            let weak = weak.reading(0, |facts| facts.self_issued = true);
            let (found, reasons) = judged(&weak);
            assert_eq!(found, values_of(&[(given, 0.0), (strong, 0.0)]));
            let expected = [
                format!("{given}/certificate: signed by the server itself"),
                format!("{strong}/ciphers: cbc"),
            ];
            assert_eq!(reasons, expected);
            let mut unasked = showing(requests, &[Aead]);
            unasked.tls.addresses[0].deep = None;
            assert_eq!(judged(&unasked).0, values_of(&[(given, 1.0)]));
        }
        assert_eq!(judged(&showing(Requests::Browser, &[Aead])).0, []);
    }

    #[test]
    fn etcd_has_to_know_its_clients_and_be_known() {
        let etcd = |port, client_auth, own| {
            let mut scene = showing(Requests::Nothing, &[]);
            scene = scene.reading(0, |facts| facts.self_issued = own);
            scene.target.row.edit(|row| row.port = port);
            scene.target.expect.client_auth = ClientAuth::Required;
            let seen = scene.tls.addresses[0].handshake.as_mut().unwrap();
            seen.value.client_auth = client_auth;
            judged(&scene)
        };
        let good = etcd(2379, ClientAuth::Required, false);
        let met = [("cis-2.1", 1.0), ("cis-2.2", 1.0), ("cis-2.3", 1.0)];
        assert_eq!(good, (values_of(&met), vec![]));
        let (found, reasons) = etcd(2380, ClientAuth::Requested, true);
        let missed = [("cis-2.4", 1.0), ("cis-2.5", 0.0), ("cis-2.6", 0.0)];
        assert_eq!(found, values_of(&missed));
        let expected = [
            "cis-2.5/client certificate: not required",
            "cis-2.6/certificate: signed by the server itself",
        ];
        assert_eq!(reasons, expected);
    }

    #[test]
    fn etcd_in_clear_is_wrong_and_of_a_silent_one_nothing_is_said() {
        let failing = |reason| {
            let mut scene = Scene::new().failing(reason);
            scene.target.expect.client_auth = ClientAuth::Required;
            judged(&scene).0
        };
        assert_eq!(failing(Reason::NotTls), values_of(&[("cis-2.1", 0.0)]));
        assert_eq!(failing(Reason::Timeout), []);
    }

    #[test]
    fn a_port_is_closed_where_it_refuses() {
        for (port, item, clients) in [
            (READ_ONLY, "cis-4.2.4", Clients::Nobody),
            (CONTROLLER_MANAGER, "cis-1.3.7", Clients::Unknown),
            (SCHEDULER, "cis-1.4.2", Clients::Unknown),
        ] {
            let at = |source, mut scene: Scene| {
                scene.target.row.edit(|row| row.source = source);
                scene.target.row.edit(|row| row.port = port);
                scene.target.expect.clients = clients;
                judged(&scene)
            };
            let found = |reason| at(NODE, Scene::new().failing(reason)).0;
            assert_eq!(found(Reason::Refused), values_of(&[(item, 1.0)]));
            assert_eq!(found(Reason::Timeout), []);
            assert_eq!(at(NODE, Scene::new()).0, []);
            let open = at(NODE, Scene::new().failing(Reason::NotTls));
            assert_eq!(open.0, values_of(&[(item, 0.0)]));
            assert_eq!(open.1, [format!("{item}/port: answers: said so")]);
            let spoken = at(NODE, showing(Requests::Nothing, &[]));
            assert_eq!(spoken.0, values_of(&[(item, 0.0)]));
            assert_eq!(at("pod", Scene::new().failing(Reason::NotTls)).0, []);
        }
    }
}
