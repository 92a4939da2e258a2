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
use crate::model::{Owner, PlainDoor, PlaintextRule, RequestPath, Target, UnixTime};

/// The objects of one file.
pub(super) struct Objects(Vec<Value>);

impl Objects {
    /// Those of this kind, read as a watch reads them.
    pub(super) fn kept<K: DeserializeOwned, T>(
        &self,
        kind: &'static str,
        read: impl Fn(&Owner, K) -> T,
    ) -> Vec<Object<T>> {
        let of_kind = self.0.iter().filter(|object| object["kind"] == kind);
        let object = |written: &Value| {
            let text = |field: &str| written["metadata"][field].as_str().unwrap_or_default();
            let owner = Owner {
                created: Some(UnixTime::from_secs(1)),
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

/// Compares what the objects of every file of `tests/fixtures/<source>` come to with what is
/// written beside it.
pub(super) fn check(source: &str, discover: impl Fn(&Objects) -> Vec<Declared>) {
    let (fixtures, beside) = (files(source, ".yaml"), files(source, ".expect.txt"));
    let named = |file: &PathBuf| file.with_extension("expect.txt");
    let expected: BTreeSet<_> = fixtures.iter().map(named).collect();
    assert!(!fixtures.is_empty() && beside.is_subset(&expected));
    let mut wrong = String::new();
    for file in &fixtures {
        let text = fs::read_to_string(file).unwrap();
        let declared = discover(&Objects(serde_saphyr::from_multiple(&text).unwrap()));
        for declared in &declared {
            consistent(source, declared);
        }
        let found = rendered(&declared);
        let expected = fs::read_to_string(named(file)).unwrap_or_default();
        if found != expected {
            write!(wrong, "{} comes to\n{found}\n", named(file).display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn files(source: &str, ending: &str) -> BTreeSet<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fs::read_dir(folder.join(source))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(ending))
        .collect()
}

/// One line for each object, then one for each of its targets and dropped hosts.
fn rendered(all: &[Declared]) -> String {
    let mut text = String::new();
    for declared in all {
        let Owner {
            kind,
            namespace,
            name,
            ..
        } = &declared.object;
        writeln!(text, "{kind} {namespace}/{name}").unwrap();
        for target in &declared.targets {
            writeln!(text, "  {}", line(target)).unwrap();
        }
        for Dropped { host, reason } in &declared.dropped {
            writeln!(text, "  dropped ({}): {host}", reason.label()).unwrap();
        }
    }
    text
}

fn line(target: &Target) -> String {
    let ports: Vec<_> = target.plaintext.iter().map(|door| at(door)).collect();
    let rule = match target.expect.plaintext {
        PlaintextRule::Redirect => "",
        PlaintextRule::Declared => ", where it is declared",
        PlaintextRule::Forbidden => ", where nothing may answer",
        PlaintextRule::Allowed => ", where it may be",
    };
    format!(
        "{} port {} at {}: asked for as {}, TLS {}declared, plaintext looked for on {}{rule}",
        if target.row.host.is_empty() {
            "(any host)"
        } else {
            &target.row.host
        },
        target.row.port,
        target.row.address,
        target.tls.server_name.as_deref().unwrap_or("(nothing)"),
        if target.expect.tls { "" } else { "not " },
        ports.join(" and "),
    ) + &in_clear(target)
        + &remarks(target)
}

/// The port, and the path where it is not `/`.
pub(super) fn at(door: &PlainDoor) -> String {
    let path = Some(door.path.as_str()).filter(|path| *path != "/");
    format!("{}{}", door.port, path.unwrap_or_default())
}

/// The paths where plaintext is declared, although it is not for the host.
pub(super) fn in_clear(target: &Target) -> String {
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
        assert_eq!(target.owners, std::slice::from_ref(&declared.object));
        assert_eq!(target.row.name, declared.object.name);
        assert_eq!(*target.row.address, target.tls.address.to_string());
        assert_eq!(target.row.port, target.tls.port);
        assert_eq!(target.expect.name, target.tls.server_name);
        assert!(target.tls.guarded && target.plaintext.iter().all(|door| door.guarded));
    }
}
