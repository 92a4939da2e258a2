//! What comes back to requests, in clear and over TLS.
#![no_main]

use kube_https_exporter::model::{PlainAnswer, is_unsafe};
use kube_https_exporter::probe::fuzzing::http;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|said: &[u8]| {
    let (plain, https, web) = http(said);
    if let PlainAnswer::Http {
        location: Some(location),
        ..
    } = &plain
    {
        assert!(!location.contains(is_unsafe), "{location:?}");
    }
    let statuses = [
        https.map(|answer| answer.status),
        web.map(|answer| answer.status),
    ];
    for status in statuses.into_iter().flatten() {
        // A whole answer is one in clear, too.
        assert!(
            matches!(plain, PlainAnswer::Http { status: same, .. } if same == status),
            "{plain:?}"
        );
    }
});
