//! Which key-exchange groups are accepted, and whether any of them withstands a quantum computer.
//!
//! Facts, and no findings: which groups a server should have is a matter of its clients, and the
//! profile's (`profile`).

use super::Check;
use super::assess::Assessed;
use crate::model::{Acceptance, DeepSeen, Family, Group, Kind, Scope, Verdict};

pub(super) const CHECK: Check = Check {
    name: "group",
    families: &[ACCEPTED, POST_QUANTUM],
    findings: &[],
    judge,
};

const ACCEPTED: Family = Family {
    name: "kube_https_tls_group_accepted",
    help: "Whether the key-exchange group was accepted by every address when the last periodic probe asked for it, absent if it could not be asked",
    labels: &["group"],
    scope: Scope::Target,
    kind: Kind::Gauge,
};
const POST_QUANTUM: Family = Family {
    name: "kube_https_tls_post_quantum_accepted",
    help: "Whether every address accepted a hybrid key exchange with ML-KEM when the last periodic probe asked for one, absent if it could not be asked",
    labels: &[],
    scope: Scope::Target,
    kind: Kind::Gauge,
};

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    if !assessed.tls_matters() {
        return;
    }
    for group in Group::ALL {
        if let Some(accepted) = assessed.all_accept(|deep| deep.groups.of(group)) {
            verdict.word(&ACCEPTED, group.label(), f64::from(u8::from(accepted)));
        }
    }
    if let Some(accepted) = assessed.all_accept(post_quantum) {
        verdict.gauge(&POST_QUANTUM, f64::from(u8::from(accepted)));
    }
}

/// Whether an address accepts any of the hybrids: refused only where all of them are.
fn post_quantum(deep: &DeepSeen) -> Acceptance {
    let hybrids = deep
        .groups
        .iter()
        .filter(|(group, _)| group.is_post_quantum());
    let answers: Vec<_> = hybrids.map(|(_, answer)| answer).collect();
    if answers.contains(&Acceptance::Accepted) {
        Acceptance::Accepted
    } else if answers.contains(&Acceptance::Unknown) {
        Acceptance::Unknown
    } else {
        Acceptance::Refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::fixtures::{Scene, pki, taking, trusting, value, values};

    fn judged(addresses: &[&[Group]]) -> Verdict {
        let pki = pki();
        let mut scene = Scene::new();
        for groups in addresses {
            scene = scene.showing(&[&pki.leaf, &pki.intermediate]);
            scene.tls.addresses.last_mut().unwrap().deep = Some(taking(&[], groups));
        }
        scene.judged(&trusting(&pki.root))
    }

    #[test]
    fn a_group_is_accepted_where_every_address_takes_it() {
        let verdict = judged(&[&[Group::X25519, Group::X448], &[Group::X25519]]);
        let accepted = values(&verdict, ACCEPTED.name);
        assert_eq!(accepted.len(), 10);
        let ones: Vec<_> = accepted.iter().filter(|(_, value)| *value > 0.5).collect();
        assert_eq!(ones, [&("X25519".to_owned(), 1.0)]);
    }

    #[test]
    fn any_hybrid_will_do_and_every_address_needs_one() {
        let hybrid: &[_] = &[Group::SecP256r1MlKem768];
        let other: &[_] = &[Group::X25519MlKem768, Group::X25519];
        assert_eq!(
            value(&judged(&[hybrid, other]), POST_QUANTUM.name),
            Some(1.0)
        );
        let none: &[_] = &[Group::X25519];
        assert_eq!(
            value(&judged(&[hybrid, none]), POST_QUANTUM.name),
            Some(0.0)
        );
    }

    #[test]
    fn a_hybrid_that_could_not_be_asked_leaves_it_open() {
        let pki = pki();
        let mut scene = Scene::new().showing(&[&pki.leaf, &pki.intermediate]);
        let mut deep = taking(&[], &[Group::X25519]);
        deep.value.groups.0[1] = Acceptance::Unknown;
        scene.tls.addresses[0].deep = Some(deep);
        let verdict = scene.judged(&trusting(&pki.root));
        assert_eq!(value(&verdict, POST_QUANTUM.name), None);
        assert_eq!(values(&verdict, ACCEPTED.name).len(), 9);
    }
}
