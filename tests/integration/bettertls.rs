//! The suites of bettertls: name constraints and path building, by what is said of each chain.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube_https_exporter::config::Config;
use kube_https_exporter::judge::{Policy, Roots};
use kube_https_exporter::model::Certificate;
use serde::Deserialize;

use crate::judged::judged;
use crate::process::tool;

/// What `bettertls export-tests` writes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Export {
    trust_root: String,
    suites: BTreeMap<String, Suite>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Suite {
    test_cases: Vec<TestCase>,
}

/// One chain, and what a client is expected to make of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TestCase {
    id: usize,
    certificates: Vec<String>,
    hostname: String,
    /// `ACCEPT` or `REJECT`.
    expected: String,
}

fn der(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

/// How a suite came out: how many cases agree, then the others.
fn run(name: &str) -> (usize, Vec<usize>) {
    let text = fs::read(tool("../bettertls.json")).unwrap();
    let export: Export = serde_json::from_slice(&text).unwrap();
    let root = der(&export.trust_root);
    // Certificates begin a day before they are minted, and those that have expired did so an hour before.
    let begins = Certificate::read(&root).facts.unwrap().validity.not_before;
    let now = begins.unwrap().saturating_add(Duration::from_hours(24));
    let policy = Policy::new(&Config::default(), Roots::empty().with_configured(&[root]));
    let agrees = |case: &&TestCase| {
        let chain: Vec<_> = case.certificates.iter().map(|text| der(text)).collect();
        let judged = judged(&policy, &chain, Some(&case.hostname), now);
        let valid = judged.valid.unwrap();
        // Where nothing keeps clients away, nothing says so; where something does, something says why.
        let mut found = judged.findings.iter();
        let says_why = found.any(|(name, _)| !valid || *name != WEAK_SIGNATURE);
        assert_eq!(valid, !says_why, "{}: {judged:?}", case.id);
        valid == (case.expected == "ACCEPT")
    };
    let (agree, others): (Vec<_>, Vec<_>) = export.suites[name].test_cases.iter().partition(agrees);
    (agree.len(), others.iter().map(|case| case.id).collect())
}

/// Found of intermediates that are sent, even where clients can go round them: six cases of the path building suite.
const WEAK_SIGNATURE: &str = "certificate_weak_signature";

/// Among them are 1,142 for which bettertls takes either answer, and each of these gets the better one.
#[test]
fn name_constraints_are_kept() {
    assert_eq!(run("nameconstraints"), (9_491, vec![]));
}

/// One case is not found valid: a server that sends 35 intermediates, of which 11 may lie on a path. No more than 8 are
/// tried for one chain, because a hostile server could make the trying long; public chains have at most three.
#[test]
fn paths_are_found() {
    assert_eq!(run("pathbuilding"), (80, vec![61]));
}
