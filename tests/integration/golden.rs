//! A whole scrape of the demo, kept in a file, so that no change to what is served goes unseen.
//!
//! `make golden` writes the file anew; its change then shows in the commit. What differs from run
//! to run stands there as `…`, and a certificate's dates as days from now.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kube_https_exporter::clock;
use kube_https_exporter::judge::CHECKS;
use kube_https_exporter::record::own_families;

use crate::exporter::Exporter;
use crate::scrape::{Sample, Scrape, series};

/// Families that the demo does not show, each with the reason.
pub(crate) const NOT_IN_THE_DEMO: &[(&str, &str)] = &[
    (
        "kube_https_expectation_met",
        "the demo has no configuration file that could expect anything",
    ),
    (
        "kube_https_finding_waived_info",
        "the demo has no configuration file that could accept a finding",
    ),
    (
        "kube_https_certificate_renewal_timestamp_seconds",
        "the demo has no cert-manager",
    ),
    (
        "kube_https_certificate_as_issued",
        "the demo has no cert-manager",
    ),
    (
        "kube_https_ip_probe_success",
        "the demo has no configuration file that could ask for it",
    ),
    (
        "kube_https_ip_probe_failure_info",
        "the demo has no configuration file that could ask for it",
    ),
    (
        "kube_https_ip_certificate_valid",
        "the demo has no configuration file that could ask for it",
    ),
    (
        "kube_https_ip_certificate_not_after_timestamp_seconds",
        "the demo has no configuration file that could ask for it",
    ),
    (
        "kube_https_ip_certificate_info",
        "the demo has no configuration file that could ask for it",
    ),
];

/// For what is waited for after everything was probed once.
const SETTLED_WITHIN: Duration = Duration::from_secs(20);

const DAY: f64 = 24.0 * 60.0 * 60.0;

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/demo.txt")
}

#[tokio::test]
async fn the_demo_is_scraped_as_the_file_has_it() {
    let exporter = Exporter::demo().await;
    exporter.ready().await;
    if env::var_os("UPDATE_GOLDEN").is_some() {
        let scrape = exporter.until("deep facts", complete).await;
        fs::write(file(), normal(&scrape)).unwrap();
    }
    let expected = fs::read_to_string(file()).unwrap();
    let (scrape, _) = exporter
        .last_within(SETTLED_WITHIN, |scrape| normal(scrape) == expected)
        .await;
    let found = normal(&scrape);
    assert!(
        found == expected,
        "the demo is not scraped as tests/fixtures/golden/demo.txt has it; if it should be as it \
         is now, run `make golden` and commit the result:\n{}",
        difference(&expected, &found)
    );
}

#[tokio::test]
async fn the_demo_prints_what_it_found_and_ends_when_it_is_told_to() {
    let exporter = Exporter::demo().await;
    exporter.ready().await;
    let told = |_: &Scrape| exporter.printed().contains("ends the demo");
    exporter.until("the table is printed", told).await;
    let printed = exporter.printed();
    let port = exporter.address.port();
    assert!(
        printed.contains("\n20 doors: 8 critical, 4 warning, 1 info, 7 ok.\n"),
        "{printed}"
    );
    assert!(
        printed.contains(&format!("http://localhost:{port}/metrics;")),
        "{printed}"
    );
    let row = printed
        .lines()
        .find(|line| line.contains("wrong-name.demo.test"));
    assert!(
        row.unwrap().ends_with("1.3  certificate_name_mismatch"),
        "{printed}"
    );
    assert_eq!(exporter.stop().await.code, Some(0));
}

/// Whoever showed a certificate was asked for five versions.
fn complete(scrape: &Scrape) -> bool {
    let count = |name: &str| {
        let samples = scrape.samples.iter();
        samples.filter(|sample| sample.name == name).count()
    };
    count("kube_https_tls_version_accepted") == 5 * count("kube_https_certificate_info")
}

#[test]
fn no_family_is_missing_from_the_file_without_a_reason() {
    let golden = fs::read_to_string(file()).unwrap();
    let checked = CHECKS.iter().flat_map(|check| check.families);
    for family in checked.chain(own_families()) {
        let sample = format!("{}{{", family.name);
        let shown = golden.lines().any(|line| line.starts_with(&sample));
        let excused = NOT_IN_THE_DEMO.iter().any(|(name, _)| *name == family.name);
        assert!(
            shown != excused,
            "{} {}",
            family.name,
            if shown {
                "is shown by the demo: take it from NOT_IN_THE_DEMO"
            } else {
                "is not shown by the demo: let a host of it show it, or say in NOT_IN_THE_DEMO why not"
            }
        );
    }
}

/// What is the same in every run: the types by name, each followed by its sorted samples.
fn normal(scrape: &Scrape) -> String {
    let now = clock::now().as_secs_f64();
    let mut lines: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for sample in &scrape.samples {
        let family = family(scrape, &sample.name);
        lines.entry(family).or_default().push(line(sample, now));
    }
    let blocks = lines.into_iter().map(|(family, mut lines)| {
        lines.sort();
        let kind = &scrape.types[family];
        format!("# {family}: {kind}\n{}\n\n", lines.join("\n"))
    });
    blocks.collect()
}

/// The family that a sample is of: a histogram's have endings of their own.
fn family<'a>(scrape: &Scrape, name: &'a str) -> &'a str {
    let endings = ["_bucket", "_sum", "_count"].iter();
    let bare = endings.filter_map(|ending| name.strip_suffix(ending));
    bare.chain([name])
        .find(|family| scrape.types.contains_key(*family))
        .unwrap_or_else(|| panic!("{name} has no TYPE line"))
}

fn line(sample: &Sample, now: f64) -> String {
    let labels = sample.labels.iter();
    let labels = labels.map(|(name, value)| (&**name, label(sample, name, value)));
    format!("{} {}", series(&sample.name, labels), value(sample, now))
}

/// Ports differ from run to run, but not what they are for.
fn label<'a>(sample: &Sample, name: &str, value: &'a str) -> &'a str {
    match name {
        "port" => "TLS",
        "plaintext_port" if sample.label("port") == Some(value) => "TLS",
        "plaintext_port" => "plaintext",
        "serial_number" | "fingerprint_sha256" | "revision" | "rustc" => "…",
        "version" if sample.name == "kube_https_build_info" => "…",
        _ => value,
    }
}

fn value(sample: &Sample, now: f64) -> String {
    let name = sample.name.as_str();
    let changes = ["_duration_", "_lateness_", "process_", "_timestamp_"];
    if name.starts_with("kube_https_certificate_not_") {
        // Adding zero takes a zero's sign away.
        format!("{:+} days", ((sample.value - now) / DAY).round() + 0.0)
    } else if name.ends_with("_total") || changes.iter().any(|part| name.contains(part)) {
        "…".to_owned()
    } else {
        sample.value.to_string()
    }
}

/// The lines that only one of them has.
fn difference(expected: &str, found: &str) -> String {
    let (old, new): (BTreeSet<_>, BTreeSet<_>) =
        (expected.lines().collect(), found.lines().collect());
    let gone = old.difference(&new).map(|line| format!("- {line}\n"));
    let come = new.difference(&old).map(|line| format!("+ {line}\n"));
    gone.chain(come).collect()
}
