//! A certificate authority for tests, and what it issues.

use std::sync::LazyLock;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256,
};

/// The name that certificates are for where a test does not care.
pub(crate) const NAME: &str = "peer.test";

/// One authority for all tests.
pub(crate) static CA: LazyLock<Ca> = LazyLock::new(Ca::new);

/// RSA 2048 for [`NAME`]: SSL 3.0 knows no ECDSA. Made once, for it takes a while.
pub(crate) static RSA: LazyLock<Leaf> = LazyLock::new(|| {
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    CA.issue(&Ca::params(&[NAME]), &key)
});

/// ECDSA P-256 for [`NAME`].
pub(crate) static ECDSA: LazyLock<Leaf> = LazyLock::new(|| CA.leaf(&[NAME]));

/// A self-signed authority.
#[derive(Debug)]
pub(crate) struct Ca {
    pub(crate) issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A server's certificate and key, as files want them.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    pub(crate) der: Vec<u8>,
    pub(crate) cert_pem: String,
    /// PKCS #8: Java reads no other.
    pub(crate) key_pem: String,
}

impl Ca {
    /// Makes one.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "Test CA");
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        Self { issuer }
    }

    /// What a certificate for `names` needs; the first is its common name too.
    pub(crate) fn params(names: &[&str]) -> CertificateParams {
        let owned: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(owned).unwrap();
        params.distinguished_name.push(DnType::CommonName, names[0]);
        params
    }

    /// A certificate for `names` with an ECDSA key of its own.
    pub(crate) fn leaf(&self, names: &[&str]) -> Leaf {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        self.issue(&Self::params(names), &key)
    }

    /// A certificate as `params` say.
    pub(crate) fn issue(&self, params: &CertificateParams, key: &KeyPair) -> Leaf {
        let certificate = params.signed_by(key, &self.issuer).unwrap();
        Leaf {
            der: certificate.der().to_vec(),
            cert_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        }
    }
}
