//! Tests of the source `cert_manager`: every file of `tests/fixtures/cert_manager`, and what only
//! counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use k8s_openapi::ByteString;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::fixtures::{documents, walk};
use super::super::index::Index;
use super::super::object::Keyed;
use super::super::{Declared, Object, ObjectKey};
use super::*;
use crate::model::{Issued, Owner, UnixTime, Usage};

const KINDS: &str = include_str!("../../../tests/certificates/kinds.pem");

/// One of a few real certificates, as PEM.
fn pem(nth: usize) -> &'static str {
    const END: &str = "-----END CERTIFICATE-----\n";
    KINDS.split_inclusive(END).nth(nth).unwrap()
}

/// The object as a watch reads it. A certificate is written as its number in the file of real ones,
/// or as text.
fn object(written: &Value) -> Object<Kept> {
    let mut written = written.clone();
    let certificate = &mut written["status"]["certificate"];
    let bytes = match &*certificate {
        Value::Number(nth) => Some(pem(usize::try_from(nth.as_u64().unwrap()).unwrap())),
        Value::String(text) => Some(text.as_str()),
        _ => None,
    };
    if let Some(bytes) = bytes {
        *certificate = serde_json::to_value(ByteString(bytes.into())).unwrap();
    }
    let text = |field: &str| written["metadata"][field].as_str().unwrap_or_default();
    let kind = [CERTIFICATES, REQUESTS].into_iter();
    let mut kind = kind.filter(|kind| written["kind"] == kind.name);
    let owner = Owner {
        created: written["metadata"]["created"]
            .as_i64()
            .map(UnixTime::from_secs),
        kind: kind.next().unwrap().name,
        namespace: text("namespace").into(),
        name: text("name").into(),
    };
    let kept = if owner.kind == CERTIFICATES.name {
        read(&written).map(|certificate| Kept::certificate(&owner, certificate))
    } else {
        read(&written).map(|request| Kept::request(&owner, request))
    };
    Object {
        owner,
        marks: Arc::default(),
        kept,
    }
}

fn read<K: DeserializeOwned>(written: &Value) -> Option<K> {
    serde_json::from_value(written.clone()).ok()
}

/// What these objects come to.
fn discovered<'a>(objects: impl IntoIterator<Item = &'a Value>) -> BTreeMap<ObjectKey, Declared> {
    let mut index = Certificates::default();
    let mut keys = BTreeSet::new();
    for written in objects {
        let object = object(written);
        keys.insert(object.key());
        index.put(object);
    }
    let declared = |key: ObjectKey| Some((key.clone(), index.declared(&key)?));
    keys.into_iter().filter_map(declared).collect()
}

/// Each object, then what it has issued and what is known of when it is to be renewed.
fn rendered(discovered: &BTreeMap<ObjectKey, Declared>) -> String {
    let mut text = String::new();
    for (key, declared) in discovered {
        writeln!(text, "{} {}/{}", key.kind, key.namespace, key.name).unwrap();
        if let Some(issuance) = &declared.issuance {
            let secret = format!("{}/{}", issuance.secret.namespace, issuance.secret.name);
            let leaf = issuance.leaf.as_ref().map(|leaf| line(leaf));
            let leaf = leaf.unwrap_or_else(|| "not known what".to_owned());
            writeln!(text, "  into {secret}: {leaf}").unwrap();
        }
        for stored in &declared.stored {
            let usage = stored.usage.label();
            let renewal = stored.renewal.map(UnixTime::as_secs);
            let dates = stored.decisive().and_then(|facts| facts.validity.not_after);
            let dates = dates.map(UnixTime::as_secs);
            writeln!(
                text,
                "  {} for {usage}: until {}, renewed at {}",
                stored.key,
                number(dates),
                number(renewal)
            )
            .unwrap();
        }
        for dropped in &declared.dropped {
            writeln!(text, "  dropped ({})", dropped.reason.label()).unwrap();
        }
    }
    text
}

fn number(number: Option<i64>) -> String {
    number.map_or_else(|| "?".to_owned(), |number| number.to_string())
}

fn line(leaf: &Issued) -> String {
    let short: String = leaf.fingerprint.to_string().chars().take(8).collect();
    format!("{short} at {} by {}", leaf.at.as_secs(), leaf.by)
}

#[test]
fn every_fixture_comes_to_exactly_what_is_written_beside_it() {
    walk(SOURCE.name, |text| {
        let discovered = discovered(&documents(text));
        assert!(discovered.values().all(|one| one.targets.is_empty()));
        rendered(&discovered)
    });
}

fn certificate(name: &str, revision: usize) -> Value {
    json!({
        "kind": "Certificate",
        "metadata": {"name": name, "namespace": "n"},
        "spec": {"secretName": format!("{name}-tls")},
        "status": {"revision": revision},
    })
}

fn request(name: &str, certificate: &str, revision: usize, pem: usize) -> Value {
    json!({
        "kind": "CertificateRequest",
        "metadata": {
            "name": name,
            "namespace": "n",
            "annotations": {
                "cert-manager.io/certificate-name": certificate,
                "cert-manager.io/certificate-revision": revision.to_string(),
            },
            "ownerReferences": [{
                "apiVersion": "cert-manager.io/v1", "kind": "Certificate",
                "name": certificate, "uid": "u", "controller": true,
            }],
        },
        "status": {"certificate": pem},
    })
}

#[test]
fn what_is_stored_is_for_servers_for_clients_or_an_authority() {
    let usage = |alter: &dyn Fn(&mut rcgen::CertificateParams)| {
        let mut params = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
        alter(&mut params);
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let mut issued = request("a-1", "a", 1, 0);
        issued["status"]["certificate"] = pem.into();
        let mut discovered = discovered([&certificate("a", 1), &issued]).into_values();
        discovered.next().unwrap().stored[0].usage
    };
    assert_eq!(usage(&|_| {}), Usage::Server);
    let for_clients = rcgen::ExtendedKeyUsagePurpose::ClientAuth;
    assert_eq!(
        usage(&|params| params.extended_key_usages.push(for_clients.clone())),
        Usage::Client
    );
    let authority = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    assert_eq!(usage(&|params| params.is_ca = authority), Usage::CaBundle);
}

#[test]
fn a_change_touches_the_certificate_that_it_is_of_where_there_is_one() {
    let mut index = Certificates::default();
    let mut touched = |written: &Value| -> Vec<String> {
        let keys: BTreeSet<_> = index.put(object(written)).into_iter().collect();
        keys.iter().map(|key| key.name.to_string()).collect()
    };
    assert_eq!(touched(&request("a-1", "a", 1, 0)), [""; 0]);
    assert_eq!(touched(&certificate("a", 1)), ["a"]);
    assert_eq!(touched(&certificate("a", 1)), [""; 0]);
    assert_eq!(touched(&certificate("b", 1)), ["b"]);
    assert_eq!(touched(&request("a-1", "a", 1, 0)), [""; 0]);
    assert_eq!(touched(&request("a-1", "a", 1, 1)), ["a"]);
    assert_eq!(touched(&request("a-1", "b", 1, 1)), ["a", "b"]);
    assert_eq!(touched(&request("c-1", "c", 1, 1)), [""; 0]);
}

#[test]
fn what_is_known_depends_on_the_objects_and_not_on_the_way_to_them() {
    // A sequence of small numbers that looks random and is always the same (Knuth's MMIX).
    let mut state = 1_u64;
    let mut below = |limit: usize| {
        state =
            (state.wrapping_mul(6_364_136_223_846_793_005)).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % limit
    };
    let mut index = Certificates::default();
    let (mut there, mut known) = (BTreeMap::new(), BTreeMap::new());
    for step in 0..2000 {
        let name = ["a", "b"][below(2)];
        let written = match below(3) {
            0 => certificate(name, below(3)),
            _ => request(["q", "r", "s"][below(3)], name, below(3), below(2)),
        };
        let key = object(&written).key();
        let touched = if below(3) == 0 {
            there.remove(&key);
            index.take(&key)
        } else {
            let touched = index.put(object(&written));
            there.insert(key, written);
            touched
        };
        for key in touched {
            match index.declared(&key) {
                Some(declared) => drop(known.insert(key, declared)),
                None => drop(known.remove(&key)),
            }
        }
        assert_eq!(known, discovered(there.values()), "step {step}");
    }
    for key in there.keys() {
        index.take(key);
    }
    assert!(index.is_empty(), "nothing is left behind");
}
