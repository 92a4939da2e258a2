//! Certificates as servers send them: facts or a reason, fit for labels, and a verdict on the chain, which the last of
//! them is trusted for.
#![no_main]

#[path = "../../tests/integration/judged.rs"]
mod judged;

use kube_https_exporter::config::Config;
use kube_https_exporter::judge::{Policy, Roots};
use kube_https_exporter::model::{Certificate, LABEL_LIMIT, UnixTime, is_unsafe};
use libfuzzer_sys::fuzz_target;

/// The certificates that follow one another in `bytes`, cut by the lengths that they say.
fn split(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut ders = Vec::new();
    while !bytes.is_empty() && ders.len() < 16 {
        let length = match bytes {
            [_, 0x82, high, low, ..] => 4 + usize::from(u16::from_be_bytes([*high, *low])),
            [_, 0x81, length, ..] => 3 + usize::from(*length),
            [_, length, ..] => 2 + usize::from(*length),
            _ => 1,
        };
        let (der, rest) = bytes.split_at(length.min(bytes.len()));
        ders.push(der.to_vec());
        bytes = rest;
    }
    ders
}

fuzz_target!(|bytes: &[u8]| {
    let ders = split(bytes);
    let Some(last) = ders.last() else { return };
    for der in &ders {
        let Ok(facts) = Certificate::read(der).facts else {
            continue;
        };
        let texts = [
            &facts.subject_common_name,
            &facts.issuer_common_name,
            &facts.issuer_organization,
            &facts.serial_number,
            &facts.key_algorithm,
            &facts.signature_algorithm,
        ];
        for text in texts {
            assert!(
                text.chars().count() <= LABEL_LIMIT && !text.contains(is_unsafe),
                "{text:?}"
            );
        }
    }
    let policy = Policy::new(&Config::default(), Roots::empty().with_configured(&[last]));
    let now = UnixTime::from_secs(1_600_000_000);
    let judged = judged::judged(&policy, &ders, Some("a.example"), now);
    assert!(
        judged.valid != Some(false) || !judged.findings.is_empty(),
        "{judged:?}"
    );
});
