//! What each address behind a name shows, where the configuration asks for that (`metrics.per_ip`).
//!
//! A row whose address is an IP address says all of this itself. Behind a name there are as many
//! addresses as DNS says, sixteen at most, and they come and go: series that nobody has to keep who
//! does not ask for them.

use super::Check;
use super::assess::{Assessed, Assessment};
use crate::model::{Address, AddressSeen, Family, Kind, Scope, Verdict};

pub(super) const CHECK: Check = Check {
    name: "per_ip",
    families: &[SUCCESS, FAILURE, VALID, NOT_AFTER, INFO],
    findings: &[],
    judge,
};

const SUCCESS: Family = family(
    "kube_https_ip_probe_success",
    &["ip"],
    "Whether this address behind the target's name presented a certificate at the last periodic probe; with `metrics.per_ip`",
);
const FAILURE: Family = family(
    "kube_https_ip_probe_failure_info",
    &["ip", "reason"],
    "Why the last periodic probe of this address behind the target's name failed, 1 only while it does; with `metrics.per_ip`",
);
const VALID: Family = family(
    "kube_https_ip_certificate_valid",
    &["ip"],
    "As kube_https_certificate_valid, of what the last periodic probe saw at this address behind the target's name; with `metrics.per_ip`",
);
const NOT_AFTER: Family = family(
    "kube_https_ip_certificate_not_after_timestamp_seconds",
    &["ip"],
    "When the certificate expires that the last periodic probe saw at this address behind the target's name; with `metrics.per_ip`",
);
const INFO: Family = family(
    "kube_https_ip_certificate_info",
    &["ip", "fingerprint_sha256"],
    "The certificate that the last periodic probe saw at this address behind the target's name, always 1; with `metrics.per_ip`",
);

const fn family(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family {
        name,
        help,
        labels,
        scope: Scope::Target,
        kind: Kind::Gauge,
    }
}

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    let case = assessed.case;
    let is_name = matches!(case.target.tls.address, Address::Name(_));
    if !(case.policy.per_ip && is_name && assessed.tls_matters()) {
        return;
    }
    for address in &case.tls.addresses {
        reached(address, verdict);
    }
    for shown in &assessed.addresses {
        showing(shown, verdict);
    }
}

fn reached(address: &AddressSeen, verdict: &mut Verdict) {
    let ip: Box<str> = address.ip.to_string().into();
    if let Some(failure) = &address.failure {
        let texts = [ip.clone(), failure.reason.label().into()];
        verdict.texts(&FAILURE, texts.into(), 1.0);
    }
    let success = f64::from(u8::from(address.failure.is_none()));
    verdict.texts(&SUCCESS, [ip].into(), success);
}

fn showing(shown: &Assessment<'_>, verdict: &mut Verdict) {
    let ip: Box<str> = shown.ip.to_string().into();
    if let Some(valid) = shown.valid() {
        verdict.texts(&VALID, [ip.clone()].into(), f64::from(u8::from(valid)));
    }
    if let Some(not_after) = shown.not_after() {
        verdict.texts(&NOT_AFTER, [ip.clone()].into(), not_after.as_secs_f64());
    }
    if let Some(leaf) = shown.seen.value.chain.leaf() {
        let texts = [ip, leaf.fingerprint.to_string().into()];
        verdict.texts(&INFO, texts.into(), 1.0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::fixtures::{Scene, day, issued, params, pki, trusting, values};
    use super::super::{Policy, Roots};
    use super::*;
    use crate::config::{Config, Metrics};
    use crate::model::Reason;

    /// Three addresses behind a name: a good one, an expired one, and one that refuses.
    fn scene(address: Address) -> (Scene, Policy) {
        let pki = pki();
        let expired = issued(params("old", day(-90), day(-1)), &pki.intermediate);
        let mut scene = Scene::new()
            .showing(&[&pki.leaf, &pki.intermediate])
            .showing(&[&expired, &pki.intermediate])
            .failing(Reason::Refused);
        Arc::make_mut(&mut scene.target.tls).address = address;
        let asked = Config {
            metrics: Metrics {
                per_ip: true,
                ..Metrics::default()
            },
            ..Config::default()
        };
        let roots = Roots::empty().with_public(&[&pki.root.der]);
        (scene, Policy::new(&asked, roots))
    }

    fn name() -> Address {
        Address::Name("lb.example".into())
    }

    fn of(verdict: &Verdict, family: &Family) -> Vec<(String, f64)> {
        values(verdict, family.name)
    }

    #[test]
    fn each_address_behind_a_name_says_what_it_shows() {
        let (scene, policy) = scene(name());
        let verdict = scene.judged(&policy);
        let each = |values: &[(&str, f64)]| -> Vec<(String, f64)> {
            let values = values.iter();
            values
                .map(|(ip, value)| ((*ip).to_owned(), *value))
                .collect()
        };
        assert_eq!(
            of(&verdict, &SUCCESS),
            each(&[("192.0.2.1", 1.0), ("192.0.2.2", 1.0), ("192.0.2.3", 0.0)])
        );
        assert_eq!(of(&verdict, &FAILURE), each(&[("192.0.2.3/refused", 1.0)]));
        assert_eq!(
            of(&verdict, &VALID),
            each(&[("192.0.2.1", 1.0), ("192.0.2.2", 0.0)])
        );
        let [good, old] = [80, -1].map(|days| day(days).as_secs_f64());
        assert_eq!(
            of(&verdict, &NOT_AFTER),
            each(&[("192.0.2.1", good), ("192.0.2.2", old)])
        );
        let shown = of(&verdict, &INFO);
        let fingerprint = |nth: usize| shown[nth].0.split_once('/').unwrap();
        assert_eq!(fingerprint(0).0, "192.0.2.1");
        assert_ne!(fingerprint(0).1, fingerprint(1).1);
    }

    #[test]
    fn nothing_is_said_where_nobody_asks_or_the_row_says_it_itself() {
        let (scene, policy) = scene(name());
        let default = trusting(&pki().root);
        let silent = |verdict: &Verdict| {
            let mut families = CHECK.families.iter();
            families.all(|family| of(verdict, family).is_empty())
        };
        assert!(!silent(&scene.judged(&policy)));
        assert!(silent(&scene.judged(&default)));
        let (scene, policy) = self::scene(Address::Ip([192, 0, 2, 1].into()));
        assert!(silent(&scene.judged(&policy)));
    }
}
