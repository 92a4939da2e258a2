//! Whether what is served is what was issued.
//!
//! What a renewal is worth shows on the wire: a controller that does not load the new certificate
//! serves the old one until it expires, and everything that looks at Secrets or at cert-manager is
//! content meanwhile. A warning, for clients still connect; when they no longer do, other checks say
//! so. A controller's default certificate is found as such.
//!
//! Only what was seen after the certificate was issued tells anything. For some minutes after that
//! the old one is no finding: the kubelet brings a changed Secret to a pod's files within about two
//! (its sync period, and its cache), and servers that look at their files do so every few.
//!
//! A certificate that does not name the host is not compared: controllers then serve another, as
//! they should, and what is wrong is found of the one that is served.

use std::time::Duration;

use super::Check;
use super::assess::{Assessed, Assessment};
use super::name::names;
use super::words::span;
use crate::model::{
    CertificateFacts, Family, FindingSpec, Issued, Kind, Scope, Severity, UnixTime, Verdict,
};

pub(super) const CHECK: Check = Check {
    name: "issued",
    families: &[AS_ISSUED],
    findings: &[NOT_AS_ISSUED],
    judge,
};

const AS_ISSUED: Family = Family {
    name: "kube_https_certificate_as_issued",
    help: "Whether the certificate that the last periodic probe saw is the one that cert-manager issued for the host",
    labels: &[],
    scope: Scope::Target,
    kind: Kind::Gauge,
};

const NOT_AS_ISSUED: FindingSpec = FindingSpec {
    name: "certificate_not_as_issued",
    help: "Another certificate is served than the one that cert-manager issued for the host",
};

/// How long after the issuance the old certificate is no finding.
const LOADED_WITHIN: Duration = Duration::from_mins(10);

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    let expect = &assessed.case.target.expect;
    let Some(issued) = expect.issued.as_deref() else {
        return;
    };
    let named = expect.name.as_deref();
    if named.is_some_and(|name| !names(&issued.facts, name)) {
        return;
    }
    let seen = assessed.addresses.iter();
    let as_issued: Vec<_> = seen.filter_map(|address| is(address, issued)).collect();
    if let (false, all) = (as_issued.is_empty(), as_issued.iter().all(|it| *it)) {
        verdict.gauge(&AS_ISSUED, f64::from(u8::from(all)));
    }
    let now = assessed.case.now;
    assessed.find(verdict, &NOT_AS_ISSUED, |address| {
        let loaded = address.seen.at >= issued.at.saturating_add(LOADED_WITHIN);
        let other = is(address, issued) == Some(false) && address.default.is_none();
        (loaded && other).then(|| (Severity::Warning, detail(address.facts, issued, now)))
    });
}

/// Whether an address serves what was issued; `None` where it was last seen before that.
fn is(address: &Assessment<'_>, issued: &Issued) -> Option<bool> {
    let leaf = address.seen.value.chain.leaf()?;
    let same = leaf.fingerprint == issued.fingerprint;
    (same || address.seen.at >= issued.at).then_some(same)
}

fn detail(served: Option<&CertificateFacts>, issued: &Issued, now: UnixTime) -> String {
    let served = served.map_or_else(
        || "one that cannot be read".to_owned(),
        |facts| {
            format!(
                "one of \"{}\" that {}",
                facts.issuer_common_name,
                end(facts, now)
            )
        },
    );
    let Issued { facts, by, at, .. } = issued;
    let (name, ago) = (&facts.issuer_common_name, span(now.since(*at)));
    let end = end(facts, now);
    format!("it serves {served}; {by} had one of \"{name}\" issued {ago} ago that {end}")
}

fn end(facts: &CertificateFacts, now: UnixTime) -> String {
    match facts.validity.not_after {
        Some(end) if end < now => format!("expired {} ago", span(now.since(end))),
        Some(end) => format!("expires in {}", span(end.since(now))),
        None => "expires at a date that cannot be read".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::judge::fixtures::{
        DAY, Minted, NOW, Scene, ca_params, day, detail, findings, issued, params, root, trusting,
        value,
    };
    use crate::model::{Certificate, RootsRef};

    const MINUTE: i64 = 60;

    fn pki() -> (Minted, Minted, Minted) {
        let root = root(ca_params("Root"));
        let old = issued(params("old", day(-80), day(30)), &root);
        let new = issued(params("new", day(-5), day(85)), &root);
        (root, old, new)
    }

    /// As if `leaf` had been issued at this instant.
    fn as_issued(leaf: &Minted, at: UnixTime) -> Arc<Issued> {
        let Certificate {
            fingerprint, facts, ..
        } = Certificate::read(&leaf.der);
        Arc::new(Issued {
            fingerprint,
            facts: facts.unwrap(),
            at,
            by: "Certificate shop/www".into(),
        })
    }

    /// What is judged where addresses show these (at [`NOW`]) and the last was issued at `at`.
    fn judged(root: &Minted, shown: &[&Minted], wanted: &Minted, at: UnixTime) -> Verdict {
        let mut scene = Scene::new();
        for leaf in shown {
            scene = scene.showing(&[leaf]);
        }
        scene.target.expect.issued = Some(as_issued(wanted, at));
        scene.judged(&trusting(root))
    }

    const FOUND: [(&str, Severity); 1] = [(NOT_AS_ISSUED.name, Severity::Warning)];

    #[test]
    fn what_is_served_is_what_was_issued_or_it_is_found() {
        let (root, old, new) = pki();
        let right = judged(&root, &[&new], &new, day(-5));
        assert_eq!(value(&right, AS_ISSUED.name), Some(1.0));
        assert_eq!(findings(&right), []);
        let wrong = judged(&root, &[&old], &new, day(-5));
        assert_eq!(value(&wrong, AS_ISSUED.name), Some(0.0));
        assert_eq!(findings(&wrong), FOUND);
        assert_eq!(
            detail(&wrong, NOT_AS_ISSUED.name),
            "it serves one of \"Root\" that expires in 30 days; Certificate shop/www had one of \
             \"Root\" issued 5 days ago that expires in 85 days"
        );
    }

    #[test]
    fn one_address_that_serves_another_is_enough() {
        let (root, old, new) = pki();
        let verdict = judged(&root, &[&new, &old], &new, day(-5));
        assert_eq!(value(&verdict, AS_ISSUED.name), Some(0.0));
        assert!(detail(&verdict, NOT_AS_ISSUED.name).starts_with("192.0.2.2: it serves one of"));
    }

    #[test]
    fn controllers_have_ten_minutes_to_load_what_was_issued() {
        let (root, old, new) = pki();
        let issued = |ago| UnixTime::from_secs(NOW.as_secs() - ago);
        let after = |ago| judged(&root, &[&old], &new, issued(ago));
        let at_once = after(10 * MINUTE - 1);
        assert_eq!(value(&at_once, AS_ISSUED.name), Some(0.0));
        assert_eq!(
            findings(&at_once),
            [("certificates_differ", Severity::Warning); 0]
        );
        assert_eq!(findings(&after(10 * MINUTE)), FOUND);
    }

    #[test]
    fn what_was_seen_before_the_issuance_tells_nothing() {
        let (root, old, new) = pki();
        let mut scene = Scene::new().showing(&[&old]);
        scene.target.expect.issued = Some(as_issued(&new, UnixTime::from_secs(NOW.as_secs() + 1)));
        let later = scene.judged_at(&trusting(&root), day(1));
        assert_eq!(value(&later, AS_ISSUED.name), None);
        assert_eq!(findings(&later), []);
    }

    #[test]
    fn nothing_is_said_where_nothing_is_known_or_it_is_for_another_host() {
        let (root, old, new) = pki();
        let mut scene = Scene::new().showing(&[&old]);
        assert_eq!(value(&scene.judged(&trusting(&root)), AS_ISSUED.name), None);
        scene.target.expect.issued = Some(as_issued(&new, day(-5)));
        scene.target.expect.name = Some("b.example".into());
        let verdict = scene.judged(&trusting(&root));
        assert_eq!(value(&verdict, AS_ISSUED.name), None);
        assert!(!findings(&verdict).contains(&FOUND[0]));
        scene.target.expect.name = None;
        assert_eq!(findings(&scene.judged(&trusting(&root))), FOUND);
    }

    #[test]
    fn a_default_certificate_is_found_as_such_alone() {
        let (root, _, new) = pki();
        let name = "TRAEFIK DEFAULT CERT";
        let made_up = crate::judge::fixtures::root(params(name, day(-1), day(364)));
        let verdict = judged(&root, &[&made_up], &new, day(-5));
        assert_eq!(value(&verdict, AS_ISSUED.name), Some(0.0));
        assert_eq!(
            findings(&verdict),
            [("certificate_default", Severity::Critical)]
        );
        assert_eq!(
            detail(&verdict, "certificate_default"),
            "the default certificate: Traefik, though Certificate shop/www had one issued"
        );
    }

    #[test]
    fn a_certificate_that_has_expired_says_so() {
        let (root, old, new) = pki();
        let mut scene = Scene::new().showing(&[&old]);
        scene.target.expect.issued = Some(as_issued(&new, day(-5)));
        scene.target.expect.roots = RootsRef::Public;
        let later = UnixTime::from_secs(day(33).as_secs() + DAY / 2);
        let verdict = scene.judged_at(&trusting(&root), later);
        let said = detail(&verdict, NOT_AS_ISSUED.name);
        assert!(said.contains("that expired 3 days ago"), "{said}");
    }
}
