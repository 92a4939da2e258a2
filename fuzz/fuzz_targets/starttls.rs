//! The dialogues before TLS.
#![no_main]

use futures::executor::block_on;
use kube_https_exporter::model::{StartTls, is_unsafe};
use kube_https_exporter::probe::fuzzing::start_tls;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|said: &[u8]| {
    for protocol in StartTls::ALL {
        if let Err(failure) = block_on(start_tls(said, protocol)) {
            assert!(!failure.detail.contains(is_unsafe), "{failure:?}");
        }
    }
});
