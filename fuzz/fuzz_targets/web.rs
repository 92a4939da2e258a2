//! The web configuration file: who may come in, or one problem that says where.
#![no_main]

use kube_https_exporter::serve::fuzzing::web_config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // As of the configuration: aliases that explode are refused, after seconds here.
    if text.matches('*').count() > 16 {
        return;
    }
    if let Err(problem) = web_config(text) {
        assert!(!problem.is_empty());
    }
});
