//! Whether clients accept the certificate, and if not, why.
//!
//! Each finding here is critical, as clients that verify fail now. That goes for a missing
//! intermediate, too: browsers may fetch it, but curl, Go, Java and Python do not, and in a cluster
//! programs are the clients. A default certificate takes the place of the findings that it causes.
//! Where TLS is not declared, what concerns a certificate that is not the host's is for information.

use super::Check;
use super::assess::{Assessed, Assessment};
use super::roots::AnchorKind;
use super::trust::{Issuer, Trust};
use super::words::span;
use crate::model::{Family, FindingSpec, Kind, Scope, Severity, UnixTime, Verdict};

pub(super) const CHECK: Check = Check {
    name: "validity",
    families: &[VALID, TRUST],
    findings: &[
        UNTRUSTED,
        SELF_SIGNED,
        CHAIN_INCOMPLETE,
        NAME_MISMATCH,
        DEFAULT,
    ],
    judge,
};

const VALID: Family = Family {
    name: "kube_https_certificate_valid",
    help: "Whether the certificate that the last periodic probe saw is in time, names the host and chains to the roots that are expected for the target",
    labels: &[],
    scope: Scope::Target,
    kind: Kind::Gauge,
};
const TRUST: Family = Family {
    name: "kube_https_certificate_trust_info",
    help: "What the chain that the last periodic probe saw leads to, always 1",
    labels: &["trust"],
    scope: Scope::Target,
    kind: Kind::Gauge,
};

const UNTRUSTED: FindingSpec = FindingSpec {
    name: "certificate_untrusted",
    help: "The chain that is served does not lead to a trust anchor that is expected for the target",
};
const SELF_SIGNED: FindingSpec = FindingSpec {
    name: "certificate_self_signed",
    help: "The certificate that is served vouches only for itself",
};
const CHAIN_INCOMPLETE: FindingSpec = FindingSpec {
    name: "certificate_chain_incomplete",
    help: "The server does not send an intermediate that clients need to verify its certificate",
};
const NAME_MISMATCH: FindingSpec = FindingSpec {
    name: "certificate_name_mismatch",
    help: "The certificate that is served does not name the host",
};
const DEFAULT: FindingSpec = FindingSpec {
    name: "certificate_default",
    help: "The controller serves its default certificate, having none for the host",
};

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    if let Some(address) = assessed.least_favourable() {
        if let Some(valid) = address.valid() {
            verdict.gauge(&VALID, f64::from(u8::from(valid)));
        }
        if let Some(trust) = label(address) {
            verdict.word(&TRUST, trust, 1.0);
        }
    }
    let now = assessed.case.now;
    let host = assessed
        .case
        .target
        .expect
        .name
        .as_deref()
        .unwrap_or_default();
    let critical = |detail: String| (Severity::Critical, detail);
    assessed.find(verdict, &UNTRUSTED, |address| {
        untrusted(address, now).map(critical)
    });
    assessed.find(verdict, &SELF_SIGNED, |address| {
        let found = address.default.is_none() && address.known.trust == Trust::SelfSigned;
        found.then(|| critical(self_signed(address)))
    });
    assessed.find(verdict, &CHAIN_INCOMPLETE, |address| {
        match &address.known.trust {
            Trust::Incomplete(detail) => Some(critical(detail.to_string())),
            _ => None,
        }
    });
    assessed.find(verdict, &NAME_MISMATCH, |address| {
        mismatch(address, host).map(critical)
    });
    let issued = assessed.case.target.expect.issued.as_ref();
    let though = issued.map_or_else(String::new, |issued| {
        format!(", though {} had one issued", issued.by)
    });
    assessed.find(verdict, &DEFAULT, |address| {
        address
            .default
            .map(|controller| critical(format!("the default certificate: {controller}{though}")))
    });
}

/// The closed set of the label `trust`; `None` where the expected anchors are not known.
fn label(address: &Assessment<'_>) -> Option<&'static str> {
    if address.default.is_some() {
        return Some("default");
    }
    match address.known.trust {
        Trust::Anchored(AnchorKind::Public) => Some("public"),
        Trust::Anchored(AnchorKind::Cluster) => Some("cluster"),
        Trust::Anchored(AnchorKind::Configured) => Some("configured"),
        Trust::SelfSigned => Some("self_signed"),
        Trust::Incomplete(_) | Trust::Untrusted(_) | Trust::Refused => Some("unknown"),
        Trust::Unknown => None,
    }
}

fn untrusted(address: &Assessment<'_>, now: UnixTime) -> Option<String> {
    if address.seen.value.key_proven == Some(false) {
        return Some("the server did not prove that it has the certificate's key".to_owned());
    }
    if let Some(lapsed) = address.lapsed.as_ref().filter(|lapsed| lapsed.is_anchor) {
        let Issuer { name, validity } = &lapsed.issuer;
        let when = match validity.not_after.filter(|end| *end < now) {
            Some(end) => format!("expired {} ago", span(now.since(end))),
            None => format!("begins in {}", span(validity.not_before?.since(now))),
        };
        return Some(format!("the trust anchor \"{name}\" {when}"));
    }
    match &address.known.trust {
        Trust::Untrusted(detail) if address.default.is_none() => Some(detail.to_string()),
        _ => None,
    }
}

fn self_signed(address: &Assessment<'_>) -> String {
    let name = address.facts.map_or("", |facts| &facts.subject_common_name);
    format!("\"{name}\" is its own issuer, and not a trust anchor")
}

/// Names shown of a certificate that may have thousands.
const NAMES_SHOWN: usize = 3;

fn mismatch(address: &Assessment<'_>, host: &str) -> Option<String> {
    let facts = address.facts?;
    if address.named || address.default.is_some() {
        return None;
    }
    let dns = facts.dns_names.iter().map(|name| crate::model::clean(name));
    let mut names = dns.chain(facts.ip_names.iter().map(ToString::to_string));
    let shown: Vec<_> = names.by_ref().take(NAMES_SHOWN).collect();
    Some(match (shown.is_empty(), names.count()) {
        (true, _) => format!("it names no host, so not {host}"),
        (false, 0) => format!("it names {}, not {host}", shown.join(", ")),
        (false, more) => format!("it names {} and {more} more, not {host}", shown.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::judge::Policy;
    use crate::judge::Roots;
    use crate::judge::fixtures::{
        Minted, Scene, ca_params, day, detail, findings, issued, params, pki, root, trusting,
        value, values,
    };
    use crate::model::RootsRef;

    fn trust(verdict: &Verdict) -> Vec<String> {
        let values = values(verdict, TRUST.name).into_iter();
        values.map(|(label, _)| label).collect()
    }

    fn critical(names: &[&'static str]) -> Vec<(&'static str, Severity)> {
        names
            .iter()
            .map(|name| (*name, Severity::Critical))
            .collect()
    }

    #[test]
    fn a_good_certificate_is_valid_and_has_no_findings() {
        let pki = pki();
        let scene = Scene::new().showing(&[&pki.leaf, &pki.intermediate]);
        let verdict = scene.judged(&trusting(&pki.root));
        assert_eq!(value(&verdict, VALID.name), Some(1.0));
        assert_eq!(trust(&verdict), ["public"]);
        assert_eq!(findings(&verdict), []);
    }

    #[test]
    fn everything_that_is_wrong_with_a_certificate_is_found() {
        let (anchor, other) = (root(ca_params("Anchor")), root(ca_params("Other")));
        let leaf = issued(params("leaf", day(-100), day(-3)), &other);
        let mut scene = Scene::new().showing(&[&leaf]);
        scene.target.expect.name = Some("b.example".into());
        let verdict = scene.judged(&trusting(&anchor));
        let all = [
            "certificate_expired",
            "certificate_name_mismatch",
            "certificate_untrusted",
        ];
        assert_eq!(findings(&verdict), critical(&all));
        assert_eq!(value(&verdict, VALID.name), Some(0.0));
        assert_eq!(trust(&verdict), ["unknown"]);
        let said = "it names a.example, not b.example";
        assert_eq!(detail(&verdict, "certificate_name_mismatch"), said);
    }

    #[test]
    fn a_certificate_with_many_names_shows_a_few() {
        let anchor = root(ca_params("Anchor"));
        let mut many = params("leaf", day(-1), day(80));
        for nth in 0..10 {
            let name = format!("{nth}.example").try_into().unwrap();
            many.subject_alt_names.push(rcgen::SanType::DnsName(name));
        }
        let mut scene = Scene::new().showing(&[&issued(many, &anchor)]);
        scene.target.expect.name = Some("b.example".into());
        let verdict = scene.judged(&trusting(&anchor));
        let said = "it names a.example, 0.example, 1.example and 8 more, not b.example";
        assert_eq!(detail(&verdict, "certificate_name_mismatch"), said);
        let mut none = params("leaf", day(-1), day(80));
        none.subject_alt_names.clear();
        let verdict = Scene::new()
            .showing(&[&issued(none, &anchor)])
            .judged(&trusting(&anchor));
        let said = "it names no host, so not a.example";
        assert_eq!(detail(&verdict, "certificate_name_mismatch"), said);
    }

    #[test]
    fn where_any_name_will_do_none_is_wrong() {
        let pki = pki();
        let mut scene = Scene::new().showing(&[&pki.leaf, &pki.intermediate]);
        scene.target.expect.name = None;
        let verdict = scene.judged(&trusting(&pki.root));
        assert_eq!(value(&verdict, VALID.name), Some(1.0));
    }

    #[test]
    fn a_self_signed_certificate_is_that_and_not_untrusted_as_well() {
        let mine = root(params("mine", day(-1), day(80)));
        let verdict = Scene::new()
            .showing(&[&mine])
            .judged(&trusting(&root(ca_params("Anchor"))));
        assert_eq!(findings(&verdict), critical(&["certificate_self_signed"]));
        assert_eq!(trust(&verdict), ["self_signed"]);
        let verdict = Scene::new().showing(&[&mine]).judged(&trusting(&mine));
        assert_eq!(findings(&verdict), []);
    }

    fn fake() -> Minted {
        let name = "Kubernetes Ingress Controller Fake Certificate";
        let mut fake = params(name, day(-1), day(364));
        fake.subject_alt_names = vec![rcgen::SanType::DnsName("ingress.local".try_into().unwrap())];
        root(fake)
    }

    #[test]
    fn a_default_certificate_is_one_finding() {
        let verdict = Scene::new()
            .showing(&[&fake()])
            .judged(&trusting(&root(ca_params("Anchor"))));
        assert_eq!(findings(&verdict), critical(&["certificate_default"]));
        assert_eq!(trust(&verdict), ["default"]);
        assert_eq!(value(&verdict, VALID.name), Some(0.0));
        let verdict = Scene::new()
            .showing(&[&fake()])
            .judged_at(&trusting(&root(ca_params("Anchor"))), day(365));
        let both = ["certificate_default", "certificate_expired"];
        assert_eq!(findings(&verdict), critical(&both));
    }

    #[test]
    fn a_default_certificate_is_found_beside_the_host_s_own() {
        let pki = pki();
        let shown = |key, bits| {
            let scene = Scene::new().showing(&[&pki.leaf, &pki.intermediate]);
            scene
                .beside(&fake(), key, bits)
                .judged(&trusting(&pki.root))
        };
        let verdict = shown("RSA", 2048);
        assert_eq!(findings(&verdict), critical(&["certificate_default"]));
        assert_eq!(
            detail(&verdict, "certificate_default"),
            "the RSA certificate beside it: the default certificate: ingress-nginx or HAProxy \
             Ingress"
        );
        assert_eq!(trust(&verdict), ["default"]);
        assert_eq!(value(&verdict, VALID.name), Some(0.0));
        // Of the same kind of key it is what was shown once, or will be.
        assert_eq!(findings(&shown("ECDSA", 256)), []);
    }

    #[test]
    fn a_configured_fingerprint_is_a_default_even_where_it_is_valid() {
        let pki = pki();
        let scene = Scene::new().showing(&[&pki.leaf, &pki.intermediate]);
        let mut config = Config::default();
        let chain = &scene.tls.addresses[0]
            .handshake
            .as_ref()
            .unwrap()
            .value
            .chain;
        config.default_certificates = vec![chain.leaf().unwrap().fingerprint];
        let policy = Policy::new(&config, Roots::empty().with_public(&[&pki.root.der]));
        let verdict = scene.judged(&policy);
        assert_eq!(findings(&verdict), critical(&["certificate_default"]));
        assert_eq!(trust(&verdict), ["default"]);
        assert_eq!(value(&verdict, VALID.name), Some(1.0));
    }

    #[test]
    fn an_authority_with_the_name_of_a_default_is_not_one_where_it_is_trusted() {
        let own = root(ca_params("cert-manager.local"));
        let leaf = issued(params("leaf", day(-1), day(80)), &own);
        let verdict = Scene::new().showing(&[&leaf]).judged(&trusting(&own));
        assert_eq!(findings(&verdict), []);
        let elsewhere = trusting(&root(ca_params("Anchor")));
        let verdict = Scene::new().showing(&[&leaf]).judged(&elsewhere);
        assert_eq!(findings(&verdict), critical(&["certificate_default"]));
    }

    #[test]
    fn without_known_anchors_validity_is_absent_unless_something_else_is_wrong() {
        let pki = pki();
        let mut scene = Scene::new().showing(&[&pki.leaf, &pki.intermediate]);
        scene.target.expect.roots = RootsRef::Cluster;
        let policy = trusting(&pki.root);
        let verdict = scene.judged(&policy);
        assert_eq!(value(&verdict, VALID.name), None);
        assert_eq!(trust(&verdict), Vec::<String>::new());
        assert_eq!(findings(&verdict), []);
        let verdict = scene.judged_at(&policy, day(81));
        assert_eq!(value(&verdict, VALID.name), Some(0.0));
        assert_eq!(findings(&verdict), critical(&["certificate_expired"]));
    }

    #[test]
    fn a_chain_without_its_intermediate_is_incomplete() {
        let pki = pki();
        let policy = trusting(&pki.root);
        let whole = Scene::new().showing(&[&pki.leaf, &pki.intermediate]);
        assert_eq!(findings(&whole.judged(&policy)), []);
        let verdict = Scene::new().showing(&[&pki.leaf]).judged(&policy);
        assert_eq!(
            findings(&verdict),
            critical(&["certificate_chain_incomplete"])
        );
        assert_eq!(value(&verdict, VALID.name), Some(0.0));
        assert_eq!(trust(&verdict), ["unknown"]);
    }

    #[test]
    fn an_expired_anchor_is_no_anchor() {
        let mut old = ca_params("Old");
        old.not_after = params("", day(0), day(5)).not_after;
        let anchor = root(old);
        let leaf = issued(params("leaf", day(-10), day(80)), &anchor);
        let (policy, scene) = (trusting(&anchor), Scene::new().showing(&[&leaf]));
        assert_eq!(value(&scene.judged(&policy), VALID.name), Some(1.0));
        let verdict = scene.judged_at(&policy, day(8));
        assert_eq!(value(&verdict, VALID.name), Some(0.0));
        let said = "the trust anchor \"Old\" expired 3 days ago";
        assert_eq!(detail(&verdict, "certificate_untrusted"), said);
        assert_eq!(findings(&verdict), critical(&["certificate_untrusted"]));
    }

    #[test]
    fn a_server_without_the_key_is_not_trusted() {
        let pki = pki();
        for (proven, valid) in [(Some(true), 1.0), (None, 1.0), (Some(false), 0.0)] {
            let mut scene = Scene::new().showing(&[&pki.leaf, &pki.intermediate]);
            let seen = scene.tls.addresses[0].handshake.as_mut().unwrap();
            seen.value.key_proven = proven;
            let verdict = scene.judged(&trusting(&pki.root));
            assert_eq!(value(&verdict, VALID.name), Some(valid), "{proven:?}");
            assert_eq!(findings(&verdict).is_empty(), valid > 0.5, "{proven:?}");
        }
    }

    #[test]
    fn a_certificate_that_cannot_be_read_is_not_valid_and_shows_its_fingerprint() {
        let mut broken = pki().leaf;
        broken.der.truncate(100);
        let verdict = Scene::new()
            .showing(&[&broken])
            .judged(&trusting(&root(ca_params("Anchor"))));
        assert_eq!(value(&verdict, VALID.name), Some(0.0));
        assert_eq!(findings(&verdict), critical(&["certificate_untrusted"]));
        let info = &values(&verdict, "kube_https_certificate_info")[0].0;
        let (empty, fingerprint) = (info.matches('/').count(), info.trim_matches('/').len());
        assert_eq!((empty, fingerprint), (7, 64), "{info}");
    }

    #[test]
    fn where_no_tls_is_declared_only_a_certificate_for_the_host_is_more_than_information() {
        let (anchor, other) = (root(ca_params("Anchor")), root(ca_params("Other")));
        let policy = trusting(&anchor);
        let judged = |shown: &Minted, name: &str| {
            let mut scene = Scene::new().showing(&[shown]);
            scene.target.expect.tls = false;
            scene.target.expect.name = Some(name.into());
            findings(&scene.judged(&policy))
        };
        let declared = ("plaintext_declared", Severity::Info);
        let default = ("certificate_default", Severity::Info);
        assert_eq!(judged(&fake(), "a.example"), [default, declared]);
        assert_eq!(judged(&fake(), "ingress.local"), [default, declared]);
        let expired = issued(params("leaf", day(-10), day(-1)), &anchor);
        let found = judged(&expired, "a.example");
        assert_eq!(
            found,
            [("certificate_expired", Severity::Critical), declared]
        );
        let elsewhere = issued(params("leaf", day(-10), day(80)), &other);
        let mismatch = ("certificate_name_mismatch", Severity::Info);
        let untrusted = ("certificate_untrusted", Severity::Info);
        assert_eq!(
            judged(&elsewhere, "b.example"),
            [mismatch, untrusted, declared]
        );
    }
}
