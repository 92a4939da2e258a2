//! The demo's authorities, and the certificates that its servers show.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::Error;
use crate::model::UnixTime;

const DAY: Duration = Duration::from_hours(24);

/// How long before now an authority came to be: older than anything it is said to have issued.
const AUTHORITY_AGE: Duration = Duration::from_hours(2 * 365 * 24);

/// An authority's whole lifetime, as kubeadm gives its own.
const AUTHORITY_LIFETIME: Duration = Duration::from_hours(10 * 365 * 24);

/// The last second that a certificate can name: 9999-12-31T23:59:59Z (RFC 5280 section 4.1.2.5).
const LAST_SECOND: i64 = 253_402_300_799;

/// A certificate authority.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// What its leaves must be sent with: the certificates between them and the root.
    between: Vec<CertificateDer<'static>>,
}

impl Authority {
    /// A root of that common name.
    pub(super) fn root(name: &str, now: UnixTime) -> Result<Self, Error> {
        let issuer = CertifiedIssuer::self_signed(authority(name, now), KeyPair::generate()?)?;
        Ok(Self {
            issuer,
            between: Vec::new(),
        })
    }

    /// An authority of that common name below this one.
    pub(super) fn intermediate(&self, name: &str, now: UnixTime) -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let issuer = CertifiedIssuer::signed_by(authority(name, now), key, &self.issuer)?;
        let mut between = vec![issuer.der().clone()];
        between.extend(self.between.iter().cloned());
        Ok(Self { issuer, between })
    }

    /// Its own certificate as PEM.
    pub(super) fn pem(&self) -> String {
        self.issuer.pem()
    }
}

/// A server's certificate yet to be issued.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf<'a> {
    /// The subject's common name.
    pub(super) common_name: &'a str,
    /// The subject's organisation, where it has one.
    pub(super) organization: Option<&'a str>,
    /// Subject alternative names: DNS names and IP addresses.
    pub(super) names: &'a [&'a str],
    /// How many days ago its validity began.
    pub(super) days_old: u32,
    /// For how many days it is valid in all.
    pub(super) days_valid: u32,
}

impl Leaf<'_> {
    /// Issued by `authority`, with the chain to send.
    pub(super) fn issued_by(
        &self,
        authority: &Authority,
        now: UnixTime,
    ) -> Result<Arc<CertifiedKey>, Error> {
        let key = KeyPair::generate()?;
        let leaf = self.params(now)?.signed_by(&key, &authority.issuer)?;
        let mut chain = vec![leaf.der().clone()];
        chain.extend(authority.between.iter().cloned());
        certified(chain, &key)
    }

    /// Issued by itself.
    pub(super) fn self_signed(&self, now: UnixTime) -> Result<Arc<CertifiedKey>, Error> {
        let key = KeyPair::generate()?;
        let leaf = self.params(now)?.self_signed(&key)?;
        certified(vec![leaf.der().clone()], &key)
    }

    fn params(&self, now: UnixTime) -> Result<CertificateParams, Error> {
        let names: Vec<String> = self.names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names)?;
        let mut subject = DistinguishedName::new();
        if let Some(organization) = self.organization {
            subject.push(DnType::OrganizationName, organization);
        }
        subject.push(DnType::CommonName, self.common_name);
        params.distinguished_name = subject;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        valid(&mut params, now, DAY * self.days_old, DAY * self.days_valid);
        Ok(params)
    }
}

fn authority(name: &str, now: UnixTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    valid(&mut params, now, AUTHORITY_AGE, AUTHORITY_LIFETIME);
    params
}

/// Sets validity: from `age` before now, for `lifetime`.
fn valid(params: &mut CertificateParams, now: UnixTime, age: Duration, lifetime: Duration) {
    let begin = now.saturating_sub(age);
    let date = |at: UnixTime| {
        let secs = at.as_secs().clamp(0, LAST_SECOND).unsigned_abs();
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(secs)
    };
    params.not_before = date(begin);
    params.not_after = date(begin.saturating_add(lifetime));
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: &KeyPair,
) -> Result<Arc<CertifiedKey>, Error> {
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())?;
    Ok(Arc::new(certified))
}
