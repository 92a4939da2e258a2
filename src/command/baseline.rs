//! The baseline: what was known before, so that only what is new fails a check.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::model::{Finding, Row, Severity, StoredPlace};

/// The largest file that is read: the report of 100,000 targets has some 200 MB.
const LARGEST: u64 = 1024 * 1024 * 1024;

/// Why a baseline cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The file.
    #[error("cannot read the baseline {0}")]
    File(PathBuf, #[source] std::io::Error),
    /// It is no report, or not of this program.
    #[error("the baseline {0} is not what `check -o json` printed")]
    Content(PathBuf, #[source] serde_json::Error),
    /// Larger than any report.
    #[error("the baseline {0} is larger than 1 GiB")]
    Size(PathBuf),
}

/// The findings of a former report, by what tells them apart, and how bad each was.
#[derive(Debug, Default)]
pub(super) struct Baseline(HashMap<Key, Severity>);

/// Source, namespace, port, host and finding. The address stands for the host where there is none:
/// load balancers change theirs. What is stored has no port, and its object's name for a host.
type Key = (String, String, Option<u16>, String, String);

#[derive(Deserialize)]
struct Report {
    targets: Vec<Target>,
    #[serde(default)]
    stored: Vec<StoredObject>,
}

#[derive(Deserialize)]
struct StoredObject {
    source: String,
    namespace: String,
    name: String,
    findings: Vec<Found>,
}

#[derive(Deserialize)]
struct Target {
    source: String,
    namespace: String,
    host: String,
    port: u16,
    address: String,
    findings: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    finding: String,
    severity: String,
}

impl Baseline {
    /// The findings of the report in that file.
    pub(super) fn load(path: &Path) -> Result<Self, Error> {
        let file = |error| Error::File(path.to_owned(), error);
        if std::fs::metadata(path).map_err(file)?.len() > LARGEST {
            return Err(Error::Size(path.to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(file)?;
        Self::read(&text).map_err(|error| Error::Content(path.to_owned(), error))
    }

    /// The findings of a report.
    pub(super) fn read(text: &str) -> Result<Self, serde_json::Error> {
        let report: Report = serde_json::from_str(text)?;
        let mut known = HashMap::new();
        for target in report.targets {
            let door = if target.host.is_empty() {
                target.address
            } else {
                target.host
            };
            let of = (target.source, target.namespace, Some(target.port), door);
            note(&mut known, of, target.findings);
        }
        for object in report.stored {
            let of = (object.source, object.namespace, None, object.name);
            note(&mut known, of, object.findings);
        }
        Ok(Self(known))
    }

    /// Whether the finding was there, and as bad, of what an object stores.
    pub(super) fn knows_stored(&self, place: &StoredPlace, finding: &Finding) -> bool {
        self.has(
            &(
                place.source.to_owned(),
                place.namespace.to_string(),
                None,
                place.name.to_string(),
                finding.spec.name.to_owned(),
            ),
            finding,
        )
    }

    /// Whether the finding was there, and as bad.
    pub(super) fn knows(&self, row: &Row, finding: &Finding) -> bool {
        let door = if row.host.is_empty() {
            &row.address
        } else {
            &row.host
        };
        let key = (
            row.source.to_owned(),
            row.namespace.to_string(),
            Some(row.port),
            door.to_string(),
            finding.spec.name.to_owned(),
        );
        self.has(&key, finding)
    }

    fn has(&self, key: &Key, finding: &Finding) -> bool {
        let before = self.0.get(key);
        before.is_some_and(|before| *before >= finding.severity)
    }
}

/// Notes how bad each finding was.
fn note(
    known: &mut HashMap<Key, Severity>,
    (source, namespace, port, door): (String, String, Option<u16>, String),
    findings: Vec<Found>,
) {
    for found in findings {
        let key = (
            source.clone(),
            namespace.clone(),
            port,
            door.clone(),
            found.finding,
        );
        let severity = severity(&found.severity);
        let worst = known.entry(key).or_insert(severity);
        *worst = severity.max(*worst);
    }
}

/// A word that is not known was not critical yet, so that what is, is new.
fn severity(word: &str) -> Severity {
    match word {
        "critical" => Severity::Critical,
        "warning" => Severity::Warning,
        _ => Severity::Info,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::expired;

    fn knows(change: impl Fn(&str) -> String) -> bool {
        let report = r#"{"targets": [{"source": "ingress", "namespace": "default", "port": 443,
            "host": "shop.example", "address": "192.0.2.9",
            "findings": [{"finding": "certificate_expired", "severity": "critical"}]}]}"#;
        let row = expired("shop.example");
        Baseline::read(&change(report))
            .unwrap()
            .knows(&row.target.row, &row.findings[0])
    }

    #[test]
    fn a_finding_is_known_at_its_host_whatever_the_address() {
        assert!(knows(str::to_owned));
        for (from, to) in [
            ("\"default\"", "\"other\""),
            ("\"ingress\"", "\"gateway\""),
            ("443", "8443"),
            ("shop", "blog"),
            ("_expired", "_expiring"),
        ] {
            assert!(!knows(|report| report.replace(from, to)), "{from}");
        }
    }

    #[test]
    fn what_has_become_worse_is_new() {
        assert!(!knows(
            |report| report.replace("\"critical\"", "\"warning\"")
        ));
    }

    #[test]
    fn what_is_no_report_is_refused() {
        assert!(Baseline::read("[]").is_err());
        assert!(Baseline::read("").is_err());
    }
}
