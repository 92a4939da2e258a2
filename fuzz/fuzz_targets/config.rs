//! The configuration file: values, or problems that say where.
#![no_main]

use std::path::Path;

use kube_https_exporter::config::{Error, Names, parse};
use libfuzzer_sys::fuzz_target;

const NAMES: Names<'_> = Names {
    families: &["kube_https_probe_success"],
    findings: &["hsts_missing", "certificate_expired"],
};

fuzz_target!(|text: &str| {
    // Aliases that explode are refused after 250,000 values, which takes seconds here; a unit test has them.
    if text.matches('*').count() > 16 {
        return;
    }
    if let Err(error) = parse(text, Path::new("/nowhere/config.yaml"), NAMES) {
        let Error::Invalid { problems, .. } = &error else {
            return;
        };
        assert!(!problems.is_empty());
        assert!(!error.to_string().is_empty());
    }
});
