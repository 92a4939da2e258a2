//! Tests of what is read of PEM.

use std::sync::Arc;

use super::*;
use crate::model::Owner;

const KINDS: &str = include_str!("../../tests/certificates/kinds.pem");

/// Real certificates in PEM, with comments between them.
fn blocks() -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let begin = "-----BEGIN CERTIFICATE-----";
    for part in KINDS.split(begin).skip(1) {
        blocks.push(format!("{begin}{part}"));
    }
    blocks
}

fn key() -> String {
    rcgen::KeyPair::generate().unwrap().serialize_pem()
}

#[test]
fn certificates_are_kept_in_their_order_and_what_stands_between_is_not() {
    let blocks = blocks();
    let pem = format!("# ours\n{}\n{}\nnot PEM\n{}", blocks[1], key(), blocks[0]);
    let stored = from_pem("tls.crt", Usage::Server, pem.as_bytes()).unwrap();
    let single = |at: usize| from_pem("", Usage::Server, blocks[at].as_bytes()).unwrap();
    let ders = [1, 0].map(|at| single(at).certificates.remove(0));
    assert_eq!(stored.certificates, ders);
    assert_eq!((&*stored.key, stored.usage), ("tls.crt", Usage::Server));
}

#[test]
fn what_cannot_be_read_says_which_key_and_which_certificate() {
    let error = |pem: &str| {
        let error = from_pem("ca.crt", Usage::CaBundle, pem.as_bytes()).unwrap_err();
        error.to_string()
    };
    let empty = "\"ca.crt\" has no certificate: it must have PEM blocks that begin with \
                 -----BEGIN CERTIFICATE-----";
    assert_eq!(error(""), empty);
    assert_eq!(error(&key()), empty);
    let cut = blocks()[0].replace("-----END CERTIFICATE-----", "");
    assert!(error(&cut).starts_with("cannot read \"ca.crt\" as PEM: "));
    let broken = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let second = error(&format!("{}\n{broken}", blocks()[0]));
    assert!(second.starts_with("cannot read certificate 2 of \"ca.crt\": "));
}

#[test]
fn pem_in_base64_is_read_whatever_its_line_breaks() {
    let encoded = serde_json::to_value(k8s_openapi::ByteString(KINDS.as_bytes().to_vec())).unwrap();
    let text = encoded.as_str().unwrap();
    let (first, second) = text.split_at(100);
    let plain = from_pem("ca", Usage::CaBundle, KINDS.as_bytes());
    let broken = from_base64("ca", Usage::CaBundle, &format!("{first}\n {second}\n"));
    assert_eq!(broken, plain);
    let error = from_base64("ca", Usage::CaBundle, "*").unwrap_err();
    assert!(error.to_string().starts_with("cannot read \"ca\" as PEM: "));
}

fn declared() -> Declared {
    let owner = Owner {
        created: None,
        kind: "ConfigMap",
        namespace: "shop".into(),
        name: "roots".into(),
    };
    Declared::nothing(owner, Arc::default())
}

#[test]
fn an_object_keeps_no_more_certificates_than_its_share_and_says_so() {
    let many = |count: usize| {
        let mut stored = from_pem("ca", Usage::CaBundle, blocks()[0].as_bytes()).unwrap();
        stored.certificates = vec![stored.certificates[0].clone(); count];
        Ok(stored)
    };
    let mut declared = declared();
    declared.store(many(CERTIFICATES - 1));
    declared.store(many(1));
    assert_eq!(declared.dropped, []);
    declared.store(many(2));
    assert_eq!(declared.dropped.len(), 1);
    assert_eq!(declared.dropped[0].reason, DropReason::Cap);
    let kept = declared.stored.iter().map(|one| one.certificates.len());
    assert_eq!(kept.collect::<Vec<_>>(), [CERTIFICATES - 1, 1]);
}

#[test]
fn a_bundle_that_cannot_be_read_counts_as_dropped() {
    let mut declared = declared();
    declared.store(from_pem("ca", Usage::CaBundle, b""));
    assert_eq!(declared.stored, []);
    assert_eq!(declared.dropped[0].reason, DropReason::Unsupported);
}
