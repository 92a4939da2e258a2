//! A change as a log line. The keys are those of the metrics' labels, and are what [`crate::logging`]
//! maps to the Elastic Common Schema.

use tracing::{info, warn};

use crate::model::{Certificate, Severity};
use crate::probe::names::{cipher_name, group_name};
use crate::record::{Change, RowRecord, Subject};

use super::time::When;

/// Names of a certificate that a line has room for.
const NAMES: usize = 10;

/// What a line has beside the finding; what is not known is left out.
#[derive(Default)]
struct Line<'a> {
    source: &'static str,
    namespace: Option<&'a str>,
    name: &'a str,
    kind: Option<&'static str>,
    host: Option<&'a str>,
    port: Option<u16>,
    address: Option<&'a str>,
    state: Option<&'static str>,
    version: Option<&'static str>,
    cipher: Option<String>,
    group: Option<String>,
    alpn: Option<&'a str>,
    certificate: CertificateLine<'a>,
}

#[derive(Default)]
struct CertificateLine<'a> {
    subject: Option<&'a str>,
    issuer: Option<&'a str>,
    issuer_organization: Option<&'a str>,
    serial_number: Option<&'a str>,
    not_before: Option<String>,
    not_after: Option<String>,
    key_algorithm: Option<&'a str>,
    key_size: Option<u32>,
    signature_algorithm: Option<&'a str>,
    names: Option<String>,
    fingerprint: Option<String>,
}

/// Logs a change. What is critical or a warning is one in the log too; `base` is the address below which
/// runbooks are read.
pub fn tell(change: &Change, base: &str) {
    let line = match &change.subject {
        Subject::Row(row) => Line::from(row),
        Subject::Stored(record) => Line {
            source: record.object.place.source,
            namespace: text(&record.object.place.namespace),
            name: &record.object.place.name,
            ..Line::default()
        },
    };
    let finding = &change.finding;
    let runbook = match finding.spec.name {
        name if base.ends_with("/docs") => format!("{base}/runbooks/{name}.md"),
        name => format!("{base}/runbooks/{name}"),
    };
    macro_rules! say {
        ($at:ident, $text:literal) => {
            $at!(
                finding = finding.spec.name,
                severity = finding.severity.label(),
                detail = text(&finding.detail),
                runbook,
                source = line.source,
                namespace = line.namespace,
                name = line.name,
                kind = line.kind,
                host = line.host,
                port = line.port,
                address = line.address,
                state = line.state,
                tls_version = line.version,
                cipher = line.cipher,
                group = line.group,
                alpn = line.alpn,
                subject = line.certificate.subject,
                issuer = line.certificate.issuer,
                issuer_organization = line.certificate.issuer_organization,
                serial_number = line.certificate.serial_number,
                not_before = line.certificate.not_before,
                not_after = line.certificate.not_after,
                key_algorithm = line.certificate.key_algorithm,
                key_size = line.certificate.key_size,
                signature_algorithm = line.certificate.signature_algorithm,
                names = line.certificate.names,
                fingerprint = line.certificate.fingerprint,
                $text
            )
        };
    }
    match (change.holds, finding.severity) {
        (false, _) => say!(info, "finding is gone"),
        (true, Severity::Info) => say!(info, "finding appeared"),
        (true, Severity::Warning | Severity::Critical) => say!(warn, "finding appeared"),
    }
}

impl<'a> From<&'a RowRecord> for Line<'a> {
    fn from(row: &'a RowRecord) -> Self {
        let own = &row.target.row;
        // The least favourable address, where that is known by its leaf.
        let mut handshakes = (row.seen.tls.addresses.iter())
            .filter_map(|address| address.handshake.as_ref())
            .map(|seen| &seen.value);
        let expires = |leaf: &Certificate| leaf.facts.as_ref().ok()?.validity.not_after;
        let least = handshakes.clone().find(|seen| {
            let leaf = seen.chain.leaf();
            leaf.and_then(expires) == row.summary.not_after
        });
        let seen = least.or_else(|| handshakes.next());
        Self {
            source: own.source,
            namespace: text(&own.namespace),
            name: &own.name,
            kind: row.target.owners.first().map(|owner| owner.kind),
            host: text(&own.host),
            port: Some(own.port),
            address: text(&own.address),
            state: Some(row.posture.label()),
            version: seen.map(|seen| seen.version.label()),
            cipher: seen.map(|seen| cipher_name(seen.cipher)),
            group: seen.and_then(|seen| seen.group).map(group_name),
            alpn: seen.and_then(|seen| seen.alpn.as_deref()),
            certificate: seen
                .and_then(|seen| seen.chain.leaf())
                .map(Into::into)
                .unwrap_or_default(),
        }
    }
}

impl<'a> From<&'a Certificate> for CertificateLine<'a> {
    fn from(leaf: &'a Certificate) -> Self {
        let fingerprint = Some(leaf.fingerprint.to_string());
        let Ok(facts) = &leaf.facts else {
            return Self {
                fingerprint,
                ..Self::default()
            };
        };
        let instant = |at: Option<_>| at.and_then(When::new).map(|at| at.to_string());
        let names: Vec<&str> = (facts.dns_names.iter().map(AsRef::as_ref))
            .take(NAMES)
            .collect();
        Self {
            subject: text(&facts.subject_common_name),
            issuer: text(&facts.issuer_common_name),
            issuer_organization: text(&facts.issuer_organization),
            serial_number: text(&facts.serial_number),
            not_before: instant(facts.validity.not_before),
            not_after: instant(facts.validity.not_after),
            key_algorithm: text(&facts.key_algorithm),
            key_size: Some(facts.key_size).filter(|size| *size > 0),
            signature_algorithm: text(&facts.signature_algorithm),
            names: (!names.is_empty()).then(|| names.join(",")),
            fingerprint,
        }
    }
}

fn text(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
