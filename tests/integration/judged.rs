//! What the judge says of a chain, at an instant and under roots of the test's own.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use kube_https_exporter::judge::{Case, Policy, judge};
use kube_https_exporter::model::{
    Address, AddressSeen, At, ClientAuth, Expectation, Handshake, PlaintextRule, Requests,
    RootsRef, RowParts, Target, TlsDoor, TlsSeen, TlsVersion, Trace, UnixTime,
};
use kube_https_exporter::probe::chain::read_chain;

/// Whether the certificate is valid, and what is found of it.
#[derive(Debug)]
pub(crate) struct Judged {
    /// The value of `kube_https_certificate_valid`: in time, naming the host, trusted; `None` where that is
    /// not known.
    pub(crate) valid: Option<bool>,
    /// The findings about certificates, with their particulars.
    pub(crate) findings: Vec<(&'static str, Box<str>)>,
}

/// What `policy` makes of these certificates, served for `host` at `now`.
pub(crate) fn judged(
    policy: &Policy,
    ders: &[Vec<u8>],
    host: Option<&str>,
    now: UnixTime,
) -> Judged {
    const IP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let name: Option<Arc<str>> = host.map(Into::into);
    let target = Target {
        row: RowParts {
            source: "static",
            namespace: "".into(),
            host: name.clone().unwrap_or_default(),
            port: 443,
            address: "".into(),
            name: "chain".into(),
        }
        .into(),
        tls: Arc::new(TlsDoor {
            address: Address::Ip(IP),
            port: 443,
            server_name: name.clone(),
            starttls: None,
            guarded: true,
            requests: Requests::Nothing,
        }),
        plaintext: Vec::new(),
        expect: Expectation {
            tls: true,
            name,
            roots: RootsRef::Public,
            plaintext: PlaintextRule::Redirect,
            ..Expectation::default()
        },
        owners: Vec::new(),
    };
    let value = Handshake {
        chain: Arc::new(read_chain(ders).unwrap()),
        version: TlsVersion::Tls13,
        cipher: 0x1301,
        group: None,
        alpn: None,
        client_auth: ClientAuth::NotRequested,
        key_proven: Some(true),
        stapled: Some(false),
    };
    let tls = TlsSeen {
        addresses: vec![AddressSeen {
            trace: Trace::default(),
            ip: IP,
            failure: None,
            handshake: Some(At { at: now, value }),
            deep: None,
        }],
        ..TlsSeen::default()
    };
    let verdict = judge(&Case {
        target: &target,
        tls: &tls,
        plain: &[],
        policy,
        now,
    });
    let mut samples = verdict.samples.iter();
    let valid = samples.find(|sample| sample.family.name == "kube_https_certificate_valid");
    let findings = verdict.findings.into_iter();
    let findings = findings.filter(|finding| finding.spec.name.starts_with("certificate_"));
    Judged {
        valid: valid.map(|sample| sample.value == 1.0),
        findings: findings
            .map(|finding| (finding.spec.name, finding.detail))
            .collect(),
    }
}
