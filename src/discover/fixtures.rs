//! For tests: folders of objects in YAML, and beside each file what they are to come to.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::index::Index;
use super::object::{Keyed, Targets};
use super::{Declared, Dropped, Object};
use crate::model::{Owner, PlainDoor, PlaintextRule, RequestPath, RootsRef, Target, UnixTime};

/// The objects of one file.
pub(super) struct Objects(Vec<Value>);

impl Objects {
    /// Objects of a test's own making.
    pub(super) fn of(written: Vec<Value>) -> Self {
        Self(written)
    }

    /// Those of this kind, read as a watch reads them.
    pub(super) fn kept<K: DeserializeOwned, T>(
        &self,
        kind: &'static str,
        read: impl Fn(&Owner, K) -> T,
    ) -> Vec<Object<T>> {
        // Kinds of the same name are told apart by their groups.
        let (name, group) = kind.split_once('.').unwrap_or((kind, ""));
        let version = |object: &Value| object["apiVersion"].as_str().unwrap_or_default().to_owned();
        let of_kind = self.0.iter().filter(|&object| {
            object["kind"] == name && (group.is_empty() || version(object).starts_with(group))
        });
        let object = |written: &Value| {
            let text = |field: &str| written["metadata"][field].as_str().unwrap_or_default();
            let created = written["metadata"]["created"].as_i64();
            let owner = Owner {
                created: Some(UnixTime::from_secs(created.unwrap_or(1))),
                kind,
                namespace: text("namespace").into(),
                name: text("name").into(),
            };
            let shaped = serde_json::from_value(written.clone()).ok();
            let kept = shaped.map(|shaped| read(&owner, shaped));
            Object {
                owner,
                marks: Arc::default(),
                kept,
            }
        };
        of_kind.map(object).collect()
    }

    /// All of them, as they are written.
    pub(super) fn written(&self) -> &[Value] {
        &self.0
    }

    /// What those of this kind declare, each by itself.
    pub(super) fn each<K: DeserializeOwned>(
        &self,
        kind: &'static str,
        discovered: impl Fn(&Owner, K) -> Targets,
    ) -> Vec<Declared> {
        let objects = self.kept(kind, discovered).into_iter();
        objects.map(Declared::from).collect()
    }
}

/// What these objects declare together.
pub(super) fn folded<I: Index>(mut index: I, objects: Vec<Object<I::Kept>>) -> Vec<Declared> {
    let mut keys = BTreeSet::new();
    for object in objects {
        keys.insert(object.key());
        let touched = index.put(object);
        assert!(keys.is_superset(&touched.into_iter().collect()));
    }
    keys.iter().filter_map(|key| index.declared(key)).collect()
}

/// Compares what every `.yaml` file of `tests/fixtures/<folder>` comes to with what is written beside
/// it, in a `.expect.txt` file of its name; nothing, where there is none. With `UPDATE_GOLDEN` in the
/// environment, as for the scrape of the demo (`make golden`), writes that anew instead: to be
/// reviewed like code.
pub(super) fn walk(folder: &str, comes_to: impl Fn(&str) -> String) {
    let named = |file: &PathBuf| file.with_extension("expect.txt");
    let fixtures = files(folder, ".yaml");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = String::new();
    for file in &fixtures {
        let found = comes_to(&fs::read_to_string(file).unwrap());
        let expected = fs::read_to_string(named(file)).unwrap_or_default();
        if found != expected && update {
            fs::write(named(file), found).unwrap();
        } else if found != expected {
            write!(wrong, "{} comes to\n{found}\n", named(file).display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    let expected: BTreeSet<_> = fixtures.iter().map(named).collect();
    let orphans: Vec<_> = (files(folder, ".expect.txt").into_iter())
        .filter(|file| !expected.contains(file))
        .collect();
    assert!(!fixtures.is_empty() && orphans.is_empty(), "{orphans:?}");
}

fn files(folder: &str, ending: &str) -> BTreeSet<PathBuf> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fs::read_dir(fixtures.join(folder))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(ending))
        .collect()
}

/// Every object that a file has.
pub(super) fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap()
}

/// Walks the fixtures of a source whose objects publish hosts.
pub(super) fn check(source: &str, discover: impl Fn(&Objects) -> Vec<Declared>) {
    walk(source, |text| {
        let declared = discover(&Objects(documents(text)));
        for declared in &declared {
            consistent(source, declared);
        }
        rendered(&declared)
    });
}

/// One line for each object, then one for each of its targets and dropped hosts.
pub(super) fn rendered(all: &[Declared]) -> String {
    let mut text = String::new();
    for declared in all {
        writeln!(text, "{}", named(&declared.object)).unwrap();
        for target in &declared.targets {
            writeln!(text, "  {}", line(target)).unwrap();
        }
        for Dropped { host, reason } in &declared.dropped {
            writeln!(text, "  dropped ({}): {host}", reason.label()).unwrap();
        }
    }
    text
}

fn named(owner: &Owner) -> String {
    format!("{} {}/{}", owner.kind, owner.namespace, owner.name)
}

fn line(target: &Target) -> String {
    let listed = |items: Vec<String>| items.join(" and ");
    let ports = target.plaintext.iter().map(|door| at(door));
    let plaintext = match (target.plaintext.as_slice(), target.expect.plaintext) {
        ([], PlaintextRule::Allowed) => "plaintext not looked for".to_owned(),
        (_, rule) => {
            let rule = match rule {
                PlaintextRule::Redirect => "",
                PlaintextRule::Declared => ", where it is declared",
                PlaintextRule::Forbidden => ", where nothing may answer",
                PlaintextRule::Allowed => panic!("allowed, and looked for: {target:?}"),
            };
            format!("plaintext looked for on {}{rule}", listed(ports.collect()))
        }
    };
    let others: Vec<_> = target.owners.iter().skip(1).map(named).collect();
    format!(
        "{} port {} at {}: asked for as {}, TLS {}declared{}, {plaintext}{}{}{}",
        match &*target.row.host {
            "" => "(any host)",
            host => host,
        },
        target.row.port,
        target.row.address,
        target.tls.server_name.as_deref().unwrap_or("(nothing)"),
        if target.expect.tls { "" } else { "not " },
        match &target.expect.secret {
            Some(secret) => format!(" with {}/{}", secret.namespace, secret.name),
            None => String::new(),
        },
        match others.as_slice() {
            [] => String::new(),
            _ => format!(", by {}", listed(others)),
        },
        in_clear(target),
        remarks(target),
    )
}

/// The port, and the path where it is not `/`.
fn at(door: &PlainDoor) -> String {
    let path = Some(door.path.as_str()).filter(|path| *path != "/");
    format!("{}{}", door.port, path.unwrap_or_default())
}

/// The paths where plaintext is declared, although it is not for the host.
fn in_clear(target: &Target) -> String {
    let expect = &target.expect;
    if expect.in_clear.is_empty() || expect.plaintext == PlaintextRule::Declared {
        return String::new();
    }
    let paths: Vec<_> = expect.in_clear.iter().map(RequestPath::as_str).collect();
    format!(", declared for {}", paths.join(" and "))
}

/// What is remarked of a target, each after a `; `.
pub(super) fn remarks(target: &Target) -> String {
    let remarks = target.expect.remarks.iter();
    remarks.fold(String::new(), |mut text, remark| {
        write!(text, "; {:?}: {}", remark.kind, remark.detail).unwrap();
        text
    })
}

/// What holds of every target of a host that an object publishes.
fn consistent(source: &str, declared: &Declared) {
    let places: BTreeSet<_> = declared
        .targets
        .iter()
        .map(|target| target.row.place())
        .collect();
    assert_eq!(places.len(), declared.targets.len());
    for target in &declared.targets {
        assert_eq!(target.row.source, source);
        assert_eq!(target.owners.first(), Some(&declared.object));
        assert_eq!(target.row.name, declared.object.name);
        assert_eq!(*target.row.address, target.tls.address.to_string());
        assert_eq!(target.row.port, target.tls.port);
        assert_eq!(target.row.namespace, declared.object.namespace);
        assert_eq!(target.expect.name, target.tls.server_name);
        assert_eq!(target.expect.roots, RootsRef::Public);
        assert!(target.tls.guarded);
        let asked = target.tls.server_name.as_deref().unwrap_or_default();
        for door in &target.plaintext {
            assert_eq!((&door.address, &*door.host), (&target.tls.address, asked));
            assert!(door.guarded);
        }
    }
}
