//! What the tests of this folder have in common: minted certificates, and cases made of them.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::{Case, Policy, Roots, judge};
use crate::config::Config;
use crate::model::{
    Acceptance, Address, AddressSeen, At, CertificateFacts, CipherClass, ClientAuth, DeepSeen,
    Expectation, Failure, Group, Handshake, HttpsAnswer, PlainAddressSeen, PlainAnswer, PlainDoor,
    PlainSeen, PlaintextRule, Reason, RequestPath, Requests, RootsRef, RowParts, Severity, Target,
    TlsDoor, TlsSeen, TlsVersion, Trace, UnixTime, Validity, Verdict, VersionSupport,
};
use crate::probe::chain::read_chain;

pub(super) const DAY: i64 = 86_400;

/// When the tests take place: 2026-01-01.
pub(super) const NOW: UnixTime = UnixTime::from_secs(1_767_225_600);

/// This many days after [`NOW`].
pub(super) fn day(days: i64) -> UnixTime {
    UnixTime::from_secs(NOW.as_secs() + days * DAY)
}

/// Facts of a certificate that says as little as can be.
pub(super) fn facts() -> CertificateFacts {
    CertificateFacts {
        subject_common_name: String::new(),
        issuer_common_name: String::new(),
        issuer_organization: String::new(),
        serial_number: String::new(),
        validity: Validity::between(day(0), day(1)),
        key_algorithm: String::new(),
        key_size: 0,
        signature_algorithm: String::new(),
        self_issued: false,
        is_ca: false,
        key_usage: None,
        for_servers: true,
        must_staple: false,
        dns_names: Vec::new(),
        ip_names: Vec::new(),
        names_issuer_url: false,
    }
}

/// A certificate with the key to issue others.
pub(super) struct Minted {
    pub(super) der: Vec<u8>,
    pub(super) pem: String,
    pub(super) issuer: Issuer<'static, KeyPair>,
}

impl Minted {
    pub(super) fn new(certificate: &Certificate, params: CertificateParams, key: KeyPair) -> Self {
        Self {
            der: certificate.der().to_vec(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }
}

/// What a minted certificate is to say.
pub(super) fn params(name: &str, from: UnixTime, to: UnixTime) -> CertificateParams {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let at = |time: UnixTime| epoch + Duration::from_secs(time.as_secs().unsigned_abs());
    let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (at(from), at(to));
    params
}

/// As [`params`], for an authority of ten years around [`NOW`].
pub(super) fn ca_params(name: &str) -> CertificateParams {
    let mut params = params(name, day(-365), day(3_285));
    params.subject_alt_names.clear();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// Signed by its own key.
pub(super) fn root(params: CertificateParams) -> Minted {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Minted::new(&certificate, params, key)
}

/// Signed by `by`.
pub(super) fn issued(params: CertificateParams, by: &Minted) -> Minted {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &by.issuer).unwrap();
    Minted::new(&certificate, params, key)
}

/// A root, an intermediate, and a leaf for `a.example` from 10 days ago to 80 days ahead.
pub(super) struct Pki {
    pub(super) root: Minted,
    pub(super) intermediate: Minted,
    pub(super) leaf: Minted,
}

pub(super) fn pki() -> Pki {
    let root = root(ca_params("Root"));
    let intermediate = issued(ca_params("Intermediate"), &root);
    let leaf = issued(params("leaf", day(-10), day(80)), &intermediate);
    Pki {
        root,
        intermediate,
        leaf,
    }
}

/// A policy that trusts `root` as one of the system's.
pub(super) fn trusting(root: &Minted) -> Policy {
    Policy::new(&Config::default(), Roots::empty().with_public(&[&root.der]))
}

/// The nth address.
pub(super) fn ip(nth: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, nth))
}

/// A target with what was seen of it, ready to be judged.
pub(super) struct Scene {
    pub(super) target: Target,
    pub(super) tls: TlsSeen,
    pub(super) plain: Vec<(PlainDoor, PlainSeen)>,
}

impl Scene {
    /// An Ingress host `a.example` with TLS declared, of which nothing was seen yet.
    pub(super) fn new() -> Self {
        let door = TlsDoor {
            address: Address::Ip(ip(1)),
            port: 443,
            server_name: Some("a.example".into()),
            starttls: None,
            guarded: true,
            requests: Requests::Nothing,
        };
        let target = Target {
            row: RowParts {
                source: "ingress",
                namespace: "shop".into(),
                host: "a.example".into(),
                port: 443,
                address: "192.0.2.1".into(),
                name: "shop".into(),
            }
            .into(),
            tls: Arc::new(door),
            plaintext: Vec::new(),
            expect: Expectation {
                tls: true,
                name: Some("a.example".into()),
                roots: RootsRef::Public,
                plaintext: PlaintextRule::Redirect,
                ..Expectation::default()
            },
            owners: Vec::new(),
        };
        Self {
            target,
            tls: TlsSeen::default(),
            plain: Vec::new(),
        }
    }

    /// The newest address answers requests of this kind so: path, status, header.
    pub(super) fn answering(
        mut self,
        requests: Requests,
        answers: &[(&'static str, u16, Option<&str>)],
    ) -> Self {
        Arc::make_mut(&mut self.target.tls).requests = requests;
        let answers = answers.iter().map(|(path, status, hsts)| HttpsAnswer {
            path,
            status: *status,
            hsts: hsts.map(Into::into),
            misses_certificate: false,
        });
        if let Some(newest) = self.tls.addresses.last_mut() {
            let deep = newest.deep.get_or_insert_with(|| support("?????"));
            deep.value.https = answers.collect();
        }
        self
    }

    /// Another address, which showed these certificates.
    pub(super) fn showing(mut self, ders: &[&Minted]) -> Self {
        let ders: Vec<_> = ders.iter().map(|minted| &minted.der).collect();
        let handshake = Handshake {
            chain: Arc::new(read_chain(&ders).unwrap()),
            version: TlsVersion::Tls13,
            cipher: 0x1301,
            group: Some(0x11ec),
            alpn: Some("h2".into()),
            client_auth: ClientAuth::NotRequested,
            key_proven: Some(true),
            stapled: Some(false),
        };
        self.tls.last_attempt = Some(day(0));
        self.tls.took = Some(Duration::from_millis(250));
        self.tls.addresses.push(AddressSeen {
            trace: Trace::default(),
            ip: ip(self.next_address()),
            failure: None,
            handshake: Some(At {
                at: day(0),
                value: handshake,
            }),
            deep: None,
        });
        self
    }

    /// The last address' certificate at this place of its chain reads as altered.
    pub(super) fn reading(
        mut self,
        place: usize,
        alter: impl FnOnce(&mut CertificateFacts),
    ) -> Self {
        let address = self.tls.addresses.last_mut().unwrap();
        let handshake = &mut address.handshake.as_mut().unwrap().value;
        let chain = Arc::make_mut(&mut handshake.chain);
        alter(chain.certificates[place].facts.as_mut().unwrap());
        self
    }

    /// The newest address shows this besides to who asks for a key of this kind.
    pub(super) fn beside(mut self, shown: &Minted, key: &str, bits: u32) -> Self {
        let newest = self.tls.addresses.last_mut().unwrap();
        let mut other = newest.handshake.clone().unwrap();
        let mut chain = read_chain(&[&shown.der]).unwrap();
        let facts = chain.certificates[0].facts.as_mut().unwrap();
        (facts.key_algorithm, facts.key_size) = (key.into(), bits);
        other.value.chain = Arc::new(chain);
        let deep = newest.deep.get_or_insert_with(|| support("?????"));
        deep.value.by_key = [other].into();
        self
    }

    /// Another address, which has never shown a certificate.
    pub(super) fn failing(mut self, reason: Reason) -> Self {
        self.tls.last_attempt = Some(day(0));
        self.tls.addresses.push(AddressSeen {
            trace: Trace::default(),
            ip: ip(self.next_address()),
            failure: Some(failure(reason)),
            handshake: None,
            deep: None,
        });
        self
    }

    /// The first addresses' answers to HTTP in clear at `port`.
    pub(super) fn plain(self, port: u16, answers: &[PlainAnswer]) -> Self {
        self.plain_at(port, "/", answers)
    }

    /// Likewise, for this path.
    pub(super) fn plain_at(mut self, port: u16, path: &str, answers: &[PlainAnswer]) -> Self {
        let door = PlainDoor {
            address: Address::Ip(ip(1)),
            port,
            host: "a.example".into(),
            path: RequestPath::parse(path).unwrap(),
            guarded: true,
        };
        let addresses = answers
            .iter()
            .zip(1..)
            .map(|(answer, nth)| PlainAddressSeen {
                ip: ip(nth),
                answer: answer.clone(),
            });
        let seen = PlainSeen {
            last_attempt: Some(day(0)),
            failure: None,
            addresses: addresses.collect(),
        };
        self.plain.push((door, seen));
        self
    }

    /// The verdict at [`NOW`].
    pub(super) fn judged(&self, policy: &Policy) -> Verdict {
        self.judged_at(policy, NOW)
    }

    /// The verdict at `now`.
    pub(super) fn judged_at(&self, policy: &Policy, now: UnixTime) -> Verdict {
        let plain: Vec<_> = self.plain.iter().map(|(door, seen)| (door, seen)).collect();
        judge(&Case {
            target: &self.target,
            tls: &self.tls,
            plain: &plain,
            policy,
            now,
        })
    }

    fn next_address(&self) -> u8 {
        u8::try_from(self.tls.addresses.len() + 1).unwrap()
    }
}

pub(super) fn failure(reason: Reason) -> Failure {
    Failure {
        reason,
        detail: "said so".into(),
    }
}

/// One letter a version, oldest first: accepted, refused, unknown.
pub(super) fn support(letters: &str) -> At<DeepSeen> {
    let answers: Vec<_> = letters
        .chars()
        .map(|letter| match letter {
            'a' => Acceptance::Accepted,
            'r' => Acceptance::Refused,
            _ => Acceptance::Unknown,
        })
        .collect();
    let value = DeepSeen::of_versions(VersionSupport(answers.try_into().unwrap()));
    At { at: day(0), value }
}

/// Of an address with TLS 1.2 and 1.3 that accepts these classes and groups, and refuses all others.
pub(super) fn taking(classes: &[CipherClass], groups: &[Group]) -> At<DeepSeen> {
    let answer = |accepted| {
        if accepted {
            Acceptance::Accepted
        } else {
            Acceptance::Refused
        }
    };
    let mut deep = support("rrraa");
    deep.value.ciphers.0 = CipherClass::ALL.map(|one| answer(classes.contains(&one)));
    deep.value.groups.0 = Group::ALL.map(|one| answer(groups.contains(&one)));
    deep
}

/// The value of the family's only sample; `None` where it has none.
pub(super) fn value(verdict: &Verdict, family: &str) -> Option<f64> {
    let mut values = values(verdict, family);
    assert!(values.len() < 2, "{family}: {values:?}");
    values.pop().map(|(_, value)| value)
}

/// The family's samples: own labels' values with a slash between, and the value.
pub(super) fn values(verdict: &Verdict, family: &str) -> Vec<(String, f64)> {
    let samples = verdict
        .samples
        .iter()
        .filter(|sample| sample.family.name == family);
    let labels = |extra: &crate::model::Extra| match extra {
        crate::model::Extra::None => String::new(),
        crate::model::Extra::Word(word) => (*word).to_owned(),
        crate::model::Extra::Words(first, second) => format!("{first}/{second}"),
        crate::model::Extra::Texts(texts) => texts.join("/"),
    };
    samples
        .map(|sample| (labels(&sample.extra), sample.value))
        .collect()
}

/// Findings by name, with their severities, in the order of the names.
pub(super) fn findings(verdict: &Verdict) -> Vec<(&'static str, Severity)> {
    let mut findings: Vec<_> = verdict
        .findings
        .iter()
        .map(|finding| (finding.spec.name, finding.severity))
        .collect();
    findings.sort_unstable();
    findings
}

/// The particulars of the finding of this name.
pub(super) fn detail<'a>(verdict: &'a Verdict, name: &str) -> &'a str {
    let finding = verdict
        .findings
        .iter()
        .find(|finding| finding.spec.name == name);
    finding.map_or("", |finding| &finding.detail)
}
