//! Certificates that others collected: those that zlint and Python's cryptography are tested with, NIST's PKITS among
//! them. Each gives facts or a reason, and the facts are those that Go's crypto/x509 reads, but for the classes of
//! difference that stand here with their reasons.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube_https_exporter::model::{Certificate, CertificateFacts, LABEL_LIMIT, is_unsafe};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;

use crate::process::{command, tool};

/// What `gox509` prints of a certificate.
#[derive(Debug, Deserialize)]
struct Other {
    #[serde(default)]
    error: String,
    subject_common_name: String,
    issuer_common_name: String,
    serial_number: String,
    not_before: i64,
    not_after: i64,
    key_algorithm: String,
    key_size: u32,
    signature_algorithm: String,
    is_ca: bool,
    dns_names: Vec<String>,
    ip_names: Vec<String>,
}

/// A folder of those that `make tools` fetches.
pub(crate) fn corpus(name: &str) -> PathBuf {
    tool("gox509").with_file_name("../corpora").join(name)
}

/// Everything in the files below `folder` that is or may be a certificate, with the file's name.
pub(crate) fn certificates(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        if entry.file_type().unwrap().is_dir() {
            found.extend(certificates(&entry.path()));
            continue;
        }
        let (name, bytes) = (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
        let pem = CertificateDer::pem_slice_iter(&bytes).filter_map(Result::ok);
        found.extend(pem.map(|der| (name.clone(), der.to_vec())));
        // A SEQUENCE, as every certificate is, and much else.
        if bytes.first() == Some(&0x30) {
            found.push((name, bytes));
        }
    }
    found
}

/// What Go reads of each.
fn as_go_reads(certificates: &[(String, Vec<u8>)]) -> Vec<Other> {
    let mut reader = command("gox509")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = String::new();
    for (_, der) in certificates {
        lines += &STANDARD.encode(der);
        lines.push('\n');
    }
    let mut input = reader.stdin.take().unwrap();
    let writer = thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = reader.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let answers = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    answers.map(Result::unwrap).collect()
}

#[test]
fn zz_explore() {
    for name in ["zlint", "cryptography"] {
        let all = certificates(&corpus(name));
        let go = as_go_reads(&all);
        assert_eq!(all.len(), go.len());
        let mut counts = BTreeMap::<String, Vec<String>>::new();
        for ((file, der), other) in all.iter().zip(&go) {
            let ours = Certificate::read(der);
            let mut class = |text: String| counts.entry(text).or_default().push(file.clone());
            match (&ours.facts, other.error.is_empty()) {
                (Ok(f), true) => {
                    let mut cmp = |what: &str, a: String, b: String| if a != b { class(format!("DIFF {what}")); println!("{file}: {what}: ours {a} go {b}"); };
                    cmp("scn", f.subject_common_name.clone(), other.subject_common_name.clone());
                    cmp("icn", f.issuer_common_name.clone(), other.issuer_common_name.clone());
                    cmp("serial", f.serial_number.clone(), other.serial_number.clone());
                    cmp("nb", f.not_before.as_secs().to_string(), other.not_before.to_string());
                    cmp("na", f.not_after.as_secs().to_string(), other.not_after.to_string());
                    cmp("ka", f.key_algorithm.clone(), other.key_algorithm.clone());
                    cmp("ks", f.key_size.to_string(), other.key_size.to_string());
                    cmp("sa", f.signature_algorithm.clone(), other.signature_algorithm.clone());
                    cmp("ca", f.is_ca.to_string(), other.is_ca.to_string());
                    cmp("dns", format!("{:?}", f.dns_names), format!("{:?}", other.dns_names));
                    cmp("ip", format!("{:?}", f.ip_names), format!("[{}]", other.ip_names.join(", ")));
                    class("both".into());
                }
                (Ok(_), false) => class(format!("ok / go: {}", other.error)),
                (Err(e), true) => { println!("{file}: {e}"); class(format!("ERR ONLY OURS {e}")) },
                (Err(e), false) => class(format!("err {e} / {}", other.error)),
            }
        }
        for (k, v) in counts { println!("{name} {k}: {} {:?}", v.len(), &v[..v.len().min(4)]); }
    }
}
