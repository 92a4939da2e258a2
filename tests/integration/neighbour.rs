//! What the servers that are probed have to put up with: what nginx logs of it, at its most talkative.

use serde_json::json;

use crate::ca::{CA, ECDSA, NAME};
use crate::exporter::Exporter;
use crate::peers;
use crate::process::{Peer, Site};

/// What nginx logs of whoever connects and asks for nothing; there is no parting without.
const NO_REQUEST: &str = "client closed connection while waiting for request";

/// And of whoever speaks plaintext to its TLS port.
const IN_CLEAR: &str = "client sent plain HTTP request to HTTPS port";

/// A hello of the deep probe that it refuses, by what is offered.
const REFUSED: [&str; 4] = [
    "version too low",
    "unsupported protocol",
    "no shared cipher",
    "no suitable key share",
];

/// One that it accepts: no key is ever agreed on.
const LEFT: &str = "peer closed connection in SSL handshake";

/// What nginx has logged of its clients: the level of each line, and the rest of it.
fn logged(peer: &Peer) -> Vec<(String, String)> {
    let log = peer.site.log();
    let lines = log
        .lines()
        .filter(|line| line.contains("client: 127.0.0.1"));
    // Whoever waited for the port left this.
    let lines =
        lines.filter(|line| !line.contains("client closed connection while SSL handshaking"));
    lines
        .map(|line| {
            let (_, rest) = line.split_once('[').unwrap();
            let (level, rest) = rest.split_once(']').unwrap();
            (level.to_owned(), rest.to_owned())
        })
        .collect()
}

async fn exporter(peer: &Peer, name: &str) -> (Exporter, Site) {
    let site = Site::new(name);
    let ca = site.write("ca.pem", &CA.issuer.pem());
    let target = json!({
        "name": "neighbour",
        "url": format!("https://{NAME}:{}", peer.address.port()),
        "address": "127.0.0.1",
        "ca_file": ca,
    });
    let config = json!({
        "interval": "2s", "timeout": "2s", "deep_interval": "24h", "targets": [target],
    });
    (Exporter::serve(&config, None).await, site)
}

#[tokio::test]
async fn nginx_logs_nothing_of_the_probes_above_its_level_for_information() {
    let peer = peers::nginx_as_it_comes(&ECDSA, "ssl_protocols TLSv1.2 TLSv1.3;");
    let (exporter, _site) = exporter(&peer, "neighbour").await;
    let asked = "a deep probe, and four regular ones";
    exporter
        .until(asked, |scrape| {
            let version = scrape.metric("kube_https_tls_version_accepted");
            let probes = scrape.metric("kube_https_probes_total").get();
            !version.each("version").is_empty() && probes.is_some_and(|probes| probes >= 4.0)
        })
        .await;
    drop(exporter);
    let logged = logged(&peer);
    let loud = logged.iter().filter(|(level, _)| level != "info");
    assert_eq!(loud.collect::<Vec<_>>(), [] as [&_; 0]);

    let count = |part: &str| {
        logged
            .iter()
            .filter(|(_, line)| line.contains(part))
            .count()
    };
    let refused: usize = REFUSED.into_iter().map(count).sum();
    let (left, in_clear, no_request) = (count(LEFT), count(IN_CLEAR), count(NO_REQUEST));
    println!("{refused} refused, {left} left, {in_clear} in clear, {no_request} without a request");
    assert_eq!(
        refused + left + in_clear + no_request,
        logged.len(),
        "{logged:?}"
    );
    // The deep probe comes once; the others say goodbye.
    assert!((1..=8).contains(&refused), "{refused}");
    assert!((1..=16).contains(&left), "{left}");
    assert!(no_request >= 4, "{no_request}");
}

#[tokio::test]
async fn regular_probes_close_as_any_client_does() {
    let peer = peers::nginx_as_it_comes(&ECDSA, "ssl_protocols TLSv1.2 TLSv1.3;");
    let (exporter, _site) = exporter(&peer, "neighbour").await;
    let deep = "a deep probe";
    let done = exporter
        .until(deep, |scrape| {
            let version = scrape.metric("kube_https_tls_version_accepted");
            !version.each("version").is_empty()
        })
        .await;
    let before = logged(&peer).len();
    let probes = done.metric("kube_https_probes_total").get().unwrap();
    exporter
        .until("three more regular probes", |scrape| {
            let now = scrape.metric("kube_https_probes_total").get();
            now.is_some_and(|now| now >= probes + 3.0)
        })
        .await;
    drop(exporter);
    let after = logged(&peer).split_off(before);
    assert!(after.len() >= 3, "{after:?}");
    for (level, line) in after {
        let known = line.contains(NO_REQUEST) || line.contains(IN_CLEAR);
        assert!(known && level == "info", "[{level}]{line}");
    }
}
