//! Tests of the source `authority`: every file of `tests/fixtures/authority`.

use std::sync::Arc;

use serde_json::Value;

use super::super::fixtures::walk;
use super::*;
use crate::discover::{Declared, Object};
use crate::model::Owner;

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
    walk(NAME, |text| rendered(serde_saphyr::from_str(text).unwrap()));
}
