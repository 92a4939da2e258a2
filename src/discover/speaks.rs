//! What a port of a Service speaks, as far as its Service says: nothing is decided by it but whether
//! the port is looked at, and what is expected there.
//!
//! Ports that say nothing of HTTP or TLS are left alone: a `mysqld` locks out a host that breaks off
//! a hundred handshakes (`max_connect_errors`), and a node's address is shared by many.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ServicePort;

/// What is expected of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    /// TLS from the first byte.
    Tls,
    /// HTTP in clear.
    Http,
}

use Speaks::{Http, Tls};

/// Words for a protocol: application protocols (`ServicePort.appProtocol`: IANA service names, and
/// Kubernetes' own), the names and prefixes that Istio reads of a port's name, and the names of
/// Traefik's entry points.
const WORDS: &[(&str, Speaks)] = &[
    ("https", Tls),
    ("tls", Tls),
    ("ssl", Tls),
    ("wss", Tls),
    ("websecure", Tls),
    ("kubernetes.io/wss", Tls),
    ("http", Http),
    ("http2", Http),
    ("h2c", Http),
    ("ws", Http),
    ("web", Http),
    ("grpc", Http),
    ("kubernetes.io/h2c", Http),
    ("kubernetes.io/ws", Http),
];

/// Google's annotation of Services, from before `appProtocol`: a JSON map from the names of ports to
/// protocols (GKE's guides to Ingress; `k8s.io/ingress-gce/pkg/annotations`).
const GOOGLES: &str = "cloud.google.com/app-protocols";

/// What its values say. `HTTP2` goes by TLS alone there.
const GOOGLES_WORDS: [(&str, Speaks); 3] = [("HTTP", Http), ("HTTPS", Tls), ("HTTP2", Tls)];

/// The end of a port's number that stands for TLS by custom: 443, 6443, 8443, 30443.
const TLS_ENDING: u16 = 443;

/// The numbers that stand for HTTP in clear by custom.
const HTTP_NUMBERS: [u16; 4] = [80, 8000, 8080, 8888];

/// What `port` of a Service with these annotations speaks: as its `appProtocol` says, else an
/// annotation, else its name, else its number. `None` where that is something else than HTTP or TLS,
/// or nothing says.
pub(super) fn speaks(
    port: &ServicePort,
    annotations: Option<&BTreeMap<String, String>>,
) -> Option<Speaks> {
    let protocol = port.app_protocol.as_deref().unwrap_or_default();
    let name = port.name.as_deref().unwrap_or_default();
    match protocol.to_ascii_lowercase().as_str() {
        // No more than the port's `protocol` says.
        "" | "tcp" => by_annotation(annotations, name).or_else(|| said_by(name, port.port)),
        protocol => by_word(protocol),
    }
}

fn by_annotation(annotations: Option<&BTreeMap<String, String>>, name: &str) -> Option<Speaks> {
    let written = annotations?.get(GOOGLES)?;
    let protocols: BTreeMap<String, String> = serde_json::from_str(written).ok()?;
    let protocol = protocols.get(name)?;
    let mut words = GOOGLES_WORDS.into_iter();
    words.find_map(|(known, speaks)| (known == protocol).then_some(speaks))
}

/// What a port with this name, which may be empty, and number speaks: as its name says, else its
/// number.
pub(super) fn said_by(name: &str, number: i32) -> Option<Speaks> {
    by_name(name).or_else(|| by_number(number))
}

fn by_word(word: &str) -> Option<Speaks> {
    let known = WORDS.iter().find(|(known, _)| *known == word);
    known.map(|(_, speaks)| *speaks)
}

/// By the name's first word (`https-admin`), else its last (`proxy-tls`).
fn by_name(name: &str) -> Option<Speaks> {
    let mut words = name.split('-');
    let first = words.next().and_then(by_word);
    first.or_else(|| words.next_back().and_then(by_word))
}

fn by_number(number: i32) -> Option<Speaks> {
    let number = u16::try_from(number).ok()?;
    if number % 1000 == TLS_ENDING {
        Some(Tls)
    } else {
        HTTP_NUMBERS.contains(&number).then_some(Http)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(app_protocol: &str, name: &str, number: i32) -> Option<Speaks> {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let port = ServicePort {
            app_protocol: some(app_protocol),
            name: some(name),
            port: number,
            ..ServicePort::default()
        };
        speaks(&port, None)
    }

    #[test]
    fn the_application_protocol_goes_before_the_name_and_the_name_before_the_number() {
        assert_eq!(port("http", "https", 443), Some(Http));
        assert_eq!(port("", "http", 443), Some(Http));
        assert_eq!(port("", "https", 80), Some(Tls));
        assert_eq!(port("", "", 443), Some(Tls));
        assert_eq!(port("tcp", "https", 80), Some(Tls));
        assert_eq!(port("TCP", "", 80), Some(Http));
    }

    #[test]
    fn an_application_protocol_is_read_without_regard_to_case_and_another_one_is_left_alone() {
        for (protocol, expected) in [
            ("HTTPS", Some(Tls)),
            ("kubernetes.io/wss", Some(Tls)),
            ("kubernetes.io/ws", Some(Http)),
            ("kubernetes.io/h2c", Some(Http)),
            ("grpc", Some(Http)),
            ("mysql", None),
            ("example.com/own", None),
        ] {
            assert_eq!(port(protocol, "https", 443), expected, "{protocol}");
        }
    }

    #[test]
    fn a_name_says_it_with_its_first_or_its_last_word() {
        for (name, expected) in [
            ("https-admin", Some(Tls)),
            ("tls-mqtt", Some(Tls)),
            ("proxy-tls", Some(Tls)),
            ("kong-proxy-tls", Some(Tls)),
            ("websecure", Some(Tls)),
            ("http2-api", Some(Http)),
            ("grpc-web", Some(Http)),
            ("metrics-http", Some(Http)),
            ("http-tls", Some(Http)),
            ("a-https-b", None),
            ("httpsd", None),
            ("postgres", None),
            ("", None),
        ] {
            assert_eq!(port("", name, 5432), expected, "{name}");
        }
    }

    #[test]
    fn numbers_say_it_by_custom() {
        for number in [443, 6443, 8443, 30_443] {
            assert_eq!(port("", "", number), Some(Tls), "{number}");
        }
        for number in [80, 8000, 8080, 8888] {
            assert_eq!(port("", "", number), Some(Http), "{number}");
        }
        for number in [22, 81, 442, 444, 3306, 5432, 9100, -557, 65_979] {
            assert_eq!(port("", "", number), None, "{number}");
        }
    }
}
