//! We and three scanners look at the same real servers, and say the same; but for what
//! `tests/differential/disagreements.yaml` lists, with the reason why we are right.
//!
//! The scanners take most of a minute for each server. What they said is kept beside that file, one
//! record for each configuration of [`servers`], and `make differential` asks them again.

mod leaves;
mod servers;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::ca::{Leaf, NAME};
use crate::cluster::Cluster;
use crate::exporter;
use crate::process::{Site, command, script};
use leaves::{ECDSA, ROOT};
use servers::ALL;

/// The one configuration that is more than a process.
const API_SERVER: &str = "kube-apiserver";

/// For `check` of all servers at once, beside other tests.
const CHECK_PATIENCE: Duration = Duration::from_mins(3);

/// The findings about certificates that clients refuse; the last is not about the chain.
const INVALID: [&str; 6] = [
    "certificate_untrusted",
    "certificate_self_signed",
    "certificate_chain_incomplete",
    "certificate_expired",
    "certificate_not_yet_valid",
    "certificate_name_mismatch",
];

/// What a scanner said, or we.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Yes,
    No,
    /// Ours alone: of what a scanner does not say, nothing is recorded.
    Unknown,
}

impl From<bool> for Answer {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// What one scanner said about one configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    #[expect(dead_code, reason = "for those who read the file")]
    version: String,
    yes: BTreeSet<String>,
    no: BTreeSet<String>,
}

impl Record {
    fn answers(&self) -> impl Iterator<Item = (&String, Answer)> {
        let yes = self.yes.iter().map(|fact| (fact, Answer::Yes));
        yes.chain(self.no.iter().map(|fact| (fact, Answer::No)))
    }
}

/// A scanner and we say different things about a configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Disagreement {
    configuration: String,
    scanner: String,
    fact: String,
    theirs: Answer,
    ours: Answer,
}

/// An entry of the list: disagreements of one cause.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Why we are right.
    reason: String,
    theirs: Answer,
    ours: Answer,
    cases: Vec<Case>,
}

/// Each of these configurations with each scanner and each fact.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    configurations: Vec<String>,
    scanners: Vec<String>,
    facts: Vec<String>,
}

impl Entry {
    fn disagreements(&self) -> Vec<Disagreement> {
        let mut all = Vec::new();
        for case in &self.cases {
            for configuration in &case.configurations {
                for scanner in &case.scanners {
                    all.extend(case.facts.iter().map(|fact| Disagreement {
                        configuration: configuration.clone(),
                        scanner: scanner.clone(),
                        fact: fact.clone(),
                        theirs: self.theirs,
                        ours: self.ours,
                    }));
                }
            }
        }
        all
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential")
}

/// A running server, which ends when the value goes.
struct Running {
    name: &'static str,
    address: SocketAddr,
    _kept: Box<dyn Any + Send>,
}

/// Starts those that are wanted, a few at a time.
fn start(is_wanted: impl Fn(&str) -> bool) -> Vec<Running> {
    let waiting: Vec<_> = ALL.iter().filter(|one| is_wanted(one.name)).collect();
    let (waiting, started) = (Mutex::new(waiting), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let Some(one) = waiting.lock().unwrap().pop() else {
                        return;
                    };
                    let peer = (one.start)();
                    started.lock().unwrap().push(Running {
                        name: one.name,
                        address: peer.address,
                        _kept: Box::new(peer),
                    });
                }
            });
        }
    });
    started.into_inner().unwrap()
}

async fn api_server() -> Running {
    // It sends the root behind, which is another here.
    let leaf: &Leaf = &ECDSA;
    let cluster = Cluster::start_as(leaf).await;
    Running {
        name: API_SERVER,
        address: cluster.address,
        _kept: Box::new(cluster),
    }
}

/// What `check` says about each server.
async fn ours(servers: &[Running]) -> BTreeMap<String, BTreeMap<String, Answer>> {
    let site = Site::new("differential");
    let root = site.write("root.pem", &ROOT.pem());
    let targets: Vec<Value> = servers
        .iter()
        .map(|server| {
            json!({
                "name": server.name,
                "url": format!("https://{NAME}:{}", server.address.port()),
                "address": server.address.ip(),
                "ca_file": root,
            })
        })
        .collect();
    let config = json!({
        "targets": targets,
        "timeout": "20s",
        // Each port here is another machine's elsewhere.
        "per_address": {"in_flight": 16, "connections_per_second": 1000},
    });
    let file = site.write("config.yaml", &config.to_string());
    let words = [
        "check",
        "--config.file",
        &file,
        "--fail-on=never",
        "-o=json",
    ];
    let ending = exporter::program(&site, &words).output();
    let output = timeout(CHECK_PATIENCE, ending).await.unwrap().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let targets = document["targets"].as_array().unwrap();
    targets
        .iter()
        .map(|target| (target["name"].as_str().unwrap().to_owned(), facts(target)))
        .collect()
}

/// The facts about one target of the report. One that is not there is unknown.
fn facts(target: &Value) -> BTreeMap<String, Answer> {
    let address = &target["addresses"][0];
    let mut facts = BTreeMap::new();
    for (field, prefix) in [
        ("versions", ""),
        ("cipher_classes", "cipher "),
        ("groups", "group "),
    ] {
        for (of, answer) in address[field].as_object().into_iter().flatten() {
            facts.insert(format!("{prefix}{of}"), (answer == "accepted").into());
        }
    }
    let mut say = |fact: &str, holds: bool| facts.insert(fact.to_owned(), holds.into());
    if let Some(wish) = address["client_certificate"].as_str() {
        say("client certificate requested", wish != "not_requested");
        say("client certificate required", wish == "required");
    }
    let findings = target["findings"].as_array().unwrap();
    let has = |name: &str| findings.iter().any(|one| one["finding"] == name);
    if !address["chain"].as_array().unwrap().is_empty() {
        let is_refused = |names: &[&str]| names.iter().any(|name| has(name));
        say("certificate valid", !is_refused(&INVALID));
        say("chain trusted", !is_refused(&INVALID[..5]));
        say("chain incomplete", has("certificate_chain_incomplete"));
        say("certificate self-signed", has("certificate_self_signed"));
        say("certificate expired", has("certificate_expired"));
        say(
            "certificate for the name",
            !has("certificate_name_mismatch"),
        );
    }
    facts
}

/// What each scanner said about a configuration.
fn records(configuration: &str) -> BTreeMap<String, Record> {
    let path = folder().join(format!("{configuration}.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("{configuration} has no record: run make differential ONLY={configuration}: {error}")
    });
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn listed() -> BTreeSet<Disagreement> {
    let text = fs::read_to_string(folder().join("disagreements.yaml")).unwrap();
    let entries: Vec<Entry> = serde_saphyr::from_str(&text).unwrap();
    let mut all = BTreeSet::new();
    for entry in &entries {
        assert!(!entry.reason.trim().is_empty(), "no reason: {entry:?}");
        for one in entry.disagreements() {
            assert!(all.insert(one.clone()), "listed twice: {one:?}");
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn we_say_what_the_scanners_say() {
    let (others, api_server) = tokio::join!(spawn_blocking(|| start(|_| true)), api_server());
    let mut servers = others.unwrap();
    servers.push(api_server);
    let ours = ours(&servers).await;

    let mut found = BTreeSet::new();
    for server in &servers {
        let own = &ours[server.name];
        let records = records(server.name);
        let scanners: Vec<&str> = records.keys().map(String::as_str).collect();
        assert_eq!(scanners, ["sslscan", "sslyze", "testssl.sh"]);
        for (scanner, record) in &records {
            for (fact, theirs) in record.answers() {
                let ours = own.get(fact).copied().unwrap_or(Answer::Unknown);
                if ours != theirs {
                    found.insert(Disagreement {
                        configuration: server.name.to_owned(),
                        scanner: scanner.clone(),
                        fact: fact.clone(),
                        theirs,
                        ours,
                    });
                }
            }
        }
    }
    let listed = listed();
    let lines = |all: &BTreeSet<_>, but: &BTreeSet<_>| {
        let lines: Vec<String> = all.difference(but).map(|one| format!("{one:?}")).collect();
        lines.join("\n")
    };
    let (new, gone) = (lines(&found, &listed), lines(&listed, &found));
    assert!(
        new.is_empty() && gone.is_empty(),
        "Disagreements that are not listed:\n{new}\n\nListed, but no longer so:\n{gone}"
    );
}

#[test]
fn every_record_is_of_a_configuration() {
    let names: BTreeSet<&str> = ALL.iter().map(|one| one.name).chain([API_SERVER]).collect();
    assert_eq!(names.len(), ALL.len() + 1, "a name for each");
    for entry in fs::read_dir(folder()).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        if let Some(name) = file.strip_suffix(".json") {
            assert!(names.contains(name), "{file} is of no configuration");
        }
    }
}

/// Rewrites the records: of all, or of those in `ONLY`, separated by commas.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "rewrites files of the project"]
async fn ask_the_scanners() {
    let only = env::var_os("ONLY").unwrap_or_default();
    let only: Vec<String> = only
        .to_str()
        .unwrap()
        .split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    let is_wanted = move |name: &str| only.is_empty() || only.iter().any(|one| one == name);
    let mut servers = Vec::new();
    if is_wanted(API_SERVER) {
        servers.push(api_server().await);
    }
    servers.extend(spawn_blocking(|| start(is_wanted)).await.unwrap());
    assert!(!servers.is_empty(), "ONLY names no configuration");
    spawn_blocking(|| ask(servers)).await.unwrap();
}

/// Two servers at a time: each scanner uses half of a core.
fn ask(servers: Vec<Running>) {
    let site = Site::new("scanners");
    let root = site.write("root.pem", &ROOT.pem());
    let (waiting, failed) = (Mutex::new(servers), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(server) = waiting.lock().unwrap().pop() else {
                        return;
                    };
                    let output = scan(&server, &root).output().unwrap();
                    println!("{}: {}", server.name, output.status);
                    if !output.status.success() {
                        let said = String::from_utf8_lossy(&output.stderr).into_owned();
                        failed.lock().unwrap().push((server.name, said));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{failed:#?}");
}

fn scan(server: &Running, root: &str) -> Command {
    let raw = Path::new(env!("CARGO_TARGET_TMPDIR")).join("differential");
    let record = folder().join(format!("{}.json", server.name));
    let mut command = command("python3");
    command
        .arg(script("differential.py"))
        .args(["--address", &server.address.to_string()])
        .args(["--name", NAME, "--ca", root])
        .arg("--raw")
        .arg(raw.join(server.name))
        .arg("--record")
        .arg(record);
    command
}
