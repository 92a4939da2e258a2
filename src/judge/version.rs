//! Which protocol versions are accepted.
//!
//! SSL 3.0 is critical: what it protects can be read (RFC 7568). TLS 1.0 and 1.1 must not be used
//! either (RFC 8996), but need an attacker of means, and somebody may still depend on them: a
//! warning. Lacking TLS 1.3 is worth knowing and no more, as TLS 1.2 is sound when well configured.

use super::Check;
use super::assess::Assessed;
use crate::model::{DeepSeen, Family, FindingSpec, Kind, Scope, Severity, TlsVersion, Verdict};

pub(super) const CHECK: Check = Check {
    name: "version",
    families: &[ACCEPTED],
    findings: &[OUTDATED, TLS_1_3_MISSING],
    judge,
};

const ACCEPTED: Family = Family {
    name: "kube_https_tls_version_accepted",
    help: "Whether the protocol version was accepted when the last periodic probe asked for it, absent if it could not be asked",
    labels: &["version"],
    scope: Scope::Target,
    kind: Kind::Gauge,
};

const OUTDATED: FindingSpec = FindingSpec {
    name: "tls_version_outdated",
    help: "A protocol version that must no longer be used is accepted",
};
const TLS_1_3_MISSING: FindingSpec = FindingSpec {
    name: "tls_1_3_missing",
    help: "TLS 1.3 is not accepted",
};

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    let answers: Vec<_> = TlsVersion::ALL
        .into_iter()
        .filter_map(|version| Some((version, accepted(assessed, version)?)))
        .collect();
    // Where TLS is neither expected nor was ever accepted, "refused" is just another door.
    if !assessed.tls_matters() && !answers.iter().any(|(_, accepted)| *accepted) {
        return;
    }
    for (version, accepted) in &answers {
        verdict.word(&ACCEPTED, version.label(), f64::from(u8::from(*accepted)));
    }
    let outdated: Vec<_> = answers
        .iter()
        .filter(|(version, accepted)| *accepted && is_outdated(*version))
        .map(|(version, _)| version.label())
        .collect();
    if let Some(oldest) = outdated.first() {
        let severity = if *oldest == TlsVersion::Ssl30.label() {
            Severity::Critical
        } else {
            Severity::Warning
        };
        verdict.find(
            &OUTDATED,
            severity,
            format!("accepts {}", outdated.join(", ")),
        );
    }
    if answers.contains(&(TlsVersion::Tls13, false)) {
        verdict.find(&TLS_1_3_MISSING, Severity::Info, "refuses TLS 1.3");
    }
}

/// Whether it must no longer be used (RFC 7568, RFC 8996).
pub(super) const fn is_outdated(version: TlsVersion) -> bool {
    match version {
        TlsVersion::Ssl30 | TlsVersion::Tls10 | TlsVersion::Tls11 => true,
        TlsVersion::Tls12 | TlsVersion::Tls13 => false,
    }
}

/// Over the addresses that answered, the least favourable: an outdated version is accepted where
/// any accepts it, a modern one where all do. `None` where none answered.
fn accepted(assessed: &Assessed<'_>, version: TlsVersion) -> Option<bool> {
    let answer = |deep: &DeepSeen| deep.versions.of(version);
    if is_outdated(version) {
        assessed.any_accepts(answer)
    } else {
        assessed.all_accept(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::fixtures::{Scene, detail, findings, pki, support, trusting, values};
    use crate::model::Reason;

    /// The same letters of the samples, and the findings, of addresses that answer so.
    fn judged(addresses: &[&str]) -> (String, Vec<(&'static str, Severity)>) {
        let pki = pki();
        let mut scene = Scene::new();
        for letters in addresses {
            scene = scene.showing(&[&pki.leaf, &pki.intermediate]);
            scene.tls.addresses.last_mut().unwrap().deep = Some(support(letters));
        }
        let verdict = scene.judged(&trusting(&pki.root));
        let samples = values(&verdict, ACCEPTED.name);
        let letter = |version: TlsVersion| {
            let sample = samples.iter().find(|(label, _)| label == version.label());
            sample.map_or('?', |(_, value)| if *value > 0.5 { 'a' } else { 'r' })
        };
        (
            TlsVersion::ALL.map(letter).iter().collect(),
            findings(&verdict),
        )
    }

    #[test]
    fn accepted_refused_and_unknown_are_three_answers() {
        assert_eq!(judged(&["rr?aa"]), ("rr?aa".to_owned(), vec![]));
        assert_eq!(judged(&["?????"]), ("?????".to_owned(), vec![]));
        assert_eq!(judged(&["rrrrr"]).0, "rrrrr");
    }

    #[test]
    fn outdated_versions_are_found_by_their_danger() {
        let outdated = |severity| ("tls_version_outdated", severity);
        assert_eq!(judged(&["aaaaa"]).1, [outdated(Severity::Critical)]);
        assert_eq!(judged(&["raaaa"]).1, [outdated(Severity::Warning)]);
        assert_eq!(judged(&["rraaa"]).1, [outdated(Severity::Warning)]);
        let missing = ("tls_1_3_missing", Severity::Info);
        assert_eq!(judged(&["rrrar"]).1, [missing]);
        assert_eq!(judged(&["rrra?"]).1, []);
        assert_eq!(judged(&["rarrr"]).1, [missing, outdated(Severity::Warning)]);
    }

    #[test]
    fn of_several_addresses_the_least_favourable_that_answered_counts() {
        assert_eq!(judged(&["rrraa", "raraa"]).0, "raraa");
        assert_eq!(judged(&["rrraa", "rrrar"]).0, "rrrar");
        assert_eq!(judged(&["rrraa", "????r", "?????"]).0, "rrrar");
    }

    #[test]
    fn every_outdated_version_is_said() {
        let pki = pki();
        let mut scene = Scene::new().showing(&[&pki.leaf, &pki.intermediate]);
        scene.tls.addresses[0].deep = Some(support("raaaa"));
        let verdict = scene.judged(&trusting(&pki.root));
        assert_eq!(
            detail(&verdict, "tls_version_outdated"),
            "accepts TLS 1.0, TLS 1.1"
        );
    }

    #[test]
    fn where_tls_is_neither_declared_nor_accepted_nothing_is_said() {
        let policy = trusting(&pki().root);
        let mut scene = Scene::new().failing(Reason::NotTls);
        scene.target.expect.tls = false;
        scene.tls.addresses[0].deep = Some(support("rrrrr"));
        assert_eq!(values(&scene.judged(&policy), ACCEPTED.name), []);
        scene.tls.addresses[0].deep = Some(support("rrrra"));
        assert_eq!(values(&scene.judged(&policy), ACCEPTED.name).len(), 5);
    }
}
