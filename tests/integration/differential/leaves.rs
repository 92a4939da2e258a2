//! Certificates as a careful authority issues them, by way of an intermediate, and as things go
//! wrong.

use std::sync::LazyLock;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256,
    SignatureAlgorithm, date_time_ymd,
};

use crate::ca::{Ca, Leaf, NAME};

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// The one authority that is trusted.
pub(super) static ROOT: LazyLock<Issuer> = LazyLock::new(|| root("Differential root"));

static INTERMEDIATE: LazyLock<Issuer> = LazyLock::new(|| intermediate(&ROOT));

/// RSA 2048, with its intermediate.
pub(super) static RSA: LazyLock<Leaf> = LazyLock::new(|| issued(&params(), &PKCS_RSA_SHA256));

/// ECDSA P-256, with its intermediate.
pub(super) static ECDSA: LazyLock<Leaf> =
    LazyLock::new(|| issued(&params(), &PKCS_ECDSA_P256_SHA256));

/// ECDSA P-384, with its intermediate.
pub(super) static P384: LazyLock<Leaf> =
    LazyLock::new(|| issued(&params(), &PKCS_ECDSA_P384_SHA384));

/// Past its end.
pub(super) static EXPIRED: LazyLock<Leaf> = LazyLock::new(|| {
    let mut params = params();
    params.not_before = date_time_ymd(2025, 1, 1);
    params.not_after = date_time_ymd(2025, 6, 1);
    issued(&params, &PKCS_ECDSA_P256_SHA256)
});

/// Before its beginning.
pub(super) static NOT_YET_VALID: LazyLock<Leaf> = LazyLock::new(|| {
    let mut params = params();
    params.not_before = date_time_ymd(2095, 1, 1);
    params.not_after = date_time_ymd(2095, 6, 1);
    issued(&params, &PKCS_ECDSA_P256_SHA256)
});

/// For another name.
pub(super) static OTHER_NAME: LazyLock<Leaf> = LazyLock::new(|| {
    let mut params = Ca::params(&["other.test"]);
    complete(&mut params);
    issued(&params, &PKCS_ECDSA_P256_SHA256)
});

/// Without its intermediate.
pub(super) static INCOMPLETE: LazyLock<Leaf> = LazyLock::new(|| {
    let key = KeyPair::generate().unwrap();
    signed(&params(), &key, &INTERMEDIATE, "")
});

/// With the root that is trusted anyway.
pub(super) static WITH_ROOT: LazyLock<Leaf> = LazyLock::new(|| {
    let key = KeyPair::generate().unwrap();
    let sent = format!("{}{}", INTERMEDIATE.pem(), ROOT.pem());
    signed(&params(), &key, &INTERMEDIATE, &sent)
});

/// By a root that nobody trusts, with its intermediate.
pub(super) static UNKNOWN: LazyLock<Leaf> = LazyLock::new(|| {
    let intermediate = intermediate(&root("Unknown root"));
    let key = KeyPair::generate().unwrap();
    signed(&params(), &key, &intermediate, &intermediate.pem())
});

/// It vouches for itself.
pub(super) static SELF_SIGNED: LazyLock<Leaf> = LazyLock::new(|| {
    let key = KeyPair::generate().unwrap();
    let certificate = params().self_signed(&key).unwrap();
    Leaf {
        der: certificate.der().to_vec(),
        cert_pem: certificate.pem(),
        key_pem: key.serialize_pem(),
    }
});

fn root(name: &str) -> Issuer {
    CertifiedIssuer::self_signed(authority(name), KeyPair::generate().unwrap()).unwrap()
}

fn intermediate(root: &Issuer) -> Issuer {
    let mut params = authority("Differential intermediate");
    params.use_authority_key_identifier_extension = true;
    CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), root).unwrap()
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn params() -> CertificateParams {
    let mut params = Ca::params(&[NAME]);
    complete(&mut params);
    params
}

/// What the scanners' libraries insist on.
fn complete(params: &mut CertificateParams) {
    params.use_authority_key_identifier_extension = true;
    // For the key exchange of RSA too.
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
}

fn issued(params: &CertificateParams, algorithm: &'static SignatureAlgorithm) -> Leaf {
    let key = KeyPair::generate_for(algorithm).unwrap();
    signed(params, &key, &INTERMEDIATE, &INTERMEDIATE.pem())
}

/// Sent with these certificates behind.
fn signed(params: &CertificateParams, key: &KeyPair, issuer: &Issuer, behind: &str) -> Leaf {
    let certificate = params.signed_by(key, issuer).unwrap();
    Leaf {
        der: certificate.der().to_vec(),
        cert_pem: format!("{}{behind}", certificate.pem()),
        key_pem: key.serialize_pem(),
    }
}
