//! The series of `ssl_exporter`, by its names and labels. Where it goes silent, for a certificate that does not
//! verify, they are there all the same; what a staple says is not read, and absent.

use prometheus_client::registry::Registry;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::dn;
use super::gauge::{Labels, gauge, info};
use super::outcome::Outcome;
use crate::config::Speaks;
use crate::model::{Certificate, UnixTime, Validity, clean};

/// Adds all that it has to say.
pub(super) fn register(registry: &mut Registry, outcome: &Outcome) {
    let prober = match &outcome.speaks {
        Speaks::Https => "https",
        Speaks::Tcp { .. } => "tcp",
        Speaks::Http(_) | Speaks::Other(_) => "http",
    };
    let prober = vec![("prober", prober.to_owned())];
    info(
        registry,
        "ssl_prober",
        "The prober used by the exporter to connect to the target",
        [(prober, 1.0)],
    );
    let success = f64::from(u8::from(outcome.success));
    gauge(
        registry,
        "ssl_probe_success",
        "If the probe was a success",
        success,
    );
    let Some(seen) = outcome.handshake() else {
        return;
    };
    let version = vec![("version", seen.version.label().to_owned())];
    info(
        registry,
        "ssl_tls_version_info",
        "The TLS version used",
        [(version, 1.0)],
    );
    if let Some(stapled) = seen.stapled {
        let stapled = f64::from(u8::from(stapled));
        gauge(
            registry,
            "ssl_ocsp_response_stapled",
            "If the connection state contains a stapled OCSP response",
            stapled,
        );
    }
    let mut certificates: Vec<&Certificate> = Vec::new();
    for one in &seen.chain.certificates {
        if !certificates
            .iter()
            .any(|other| other.fingerprint == one.fingerprint)
        {
            certificates.push(one);
        }
    }
    let series = |at: fn(Validity) -> Option<UnixTime>| {
        let samples = certificates.iter().filter_map(|one| described(one));
        samples
            .filter_map(move |(labels, validity)| Some((labels, at(validity)?.as_secs_f64())))
            .collect::<Vec<_>>()
    };
    info(
        registry,
        "ssl_cert_not_after",
        "NotAfter expressed as a Unix Epoch Time",
        series(|dates| dates.not_after),
    );
    info(
        registry,
        "ssl_cert_not_before",
        "NotBefore expressed as a Unix Epoch Time",
        series(|dates| dates.not_before),
    );
    if outcome.valid() == Some(true) {
        let verified = |at: fn(Validity) -> Option<UnixTime>| {
            let chain = |(mut labels, value): (Labels, f64)| {
                labels.insert(0, ("chain_no", "0".to_owned()));
                (labels, value)
            };
            series(at).into_iter().map(chain).collect::<Vec<_>>()
        };
        info(
            registry,
            "ssl_verified_cert_not_after",
            "NotAfter expressed as a Unix Epoch Time",
            verified(|dates| dates.not_after),
        );
        info(
            registry,
            "ssl_verified_cert_not_before",
            "NotBefore expressed as a Unix Epoch Time",
            verified(|dates| dates.not_before),
        );
    }
}

fn described(certificate: &Certificate) -> Option<(Labels, Validity)> {
    let facts = certificate.facts.as_ref().ok()?;
    let (_, read) = X509Certificate::from_der(&certificate.der).ok()?;
    let alternatives = read.subject_alternative_name().ok().flatten();
    let emails = alternatives
        .iter()
        .flat_map(|names| &names.value.general_names);
    let emails = emails.filter_map(|name| match name {
        GeneralName::RFC822Name(email) => Some((*email).to_owned()),
        _ => None,
    });
    let labels = vec![
        ("serial_no", read.tbs_certificate.serial.to_string()),
        ("issuer_cn", facts.issuer_common_name.clone()),
        ("cn", facts.subject_common_name.clone()),
        (
            "dnsnames",
            listed(facts.dns_names.iter().map(ToString::to_string)),
        ),
        (
            "ips",
            listed(facts.ip_names.iter().map(ToString::to_string)),
        ),
        ("emails", listed(emails)),
        ("ou", listed(dn::values(read.subject(), "2.5.4.11"))),
    ];
    Some((labels, facts.validity))
}

/// With a comma before and behind each, so that a query can look for one among them.
fn listed(values: impl Iterator<Item = String>) -> String {
    let values: Vec<String> = values.collect();
    if values.is_empty() {
        String::new()
    } else {
        clean(&format!(",{},", values.join(",")))
    }
}
