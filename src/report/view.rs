//! A row as it is told to other programs: the shape of the JSON that `docs/targets.schema.json`
//! describes. What is not known is absent.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::model::{
    Acceptance, AddressSeen, Certificate, ClientAuth, Door, Failure, Finding, Handshake, Owner,
    Passed, PlainAddressSeen, PlainAnswer, PlainDoor, PlainSeen, Severity, Step, UnixTime, Waived,
};
use crate::probe::names::{alert_name, cipher_name, group_name};
use crate::record::RowRecord;
use crate::schedule::next_turn;

use super::order::worst;
use super::stored::StoredView;
use super::time::When;

/// A list of rows: what `check -o json` prints and `/api/v1/targets` answers.
#[derive(Clone, Debug, Serialize)]
pub struct Document<'a> {
    /// Of this shape: a later one may add to it, and another number takes something away.
    pub version: u32,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<When>,
    /// How many rows there are; more than are listed where a part was asked for.
    pub total: usize,
    /// The rows, the soonest trouble first.
    pub targets: Vec<TargetView<'a>>,
    /// What no handshake shows.
    pub stored: Vec<StoredView<'a>>,
}

/// [`Document::version`].
pub const VERSION: u32 = 1;

/// A row: its labels as in the metrics, its verdict, and what was seen.
#[derive(Clone, Debug, Serialize)]
pub struct TargetView<'a> {
    /// The discovery source.
    pub source: &'static str,
    /// The owning object's namespace; empty where there is none.
    pub namespace: &'a str,
    /// The owning object's name.
    pub name: &'a str,
    /// The name as declared; empty where none was.
    pub host: &'a str,
    /// The TLS door's port.
    pub port: u16,
    /// What was declared to dial.
    pub address: &'a str,
    /// All in one word: [`crate::record::Posture::label`].
    pub state: &'static str,
    /// How bad the worst finding is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<&'static str>,
    /// Every object behind the row, the oldest first.
    pub owners: Vec<OwnerView<'a>>,
    /// What is wrong.
    pub findings: Vec<FindingView<'a>>,
    /// What is wrong and accepted.
    pub waived: Vec<WaivedView<'a>>,
    /// When the leaf expires, at the least favourable address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<When>,
    /// When it was last probed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_probe: Option<When>,
    /// When it is probed next; only where the exporter runs on and the last probe succeeded, for a
    /// door that failed may wait for another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_probe: Option<When>,
    /// How long the last probe took, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
    /// Why nothing could be dialled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureView<'a>>,
    /// What each address showed.
    pub addresses: Vec<AddressView<'a>>,
    /// What each port answered in clear.
    pub plaintext: Vec<PlainView<'a>>,
}

/// An object behind a row.
#[derive(Clone, Debug, Serialize)]
pub struct OwnerView<'a> {
    /// Its kind, as Kubernetes spells it.
    pub kind: &'static str,
    /// Its namespace; empty where there is none.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// What is wrong.
#[derive(Clone, Debug, Serialize)]
pub struct FindingView<'a> {
    /// Its name.
    pub finding: &'static str,
    /// How bad.
    pub severity: &'static str,
    /// What it means, in general.
    pub help: &'static str,
    /// The particulars; empty where there are none.
    pub detail: &'a str,
    /// Where the runbook is: a path below the exporter's address.
    pub runbook: String,
    /// Whether a baseline has it not; only where there is a baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<bool>,
}

/// What is wrong and accepted.
#[derive(Clone, Debug, Serialize)]
pub struct WaivedView<'a> {
    /// What holds.
    #[serde(flatten)]
    pub finding: FindingView<'a>,
    /// The last day on which it is accepted.
    pub until: &'a str,
    /// Why it is accepted.
    pub reason: &'a str,
}

/// Why an attempt showed nothing.
#[derive(Clone, Debug, Serialize)]
pub struct FailureView<'a> {
    /// The closed set that metrics carry.
    pub reason: &'static str,
    /// The particulars.
    pub detail: &'a str,
}

/// What one address showed.
#[derive(Clone, Debug, Serialize)]
pub struct AddressView<'a> {
    /// The address dialled.
    pub ip: IpAddr,
    /// Why the last probe of it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureView<'a>>,
    /// When the handshake below was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<When>,
    /// The version agreed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<&'static str>,
    /// The cipher suite agreed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cipher: Option<String>,
    /// The key-exchange group agreed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The application protocol agreed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpn: Option<&'a str>,
    /// Whether a client certificate was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<&'static str>,
    /// Whether the server proved that it holds the leaf's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_proven: Option<bool>,
    /// Whether an OCSP response was stapled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ocsp_stapled: Option<bool>,
    /// By version: `accepted` or `refused`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<&'static str, &'static str>,
    /// By class of cipher suites: `accepted` or `refused`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub cipher_classes: BTreeMap<&'static str, &'static str>,
    /// By key-exchange group: `accepted` or `refused`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<&'static str, &'static str>,
    /// By path: the status of the answer to an HTTP request over TLS, without credentials.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub https: BTreeMap<&'static str, u16>,
    /// The header `Strict-Transport-Security` of such an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hsts: Option<&'a str>,
    /// When versions, classes and groups were asked for, and HTTP over TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deep_seen: Option<When>,
    /// What passed over the wire in the last probe.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<StepView>,
    /// The certificates as they were sent, the leaf first.
    pub chain: Vec<CertificateView<'a>>,
    /// Likewise, by another kind of key: RSA beside ECDSA, where the server has both.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_chain: Vec<CertificateView<'a>>,
}

/// Something that passed.
#[derive(Clone, Debug, Serialize)]
pub struct StepView {
    /// Since dialling began.
    pub milliseconds: f64,
    /// Who did it.
    pub by: &'static str,
    /// `connected`, `ended`, or the content type of a record.
    pub what: &'static str,
    /// Where it passed in clear: the handshake message, or the alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The length of a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u16>,
}

impl StepView {
    /// In a line: `   1.1 ms  exporter  handshake client_hello, 240 bytes`.
    #[must_use]
    pub fn line(&self) -> String {
        let message = self.message.iter().map(|message| format!(" {message}"));
        let bytes = self.bytes.iter().map(|bytes| format!(", {bytes} bytes"));
        let rest: String = message.chain(bytes).collect();
        format!(
            "{:>7.1} ms  {:<8}  {}{rest}",
            self.milliseconds, self.by, self.what
        )
    }
}

impl From<&Step> for StepView {
    fn from(step: &Step) -> Self {
        let (by, what, message, bytes) = match step.what {
            Passed::Connected => ("exporter", "connected", None, None),
            Passed::Ended => ("server", "ended", None, None),
            Passed::Record {
                sent,
                content,
                message,
                length,
            } => {
                let by = if sent { "exporter" } else { "server" };
                let what = Passed::content(content);
                let message = message.and_then(|message| match what {
                    "alert" => Some(alert_name(message)),
                    _ => Passed::message(message).map(str::to_owned),
                });
                // What is not TLS has no length either.
                (
                    by,
                    what,
                    message,
                    Some(length).filter(|_| what != "not_tls"),
                )
            }
        };
        Self {
            milliseconds: f64::from(step.at / 100) / 10.0,
            by,
            what,
            message,
            bytes,
        }
    }
}

/// One certificate.
#[derive(Clone, Debug, Serialize)]
pub struct CertificateView<'a> {
    /// Lower-case hexadecimal.
    pub fingerprint_sha256: String,
    /// Why nothing could be read of it; then all that follows is absent. Or which dates could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<&'a str>,
    /// The subject's common name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_common_name: Option<&'a str>,
    /// The issuer's common name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer_common_name: Option<&'a str>,
    /// The issuer's organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer_organization: Option<&'a str>,
    /// Lower-case hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial_number: Option<&'a str>,
    /// First instant of validity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<When>,
    /// Last second of validity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<When>,
    /// `RSA`, `ECDSA`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_algorithm: Option<&'a str>,
    /// In bits, where the algorithm has such a notion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_size: Option<u32>,
    /// As Go spells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_algorithm: Option<&'a str>,
    /// Whether it is a certificate authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_ca: Option<bool>,
    /// DNS names of the subject alternative name.
    pub dns_names: Vec<&'a str>,
    /// IP addresses of the subject alternative name.
    pub ip_names: Vec<IpAddr>,
}

/// What one port answered to HTTP in clear, at one path.
#[derive(Clone, Debug, Serialize)]
pub struct PlainView<'a> {
    /// The TCP port.
    pub port: u16,
    /// What was asked for there.
    pub path: &'a str,
    /// When it was last asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_probe: Option<When>,
    /// Why nothing could be dialled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureView<'a>>,
    /// What each address answered.
    pub answers: Vec<PlainAnswerView<'a>>,
}

/// What one address answered to HTTP in clear.
#[derive(Clone, Debug, Serialize)]
pub struct PlainAnswerView<'a> {
    /// The address dialled.
    pub ip: IpAddr,
    /// `closed`, `filtered`, `http`, `http2`, `document`, `no_answer`, `silent` or `not_http`;
    /// absent where it could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<&'static str>,
    /// The HTTP status code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The HTTP `Location`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<&'a str>,
    /// Why it could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureView<'a>>,
}

impl<'a> From<&'a RowRecord> for TargetView<'a> {
    fn from(row: &'a RowRecord) -> Self {
        let own = &row.target.row;
        let tls = &row.seen.tls;
        Self {
            source: own.source,
            namespace: &own.namespace,
            name: &own.name,
            host: &own.host,
            port: own.port,
            address: &own.address,
            state: row.posture.label(),
            severity: worst(row).map(Severity::label),
            owners: row.target.owners.iter().map(Into::into).collect(),
            findings: row.findings.iter().map(Into::into).collect(),
            waived: row.waived.iter().map(Into::into).collect(),
            not_after: row.summary.not_after.and_then(When::new),
            last_probe: tls.last_attempt.and_then(When::new),
            next_probe: None,
            duration_seconds: tls.took.map(|took| took.as_secs_f64()),
            failure: tls.failure.as_ref().map(Into::into),
            addresses: tls.addresses.iter().map(Into::into).collect(),
            plaintext: row.seen.plain.iter().map(plain).collect(),
        }
    }
}

impl TargetView<'_> {
    /// Says when `row`, which this is, is probed next.
    #[must_use]
    pub fn with_next(mut self, row: &RowRecord, interval: Duration, now: UnixTime) -> Self {
        let settled = self.last_probe.is_some() && row.summary.failure.is_none();
        let door = Door::Tls(Arc::clone(&row.target.tls));
        self.next_probe = settled
            .then(|| next_turn(&door, interval, now))
            .and_then(When::new);
        self
    }
}

impl<'a> From<&'a Owner> for OwnerView<'a> {
    fn from(owner: &'a Owner) -> Self {
        Self {
            kind: owner.kind,
            namespace: &owner.namespace,
            name: &owner.name,
        }
    }
}

impl<'a> From<&'a Finding> for FindingView<'a> {
    fn from(finding: &'a Finding) -> Self {
        Self {
            finding: finding.spec.name,
            severity: finding.severity.label(),
            help: finding.spec.help,
            detail: &finding.detail,
            runbook: format!("/runbooks/{}", finding.spec.name),
            new: None,
        }
    }
}

impl<'a> From<&'a Waived> for WaivedView<'a> {
    fn from(waived: &'a Waived) -> Self {
        Self {
            finding: (&waived.finding).into(),
            until: &waived.waiver.until,
            reason: &waived.waiver.reason,
        }
    }
}

impl<'a> From<&'a Failure> for FailureView<'a> {
    fn from(failure: &'a Failure) -> Self {
        Self {
            reason: failure.reason.label(),
            detail: &failure.detail,
        }
    }
}

impl<'a> From<&'a AddressSeen> for AddressView<'a> {
    fn from(seen: &'a AddressSeen) -> Self {
        let handshake = seen.handshake.as_ref().map(|seen| &seen.value);
        let deep = seen.deep.as_ref().map(|seen| &seen.value);
        let versions = deep.into_iter().flat_map(|deep| deep.versions.iter());
        let ciphers = deep.into_iter().flat_map(|deep| deep.ciphers.iter());
        let groups = deep.into_iter().flat_map(|deep| deep.groups.iter());
        let https = || deep.into_iter().flat_map(|deep| &deep.https);
        Self {
            ip: seen.ip,
            failure: seen.failure.as_ref().map(Into::into),
            seen: seen.handshake.as_ref().and_then(|seen| When::new(seen.at)),
            version: handshake.map(|seen| seen.version.label()),
            cipher: handshake.map(|seen| cipher_name(seen.cipher)),
            group: handshake.and_then(|seen| seen.group).map(group_name),
            alpn: handshake.and_then(|seen| seen.alpn.as_deref()),
            client_certificate: seen.client_auth().map(ClientAuth::label),
            key_proven: handshake.and_then(|seen| seen.key_proven),
            ocsp_stapled: handshake.and_then(|seen| seen.stapled),
            versions: answers(versions.map(|(version, answer)| (version.label(), answer))),
            cipher_classes: answers(ciphers.map(|(class, answer)| (class.label(), answer))),
            groups: answers(groups.map(|(group, answer)| (group.label(), answer))),
            https: https().map(|one| (one.path, one.status)).collect(),
            hsts: https().find_map(|answer| answer.hsts.as_deref()),
            deep_seen: seen.deep.as_ref().and_then(|seen| When::new(seen.at)),
            trace: seen.trace.0.iter().map(Into::into).collect(),
            chain: chain(handshake),
            other_chain: chain(seen.beside().map(|other| &other.value)),
        }
    }
}

fn chain(seen: Option<&Handshake>) -> Vec<CertificateView<'_>> {
    let sent = seen.into_iter().flat_map(|seen| &seen.chain.certificates);
    sent.map(Into::into).collect()
}

/// The answers that are known, in words.
fn answers(
    all: impl Iterator<Item = (&'static str, Acceptance)>,
) -> BTreeMap<&'static str, &'static str> {
    let word = |accepted| if accepted { "accepted" } else { "refused" };
    all.filter_map(|(label, answer)| Some((label, word(answer.known()?))))
        .collect()
}

impl<'a> From<&'a Certificate> for CertificateView<'a> {
    fn from(certificate: &'a Certificate) -> Self {
        let facts = certificate.facts.as_ref().ok();
        let names = facts.iter().flat_map(|facts| &facts.dns_names);
        let ips = facts.iter().flat_map(|facts| &facts.ip_names);
        Self {
            fingerprint_sha256: certificate.fingerprint.to_string(),
            unreadable: match &certificate.facts {
                Ok(facts) => facts.validity.unreadable(),
                Err(reason) => Some(reason),
            },
            subject_common_name: facts.and_then(|facts| text(&facts.subject_common_name)),
            issuer_common_name: facts.and_then(|facts| text(&facts.issuer_common_name)),
            issuer_organization: facts.and_then(|facts| text(&facts.issuer_organization)),
            serial_number: facts.and_then(|facts| text(&facts.serial_number)),
            not_before: facts
                .and_then(|facts| facts.validity.not_before)
                .and_then(When::new),
            not_after: facts
                .and_then(|facts| facts.validity.not_after)
                .and_then(When::new),
            key_algorithm: facts.and_then(|facts| text(&facts.key_algorithm)),
            key_size: facts.map(|facts| facts.key_size).filter(|size| *size > 0),
            signature_algorithm: facts.and_then(|facts| text(&facts.signature_algorithm)),
            is_ca: facts.map(|facts| facts.is_ca),
            dns_names: names.map(AsRef::as_ref).collect(),
            ip_names: ips.copied().collect(),
        }
    }
}

fn text(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn plain((door, seen): &(impl AsRef<PlainDoor>, impl AsRef<PlainSeen>)) -> PlainView<'_> {
    let seen = seen.as_ref();
    PlainView {
        port: door.as_ref().port,
        path: door.as_ref().path.as_str(),
        last_probe: seen.last_attempt.and_then(When::new),
        failure: seen.failure.as_ref().map(Into::into),
        answers: seen.addresses.iter().map(Into::into).collect(),
    }
}

impl<'a> From<&'a PlainAddressSeen> for PlainAnswerView<'a> {
    fn from(seen: &'a PlainAddressSeen) -> Self {
        let (status, location) = match &seen.answer {
            PlainAnswer::Http {
                status, location, ..
            } => (Some(*status), location.as_deref()),
            _ => (None, None),
        };
        let failure = match &seen.answer {
            PlainAnswer::Unknown(failure) => Some(failure.into()),
            _ => None,
        };
        Self {
            ip: seen.ip,
            answer: kind(&seen.answer),
            status,
            location,
            failure,
        }
    }
}

const fn kind(answer: &PlainAnswer) -> Option<&'static str> {
    Some(match answer {
        PlainAnswer::Closed => "closed",
        PlainAnswer::Filtered => "filtered",
        PlainAnswer::Http { .. } => "http",
        PlainAnswer::Http2 => "http2",
        PlainAnswer::Document => "document",
        PlainAnswer::NoAnswer => "no_answer",
        PlainAnswer::Silent => "silent",
        PlainAnswer::NotHttp => "not_http",
        PlainAnswer::Unknown(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::record::samples::edited;
    use crate::report::samples::{expired, unseen, with_beside};

    fn told(row: &RowRecord) -> Value {
        serde_json::to_value(TargetView::from(row)).unwrap()
    }

    #[test]
    fn what_was_seen_is_told() {
        let told = told(&expired("shop.example"));
        assert_eq!(told["state"], "broken");
        assert_eq!(told["severity"], "critical");
        assert_eq!(told["owners"][0]["kind"], "Ingress");
        assert_eq!(
            told["findings"],
            json!([{
                "finding": "certificate_expired", "severity": "critical", "help": "For a test",
                "detail": "it expired 3 days ago", "runbook": "/runbooks/certificate_expired",
            }])
        );
        assert_eq!(told["waived"][0]["finding"], "plaintext_served");
        assert_eq!(told["waived"][0]["until"], "2027-03-01");
        assert_eq!(told["not_after"], "2025-12-29T00:00:00Z");
        let address = &told["addresses"][0];
        assert_eq!(address["version"], "TLS 1.3");
        assert_eq!(address["cipher"], "TLS_AES_128_GCM_SHA256");
        assert_eq!(
            address["versions"],
            json!({"TLS 1.2": "accepted", "TLS 1.1": "refused"})
        );
        assert_eq!(address["chain"][0]["subject_common_name"], "shop.example");
        assert_eq!(address["chain"][0]["not_after"], "2025-12-29T00:00:00Z");
        assert_eq!(address["chain"][1]["unreadable"], "a test");
        let answer = &told["plaintext"][0]["answers"][0];
        assert_eq!(
            answer,
            &json!({"ip": "192.0.2.1", "answer": "http", "status": 301, "location": "https://shop.example/"})
        );
    }

    #[test]
    fn a_certificate_beside_has_a_chain_of_its_own() {
        let both = told(&with_beside("shop.example", "old.example"));
        let address = &both["addresses"][0];
        assert_eq!(address["chain"][0]["subject_common_name"], "shop.example");
        let other = &address["other_chain"];
        assert_eq!(other.as_array().unwrap().len(), 1);
        assert_eq!(other[0]["subject_common_name"], "old.example");
        let one = told(&expired("shop.example"));
        assert_eq!(one["addresses"][0].get("other_chain"), None);
    }

    #[test]
    fn a_date_that_cannot_be_read_is_absent_and_named() {
        let row = edited(&expired("shop.example"), |_, verdict, seen| {
            let tls = Arc::make_mut(&mut seen.tls);
            let seen = tls.addresses[0].handshake.as_mut().unwrap();
            let chain = Arc::make_mut(&mut seen.value.chain);
            let facts = chain.certificates[0].facts.as_mut().unwrap();
            facts.validity.not_after = None;
            verdict.summary.not_after = None;
        });
        let told = told(&row);
        assert_eq!(told.get("not_after"), None);
        let leaf = &told["addresses"][0]["chain"][0];
        assert_eq!(leaf["unreadable"], "notAfter");
        assert_eq!(leaf["not_before"], "2025-09-30T00:00:00Z");
        assert_eq!(leaf.get("not_after"), None);
        assert_eq!(leaf["subject_common_name"], "shop.example");
    }

    #[test]
    fn what_is_not_known_is_absent() {
        let told = told(&unseen("shop.example"));
        for absent in [
            "severity",
            "not_after",
            "last_probe",
            "duration_seconds",
            "failure",
        ] {
            assert_eq!(told.get(absent), None, "{absent}");
        }
        assert_eq!(told["addresses"], json!([]));
        assert!(!told.to_string().contains("null"), "{told}");
    }
}
