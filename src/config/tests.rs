//! The whole way from a file to a configuration, or to its exact messages.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::document::{EXAMPLE, all};
use super::node::{Node, Value};
use super::*;
use crate::model::{PlaintextRule, UnixTime, Waiver};

/// What the fixtures may refer to.
const NAMES: Names<'_> = Names {
    families: &["kube_https_certificate_info", "kube_https_probe_success"],
    findings: &[
        "certificate_expiring",
        "certificate_self_signed",
        "unreachable",
    ],
};

fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/config")
        .join(folder)
}

/// The names of a fixture folder's files, by what they end in.
fn stems(folder: &str, suffix: &str) -> BTreeSet<String> {
    fs::read_dir(fixtures(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(suffix).map(str::to_owned))
        .collect()
}

fn good(file: &str) -> Config {
    load(&fixtures("good").join(file), NAMES).unwrap()
}

fn read(text: &str) -> Result<Config, Error> {
    parse(text, &fixtures("pem").join("config.yaml"), NAMES)
}

/// The error with its cause, files relative to the fixture folder.
fn message(error: &Error, folder: &str) -> String {
    let folder = format!("{}/", fixtures(folder).display());
    let cause = error
        .source()
        .map_or(String::new(), |cause| format!(": {cause}"));
    format!("{error}{cause}\n").replace(&folder, "")
}

#[test]
fn every_bad_file_is_refused_with_its_exact_message() {
    for file in &stems("bad", ".yaml") {
        let path = fixtures("bad").join(format!("{file}.yaml"));
        let found = load(&path, NAMES)
            .map_err(|error| message(&error, "bad"))
            .err();
        let expected = fs::read_to_string(path.with_extension("expect.txt")).unwrap();
        assert_eq!(found, Some(expected), "{file}");
    }
}

#[test]
fn every_fixture_is_used() {
    assert_eq!(stems("bad", ".yaml"), stems("bad", ".expect.txt"));
    assert_eq!(stems("bad", "").len(), stems("bad", ".yaml").len() * 2);
    assert_eq!(stems("good", "").len(), stems("good", ".yaml").len());
}

#[test]
fn every_good_file_is_accepted() {
    for file in &stems("good", "") {
        good(file);
    }
}

#[test]
fn a_file_that_says_nothing_gives_the_defaults() {
    for file in ["empty.yaml", "only-a-comment.yaml", "empty-sections.yaml"] {
        assert_eq!(good(file), Config::default(), "{file}");
    }
}

#[test]
fn a_target_on_loopback_is_read_in_full() {
    let config = good("loopback-target.yaml");
    assert_eq!(config.interval, Duration::from_secs(5));
    assert_eq!(config.deep_interval, Duration::from_secs(10));
    assert_eq!(config.timeout, Duration::from_secs(3));
    assert!(config.security.permits("127.0.0.1".parse().unwrap()));
    assert!(!config.security.permits("169.254.169.254".parse().unwrap()));
    let target = StaticTarget {
        name: "x".into(),
        host: "good.test".into(),
        port: 8443,
        address: Some("127.0.0.1".parse().unwrap()),
        ca_file: Some(fixtures("good").join("../pem/corp.pem").into()),
        http_port: None,
        starttls: None,
    };
    assert_eq!(config.targets, [target]);
}

#[test]
fn the_default_timeout_gives_way_to_a_short_interval() {
    let config = good("interval-shorter-than-default-timeout.yaml");
    assert_eq!(config.interval, Duration::from_secs(5));
    assert_eq!(config.timeout, Duration::from_secs(5));
    assert_eq!(Config::default().timeout, Duration::from_secs(10));
}

#[test]
fn an_empty_match_is_kept_with_what_it_says() {
    let config = good("plaintext-allowed.yaml");
    let rule = Rule {
        matches: RuleMatch::default(),
        ca_file: None,
        plaintext: Some(PlaintextRule::Allowed),
        probe: None,
        accept: Arc::default(),
    };
    assert_eq!(config.rules, [rule]);
}

#[test]
fn a_waiver_ends_with_its_last_day() {
    let accept = "[{finding: unreachable, until: 2027-03-01, reason: being moved}]";
    let config = read(&format!("rules: [{{match: {{}}, accept: {accept}}}]")).unwrap();
    let waiver = Waiver {
        finding: "unreachable".into(),
        until: "2027-03-01".into(),
        // 2027-03-02T00:00:00Z.
        ends: UnixTime::from_secs(1_803_945_600),
        reason: "being moved".into(),
    };
    assert_eq!(*config.rules[0].accept, [waiver]);
}

#[test]
fn hosts_are_kept_in_one_spelling() {
    let config = good("hosts.yaml");
    let hosts: Vec<(&str, u16)> = config.targets.iter().map(|t| (&*t.host, t.port)).collect();
    assert_eq!(
        hosts,
        [
            ("xn--bcher-kva.example", 443),
            ("2001:db8::1", 8443),
            ("192.0.2.1", 443),
            ("192.0.2.1", 443),
        ]
    );
    let patterns: Vec<_> = config
        .rules
        .iter()
        .map(|r| r.matches.host.as_deref())
        .collect();
    assert_eq!(
        patterns,
        [Some("*.xn--bcher-kva.example"), Some("2001:db8::1")]
    );
}

#[test]
fn anchors_and_merges_are_understood() {
    let config = good("anchors.yaml");
    assert_eq!(config.targets.len(), 150);
    let [first, second] = &config.rules[..] else {
        panic!("{:?}", config.rules);
    };
    assert_eq!(first.ca_file, second.ca_file);
    assert_eq!((first.probe, second.probe), (None, Some(false)));
    assert_eq!(second.matches.host.as_deref(), Some("*.lan"));
}

#[test]
fn a_file_from_windows_is_read_like_any_other() {
    let config = good("byte-order-mark.yaml");
    assert_eq!(config.interval, Duration::from_mins(7));
    assert_eq!(config.vantage, "büro");
}

#[test]
fn a_source_can_be_switched_off_alone() {
    let config = read("discovery: {ingress: {enabled: false}}").unwrap();
    assert!(config.discovery.api_server.enabled);
    assert!(!config.discovery.has("ingress"));
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_cause() {
    let error = load(&fixtures("bad").join("absent.yaml"), NAMES).unwrap_err();
    assert_eq!(
        message(&error, "bad"),
        "cannot read the configuration file absent.yaml: No such file or directory (os error 2)\n"
    );
}

#[test]
fn a_file_without_end_is_not_read_to_its_end() {
    let error = load(Path::new("/dev/zero"), NAMES).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/dev/zero: larger than 8 MiB; is this the right file?"
    );
}

#[test]
fn nesting_by_indentation_is_bounded_too() {
    let text = format!("trust: {}", "\n- ".to_owned() + &"- ".repeat(100_000));
    let error = read(&text).unwrap_err().to_string();
    assert!(error.contains("nested more than 32 levels deep"), "{error}");
}

#[test]
fn the_example_has_every_field_and_is_accepted() {
    assert_eq!(read(EXAMPLE).unwrap().rules.len(), 2);
    let mut written = BTreeSet::new();
    written_paths(&Node::parse(EXAMPLE).unwrap(), "", &mut written);
    for row in all() {
        assert!(
            written.contains(&row.path),
            "the example has no {}",
            row.path
        );
    }
}

/// The paths of every field that is written in `node`, as the documentation writes them.
fn written_paths(node: &Node, path: &str, into: &mut BTreeSet<String>) {
    into.insert(path.to_owned());
    match &node.value {
        Value::List(items) => {
            for item in items {
                written_paths(item, &format!("{path}[]"), into);
            }
        }
        Value::Map(entries) => {
            for entry in entries {
                let dot = if path.is_empty() { "" } else { "." };
                written_paths(&entry.node, &format!("{path}{dot}{}", entry.key), into);
            }
        }
        _ => {}
    }
}

#[test]
fn every_documented_default_is_the_real_one() {
    for row in all() {
        if row.default.starts_with('(') || row.path.contains("[]") {
            continue;
        }
        let opened = row.path.replace('.', ": {");
        let closed = "}".repeat(row.path.matches('.').count());
        let text = format!("{opened}: {}{closed}", row.default);
        assert_eq!(read(&text).unwrap(), Config::default(), "{text}");
    }
}

#[test]
fn every_field_is_documented_once_in_a_row_of_its_own() {
    let document = document();
    let rows = all();
    let paths: BTreeSet<&str> = rows.iter().map(|row| &*row.path).collect();
    assert_eq!(paths.len(), rows.len());
    for path in paths {
        assert!(document.contains(&format!("\n| `{path}` | ")), "{path}");
    }
}
