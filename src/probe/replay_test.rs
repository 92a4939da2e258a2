//! What real servers answered, cut short and altered at every byte: the readers of what comes in
//! clear give facts or a reason, whatever becomes of it.

use std::thread;

use super::*;
use crate::model::Reason;
use crate::probe::answer::Answer;
use crate::probe::chain::read_chain;

macro_rules! captured {
    ($($name:literal),*) => {
        [$((
            $name,
            include_bytes!(concat!("testdata/captured/", $name, "-1.2.bin")),
            include_bytes!(concat!("testdata/captured/", $name, "-1.3.bin")),
        )),*]
    };
}

/// A server's name, and its answers to hellos for TLS 1.2 and for TLS 1.3.
const CAPTURED: [(&str, &[u8], &[u8]); 11] = captured!(
    "etcd",
    "gnutls",
    "go",
    "haproxy",
    "java",
    "kube-apiserver",
    "nginx",
    "node",
    "nss",
    "openssl",
    "tlslite"
);

/// What [`legacy_handshake`] makes of a server that sends these bytes and closes.
fn shown(bytes: &[u8]) -> Result<LegacyFacts, Ended> {
    let mut answer = Answer::new(FLIGHT_MAX_BYTES);
    answer.feed(bytes)?;
    let mut flight = Flight::default();
    while !flight.is_over {
        let message = answer.next_message()?.ok_or(Ended::Closed)?;
        flight.take(message, TlsVersion::Tls12)?;
    }
    flight.finish()
}

/// The first message, of which a `ServerHello` is all that is read of TLS 1.3.
fn first(bytes: &[u8]) -> Result<Message, Ended> {
    let mut answer = Answer::new(FLIGHT_MAX_BYTES);
    answer.feed(bytes)?;
    answer.next_message()?.ok_or(Ended::Closed)
}

/// Each byte replaced by each value that `others` gives for it, one at a time.
fn mutations<I>(bytes: &[u8], others: fn(u8) -> I, mut see: impl FnMut(&[u8]))
where
    I: Iterator<Item = u8>,
{
    let mut bytes = bytes.to_vec();
    for position in 0..bytes.len() {
        let original = bytes[position];
        for value in others(original) {
            bytes[position] = value;
            see(&bytes);
        }
        bytes[position] = original;
    }
}

#[test]
fn every_server_is_read_whole() {
    for (name, tls12, tls13) in CAPTURED {
        let facts = shown(tls12).unwrap();
        assert_eq!(facts.version, TlsVersion::Tls12, "{name}");
        let chain = read_chain(&facts.certificates).unwrap();
        assert!(chain.certificates[0].facts.is_ok(), "{name}");
        let Ok(Message::ServerHello(hello)) = first(tls13) else {
            panic!("{name}: no ServerHello");
        };
        assert_eq!(hello.version, TlsVersion::Tls13.wire(), "{name}");
        assert!(hello.group.is_some(), "{name}");
    }
}

#[test]
fn every_prefix_is_a_server_that_closed() {
    for (name, tls12, tls13) in CAPTURED {
        for length in 0..tls12.len() {
            let ended = shown(&tls12[..length]);
            assert!(matches!(ended, Err(Ended::Closed)), "{name} {length}");
        }
        let record = 5 + usize::from(u16::from_be_bytes([tls13[3], tls13[4]]));
        for length in 0..record {
            let ended = first(&tls13[..length]);
            assert!(matches!(ended, Err(Ended::Closed)), "{name} {length}");
        }
    }
}

#[test]
fn every_flipped_bit_leaves_facts_or_a_reason() {
    replay(|byte| (0..8).map(move |bit| byte ^ (1 << bit)));
}

#[test]
#[ignore = "takes some minutes"]
fn every_altered_byte_leaves_facts_or_a_reason() {
    replay(|byte| (0..=255).filter(move |value| *value != byte));
}

/// All answers, those of each server in a thread of its own.
fn replay<I: Iterator<Item = u8>>(others: fn(u8) -> I) {
    thread::scope(|scope| {
        for (name, tls12, tls13) in CAPTURED {
            scope.spawn(move || {
                mutations(tls12, others, |bytes| check(name, shown(bytes)));
                mutations(tls13, others, |bytes| {
                    if let Err(ended) = first(bytes) {
                        check(name, Err(ended));
                    }
                });
            });
        }
    });
}

/// Facts are whole, and a reason is one of those that bytes can give.
fn check(name: &str, outcome: Result<LegacyFacts, Ended>) {
    match outcome {
        Ok(facts) => {
            assert!(facts.version <= TlsVersion::Tls12, "{name}");
            let chain = read_chain(&facts.certificates).unwrap();
            assert_eq!(chain.certificates.len(), facts.certificates.len(), "{name}");
        }
        Err(ended) => assert!(
            matches!(
                ended.reason(),
                Reason::Alert | Reason::Closed | Reason::NotTls | Reason::Protocol
            ),
            "{name}: {ended:?}"
        ),
    }
}
