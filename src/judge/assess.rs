//! What every check about certificates starts from: each address's certificate, assessed once.
//!
//! A target may stand for several addresses. Samples are of the least favourable one; findings of
//! any of them, so that mending one address does not bring the next one's trouble to light only
//! then.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::trust::{Issuer, Known, Trust};
use super::{Case, defaults, name};
use crate::model::{
    Acceptance, At, CertificateFacts, ClientAuth, Clients, DeepSeen, FindingSpec, Handshake,
    HttpsAnswer, Reason, Severity, Summary, UnixTime, Validity, Verdict,
};

/// How early a certificate is taken as begun. Authorities issue from "now" by their own clock; a
/// few minutes between that clock and this one are no fault of the certificate.
pub(super) const CLOCK_SKEW: Duration = Duration::from_mins(5);

/// A case with what its addresses' certificates come to.
pub(super) struct Assessed<'a> {
    /// The case itself.
    pub(super) case: &'a Case<'a>,
    /// Each address that has ever shown a certificate.
    pub(super) addresses: Vec<Assessment<'a>>,
    /// The certificates that some of them show besides, for another kind of key.
    pub(super) others: Vec<Assessment<'a>>,
}

/// One address's certificate.
pub(super) struct Assessment<'a> {
    /// Where it was seen.
    pub(super) ip: IpAddr,
    /// When, and in what handshake.
    pub(super) seen: &'a At<Handshake>,
    /// Whether it asks for a client certificate, by TLS or by HTTP.
    pub(super) client_auth: ClientAuth,
    /// What the leaf says, where it could be read.
    pub(super) facts: Option<&'a CertificateFacts>,
    /// Where the leaf stands in its lifetime, as far as its dates can be read.
    pub(super) phase: Option<Phase>,
    /// Whether it names the host; true where any name will do.
    pub(super) named: bool,
    /// What its chain comes to.
    pub(super) known: Arc<Known>,
    /// Whose default certificate it is, where it is one.
    pub(super) default: Option<&'static str>,
    /// An authority on the verified path that is not valid now.
    pub(super) lapsed: Option<Lapsed>,
}

/// Where an instant lies in a certificate's lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Before its first instant, by more than [`CLOCK_SKEW`].
    Early,
    /// In it.
    Valid,
    /// After its last second.
    Expired,
}

/// An authority that is not valid now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lapsed {
    /// Which.
    pub(super) issuer: Issuer,
    /// Whether it is the anchor, rather than an intermediate.
    pub(super) is_anchor: bool,
}

impl Phase {
    /// The last second is part of the lifetime (RFC 5280 section 4.1.2.5). `None` where that hangs
    /// on a date that cannot be read.
    pub(super) fn of(validity: Validity, now: UnixTime) -> Option<Self> {
        let has_passed = |end: UnixTime| now.as_secs() > end.as_secs();
        let is_to_come = |begin| now.saturating_add(CLOCK_SKEW) < begin;
        if validity.not_after.is_some_and(has_passed) {
            Some(Self::Expired)
        } else if validity.not_before.is_some_and(is_to_come) {
            Some(Self::Early)
        } else {
            validity.both().map(|_| Self::Valid)
        }
    }
}

impl<'a> Assessed<'a> {
    /// Assesses every address of `case`.
    pub(super) fn new(case: &'a Case<'a>) -> Self {
        let seen = |address: &'a crate::model::AddressSeen| {
            let seen = address.handshake.as_ref()?;
            let client_auth = address.client_auth()?;
            Some(Assessment::new(case, address.ip, seen, client_auth))
        };
        // Where nobody is meant to connect, it is no matter what certificate somebody would get.
        let nobody = case.target.expect.clients == Clients::Nobody;
        let shown = case.tls.addresses.iter().filter(|_| !nobody);
        let addresses = shown.clone().filter_map(seen).collect();
        let beside = |address: &'a crate::model::AddressSeen| {
            let client_auth = address.client_auth();
            let others = address.beside().zip(client_auth);
            others.map(|(other, auth)| Assessment::new(case, address.ip, other, auth))
        };
        let others = shown.filter_map(beside).collect();
        Self {
            case,
            addresses,
            others,
        }
    }

    /// The address that the row's samples are of: an invalid one rather than a valid one, then the
    /// first to expire.
    pub(super) fn least_favourable(&self) -> Option<&Assessment<'a>> {
        least_favourable(self.addresses.iter().chain(&self.others))
    }

    /// Likewise, of what a modern client gets.
    pub(super) fn least_favourable_agreed(&self) -> Option<&Assessment<'a>> {
        least_favourable(self.addresses.iter())
    }

    /// The row in a few words.
    pub(super) fn summary(&self) -> Summary {
        let shown = self.least_favourable();
        let tls = self.case.tls;
        let failures = tls.addresses.iter().map(|address| &address.failure);
        let failures = failures.chain([&tls.failure]).flatten();
        Summary {
            not_after: shown.and_then(Assessment::not_after),
            version: (self.least_favourable_agreed()).map(|shown| shown.seen.value.version),
            failure: failures.map(|failure| failure.reason).min(),
            met: None,
        }
    }

    /// Whether the metrics about TLS exist for this target.
    pub(super) fn tls_matters(&self) -> bool {
        self.case.target.expect.tls || !self.addresses.is_empty()
    }

    /// Whether TLS was spoken at this address when it was last tried; an alert is TLS, too.
    pub(super) fn tls_answers(&self, ip: IpAddr) -> bool {
        let mut addresses = self.case.tls.addresses.iter();
        addresses.any(|address| {
            address.ip == ip
                && match &address.failure {
                    None => address.handshake.is_some(),
                    Some(failure) => failure.reason == Reason::Alert,
                }
        })
    }

    /// The answers to HTTP requests over TLS, of every address.
    pub(super) fn https(&self) -> impl Iterator<Item = &'a HttpsAnswer> + use<'a> {
        let addresses = self.case.tls.addresses.iter();
        let asked = addresses.filter_map(|address| address.deep.as_ref());
        asked.flat_map(|deep| &deep.value.https)
    }

    /// Whether any address accepts what `answer` reads; `None` where none answered.
    pub(super) fn any_accepts(&self, answer: impl Fn(&DeepSeen) -> Acceptance) -> Option<bool> {
        self.accepted(answer).reduce(|any, one| any || one)
    }

    /// Whether every address that answered accepts what `answer` reads; `None` where none did.
    pub(super) fn all_accept(&self, answer: impl Fn(&DeepSeen) -> Acceptance) -> Option<bool> {
        self.accepted(answer).reduce(|all, one| all && one)
    }

    fn accepted(&self, answer: impl Fn(&DeepSeen) -> Acceptance) -> impl Iterator<Item = bool> {
        let addresses = self.case.tls.addresses.iter();
        let asked = addresses.filter_map(|address| address.deep.as_ref());
        asked.filter_map(move |deep| answer(&deep.value).known())
    }

    /// Whether clients rely on the certificate, as far as is known.
    fn is_relied_on(&self, address: &Assessment<'_>) -> bool {
        let expect = &self.case.target.expect;
        match expect.clients {
            Clients::Verifying => expect.tls || address.is_meant(),
            Clients::Unknown | Clients::Unverifying => {
                matches!(address.known.trust, Trust::Anchored(_))
            }
            Clients::Nobody => false,
        }
    }

    /// Adds the worst of what `judge` finds at any address, naming the address where there are
    /// several. It is for information only where no client is known to rely on the certificate.
    pub(super) fn find(
        &self,
        verdict: &mut Verdict,
        spec: &'static FindingSpec,
        judge: impl Fn(&Assessment<'a>) -> Option<(Severity, String)>,
    ) {
        let others = self.others.iter().map(|other| (other, true));
        let all = self.addresses.iter().map(|address| (address, false));
        let found = all.chain(others).filter_map(|(address, is_other)| {
            let (severity, mut detail) = judge(address)?;
            if is_other {
                let kind = address.facts.map_or("other", |facts| &facts.key_algorithm);
                detail = format!("the {kind} certificate beside it: {detail}");
            }
            let relied_on = self.is_relied_on(address);
            let severity = if relied_on { severity } else { Severity::Info };
            Some((severity, address.ip, detail))
        });
        let worst = found.reduce(|worst, next| if next.0 > worst.0 { next } else { worst });
        if let Some((severity, ip, detail)) = worst {
            let detail = match self.case.tls.addresses.len() {
                0 | 1 => detail,
                _ => format!("{ip}: {detail}"),
            };
            verdict.find(spec, severity, detail);
        }
    }
}

fn least_favourable<'s, 'a>(
    all: impl Iterator<Item = &'s Assessment<'a>>,
) -> Option<&'s Assessment<'a>>
where
    'a: 's,
{
    all.min_by_key(|address| {
        let rank = match address.valid() {
            Some(false) => 0,
            None => 1,
            Some(true) => 2,
        };
        (rank, address.not_after(), address.ip)
    })
}

impl<'a> Assessment<'a> {
    fn new(case: &Case<'_>, ip: IpAddr, seen: &'a At<Handshake>, client_auth: ClientAuth) -> Self {
        let (policy, expect, now) = (case.policy, &case.target.expect, case.now);
        let chain = &seen.value.chain;
        let leaf = chain.leaf();
        let facts = leaf.and_then(|leaf| leaf.facts.as_ref().ok());
        let known = policy.verifier.known(chain, &expect.roots);
        let configured = leaf.is_some_and(|leaf| policy.is_default(&leaf.fingerprint));
        // An authority may have any name: what it vouches for as expected is no default.
        let anchored = matches!(known.trust, Trust::Anchored(_));
        let recognised = facts.filter(|_| !anchored).and_then(defaults::controller);
        Self {
            ip,
            seen,
            client_auth,
            facts,
            phase: facts.and_then(|facts| Phase::of(facts.validity, now)),
            named: match (&expect.name, facts) {
                (None, _) => true,
                (Some(name), Some(facts)) => name::names(facts, name),
                (Some(_), None) => false,
            },
            default: recognised.or_else(|| configured.then_some("as configured")),
            lapsed: anchored.then(|| lapsed(&known, now)).flatten(),
            known,
        }
    }

    /// When the leaf expires, where that could be read.
    pub(super) fn not_after(&self) -> Option<UnixTime> {
        self.facts?.validity.not_after
    }

    /// Whether somebody meant this certificate for the host, declared or not. A controller answers
    /// for hosts without TLS, too, with whatever certificate it has: no client was promised any.
    fn is_meant(&self) -> bool {
        self.named && self.default.is_none()
    }

    /// In time, names the host, is for servers, chains to the expected anchors, and the server has
    /// its key; `None` where the anchors are not known and nothing else is wrong.
    pub(super) fn valid(&self) -> Option<bool> {
        let in_time = self.phase == Some(Phase::Valid) && self.lapsed.is_none();
        let proven = self.seen.value.key_proven != Some(false);
        let fit = self.known.not_for_servers.is_none()
            && self.facts.is_none_or(|facts| facts.for_servers);
        match self.known.trust {
            _ if !(in_time && self.named && proven && fit) => Some(false),
            Trust::Anchored(_) => Some(true),
            Trust::Unknown => None,
            Trust::SelfSigned | Trust::Incomplete(_) | Trust::Untrusted(_) | Trust::Refused => {
                Some(false)
            }
        }
    }
}

fn lapsed(known: &Known, now: UnixTime) -> Option<Lapsed> {
    let intermediates = known.issuers.iter().map(|issuer| (issuer, false));
    let path = intermediates.chain(known.anchor.iter().map(|anchor| (anchor, true)));
    let is_over_or_early = |issuer: &Issuer| {
        let phase = Phase::of(issuer.validity, now);
        matches!(phase, Some(Phase::Early | Phase::Expired))
    };
    let mut lapsed = path.filter(|(issuer, _)| is_over_or_early(issuer));
    lapsed.next().map(|(issuer, is_anchor)| Lapsed {
        issuer: issuer.clone(),
        is_anchor,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::fixtures::{
        Scene, ca_params, day, detail, findings, issued, params, pki, root, trusting, value, values,
    };

    const NOT_AFTER: &str = "kube_https_certificate_not_after_timestamp_seconds";

    #[test]
    fn samples_are_of_an_invalid_address_then_of_the_first_to_expire() {
        let (anchor, other) = (root(ca_params("Anchor")), root(ca_params("Other")));
        let until = |days, by| issued(params("leaf", day(-10), day(days)), by);
        let (long, short) = (until(80, &anchor), until(70, &anchor));
        let (wrong, unreadable) = (until(90, &other), {
            let mut broken = until(90, &other);
            broken.der.truncate(50);
            broken
        });
        let leaf = |scene: Scene| {
            let verdict = scene.judged(&trusting(&anchor));
            let dates = values(&verdict, NOT_AFTER);
            (
                dates.first().map(|date| date.1),
                value(&verdict, "kube_https_certificate_valid"),
            )
        };
        let shown = |days, valid| (Some(day(days).as_secs_f64()), Some(valid));
        assert_eq!(
            leaf(Scene::new().showing(&[&long]).showing(&[&short])),
            shown(70, 1.0)
        );
        let with_wrong = Scene::new()
            .showing(&[&short])
            .showing(&[&wrong])
            .showing(&[&long]);
        assert_eq!(leaf(with_wrong), shown(90, 0.0));
        let with_broken = Scene::new().showing(&[&wrong]).showing(&[&unreadable]);
        assert_eq!(leaf(with_broken), (None, Some(0.0)));
    }

    #[test]
    fn findings_are_of_any_address_the_worst_of_each_kind_and_say_which() {
        let (anchor, other) = (root(ca_params("Anchor")), root(ca_params("Other")));
        let soon = issued(params("leaf", day(-80), day(15)), &anchor);
        let sooner = issued(params("leaf", day(-80), day(3)), &anchor);
        let wrong = issued(params("leaf", day(-10), day(80)), &other);
        let scene = Scene::new()
            .showing(&[&soon])
            .showing(&[&wrong])
            .showing(&[&sooner]);
        let verdict = scene.judged(&trusting(&anchor));
        let expected = [
            ("certificate_expiring", Severity::Critical),
            ("certificate_untrusted", Severity::Critical),
            ("certificates_differ", Severity::Warning),
        ];
        assert_eq!(findings(&verdict), expected);
        assert_eq!(
            detail(&verdict, "certificate_expiring"),
            "192.0.2.3: expires in 3 days"
        );
        assert!(detail(&verdict, "certificate_untrusted").starts_with("192.0.2.2: "));
    }

    #[test]
    fn where_nobody_is_known_to_verify_only_a_trusted_certificate_is_cause_for_alarm() {
        let (anchor, other) = (root(ca_params("Anchor")), root(ca_params("Other")));
        let expired = |by| issued(params("leaf", day(-80), day(-1)), by);
        let found = |leaf: &_, clients| {
            let mut scene = Scene::new().showing(&[leaf]);
            scene.target.expect.clients = clients;
            findings(&scene.judged(&trusting(&anchor)))
        };
        let (ours, theirs) = (expired(&anchor), expired(&other));
        let each = |severity| {
            [
                ("certificate_expired", severity),
                ("certificate_untrusted", severity),
            ]
        };
        assert_eq!(found(&theirs, Clients::Verifying), each(Severity::Critical));
        assert_eq!(found(&theirs, Clients::Unknown), each(Severity::Info));
        assert_eq!(
            found(&ours, Clients::Unknown),
            [("certificate_expired", Severity::Critical)]
        );
    }

    #[test]
    fn an_alert_is_an_answer_in_tls_and_a_failure_is_none() {
        let pki = pki();
        let mut scene = Scene::new().showing(&[&pki.leaf]).failing(Reason::Alert);
        scene = scene.failing(Reason::Refused).showing(&[&pki.leaf]);
        scene.tls.addresses[3].failure = Some(crate::judge::fixtures::failure(Reason::Timeout));
        let policy = trusting(&pki.root);
        let case = Case {
            target: &scene.target,
            tls: &scene.tls,
            plain: &[],
            policy: &policy,
            now: day(0),
        };
        let assessed = Assessed::new(&case);
        let answers = (1..=5).map(|nth| assessed.tls_answers(crate::judge::fixtures::ip(nth)));
        assert_eq!(
            answers.collect::<Vec<_>>(),
            [true, true, false, false, false]
        );
    }

    #[test]
    fn an_address_that_is_invalid_comes_before_one_that_cannot_be_judged() {
        let anchor = root(ca_params("Anchor"));
        let running = issued(params("leaf", day(-10), day(1)), &anchor);
        let ended = issued(params("leaf", day(-10), day(-1)), &anchor);
        let mut scene = Scene::new().showing(&[&running]).showing(&[&ended]);
        scene.target.expect.roots = crate::model::RootsRef::Cluster;
        let verdict = scene.judged(&trusting(&anchor));
        let shown = ("leaf".to_owned(), day(-1).as_secs_f64());
        assert_eq!(values(&verdict, NOT_AFTER), [shown]);
        assert_eq!(value(&verdict, "kube_https_certificate_valid"), Some(0.0));
    }
}
