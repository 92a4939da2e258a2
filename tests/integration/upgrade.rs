//! What the versions before this one have: their metrics' names and labels, configuration and chart
//! values still work, or the change is listed in `tests/upgrade/changes.txt`, and refused with a
//! message that names it.
//!
//! `tests/upgrade/VERSION/` is written once, when that version is tagged, and never after.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::exporter::run;
use crate::process::{Site, command};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folders of the versions, with their names.
fn versions() -> Vec<(String, PathBuf)> {
    let folders = fs::read_dir(root().join("tests/upgrade")).unwrap();
    let folders = folders
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir());
    let named = |path: PathBuf| (path.file_name().unwrap().to_str().unwrap().to_owned(), path);
    let all: Vec<_> = folders.map(named).collect();
    assert!(!all.is_empty());
    all
}

/// Whether a change is listed: of this version, this kind and this name.
fn is_listed(version: &str, kind: &str, name: &str) -> bool {
    let listed = fs::read_to_string(root().join("tests/upgrade/changes.txt")).unwrap();
    let start = format!("{version} {kind} {name} ");
    listed.lines().any(|line| line.starts_with(&start))
}

/// The labels of each metric that a line of samples has.
fn shapes(text: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut shapes = BTreeMap::<_, BTreeSet<_>>::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let end = line.find(['{', ' ']).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        shapes.entry(name).or_default().extend(labels(rest));
    }
    shapes
}

/// The names before `="`, outside of what is in quotes.
fn labels(text: &str) -> Vec<&str> {
    let (mut found, mut rest) = (Vec::new(), text.trim_start_matches('{'));
    while let Some((name, quoted)) = rest.split_once("=\"") {
        found.push(name.trim_start_matches(','));
        let mut escaped = false;
        let end = quoted.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        rest = quoted.split_at(end.unwrap()).1.trim_start_matches('"');
    }
    found
}

#[test]
fn every_metric_and_label_of_before_is_still_there() {
    let golden = fs::read_to_string(root().join("tests/fixtures/golden/demo.txt")).unwrap();
    let now = shapes(&golden);
    for (version, folder) in versions() {
        let before = fs::read_to_string(folder.join("metrics.txt")).unwrap();
        for line in before.lines() {
            let mut words = line.split(' ');
            let name = words.next().unwrap();
            let Some(found) = now.get(name) else {
                assert!(
                    is_listed(&version, "metric", name),
                    "{name} of {version} is gone"
                );
                continue;
            };
            for label in words.filter(|label| !found.contains(label)) {
                let label = format!("{name}.{label}");
                assert!(
                    is_listed(&version, "label", &label),
                    "{label} of {version} is gone"
                );
            }
        }
    }
}

#[tokio::test]
async fn every_configuration_of_before_is_still_right() {
    for (version, folder) in versions() {
        let site = Site::new("upgrade");
        let file = folder.join("config.yaml").display().to_string();
        let output = run(&site, &["--config.check", "--config.file", &file]).await;
        let said = String::from_utf8_lossy(&output.stderr);
        // Its files are those of nobody's machine.
        let problems = said
            .lines()
            .filter(|line| !line.contains("No such file or directory"));
        for problem in problems.filter(|line| line.contains("config.yaml:")) {
            let field = problem.rsplit("config.yaml:").next().unwrap();
            let field = field.split(": ").nth(1).unwrap_or_default();
            assert!(is_listed(&version, "config", field), "{version}: {problem}");
        }
        assert!(
            output.status.success() || said.contains("config.yaml:"),
            "{said}"
        );
    }
}

#[test]
fn every_value_of_the_chart_of_before_is_still_taken() {
    let chart = root().join("helm/kube-https-exporter");
    for (version, folder) in versions() {
        for file in fs::read_dir(folder.join("values")).unwrap() {
            let file = file.unwrap().path();
            let rendered = command("helm")
                .args(["template", "test"])
                .arg(&chart)
                .arg("--values")
                .arg(&file)
                .output();
            let rendered = rendered.unwrap();
            let said = String::from_utf8_lossy(&rendered.stderr);
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(
                rendered.status.success() || is_listed(&version, "values", name),
                "{name} of {version}: {said}"
            );
        }
    }
}
