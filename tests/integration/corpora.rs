//! Certificates that others collected: those that zlint and Python's cryptography are tested with, NIST's PKITS among
//! them. Each gives facts or a reason, and the facts are those that Go's crypto/x509 reads, but for the classes of
//! difference that stand here with their reasons.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube_https_exporter::model::{Certificate, CertificateFacts, LABEL_LIMIT, is_unsafe};
use kube_https_exporter::probe::answer::{Answer, Message};
use kube_https_exporter::probe::chain::read_chain;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;

use crate::process::{command, tool};

/// What `gox509` prints of a certificate.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Other {
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
        let (name, bytes) = (
            entry.file_name().into_string().unwrap(),
            fs::read(entry.path()).unwrap(),
        );
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

/// Go's refusals of certificates that are read here, by how they begin, with the reason.
///
/// Go parses every extension that it knows as it reads a certificate and refuses the whole for a fault in one. Here what
/// has a fault is read as far as it goes, because an odd certificate is what there is to report.
const GO_REFUSES: &[(&str, &str)] = &[
    ("IP constraint contained ", "name constraints"),
    ("empty name constraints extension", "name constraints"),
    ("SAN ", "alternative names"),
    ("authority info access incorrectly", "criticality"),
    ("authority key identifier incorrectly", "criticality"),
    ("subject key identifier incorrectly", "criticality"),
    (
        "certificate contains duplicate extension",
        "duplicate extension",
    ),
    ("invalid CRL distribution point", "other extensions"),
    ("invalid basic constraints", "other extensions"),
    ("invalid certificate policies", "other extensions"),
    ("invalid inhibit any policy extension", "other extensions"),
    ("inner and outer signature algorithm", "signature algorithm"),
    ("RSA key missing NULL parameters", "key parameters"),
    ("invalid DSA parameters", "key parameters"),
    ("invalid ECDSA parameters", "key parameters"),
    ("invalid RDNSequence", "text of names"),
    ("invalid version", "version"),
    ("malformed GeneralizedTime", "time"),
    ("malformed UTCTime", "time"),
];

/// How the two readings of one corpus compare.
type Counts = BTreeMap<&'static str, usize>;

/// Reads every certificate of a corpus and counts each class of difference; a difference of no class fails.
fn compared(name: &str) -> Counts {
    let all = certificates(&corpus(name));
    let go = as_go_reads(&all);
    assert_eq!(all.len(), go.len());
    let mut counts = Counts::new();
    for ((file, der), go) in all.iter().zip(&go) {
        let certificate = Certificate::read(der);
        assert_eq!(*certificate.der, **der);
        let refusal = go.error.strip_prefix("x509: ").unwrap_or(&go.error);
        let classes = match (&certificate.facts, refusal) {
            (Ok(ours), "") => differences(file, ours, go),
            (Ok(_), refusal) => {
                let mut known = GO_REFUSES.iter();
                let known = known.find(|(start, _)| refusal.starts_with(start));
                vec![
                    known
                        .unwrap_or_else(|| panic!("{file}: Go says {refusal}"))
                        .1,
                ]
            }
            (Err(reason), "") => panic!("{file}: {reason}, though Go reads it"),
            (Err(_), _) => vec!["neither reads it"],
        };
        if let Ok(facts) = &certificate.facts {
            assert_fit_for_labels(file, facts);
        }
        for class in classes {
            *counts.entry(class).or_default() += 1;
        }
    }
    counts
}

fn assert_fit_for_labels(file: &str, facts: &CertificateFacts) {
    let texts = [
        &facts.subject_common_name,
        &facts.issuer_common_name,
        &facts.issuer_organization,
        &facts.serial_number,
        &facts.key_algorithm,
        &facts.signature_algorithm,
    ];
    for text in texts {
        let fit = text.chars().count() <= LABEL_LIMIT && !text.contains(is_unsafe);
        assert!(fit && !text.contains("X509Error"), "{file}: {text:?}");
    }
}

/// The classes of difference of one certificate that both read, or that there is none.
fn differences(file: &str, ours: &CertificateFacts, go: &Other) -> Vec<&'static str> {
    let mut classes = Vec::new();
    assert_eq!(ours.subject_common_name, go.subject_common_name, "{file}");
    assert_eq!(ours.issuer_common_name, go.issuer_common_name, "{file}");
    let dates = ours
        .validity
        .both()
        .map(|(begin, end)| (begin.as_secs(), end.as_secs()));
    assert_eq!(dates, Some((go.not_before, go.not_after)), "{file}");
    // Go takes the number apart; here are its bytes, of a negative one as they stand.
    if go.serial_number.starts_with('-') {
        classes.push("negative serial number");
    } else {
        let digits = format!(
            "{:0>1$}",
            go.serial_number,
            go.serial_number.len().next_multiple_of(2)
        );
        assert_eq!(ours.serial_number, digits, "{file}");
    }
    // Go has no name for these, whose names or numbers are told here.
    if go.key_algorithm == "0" {
        classes.push("key unknown to Go");
    } else {
        assert_eq!(ours.key_algorithm, go.key_algorithm, "{file}");
        assert_eq!(ours.key_size, go.key_size, "{file}");
    }
    if go.signature_algorithm == "0" {
        classes.push("signature unknown to Go");
    } else {
        assert_eq!(ours.signature_algorithm, go.signature_algorithm, "{file}");
    }
    if BEFORE_V3.contains(&file) {
        classes.push("extensions before version 3");
        return classes;
    }
    assert_eq!(ours.is_ca, go.is_ca, "{file}");
    let ips: Vec<String> = ours.ip_names.iter().map(ToString::to_string).collect();
    assert_eq!(ips, go.ip_names, "{file}");
    // Names are compared without regard to case, and what is cut or has spaces can name no host.
    let is_host =
        |name: &&String| name.len() <= 253 && name.bytes().all(|byte| byte.is_ascii_graphic());
    let hosts: Vec<_> = go.dns_names.iter().filter(is_host).collect();
    if hosts.len() < go.dns_names.len() {
        classes.push("names that are no host's");
    }
    let lower: Vec<_> = hosts.iter().map(|name| name.to_ascii_lowercase()).collect();
    assert_eq!(
        ours.dns_names,
        lower
            .iter()
            .map(|name| name.as_str().into())
            .collect::<Vec<_>>(),
        "{file}"
    );
    classes.push("both read it");
    classes
}

/// Certificates of versions 1 and 2 with extensions, which are of version 3 (RFC 5280 section 4.1.2.9): Go passes over
/// them, while OpenSSL reads them as is done here.
const BEFORE_V3: [&str; 2] = ["certVersion2WithExtension.pem", "uniqueIdVersion1.pem"];

#[test]
fn of_zlint_are_read_as_go_reads_them() {
    let counts = compared("zlint");
    let expected = [
        ("alternative names", 17),
        ("both read it", 1_331),
        ("criticality", 35),
        ("duplicate extension", 6),
        ("extensions before version 3", 2),
        ("key parameters", 3),
        ("key unknown to Go", 15),
        ("name constraints", 31),
        ("names that are no host's", 17),
        ("negative serial number", 2),
        ("neither reads it", 2),
        ("other extensions", 14),
        ("signature algorithm", 4),
        ("signature unknown to Go", 2),
        ("text of names", 3),
        ("time", 3),
        ("version", 2),
    ];
    assert_eq!(counts, expected.into());
}

/// Most files of this corpus are no certificates but keys, requests, lists and answers.
#[test]
fn of_cryptography_are_read_as_go_reads_them() {
    let counts = compared("cryptography");
    let expected = [
        ("alternative names", 2),
        ("both read it", 516),
        ("duplicate extension", 1),
        ("key parameters", 3),
        ("key unknown to Go", 7),
        ("name constraints", 3),
        ("negative serial number", 2),
        ("neither reads it", 1_050),
        ("other extensions", 4),
        ("signature algorithm", 5),
        ("signature unknown to Go", 6),
        ("text of names", 4),
        ("time", 1),
        ("version", 1),
    ];
    assert_eq!(counts, expected.into());
}

/// The first thing that the server says in a recording: hexadecimal, between an offset and a column of text.
fn first_answer(recording: &str) -> Vec<u8> {
    let flows = recording.split(">>> Flow ").skip(1);
    let answers = flows.filter(|flow| flow.starts_with('2'));
    let lines = answers.flat_map(|flow| flow.lines().skip(1));
    let hexadecimal = lines.flat_map(|line| {
        let (bytes, _) = line.split_once('|').unwrap();
        bytes.split_whitespace().skip(1)
    });
    hexadecimal
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect()
}

/// What is read in a recording: the version and whether there was a chain, then how it ended, where it did.
fn shown(said: &[u8]) -> String {
    let mut answer = Answer::new(1 << 16);
    answer.feed(said).unwrap();
    let mut shown = String::new();
    loop {
        match answer.next_message() {
            Ok(Some(Message::ServerHello(hello))) => {
                write!(shown, "{:04x} ", hello.version).unwrap();
            }
            Ok(Some(Message::Certificate(ders))) => {
                let chain = read_chain(&ders).unwrap();
                assert!(
                    chain
                        .certificates
                        .iter()
                        .all(|certificate| certificate.facts.is_ok())
                );
                shown += "chain ";
            }
            Ok(Some(_)) => {}
            Ok(None) => return shown,
            Err(ended) => return shown + &ended.to_string(),
        }
    }
}

/// How many there are depends on the version of Go.
#[test]
fn recordings_of_go_s_own_tests_show_a_version_and_a_chain() {
    let mut chains = 0;
    for entry in fs::read_dir(corpus("gotls")).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if !name.contains("-TLSv1") {
            continue;
        }
        let recording = fs::read_to_string(entry.path()).unwrap();
        let shown = shown(&first_answer(&recording));
        match shown.as_str() {
            "0301 chain " | "0302 chain " | "0303 chain " => chains += 1,
            // What follows is encrypted, unless the server asks for another hello.
            "0304 the server sent data before the handshake was over" => {}
            "0304 " => assert!(name.contains("HelloRetryRequest"), "{name}"),
            // Encrypted right after the hello, too, which reads as a long message.
            "0303 the server sent or announced more than 65536 bytes" => {
                assert!(name.contains("Resume"), "{name}");
            }
            // The client refuses before the server says anything.
            "" => assert!(name.contains("Ed25519"), "{name}"),
            other => assert!(
                other.starts_with("the server sent the fatal alert"),
                "{name}: {other}"
            ),
        }
    }
    assert!(chains > 50, "{chains}");
}
