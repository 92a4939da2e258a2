//! Tests of the source `authority`: every file of `tests/fixtures/authority`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::discover::{Declared, Object};
use crate::model::Owner;

fn files(ending: &str) -> BTreeSet<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/authority");
    fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(ending))
        .collect()
}

/// One line for each key, and what is dropped.
fn rendered(object: Value) -> String {
    let bundle = object["kind"] == "ClusterTrustBundle";
    let bundles = if bundle {
        trust_bundle(&serde_json::from_value(object).unwrap())
    } else {
        published_by_the_api_server(&serde_json::from_value(object).unwrap())
    };
    let owner = Owner {
        created: None,
        kind: "ConfigMap",
        namespace: Arc::default(),
        name: "roots".into(),
    };
    let declared = Declared::from(Object {
        owner,
        marks: Arc::default(),
        kept: Some(bundles),
    });
    let stored = declared.stored.iter().map(|stored| {
        let certificates = match stored.certificates.len() {
            1 => "1 certificate".to_owned(),
            count => format!("{count} certificates"),
        };
        format!(
            "{}: {certificates} ({})\n",
            stored.key,
            stored.usage.label()
        )
    });
    let dropped = declared.dropped.iter();
    let dropped = dropped.map(|dropped| format!("dropped ({})\n", dropped.reason.label()));
    stored.chain(dropped).collect()
}

#[test]
fn every_fixture_stores_exactly_what_is_written_beside_it() {
    for file in files(".yaml") {
        let object = serde_saphyr::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let beside = fs::read_to_string(file.with_extension("expect.txt")).unwrap();
        assert_eq!(rendered(object), beside, "{}", file.display());
    }
}

#[test]
fn every_expectation_has_its_fixture() {
    for file in files(".expect.txt") {
        let fixture = file.with_extension("").with_extension("yaml");
        assert!(fixture.exists(), "{}", file.display());
    }
}
