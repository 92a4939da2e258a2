//! Whether a door meets the configured profiles, and a door of the control plane what the CIS
//! Kubernetes Benchmark asks of it ([`benchmark`]).
//!
//! Mozilla's "Server Side TLS" 6.0 (2026-04-06, ssl-config.mozilla.org/guidelines/6.0.json), by the
//! letter: nothing is accepted that the profile does not name, neither versions nor cipher
//! suites nor groups, TLS 1.3 is accepted, and the certificate has a key, a signature and a
//! lifetime that the profile allows. Not judged here, as no hello shows them: HSTS, the order of
//! suites, and stapling.
//!
//! `OpenShift`'s (`TLSProfiles` in `config/v1/types_tlssecurityprofile.go` of openshift/api) say which
//! suites there may be and the oldest version, and no more: a server that lacks some of them meets
//! the profile, as components may leave out what they do not have.
//!
//! Profiles are chosen rather than all judged: each is a series for every target. The benchmark's
//! items are for the few doors of the control plane alone.
//!
//! No finding: to keep to a profile is a decision. What matters whatever the profile has findings
//! of its own.

use super::Check;
use super::assess::Assessed;
use super::benchmark;
use crate::config::Profile;
use crate::model::{
    CertificateFacts, CipherClass, Family, Group, Kind, Scope, TlsVersion, Verdict, clean,
};

pub(super) const CHECK: Check = Check {
    name: "profile",
    families: &[COMPLIANT, VIOLATION],
    findings: &[],
    judge,
};

const COMPLIANT: Family = Family {
    name: "kube_https_policy_compliant",
    help: "Whether the last periodic probes saw nothing but what the policy allows, a configured TLS profile or an item of the CIS Kubernetes Benchmark, absent if that could not be found out",
    labels: &["policy"],
    scope: Scope::Target,
    kind: Kind::Gauge,
};
const VIOLATION: Family = Family {
    name: "kube_https_policy_violation_info",
    help: "What the last periodic probes saw that the policy does not allow, always 1",
    labels: &["policy", "reason"],
    scope: Scope::Target,
    kind: Kind::Gauge,
};

/// The longest lifetime, in days (`maximum_certificate_lifespan`).
const fn lifetime_max_days(profile: Profile) -> u64 {
    match profile {
        Profile::Modern => 90,
        Profile::Intermediate => 366,
        Profile::OpenshiftModern | Profile::OpenshiftIntermediate | Profile::OpenshiftOld => {
            u64::MAX
        }
    }
}

/// The shortest RSA key in bits (`rsa_key_size`).
const RSA_MIN_BITS: u32 = 2048;

/// The sizes in bits of the curves of certificates (`certificate_curves`).
const CURVE_BITS: [u32; 2] = [256, 384];

/// How certificates may be signed (`certificate_signatures`).
const SIGNATURES: [&str; 3] = ["ECDSA-SHA256", "ECDSA-SHA384", "ECDSA-SHA512"];

/// Likewise, besides, in the intermediate profile.
const RSA_SIGNATURE: &str = "SHA256-RSA";

/// The groups that both profiles name (`tls_curves`).
const GROUPS: [Group; 4] = [
    Group::X25519MlKem768,
    Group::X25519,
    Group::Secp256r1,
    Group::Secp384r1,
];

const SECONDS_PER_DAY: u64 = 86_400;

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    for profile in &assessed.case.policy.profiles {
        if !assessed.addresses.is_empty() {
            say(verdict, profile.label(), &aspects(assessed, *profile));
        }
    }
    for (item, aspect) in benchmark::items(assessed) {
        say(verdict, item, &[aspect]);
    }
}

fn say(verdict: &mut Verdict, policy: &'static str, aspects: &[Aspect]) {
    let is_known = aspects.iter().all(|aspect| aspect.is_known);
    let mut compliant = true;
    for aspect in aspects.iter().filter(|aspect| !aspect.wrong.is_empty()) {
        compliant = false;
        let reason = format!("{}: {}", aspect.of, aspect.wrong.join(", "));
        let texts = [policy.into(), clean(&reason).into()];
        verdict.texts(&VIOLATION, texts.into(), 1.0);
    }
    if is_known || !compliant {
        verdict.word(&COMPLIANT, policy, f64::from(u8::from(compliant)));
    }
}

fn aspects(assessed: &Assessed<'_>, profile: Profile) -> Vec<Aspect> {
    let mut aspects = vec![versions(assessed, profile), ciphers(assessed, profile)];
    if matches!(profile, Profile::Modern | Profile::Intermediate) {
        aspects.push(groups(assessed));
        aspects.push(certificates(assessed, profile));
    }
    aspects
}

/// What is wrong in one respect.
#[derive(Debug)]
pub(super) struct Aspect {
    /// In which.
    pub(super) of: &'static str,
    /// What is.
    pub(super) wrong: Vec<String>,
    /// Nothing more can be wrong.
    pub(super) is_known: bool,
}

impl Aspect {
    /// Of things that must not be accepted, each with whether it is.
    fn of(of: &'static str, forbidden: impl Iterator<Item = (&'static str, Option<bool>)>) -> Self {
        let mut aspect = Self {
            of,
            wrong: Vec::new(),
            is_known: true,
        };
        for (what, accepted) in forbidden {
            aspect.is_known &= accepted.is_some();
            if accepted == Some(true) {
                aspect.wrong.push(what.to_owned());
            }
        }
        aspect
    }
}

fn versions(assessed: &Assessed<'_>, profile: Profile) -> Aspect {
    let allowed: &[_] = match profile {
        Profile::Modern | Profile::OpenshiftModern => &[TlsVersion::Tls13],
        Profile::Intermediate | Profile::OpenshiftIntermediate => {
            &[TlsVersion::Tls12, TlsVersion::Tls13]
        }
        Profile::OpenshiftOld => &[
            TlsVersion::Tls10,
            TlsVersion::Tls11,
            TlsVersion::Tls12,
            TlsVersion::Tls13,
        ],
    };
    let forbidden = TlsVersion::ALL
        .into_iter()
        .filter(|one| !allowed.contains(one));
    let accepted = |one| assessed.any_accepts(|deep| deep.versions.of(one));
    let mut aspect = Aspect::of(
        "versions",
        forbidden.map(|one| (one.label(), accepted(one))),
    );
    if !matches!(profile, Profile::Modern | Profile::Intermediate) {
        return aspect;
    }
    let modern = assessed.all_accept(|deep| deep.versions.of(TlsVersion::Tls13));
    aspect.is_known &= modern.is_some();
    if modern == Some(false) {
        aspect.wrong.push("no TLS 1.3".to_owned());
    }
    aspect
}

/// No suite but those that the profile names.
pub(super) fn ciphers(assessed: &Assessed<'_>, profile: Profile) -> Aspect {
    let forbidden = CipherClass::ALL.into_iter();
    let forbidden = forbidden.filter(|one| !is_named(*one, profile));
    let accepted = |one| assessed.any_accepts(|deep| deep.ciphers.of(one));
    Aspect::of("ciphers", forbidden.map(|one| (one.label(), accepted(one))))
}

/// Whether the profile has nothing against the class. The modern ones name no suite before TLS 1.3.
/// What is uncommon is of another class as well that all but the old one forbid.
fn is_named(class: CipherClass, profile: Profile) -> bool {
    use CipherClass::{Aead, Anonymous, Des, DheAead, Export, Null, Rc4, Uncommon};
    match profile {
        Profile::Modern | Profile::OpenshiftModern => class == Uncommon,
        Profile::Intermediate => matches!(class, Aead | Uncommon),
        Profile::OpenshiftIntermediate => matches!(class, Aead | DheAead | Uncommon),
        Profile::OpenshiftOld => !matches!(class, Null | Anonymous | Export | Des | Rc4 | Uncommon),
    }
}

fn groups(assessed: &Assessed<'_>) -> Aspect {
    let forbidden = Group::ALL.into_iter().filter(|one| !GROUPS.contains(one));
    let accepted = |one| assessed.any_accepts(|deep| deep.groups.of(one));
    Aspect::of("groups", forbidden.map(|one| (one.label(), accepted(one))))
}

fn certificates(assessed: &Assessed<'_>, profile: Profile) -> Aspect {
    let mut aspect = Aspect::of("certificate", std::iter::empty());
    for address in assessed.addresses.iter().chain(&assessed.others) {
        let Some(facts) = address.facts else {
            aspect.is_known = false;
            continue;
        };
        aspect.is_known &= facts.validity.lifetime().is_some();
        for wrong in wrong_with(facts, profile) {
            if !aspect.wrong.contains(&wrong) {
                aspect.wrong.push(wrong);
            }
        }
    }
    aspect
}

fn wrong_with(facts: &CertificateFacts, profile: Profile) -> Vec<String> {
    let mut wrong = Vec::new();
    let (kind, bits) = (facts.key_algorithm.as_str(), facts.key_size);
    let is_key_allowed = match (kind, profile) {
        ("ECDSA", _) => CURVE_BITS.contains(&bits),
        ("RSA", Profile::Intermediate) => bits >= RSA_MIN_BITS,
        _ => false,
    };
    if !is_key_allowed {
        wrong.push(format!("{kind} {bits}"));
    }
    let signature = facts.signature_algorithm.as_str();
    let by_rsa = profile == Profile::Intermediate && signature == RSA_SIGNATURE;
    if !by_rsa && !SIGNATURES.contains(&signature) {
        wrong.push(signature.to_owned());
    }
    let days = facts
        .validity
        .lifetime()
        .map(|lifetime| lifetime.as_secs() / SECONDS_PER_DAY);
    if let Some(days) = days.filter(|days| *days > lifetime_max_days(profile)) {
        wrong.push(format!("valid for {days} days"));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::judge::Policy;
    use crate::judge::Roots;
    use crate::judge::fixtures::{Scene, day, pki, support, taking, values};
    use crate::model::{Acceptance, Validity};

    const MOZILLA: &[CipherClass] = &[CipherClass::Aead];

    fn reading(alter: impl FnOnce(&mut CertificateFacts)) -> Scene {
        let pki = pki();
        let mut scene = Scene::new().showing(&[&pki.leaf]).reading(0, |facts| {
            facts.key_algorithm = "ECDSA".into();
            facts.key_size = 256;
            facts.signature_algorithm = "ECDSA-SHA256".into();
            alter(facts);
        });
        scene.tls.addresses[0].deep = Some(taking(MOZILLA, &GROUPS));
        scene
    }

    /// The value where there is one, and the reasons.
    fn judged(scene: &Scene, profile: Profile) -> (Option<f64>, Vec<String>) {
        let config = Config {
            policy: vec![profile],
            ..Config::default()
        };
        let verdict = scene.judged(&Policy::new(&config, Roots::empty()));
        let compliant = values(&verdict, COMPLIANT.name);
        let reasons = values(&verdict, VIOLATION.name).into_iter();
        (
            compliant.first().map(|(label, value)| {
                assert_eq!(label, profile.label());
                *value
            }),
            reasons
                .map(|(labels, _)| labels.split_once('/').unwrap().1.to_owned())
                .collect(),
        )
    }

    fn reasons(scene: &Scene) -> Vec<String> {
        let (compliant, reasons) = judged(scene, Profile::Intermediate);
        assert_eq!(compliant, Some(f64::from(u8::from(reasons.is_empty()))));
        reasons
    }

    #[test]
    fn what_mozilla_configures_meets_the_profile() {
        let none: [&str; 0] = [];
        assert_eq!(reasons(&reading(|_| {})), none);
        let rsa = |facts: &mut CertificateFacts| {
            (facts.key_algorithm, facts.key_size) = ("RSA".into(), 2048);
            facts.signature_algorithm = RSA_SIGNATURE.into();
        };
        assert_eq!(reasons(&reading(rsa)), none);
        let wrong = vec![
            "versions: TLS 1.2".to_owned(),
            "ciphers: aead".to_owned(),
            "certificate: RSA 2048, SHA256-RSA".to_owned(),
        ];
        assert_eq!(judged(&reading(rsa), Profile::Modern), (Some(0.0), wrong));
    }

    #[test]
    fn openshift_s_profiles_take_what_they_name() {
        use CipherClass::{
            Aead, Cbc, DheAead, NoForwardSecrecy, Rc4, TripleDes, Uncommon, Unlisted,
        };
        use Profile::{OpenshiftIntermediate, OpenshiftModern, OpenshiftOld};
        let of = |classes: &[CipherClass], versions, profile| {
            // Neither the key nor the group matters.
            let mut scene = reading(|facts| facts.key_size = 521);
            let mut deep = taking(classes, &[Group::Secp521r1]);
            deep.value.versions = support(versions).value.versions;
            scene.tls.addresses[0].deep = Some(deep);
            judged(&scene, profile)
        };
        let met = (Some(1.0), vec![]);
        let missed = |reasons: &[&str]| {
            let reasons = reasons.iter().map(|reason| (*reason).to_owned());
            (Some(0.0), reasons.collect())
        };
        let good = [Aead, DheAead];
        let old = [Aead, DheAead, Unlisted, Cbc, TripleDes, NoForwardSecrecy];
        assert_eq!(of(&[], "rrrra", OpenshiftModern), met);
        assert_eq!(of(&good, "rrrar", OpenshiftIntermediate), met);
        assert_eq!(of(&old, "raaar", OpenshiftOld), met);
        assert_eq!(
            of(&good, "rrraa", OpenshiftModern),
            missed(&["versions: TLS 1.2", "ciphers: aead, dhe_aead"])
        );
        assert_eq!(
            of(&old, "rraaa", OpenshiftIntermediate),
            missed(&[
                "versions: TLS 1.1",
                "ciphers: triple_des, cbc, no_forward_secrecy, unlisted"
            ])
        );
        assert_eq!(
            of(&[Aead, Rc4, Uncommon], "aaaaa", OpenshiftOld),
            missed(&["versions: SSL 3.0", "ciphers: rc4, uncommon"])
        );
        assert_eq!(of(&good, "rrraa", Profile::Intermediate).0, Some(0.0));
    }

    #[test]
    fn each_configured_profile_is_judged_and_none_where_none_is() {
        let policies = |profiles: &[Profile]| {
            let config = Config {
                policy: profiles.to_vec(),
                ..Config::default()
            };
            let verdict = reading(|_| {}).judged(&Policy::new(&config, Roots::empty()));
            values(&verdict, COMPLIANT.name)
        };
        let both = [Profile::Intermediate, Profile::OpenshiftIntermediate];
        let expected = both.map(|one| (one.label().to_owned(), 1.0));
        assert_eq!(policies(&both), expected);
        assert_eq!(policies(&[]), []);
    }

    #[test]
    fn the_modern_profile_is_met_by_tls_1_3_alone() {
        let mut scene = reading(|_| {});
        let mut deep = taking(&[], &GROUPS);
        deep.value.versions = support("rrrra").value.versions;
        scene.tls.addresses[0].deep = Some(deep);
        assert_eq!(judged(&scene, Profile::Modern), (Some(1.0), vec![]));
        assert_eq!(reasons(&scene), Vec::<String>::new());
    }

    #[test]
    fn every_reason_is_said() {
        let mut scene = reading(|facts| {
            facts.key_size = 521;
            facts.signature_algorithm = "SHA1-RSA".into();
            facts.validity = Validity::between(day(-1), day(366));
        });
        let classes = [CipherClass::Cbc, CipherClass::Unlisted];
        let mut deep = taking(&classes, &[Group::X448, Group::X25519]);
        deep.value.versions = support("rraar").value.versions;
        scene.tls.addresses[0].deep = Some(deep);
        let expected = [
            "versions: TLS 1.1, no TLS 1.3",
            "ciphers: cbc, unlisted",
            "groups: X448",
            "certificate: ECDSA 521, SHA1-RSA, valid for 367 days",
        ];
        assert_eq!(reasons(&scene), expected);
    }

    #[test]
    fn both_certificates_of_a_host_with_two_are_looked_at() {
        let beside = |bits| reasons(&reading(|_| {}).beside(&pki().leaf, "RSA", bits));
        assert_eq!(beside(2047), ["certificate: RSA 2047"]);
        assert_eq!(beside(2048), [""; 0]);
    }

    #[test]
    fn the_bounds_are_inside() {
        let lifetime =
            |days: i64| reading(move |facts| facts.validity.not_after = Some(day(days - 10)));
        let valid_for = |days, profile| judged(&lifetime(days), profile).1.concat();
        assert_eq!(valid_for(366, Profile::Intermediate), "");
        let wrong = "certificate: valid for 367 days";
        assert_eq!(valid_for(367, Profile::Intermediate), wrong);
        let short = reading(|facts| (facts.key_algorithm, facts.key_size) = ("RSA".into(), 2047));
        assert_eq!(reasons(&short), ["certificate: RSA 2047"]);
    }

    #[test]
    fn what_could_not_be_found_out_leaves_it_open_unless_something_is_wrong() {
        let mut scene = reading(|_| {});
        let mut deep = taking(MOZILLA, &GROUPS);
        deep.value.groups.0[4] = Acceptance::Unknown;
        scene.tls.addresses[0].deep = Some(deep.clone());
        assert_eq!(judged(&scene, Profile::Intermediate), (None, vec![]));
        deep.value.ciphers.0[6] = Acceptance::Accepted;
        scene.tls.addresses[0].deep = Some(deep.clone());
        let wrong = vec!["ciphers: cbc".to_owned()];
        assert_eq!(judged(&scene, Profile::Intermediate), (Some(0.0), wrong));
        scene.tls.addresses[0].deep = None;
        assert_eq!(judged(&scene, Profile::Intermediate), (None, vec![]));
    }
}
