//! Files that are followed: PEM files, kubeconfigs, lists of targets.
#![no_main]

use kube_https_exporter::discover::fuzzing::file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| file(bytes));
