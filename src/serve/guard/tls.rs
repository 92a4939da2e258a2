//! TLS of the exporter's own listeners, by `tls_server_config`.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{
    NamedGroup, RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion,
};

use super::file::{Pem, Tls};
use super::names::Named;

/// Go's names for the groups, as `curve_preferences` has them.
const CURVES: [(&str, NamedGroup); 3] = [
    ("CurveP256", NamedGroup::secp256r1),
    ("CurveP384", NamedGroup::secp384r1),
    ("X25519", NamedGroup::X25519),
];

/// The server's side of TLS; HTTP/1.1 is what is spoken over it.
///
/// The error names the field that is wrong.
pub(super) fn server_config(tls: &Tls, pem: &Pem) -> Result<ServerConfig, String> {
    let provider = Arc::new(CryptoProvider {
        cipher_suites: cipher_suites(&tls.cipher_suites)?,
        kx_groups: groups(&tls.curve_preferences)?,
        ..aws_lc_rs::default_provider()
    });
    let chain = certificates("cert", &pem.cert)?;
    let key = PrivateKeyDer::from_pem_slice(&pem.key)
        .map_err(|error| format!("tls_server_config.key: no private key in PEM: {error}"))?;
    let clients = clients(tls, pem, &provider)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(tls)?)
        .map_err(|error| format!("tls_server_config.cipher_suites: {error}"))?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)
        .map_err(|error| format!("tls_server_config: certificate and key: {error}"))?;
    // Off by choice is the client's order (the toolkit's field; Go itself ignores it since 1.18).
    config.ignore_client_order = tls.prefer_server_cipher_suites.unwrap_or(true);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Every certificate of a PEM text; none is an error.
fn certificates(field: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(read) if read.is_empty() => Err(format!(
            "tls_server_config.{field}: no certificate in PEM; it begins with BEGIN CERTIFICATE"
        )),
        Ok(read) => Ok(read),
        Err(error) => Err(format!("tls_server_config.{field}: {error}")),
    }
}

fn versions(tls: &Tls) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let min = version("min_version", tls.min_version.as_deref(), 2)?;
    let max = version("max_version", tls.max_version.as_deref(), 3)?;
    let all = [(2, &rustls::version::TLS12), (3, &rustls::version::TLS13)];
    let within = all
        .into_iter()
        .filter(|(minor, _)| (min..=max).contains(minor));
    let versions: Vec<_> = within.map(|(_, version)| version).collect();
    if versions.is_empty() {
        return Err("tls_server_config.min_version is above max_version".to_owned());
    }
    Ok(versions)
}

/// The minor number of a version of TLS 1.
fn version(field: &str, written: Option<&str>, default: u8) -> Result<u8, String> {
    match written {
        None => Ok(default),
        Some("TLS12") => Ok(2),
        Some("TLS13") => Ok(3),
        Some(old @ ("TLS10" | "TLS11")) => Err(format!(
            "tls_server_config.{field}: {old} is not spoken (RFC 8996); write TLS12 or TLS13"
        )),
        Some(other) => Err(format!(
            "tls_server_config.{field}: unknown version {other:?}; write TLS12 or TLS13"
        )),
    }
}

/// What is written of TLS 1.2, and all of TLS 1.3, which the list does not govern in Go either.
fn cipher_suites(written: &[String]) -> Result<Vec<SupportedCipherSuite>, String> {
    let all = aws_lc_rs::ALL_CIPHER_SUITES;
    if written.is_empty() {
        return Ok(aws_lc_rs::DEFAULT_CIPHER_SUITES.to_vec());
    }
    // Go's names are those of the registry, without rustls' mark of TLS 1.3.
    let name =
        |suite: &SupportedCipherSuite| format!("{:?}", suite.suite()).replace("TLS13_", "TLS_");
    let mut suites: Vec<_> = all
        .iter()
        .filter(|suite| suite.tls13().is_some())
        .copied()
        .collect();
    for wanted in written {
        let Some(suite) = all.iter().find(|suite| name(suite) == *wanted) else {
            return Err(format!(
                "tls_server_config.cipher_suites: {wanted:?} is not offered; remove it, or write \
                 some of {}",
                all.iter().map(name).collect::<Vec<_>>().join(", ")
            ));
        };
        if !suites.contains(suite) {
            suites.push(*suite);
        }
    }
    Ok(suites)
}

fn groups(written: &[String]) -> Result<Vec<&'static dyn SupportedKxGroup>, String> {
    if written.is_empty() {
        return Ok(aws_lc_rs::DEFAULT_KX_GROUPS.to_vec());
    }
    let group = |wanted: &String| {
        let named = CURVES.iter().find(|(name, _)| name == wanted);
        let found = named.and_then(|(_, group)| {
            let all = aws_lc_rs::ALL_KX_GROUPS.iter();
            all.copied().find(|one| one.name() == *group)
        });
        found.ok_or_else(|| {
            format!(
                "tls_server_config.curve_preferences: {wanted:?} is not offered; remove it, or \
                 write some of CurveP256, CurveP384, X25519"
            )
        })
    };
    written.iter().map(group).collect()
}

/// Who may come in by certificate. The kinds that ask for one without verifying it are refused:
/// they look like protection and are none.
fn clients(
    tls: &Tls,
    pem: &Pem,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let kind = tls.client_auth_type.as_deref().unwrap_or_default();
    let required = match kind {
        "" | "NoClientCert" if pem.client_ca.is_some() => {
            return Err("tls_server_config.client_ca is without effect; write \
                        client_auth_type: RequireAndVerifyClientCert"
                .to_owned());
        }
        "" | "NoClientCert" => {
            return if tls.client_allowed_sans.is_none() {
                Ok(Arc::new(NoClientAuth))
            } else {
                Err(SANS_NEED_A_CERTIFICATE.to_owned())
            };
        }
        "VerifyClientCertIfGiven" => false,
        "RequireAndVerifyClientCert" => true,
        "RequestClientCert" | "RequireAnyClientCert" | "RequireClientCert" => {
            return Err(format!(
                "tls_server_config.client_auth_type: {kind} verifies nothing; write \
                 RequireAndVerifyClientCert, or NoClientCert"
            ));
        }
        other => {
            return Err(format!(
                "tls_server_config.client_auth_type: unknown value {other:?}; write \
                 RequireAndVerifyClientCert, VerifyClientCertIfGiven or NoClientCert"
            ));
        }
    };
    let ca = pem
        .client_ca
        .as_deref()
        .ok_or_else(|| format!("tls_server_config.client_ca_file is missing; {kind} needs it"))?;
    let mut roots = RootCertStore::empty();
    for root in certificates("client_ca", ca)? {
        roots
            .add(root)
            .map_err(|error| format!("tls_server_config.client_ca: {error}"))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(provider));
    let builder = if required {
        builder
    } else {
        builder.allow_unauthenticated()
    };
    let verifier = builder
        .build()
        .map_err(|error| format!("tls_server_config.client_ca: {error}"))?;
    match &tls.client_allowed_sans {
        None => Ok(verifier),
        Some(_) if !required => Err(SANS_NEED_A_CERTIFICATE.to_owned()),
        Some(sans) => Ok(Arc::new(Named::new(verifier, sans.clone()))),
    }
}

const SANS_NEED_A_CERTIFICATE: &str = "tls_server_config.client_allowed_sans is without effect; \
     write client_auth_type: RequireAndVerifyClientCert";
