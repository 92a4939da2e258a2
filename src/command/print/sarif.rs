//! SARIF 2.1.0 (OASIS), as code-scanning services read it: a rule for each kind of finding, a result
//! for each finding.

use serde_json::{Value, json};

use crate::judge::CHECKS;
use crate::model::{Finding, FindingSpec, Severity, Waived};
use crate::record::RowRecord;
use crate::report;

use super::Manner;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// One run. What is accepted is told as suppressed.
pub(super) fn render(rows: &[RowRecord], manner: &Manner<'_>) -> String {
    let specs: Vec<&FindingSpec> = CHECKS.iter().flat_map(|check| check.findings).collect();
    let rules: Vec<Value> = specs.iter().map(|spec| rule(spec)).collect();
    let results: Vec<Value> = rows
        .iter()
        .flat_map(|row| {
            let found = row
                .findings
                .iter()
                .map(|finding| result(row, finding, &specs, manner));
            let waived = row
                .waived
                .iter()
                .map(|waived| suppressed(row, waived, &specs, manner));
            found.chain(waived).collect::<Vec<_>>()
        })
        .collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "kube-https-exporter",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn rule(spec: &FindingSpec) -> Value {
    let runbook = report::runbook(spec.name).unwrap_or_default();
    json!({
        "id": spec.name,
        "shortDescription": {"text": format!("{}.", spec.help)},
        "help": {"text": runbook, "markdown": runbook},
    })
}

fn result(
    row: &RowRecord,
    finding: &Finding,
    specs: &[&FindingSpec],
    manner: &Manner<'_>,
) -> Value {
    let own = &row.target.row;
    let rule = specs.iter().position(|spec| spec.name == finding.spec.name);
    let detail = if finding.detail.is_empty() {
        finding.spec.help
    } else {
        &finding.detail
    };
    let object = format!("{}/{}/{}", own.source, own.namespace, own.name);
    let place = format!("{object}/{}", report::door(own));
    let mut result = json!({
        "ruleId": finding.spec.name,
        "level": level(finding.severity),
        "message": {"text": format!("{}: {detail}", report::door(own))},
        "locations": [{
            // Services that show results beside files ask for one: the object stands for it.
            "physicalLocation": {"artifactLocation": {"uri": path(&object)}},
            "logicalLocations": [{"fullyQualifiedName": place, "kind": "resource"}],
        }],
        "partialFingerprints": {"target/v1": format!("{place}/{}", finding.spec.name)},
        "properties": {"address": &*own.address, "severity": finding.severity.label()},
    });
    if let Some(rule) = rule {
        set(&mut result, "ruleIndex", rule.into());
    }
    if let Some(new) = manner.is_new(own, finding) {
        let state = if new { "new" } else { "unchanged" };
        set(&mut result, "baselineState", state.into());
    }
    result
}

fn suppressed(
    row: &RowRecord,
    waived: &Waived,
    specs: &[&FindingSpec],
    manner: &Manner<'_>,
) -> Value {
    let mut result = result(row, &waived.finding, specs, manner);
    let why = format!("until {}: {}", waived.waiver.until, waived.waiver.reason);
    let accepted = json!([{"kind": "external", "status": "accepted", "justification": why}]);
    set(&mut result, "suppressions", accepted);
    result
}

/// Adds a property that is there only sometimes: the schema allows no null.
fn set(result: &mut Value, name: &str, value: Value) {
    if let Some(properties) = result.as_object_mut() {
        properties.insert(name.to_owned(), value);
    }
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// A relative reference (RFC 3986 section 4.2): what is not plain is escaped.
fn path(text: &str) -> String {
    text.split('/')
        .filter(|part| !part.is_empty())
        .map(|part| form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>())
        .collect::<Vec<_>>()
        .join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{NOW, expired, good};

    /// What the schema of SARIF 2.1.0 demands of what is written here.
    fn check(result: &Value, rules: &[Value]) {
        let rule = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[rule]["id"], result["ruleId"]);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let location = &result["locations"][0];
        let uri = location["physicalLocation"]["artifactLocation"]["uri"]
            .as_str()
            .unwrap();
        assert!(!uri.starts_with('/') && !uri.contains(' '), "{uri}");
        assert!(location["logicalLocations"][0]["fullyQualifiedName"].is_string());
        let prints = result["partialFingerprints"].as_object().unwrap();
        assert!(prints.values().all(Value::is_string));
    }

    #[test]
    fn every_finding_is_a_result_of_its_rule() {
        let rows = [expired("bad.example"), good("good.example")];
        let log: Value = serde_json::from_str(&render(&rows, &Manner::table(NOW))).unwrap();
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        for rule in rules {
            let help = rule["help"]["text"].as_str().unwrap();
            assert!(help.contains("## Mitigation"), "{rule}");
        }
        let results = run["results"].as_array().unwrap();
        assert_eq!(results.len(), 2);
        for result in results {
            check(result, rules);
        }
        assert_eq!(results[0]["ruleId"], "certificate_expired");
        assert_eq!(results[0]["level"], "error");
        assert_eq!(
            results[0]["message"]["text"],
            "bad.example: it expired 3 days ago"
        );
        assert_eq!(results[0].get("suppressions"), None);
        assert_eq!(results[0].get("baselineState"), None);
        assert_eq!(results[1]["suppressions"][0]["status"], "accepted");
    }

    #[test]
    fn a_location_is_a_relative_reference() {
        assert_eq!(path("ingress//a b/ö"), "ingress/a+b/%C3%B6");
    }
}
