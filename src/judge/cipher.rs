//! Which weak kinds of cipher suites are accepted.
//!
//! Where nothing is encrypted or the server shows no certificate, whoever stands between reads and
//! alters all of it; export ciphers and DES fall to a search for the key in hours: critical. RC4 (RFC
//! 7465) and triple DES (Sweet32) take an attacker days of traffic: a warning. Key exchange without
//! forward secrecy is advised against (RFC 9325 section 4.1): for information.
//!
//! CBC is no finding by itself: nearly every server takes it for old clients, Kubernetes' own among
//! them, and clients that know better choose better. It is for information where there is nothing
//! better before TLS 1.3.

use super::Check;
use super::assess::Assessed;
use crate::model::{
    Acceptance, CipherClass, DeepSeen, Family, FindingSpec, Kind, Scope, Severity, Verdict,
};

pub(super) const CHECK: Check = Check {
    name: "cipher",
    families: &[ACCEPTED],
    findings: &[WEAK],
    judge,
};

const ACCEPTED: Family = Family {
    name: "kube_https_tls_cipher_class_accepted",
    help: "Whether any cipher suite of the class was accepted, in any protocol version, when the last periodic probe asked for it, absent if it could not be asked",
    labels: &["class"],
    scope: Scope::Target,
    kind: Kind::Gauge,
};

const WEAK: FindingSpec = FindingSpec {
    name: "tls_cipher_weak",
    help: "Cipher suites that protect too little are accepted",
};

/// The weak classes, the most dangerous first, with how bad each is and a few words.
const CLASSES: [(CipherClass, Severity, &str); 8] = [
    (CipherClass::Null, Severity::Critical, "no encryption"),
    (CipherClass::Anonymous, Severity::Critical, "no certificate"),
    (CipherClass::Export, Severity::Critical, "export ciphers"),
    (CipherClass::Des, Severity::Critical, "DES"),
    (CipherClass::Rc4, Severity::Warning, "RC4"),
    (CipherClass::TripleDes, Severity::Warning, "triple DES"),
    (CipherClass::Cbc, Severity::Info, "only CBC before TLS 1.3"),
    (
        CipherClass::NoForwardSecrecy,
        Severity::Info,
        "key exchange without forward secrecy",
    ),
];

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    if !assessed.tls_matters() {
        return;
    }
    for (class, ..) in CLASSES {
        if let Some(accepted) = assessed.any_accepts(|deep| deep.ciphers.of(class)) {
            verdict.word(&ACCEPTED, class.label(), f64::from(u8::from(accepted)));
        }
    }
    let weak = CLASSES.iter().filter(|(class, ..)| {
        let is_weak = |deep: &DeepSeen| weakness(deep, *class);
        assessed.any_accepts(is_weak) == Some(true)
    });
    let (severities, said): (Vec<_>, Vec<_>) =
        weak.map(|(_, severity, words)| (*severity, *words)).unzip();
    if let Some(worst) = severities.into_iter().max() {
        verdict.find(&WEAK, worst, format!("accepts {}", said.join(", ")));
    }
}

/// Whether an address accepts the class in a way that is worth a word.
fn weakness(deep: &DeepSeen, class: CipherClass) -> Acceptance {
    let accepted = deep.ciphers.of(class);
    match class {
        CipherClass::Cbc if deep.ciphers.of(CipherClass::Aead) != Acceptance::Refused => {
            Acceptance::Refused
        }
        _ => accepted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::fixtures::{Scene, detail, findings, pki, support, taking, trusting, values};
    use crate::model::Reason;

    /// The verdict on addresses that accept these classes and no others.
    fn judged(addresses: &[&[CipherClass]]) -> Verdict {
        let pki = pki();
        let mut scene = Scene::new();
        for classes in addresses {
            scene = scene.showing(&[&pki.leaf, &pki.intermediate]);
            scene.tls.addresses.last_mut().unwrap().deep = Some(taking(classes, &[]));
        }
        scene.judged(&trusting(&pki.root))
    }

    fn severity(classes: &[CipherClass]) -> Option<Severity> {
        let found = findings(&judged(&[classes]));
        found.first().map(|(name, severity)| {
            assert_eq!((*name, found.len()), (WEAK.name, 1));
            *severity
        })
    }

    #[test]
    fn classes_are_as_bad_as_what_they_give_away() {
        use CipherClass::{
            Aead, Anonymous, Cbc, Des, Export, NoForwardSecrecy, Null, Rc4, TripleDes, Unlisted,
        };
        for class in [Null, Anonymous, Export, Des] {
            assert_eq!(severity(&[class, Aead]), Some(Severity::Critical));
        }
        assert_eq!(severity(&[Rc4, Aead]), Some(Severity::Warning));
        assert_eq!(severity(&[TripleDes, Cbc, Aead]), Some(Severity::Warning));
        assert_eq!(severity(&[NoForwardSecrecy, Aead]), Some(Severity::Info));
        assert_eq!(severity(&[Cbc, Aead, Unlisted]), None);
        assert_eq!(severity(&[Cbc]), Some(Severity::Info));
        assert_eq!(severity(&[]), None);
    }

    #[test]
    fn every_class_is_a_sample_of_the_least_favourable_address() {
        let verdict = judged(&[&[CipherClass::Aead], &[CipherClass::Rc4, CipherClass::Null]]);
        let accepted: Vec<_> = values(&verdict, ACCEPTED.name)
            .into_iter()
            .map(|(class, value)| format!("{class} {value}"))
            .collect();
        let expected = "null 1, anonymous 0, export 0, des 0, rc4 1, triple_des 0, cbc 0, \
                        no_forward_secrecy 0";
        assert_eq!(accepted.join(", "), expected);
        assert_eq!(detail(&verdict, WEAK.name), "accepts no encryption, RC4");
    }

    #[test]
    fn what_could_not_be_asked_is_absent() {
        let pki = pki();
        let mut scene = Scene::new().showing(&[&pki.leaf, &pki.intermediate]);
        scene.tls.addresses[0].deep = Some(support("rrraa"));
        let verdict = scene.judged(&trusting(&pki.root));
        assert_eq!(values(&verdict, ACCEPTED.name), []);
        assert_eq!(findings(&verdict), []);
    }

    #[test]
    fn where_tls_is_neither_declared_nor_spoken_nothing_is_said() {
        let policy = trusting(&pki().root);
        let mut scene = Scene::new().failing(Reason::NotTls);
        scene.target.expect.tls = false;
        scene.tls.addresses[0].deep = Some(taking(&[], &[]));
        assert_eq!(values(&scene.judged(&policy), ACCEPTED.name), []);
    }
}
