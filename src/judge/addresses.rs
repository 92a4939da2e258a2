//! Whether the addresses behind one row are alike.
//!
//! Another certificate at some address is a warning: most often that address missed a renewal, and
//! clients meet the old one by chance. It is for information where the certificates have keys of
//! different kinds, as servers with an RSA and an ECDSA certificate do. A roll-out shows for one
//! interval. An API server's replicas have certificates of their own by design, and are not
//! compared.
//!
//! Different versions are a warning where an outdated one is among the difference: some address was
//! left out when it was switched off. Otherwise they are for information.
//!
//! Only addresses that answered the last probe are compared: what another showed some time ago
//! proves no difference.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Check;
use super::assess::{Assessed, Assessment};
use super::version::is_outdated;
use crate::model::{
    Acceptance, AddressSeen, Family, FindingSpec, Kind, Scope, Severity, TlsVersion, Verdict,
    VersionSupport,
};

pub(super) const CHECK: Check = Check {
    name: "addresses",
    families: &[CERTIFICATES_SERVED],
    findings: &[CERTIFICATES_DIFFER, VERSIONS_DIFFER],
    judge,
};

const CERTIFICATES_SERVED: Family = Family {
    name: "kube_https_certificates_served",
    help: "How many different leaf certificates the last periodic probe of each address of the host saw",
    labels: &["certificate"],
    scope: Scope::HostCount,
    kind: Kind::Gauge,
};

const CERTIFICATES_DIFFER: FindingSpec = FindingSpec {
    name: "certificates_differ",
    help: "The addresses behind one name serve different certificates",
};
const VERSIONS_DIFFER: FindingSpec = FindingSpec {
    name: "tls_versions_differ",
    help: "The addresses behind one name accept different protocol versions",
};

/// The source whose addresses are servers of their own.
const REPLICAS: &str = "api_server";

/// Groups of addresses, and addresses of a group, that a finding names.
const SHOWN: usize = 3;

/// Hexadecimal digits of a fingerprint that tell certificates apart for a reader.
const FINGERPRINT_SHOWN: usize = 16;

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    for leaf in leaves(assessed) {
        verdict.texts(&CERTIFICATES_SERVED, [leaf].into(), 1.0);
    }
    let declared = assessed.case.target.expect.tls;
    let meant = |severity| if declared { severity } else { Severity::Info };
    if let Some((severity, said)) = certificates(assessed) {
        verdict.find(&CERTIFICATES_DIFFER, meant(severity), said);
    }
    if let Some((severity, said)) = versions(assessed) {
        verdict.find(&VERSIONS_DIFFER, meant(severity), said);
    }
}

/// The addresses that answered last time.
fn answering<'a>(assessed: &Assessed<'a>) -> impl Iterator<Item = &'a AddressSeen> {
    let addresses = assessed.case.tls.addresses.iter();
    addresses.filter(|address| address.failure.is_none())
}

/// The leaves that are counted: of the addresses that answered last time or, where none did, what
/// they showed before. Where no host is declared, nothing ties the addresses together.
fn leaves(assessed: &Assessed<'_>) -> Vec<Box<str>> {
    if assessed.case.target.row.host.is_empty() {
        return Vec::new();
    }
    let up: Vec<_> = answering(assessed).map(|address| address.ip).collect();
    let counted = |one: &&Assessment<'_>| up.is_empty() || up.contains(&one.ip);
    let leaf = |one: &Assessment<'_>| one.seen.value.chain.leaf().map(|leaf| leaf.fingerprint);
    let leaves: BTreeSet<_> = (assessed.addresses.iter().filter(counted))
        .filter_map(leaf)
        .collect();
    leaves.iter().map(|leaf| leaf.to_string().into()).collect()
}

fn certificates(assessed: &Assessed<'_>) -> Option<(Severity, String)> {
    if assessed.case.target.row.source == REPLICAS {
        return None;
    }
    let answering: Vec<_> = answering(assessed).map(|address| address.ip).collect();
    let seen = assessed.addresses.iter();
    let seen: Vec<_> = seen.filter(|one| answering.contains(&one.ip)).collect();
    let groups = groups(seen.iter().filter_map(|one| {
        let leaf = one.seen.value.chain.leaf()?;
        Some((leaf.fingerprint, one.ip))
    }));
    let kinds = groups.len();
    let said = differing(&groups, |fingerprint| {
        let hex = fingerprint.to_string();
        format!(
            "certificate {}…",
            hex.get(..FINGERPRINT_SHOWN).unwrap_or(&hex)
        )
    })?;
    let severity = if have_as_many_kinds_of_key(&seen, kinds) {
        Severity::Info
    } else {
        Severity::Warning
    };
    Some((severity, said))
}

/// Whether each of `count` certificates has a kind of key to itself.
fn have_as_many_kinds_of_key(seen: &[&Assessment<'_>], count: usize) -> bool {
    let kinds = groups(seen.iter().filter_map(|one| {
        let facts = one.facts?;
        Some((facts.key_algorithm.as_str(), one.ip))
    }));
    kinds.len() == count
}

fn versions(assessed: &Assessed<'_>) -> Option<(Severity, String)> {
    let asked = answering(assessed).filter_map(|address| {
        let deep = address.deep.as_ref()?;
        Some((address.ip, deep.value.versions))
    });
    let asked: Vec<_> = asked.collect();
    let differing_versions: Vec<_> = TlsVersion::ALL
        .into_iter()
        .filter(|version| {
            let said = |wanted| {
                asked
                    .iter()
                    .any(|(_, all)| answer(*all, *version) == wanted)
            };
            said(Some(Acceptance::Accepted)) && said(Some(Acceptance::Refused))
        })
        .collect();
    let accepted = |all: VersionSupport| -> Vec<TlsVersion> {
        let accepts = |version: &TlsVersion| answer(all, *version) == Some(Acceptance::Accepted);
        differing_versions.iter().copied().filter(accepts).collect()
    };
    let groups = groups(asked.iter().map(|(ip, all)| (accepted(*all), *ip)));
    let said = differing(&groups, |accepted| match accepted.as_slice() {
        [] => format!("no {}", labels(&differing_versions).join(" or ")),
        accepted => labels(accepted).join(", "),
    })?;
    let severity = if differing_versions.into_iter().any(is_outdated) {
        Severity::Warning
    } else {
        Severity::Info
    };
    Some((severity, said))
}

fn labels(versions: &[TlsVersion]) -> Vec<&'static str> {
    versions.iter().map(|version| version.label()).collect()
}

fn answer(all: VersionSupport, version: TlsVersion) -> Option<Acceptance> {
    all.iter()
        .find(|(of, _)| *of == version)
        .map(|(_, answer)| answer)
}

fn groups<K: Ord>(items: impl Iterator<Item = (K, IpAddr)>) -> BTreeMap<K, Vec<IpAddr>> {
    let mut groups = BTreeMap::<K, Vec<_>>::new();
    for (key, ip) in items {
        groups.entry(key).or_default().push(ip);
    }
    groups
}

/// Each group with its addresses; `None` where there are not several groups.
fn differing<K>(groups: &BTreeMap<K, Vec<IpAddr>>, says: impl Fn(&K) -> String) -> Option<String> {
    if groups.len() < 2 {
        return None;
    }
    let mut groups: Vec<_> = groups.iter().collect();
    // By address, so that the same difference reads the same next time.
    groups.sort_by_key(|(_, ips)| ips.iter().min().copied());
    let shown = groups
        .iter()
        .take(SHOWN)
        .map(|(key, ips)| format!("{}: {}", list(ips), says(key)));
    let shown: Vec<_> = shown.collect();
    Some(match groups.len().saturating_sub(SHOWN) {
        0 => shown.join("; "),
        more => format!("{}; and {more} more", shown.join("; ")),
    })
}

fn list(ips: &[IpAddr]) -> String {
    let mut ips = ips.to_vec();
    ips.sort_unstable();
    let shown: Vec<_> = ips.iter().take(SHOWN).map(ToString::to_string).collect();
    match ips.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::fixtures::{
        Minted, Scene, ca_params, day, detail, failure, findings, issued, params, root, support,
        trusting, values,
    };
    use crate::model::Reason;

    fn certificates_of(anchor: &Minted, count: usize) -> Vec<Minted> {
        let leaf = |_| issued(params("leaf", day(-10), day(80)), anchor);
        (0..count).map(leaf).collect()
    }

    const WARNING: [(&str, Severity); 1] = [(CERTIFICATES_DIFFER.name, Severity::Warning)];

    #[test]
    fn another_certificate_at_one_address_is_found_with_the_addresses() {
        let anchor = root(ca_params("Root"));
        let leaves = certificates_of(&anchor, 2);
        let shown = |leaf: usize| &leaves[leaf];
        let alike = Scene::new().showing(&[shown(0)]).showing(&[shown(0)]);
        assert_eq!(findings(&alike.judged(&trusting(&anchor))), []);
        let verdict = alike.showing(&[shown(1)]).judged(&trusting(&anchor));
        assert_eq!(findings(&verdict), WARNING);
        let said = detail(&verdict, CERTIFICATES_DIFFER.name);
        assert!(
            said.starts_with("192.0.2.1, 192.0.2.2: certificate "),
            "{said}"
        );
        assert!(said.contains("…; 192.0.2.3: certificate "), "{said}");
    }

    #[test]
    fn leaves_are_counted_of_the_addresses_that_answer_or_else_as_they_were_last_seen() {
        let anchor = root(ca_params("Root"));
        let leaves = certificates_of(&anchor, 2);
        let mut scene = Scene::new()
            .showing(&[&leaves[0]])
            .showing(&[&leaves[0]])
            .showing(&[&leaves[1]]);
        let counted = |scene: &Scene| {
            let verdict = scene.judged(&trusting(&anchor));
            values(&verdict, CERTIFICATES_SERVED.name).len()
        };
        assert_eq!(counted(&scene), 2);
        scene.tls.addresses[2].failure = Some(failure(Reason::Timeout));
        assert_eq!(counted(&scene), 1);
        for address in &mut scene.tls.addresses {
            address.failure = Some(failure(Reason::Timeout));
        }
        assert_eq!(counted(&scene), 2);
        scene.target.row.edit(|row| row.host = "".into());
        assert_eq!(counted(&scene), 0);
        assert_eq!(counted(&Scene::new().failing(Reason::Timeout)), 0);
    }

    #[test]
    fn one_certificate_for_each_kind_of_key_is_for_information() {
        let anchor = root(ca_params("Root"));
        let leaves = certificates_of(&anchor, 3);
        let rsa = |facts: &mut crate::model::CertificateFacts| {
            (facts.key_algorithm, facts.key_size) = ("RSA".into(), 2048);
        };
        let pair = Scene::new()
            .showing(&[&leaves[0]])
            .showing(&[&leaves[1]])
            .reading(0, rsa);
        let info = [(CERTIFICATES_DIFFER.name, Severity::Info)];
        assert_eq!(findings(&pair.judged(&trusting(&anchor))), info);
        let and_another = pair.showing(&[&leaves[2]]);
        assert_eq!(findings(&and_another.judged(&trusting(&anchor))), WARNING);
    }

    #[test]
    fn an_address_that_no_longer_answers_and_replicas_of_the_api_server_are_not_compared() {
        let anchor = root(ca_params("Root"));
        let leaves = certificates_of(&anchor, 2);
        let mut scene = Scene::new().showing(&[&leaves[0]]).showing(&[&leaves[1]]);
        scene.target.row.edit(|row| row.source = REPLICAS);
        assert_eq!(findings(&scene.judged(&trusting(&anchor))), []);
        scene.target.row.edit(|row| row.source = "ingress");
        assert_eq!(findings(&scene.judged(&trusting(&anchor))), WARNING);
        scene.tls.addresses[1].failure = Some(failure(Reason::Timeout));
        let found = findings(&scene.judged(&trusting(&anchor)));
        assert_eq!(found, [("unreachable", Severity::Warning)]);
    }

    #[test]
    fn where_no_tls_is_declared_a_difference_is_for_information() {
        let anchor = root(ca_params("Root"));
        let leaves = certificates_of(&anchor, 2);
        let mut scene = Scene::new().showing(&[&leaves[0]]).showing(&[&leaves[1]]);
        scene.target.expect.tls = false;
        let found = findings(&scene.judged(&trusting(&anchor)));
        assert_eq!(found[0], (CERTIFICATES_DIFFER.name, Severity::Info));
    }

    /// Severity and particulars of addresses that answer so, as [`support`] reads the letters.
    fn versions_of(answers: &[&str]) -> Option<(Severity, String)> {
        let anchor = root(ca_params("Root"));
        let leaf = &certificates_of(&anchor, 1)[0];
        let mut scene = Scene::new();
        for letters in answers {
            scene = scene.showing(&[leaf]);
            if let Some(newest) = scene.tls.addresses.last_mut() {
                newest.deep = Some(support(letters));
            }
        }
        let verdict = scene.judged(&trusting(&anchor));
        let found = verdict
            .findings
            .into_iter()
            .find(|one| *one.spec == VERSIONS_DIFFER);
        found.map(|found| (found.severity, found.detail.into()))
    }

    #[test]
    fn different_versions_are_a_warning_where_an_outdated_one_is_among_them() {
        let (severity, said) = versions_of(&["rrraa", "rraaa", "rrraa"]).unwrap();
        assert_eq!(severity, Severity::Warning);
        assert_eq!(said, "192.0.2.1, 192.0.2.3: no TLS 1.1; 192.0.2.2: TLS 1.1");
        let (severity, said) = versions_of(&["rrraa", "rrrar"]).unwrap();
        assert_eq!(severity, Severity::Info);
        assert_eq!(said, "192.0.2.1: TLS 1.3; 192.0.2.2: no TLS 1.3");
    }

    #[test]
    fn what_could_not_be_asked_differs_from_nothing() {
        assert_eq!(versions_of(&["rrraa", "rrraa"]), None);
        assert_eq!(versions_of(&["rrraa", "rrra?"]), None);
        assert_eq!(versions_of(&["?????", "aaaaa"]), None);
    }

    #[test]
    fn a_long_difference_is_cut() {
        let said = versions_of(&["rrraa", "rrrar", "rrrar", "rrrar", "rrrar"])
            .unwrap()
            .1;
        let rest = "192.0.2.2, 192.0.2.3, 192.0.2.4 and 1 more: no TLS 1.3";
        assert_eq!(said, format!("192.0.2.1: TLS 1.3; {rest}"));
    }
}
