//! What whoever is paged finds in every alert: whose it is, what to do, and where to look.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The headings that a runbook has, in this order.
const SECTIONS: [&str; 4] = ["Meaning", "Impact", "Diagnosis", "Mitigation"];

/// Where the runbooks are published.
const RUNBOOKS: &str =
    "https://github.com/kube-https-exporter/kube-https-exporter/blob/main/docs/runbooks/";

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The rules of all files, alerts and records.
fn rules() -> Vec<Value> {
    let entries = fs::read_dir(root("alerts")).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    let mut rules = Vec::new();
    for file in files.filter(|file| file.extension().is_some_and(|ending| ending == "yaml")) {
        let text = fs::read_to_string(file).unwrap();
        let mut file: Value = serde_saphyr::from_str(&text).unwrap();
        for group in file["groups"].as_array_mut().unwrap() {
            rules.append(group["rules"].as_array_mut().unwrap());
        }
    }
    rules
}

fn alerts() -> Vec<(String, Value)> {
    let rules = rules().into_iter();
    let alerts: Vec<_> = rules
        .filter_map(|rule| Some((rule["alert"].as_str()?.to_owned(), rule)))
        .collect();
    assert!(alerts.len() > 20, "only {} alerts", alerts.len());
    alerts
}

/// Panics with the names of those that are wrong.
fn none(wrong: impl IntoIterator<Item = String>, what: &str) {
    let wrong: Vec<String> = wrong.into_iter().collect();
    assert!(wrong.is_empty(), "{what}: {}", wrong.join(", "));
}

#[test]
fn every_alert_has_a_runbook_with_all_that_it_needs() {
    let complete = |name: &str, rule: &Value| {
        let path = root(&format!("docs/runbooks/{name}.md"));
        let text = fs::read_to_string(path).unwrap_or_default();
        let headings = text.lines().filter_map(|line| line.strip_prefix("## "));
        let severity = rule["labels"]["severity"].as_str().unwrap();
        text.starts_with(&format!("# {name}\n\nSeverity: {severity}."))
            && headings.eq(SECTIONS)
            && rule["annotations"]["runbook_url"] == format!("{RUNBOOKS}{name}.md")
    };
    let wrong = alerts().into_iter();
    let wrong = wrong.filter_map(|(name, rule)| (!complete(&name, &rule)).then_some(name));
    none(
        wrong,
        "no runbook of its name, severity and sections, or no link to it",
    );
}

#[test]
fn every_page_that_a_runbook_links_to_is_there() {
    let entries = fs::read_dir(root("docs/runbooks")).unwrap();
    let mut dead = BTreeSet::new();
    for entry in entries {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let links = text.split("](").skip(1);
        let links = links.filter_map(|rest| rest.split_once(')').map(|(link, _)| link));
        let pages = links.filter(|link| !link.contains("://"));
        let missing = pages.filter(|page| !root("docs/runbooks").join(page).is_file());
        dead.extend(missing.map(str::to_owned));
    }
    none(dead, "runbooks link to pages that are not there");
}

#[test]
fn every_alert_says_what_is_wrong_and_with_which_object() {
    let says = |rule: &Value, annotation: &str| {
        let text = rule["annotations"][annotation].as_str().unwrap_or_default();
        text.contains("$labels.")
    };
    let wrong = alerts().into_iter();
    let wrong = wrong.filter(|(_, rule)| !(says(rule, "summary") && says(rule, "description")));
    none(
        wrong.map(|(name, _)| name),
        "no summary and description that name the object",
    );
}

#[test]
fn every_alert_leads_to_a_dashboard_that_is_there() {
    let there = |rule: &Value| {
        let url = rule["annotations"]["dashboard_url"].as_str()?;
        let board = url.strip_prefix("/d/")?.split('?').next()?;
        root(&format!("dashboards/{board}.json"))
            .is_file()
            .then_some(())
    };
    let wrong = alerts().into_iter();
    let wrong = wrong.filter(|(_, rule)| there(rule).is_none());
    none(wrong.map(|(name, _)| name), "no dashboard");
}

#[test]
fn one_name_has_one_severity_and_the_namespace_of_the_object() {
    let namespace =
        r#"{{ or $labels.exported_namespace $labels.namespace "kube-https-exporter" }}"#;
    let mut names = BTreeSet::new();
    let wrong = alerts().into_iter().filter(|(name, rule)| {
        let labels = &rule["labels"];
        let known = ["critical", "warning"]
            .iter()
            .any(|known| labels["severity"] == *known);
        !known || labels["namespace"] != namespace || !names.insert(name.clone())
    });
    none(
        wrong.map(|(name, _)| name).collect::<Vec<_>>(),
        "named twice, or without the right severity and namespace",
    );
}
