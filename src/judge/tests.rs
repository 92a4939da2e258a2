//! Tests about the table of checks itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::CHECKS;
use crate::model::{Kind, Scope};

const UNITS: [&str; 4] = ["_seconds", "_info", "_total", "_bytes"];

fn is_snake_case(name: &str) -> bool {
    !name.is_empty()
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.contains("__")
        && !name.ends_with('_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[test]
fn every_file_with_a_check_is_in_the_table_under_its_name() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/judge");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let checks: BTreeSet<String> = files
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name != "tests.rs" && name != "mod.rs")
        })
        .filter(|path| {
            fs::read_to_string(path)
                .unwrap()
                .contains("const CHECK: Check")
        })
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let table: BTreeSet<String> = CHECKS.iter().map(|check| check.name.to_owned()).collect();
    assert_eq!(table, checks);
    assert_eq!(table.len(), CHECKS.len());
}

#[test]
fn no_two_families_and_no_two_findings_have_one_name() {
    let families = CHECKS
        .iter()
        .flat_map(|check| check.families)
        .map(|family| family.name);
    let findings = CHECKS
        .iter()
        .flat_map(|check| check.findings)
        .map(|finding| finding.name);
    let names: Vec<_> = families.chain(findings).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
}

#[test]
fn every_finding_has_a_runbook_and_no_runbook_is_left_over() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbooks");
    // Those of alerts are named as alerts are, in capitals: helm/test.sh compares them.
    let pages: BTreeSet<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|page| page.starts_with(|c: char| c.is_ascii_lowercase()))
        .collect();
    let findings: BTreeSet<String> = CHECKS
        .iter()
        .flat_map(|check| check.findings)
        .map(|finding| format!("{}.md", finding.name))
        .collect();
    assert_eq!(pages, findings);
}

#[test]
fn every_family_is_named_and_explained_as_prometheus_expects() {
    for family in CHECKS.iter().flat_map(|check| check.families) {
        let name = family.name;
        assert!(
            name.starts_with("kube_https_") && is_snake_case(name),
            "{name}"
        );
        assert_eq!(
            name.ends_with("_total"),
            family.kind == Kind::Counter,
            "{name}"
        );
        if name.contains("timestamp") || name.contains("duration") {
            assert!(name.ends_with("_seconds"), "{name}");
        }
        let info = family.help.contains("always 1") || family.help.contains("1 only while");
        assert_eq!(name.ends_with("_info"), info, "{name}: {}", family.help);
        let unit_last = UNITS.iter().all(|unit| !name.contains(&format!("{unit}_")));
        assert!(unit_last, "{name}");
        assert!(
            family.labels.iter().all(|label| is_snake_case(label)),
            "{name}"
        );
        let labels: BTreeSet<_> = family.labels.iter().collect();
        assert_eq!(labels.len(), family.labels.len(), "{name}");
        for own in ["source", "namespace", "name", "host", "port", "address"] {
            assert!(!labels.contains(&own), "{name} repeats {own} of the row");
        }
    }
}

#[test]
fn every_help_is_one_sentence_and_says_that_a_probe_s_result_is_not_fresh() {
    let families = CHECKS.iter().flat_map(|check| check.families);
    for family in families {
        let (name, help) = (family.name, family.help);
        assert!(
            help.starts_with(char::is_uppercase) && !help.ends_with('.'),
            "{name}"
        );
        assert!(
            !help.contains(['\n', '"', '\\']) && !help.contains(". "),
            "{name}"
        );
        let declared = name.ends_with("_declared") || family.scope == Scope::Object;
        assert_eq!(help.contains("last periodic probe"), !declared, "{name}");
    }
    for finding in CHECKS.iter().flat_map(|check| check.findings) {
        let (name, help) = (finding.name, finding.help);
        assert!(is_snake_case(name), "{name}");
        assert!(
            help.starts_with(char::is_uppercase) && !help.ends_with('.'),
            "{name}"
        );
        assert!(!help.contains('\n'), "{name}");
    }
}
