//! The series of `blackbox_exporter`, by its names and labels. What was not seen is absent; it is never its
//! zero time.

use std::net::IpAddr;

use prometheus_client::registry::Registry;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::dn;
use super::outcome::Outcome;
use crate::config::Speaks;
use crate::model::{Certificate, clean};
use crate::probe::names::cipher_name;

use super::gauge::{Labels, gauge, info};

/// Adds all that it has to say.
pub(super) fn register(registry: &mut Registry, outcome: &Outcome) {
    let success = f64::from(u8::from(outcome.success));
    gauge(
        registry,
        "probe_success",
        "Displays whether or not the probe was a success",
        success,
    );
    gauge(
        registry,
        "probe_duration_seconds",
        "Returns how long the probe took to complete in seconds",
        outcome.took.as_secs_f64(),
    );
    gauge(
        registry,
        "probe_dns_lookup_time_seconds",
        "Returns the time taken for probe dns lookup in seconds",
        outcome.lookup.as_secs_f64(),
    );
    if let Some(ip) = outcome.ip {
        let protocol = if ip.is_ipv4() { 4.0 } else { 6.0 };
        gauge(
            registry,
            "probe_ip_protocol",
            "Specifies whether probe ip protocol is IP4 or IP6",
            protocol,
        );
        gauge(
            registry,
            "probe_ip_addr_hash",
            "Specifies the hash of IP address. It's useful to detect if the IP address changes.",
            f64::from(hash(ip)),
        );
    }
    if matches!(outcome.speaks, Speaks::Http(_)) {
        http(registry, outcome);
    }
    tls(registry, outcome);
}

fn http(registry: &mut Registry, outcome: &Outcome) {
    let web = outcome.web.as_ref();
    let tls = f64::from(u8::from(web.is_some_and(|web| web.tls)));
    gauge(
        registry,
        "probe_http_ssl",
        "Indicates if SSL was used for the final redirect",
        tls,
    );
    let status = web.map_or(0.0, |web| f64::from(web.answer.status));
    gauge(
        registry,
        "probe_http_status_code",
        "Response HTTP status code",
        status,
    );
    if let Some(web) = web {
        let version = 1.0 + f64::from(web.answer.minor) / 10.0;
        gauge(
            registry,
            "probe_http_version",
            "Returns the version of HTTP of the probe response",
            version,
        );
        let redirects = web.redirects as f64;
        gauge(
            registry,
            "probe_http_redirects",
            "The number of redirects",
            redirects,
        );
        // As Go has it of an answer that does not say.
        let length = web.answer.length.map_or(-1.0, |length| length as f64);
        gauge(
            registry,
            "probe_http_content_length",
            "Length of http content response",
            length,
        );
    }
    let attempt = outcome.once.as_ref().and_then(|once| once.seen.took);
    let phases = [
        ("resolve", Some(outcome.lookup)),
        ("tls", attempt),
        ("processing", web.map(|web| web.answer.processing)),
    ];
    let phases = phases
        .into_iter()
        .filter_map(|(phase, took)| Some((vec![("phase", phase.to_owned())], took?.as_secs_f64())));
    info(
        registry,
        "probe_http_duration_seconds",
        "Duration of http request by phase, summed over all redirects",
        phases,
    );
}

fn tls(registry: &mut Registry, outcome: &Outcome) {
    let Some(seen) = outcome.handshake() else {
        return;
    };
    let certificates = &seen.chain.certificates;
    let ends = certificates
        .iter()
        .filter_map(|one| one.facts.as_ref().ok()?.validity.not_after);
    if let Some(first) = ends.min() {
        gauge(
            registry,
            "probe_ssl_earliest_cert_expiry",
            "Returns last SSL chain expiry in unixtime",
            first.as_secs_f64(),
        );
    }
    if let Some(ends) = outcome.chain_ends() {
        gauge(
            registry,
            "probe_ssl_last_chain_expiry_timestamp_seconds",
            "Returns last SSL chain expiry in timestamp",
            ends,
        );
    }
    let leaf = seen.chain.leaf().and_then(leaf);
    info(
        registry,
        "probe_ssl_last_chain_info",
        "Contains SSL leaf certificate information",
        leaf.map(|labels| (labels, 1.0)),
    );
    let version = vec![("version", seen.version.label().to_owned())];
    info(
        registry,
        "probe_tls_version_info",
        "Returns the TLS version used or NaN when unknown",
        [(version, 1.0)],
    );
    if matches!(outcome.speaks, Speaks::Http(_)) {
        let cipher = vec![("cipher", cipher_name(seen.cipher))];
        info(
            registry,
            "probe_tls_cipher_info",
            "Returns the TLS cipher negotiated during handshake",
            [(cipher, 1.0)],
        );
    }
}

fn leaf(certificate: &Certificate) -> Option<Labels> {
    let facts = certificate.facts.as_ref().ok()?;
    let (_, read) = X509Certificate::from_der(&certificate.der).ok()?;
    let names: Vec<&str> = facts.dns_names.iter().map(AsRef::as_ref).collect();
    Some(vec![
        ("fingerprint_sha256", certificate.fingerprint.to_string()),
        ("subject", clean(&dn::text(read.subject()))),
        ("issuer", clean(&dn::text(read.issuer()))),
        ("subjectalternative", clean(&names.join(","))),
        ("serialnumber", facts.serial_number.clone()),
    ])
}

/// FNV-1a, 32 bits, of the address' bytes.
fn hash(ip: IpAddr) -> u32 {
    let over = |bytes: &[u8]| {
        bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
        })
    };
    match ip {
        IpAddr::V4(ip) => over(&ip.octets()),
        IpAddr::V6(ip) => over(&ip.octets()),
    }
}
