//! What servers answer to our hellos: versions, chains, alerts. However it arrives, it is read alike.
#![no_main]

use std::sync::LazyLock;

use kube_https_exporter::model::TlsVersion;
use kube_https_exporter::probe::answer::{Answer, Message};
use kube_https_exporter::probe::fuzzing::tls;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};

/// More than any input has.
const LIMIT: usize = 1 << 20;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap()
});

/// The messages up to where more is to come, or none can.
fn messages<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Vec<Message> {
    let mut answer = Answer::new(LIMIT);
    let mut messages = Vec::new();
    for part in parts {
        if answer.feed(part).is_err() {
            break;
        }
        loop {
            match answer.next_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(_) => return messages,
            }
        }
    }
    messages
}

fuzz_target!(|said: &[u8]| {
    let at_once = messages(std::iter::once(said));
    assert_eq!(at_once, messages(said.chunks(1)));
    for version in [TlsVersion::Ssl30, TlsVersion::Tls12, TlsVersion::Tls13] {
        let (_, shown) = RUNTIME.block_on(tls(said, version));
        // What is shown was said.
        if let Ok(facts) = shown {
            assert!(
                at_once
                    .iter()
                    .any(|message| matches!(message, Message::Certificate(_))),
                "{facts:?}"
            );
        }
    }
});
