//! `/probe` beside a real `blackbox_exporter`: the same file of modules, the same targets, the same series.

use rcgen::{KeyPair, date_time_ymd};
use serde_json::json;

use crate::ca::{CA, Ca, ECDSA, NAME};
use crate::exporter::Exporter;
use crate::http;
use crate::peers::nginx_server;
use crate::process::{Peer, Site, command, free_port};
use crate::scrape::{Sample, Scrape};

/// Series that differ from probe to probe.
const VOLATILE: [&str; 3] = [
    "probe_duration_seconds",
    "probe_dns_lookup_time_seconds",
    "probe_http_duration_seconds",
];

/// What it has and we have not, because no body is read: bodies are the application's, not the door's.
const NOT_OURS: [&str; 3] = [
    "probe_failed_due_to_regex",
    "probe_http_uncompressed_body_length",
    "probe_http_last_modified_timestamp_seconds",
];

/// What Debian's version does not have yet, nor the label `serialnumber`.
const NEWER: [&str; 1] = ["probe_tls_cipher_info"];

/// The one value of Go's zero time.
const ZERO_TIME: f64 = -62_135_596_800.0;

struct Pair {
    ours: Exporter,
    theirs: Peer,
}

impl Pair {
    async fn start() -> Self {
        let site = Site::new("probe");
        let ca = site.write("ca.pem", &CA.issuer.pem());
        let tls = json!({"ca_file": ca, "server_name": NAME});
        let http = |more: serde_json::Value| {
            let mut http = json!({"preferred_ip_protocol": "ip4", "tls_config": tls});
            http.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            json!({"prober": "http", "timeout": "5s", "http": http})
        };
        let modules = json!({"modules": {
            "http_2xx": http(json!({})),
            "http_404": http(json!({"valid_status_codes": [404]})),
            "no_follow": http(json!({"follow_redirects": false})),
            "only_clear": http(json!({"fail_if_ssl": true})),
            "wrong_name": http(json!({"tls_config": {"ca_file": ca, "server_name": "other.test"}})),
            "insecure": http(json!({"tls_config": {"insecure_skip_verify": true}})),
            "tcp": {"prober": "tcp", "tcp": {"preferred_ip_protocol": "ip4"}},
            "tls": {"prober": "tcp", "tcp": {"preferred_ip_protocol": "ip4", "tls": true, "tls_config": tls}},
            "icmp": {"prober": "icmp"},
        }});
        let file = site.write("blackbox.yml", &modules.to_string());
        let theirs = Peer::start("blackbox", |site| {
            let mut command = command("prometheus-blackbox-exporter");
            command
                .arg(format!("--config.file={file}"))
                .arg(format!("--web.listen-address=127.0.0.1:{}", site.port));
            command
        });
        let ports: Vec<u16> = (20_000..30_000).collect();
        let config = json!({
            "probe_endpoint": {"modules_file": file, "ports": ports},
            "security": {"deny_networks": []},
            "discovery": {},
            "targets": [{"name": "none", "url": "https://127.0.0.1:1"}],
        });
        let config = site.write("config.yaml", &config.to_string());
        let ours = Exporter::start(site, "serve", &[format!("--config.file={config}")]).await;
        Self { ours, theirs }
    }

    /// What both say.
    async fn ask(&self, module: &str, target: &str) -> [Scrape; 2] {
        let path = format!("/probe?module={module}&target={target}");
        let ours = self.ours.get(&path).await;
        let theirs = http::get(self.theirs.address, &path).await.unwrap();
        assert_eq!(
            (ours.status, theirs.status),
            (200, 200),
            "{path}: {}",
            ours.body
        );
        [ours, theirs].map(|answer| Scrape::read(&answer.body))
    }

    /// Asserts that every series of theirs is one of ours, with its labels and its value, and that we say no more
    /// by their names but for what later versions of theirs do; gives ours.
    async fn agree(&self, module: &str, target: &str) -> Scrape {
        let [ours, theirs] = self.ask(module, target).await;
        let shared = |sample: &&Sample| {
            let name = &*sample.name;
            name.starts_with("probe_") && !VOLATILE.contains(&name) && !NOT_OURS.contains(&name)
        };
        for sample in theirs.samples.iter().filter(shared) {
            let labels = sample.labels.iter();
            let same = labels.fold(ours.metric(&sample.name), |metric, (name, value)| {
                metric.label(name, value)
            });
            same.value(sample.value);
        }
        for sample in ours.samples.iter().filter(shared) {
            let theirs_too = theirs.samples.iter().any(|other| other.name == sample.name);
            assert!(
                theirs_too || NEWER.contains(&&*sample.name),
                "{module} {target}: {sample}"
            );
        }
        ours
    }
}

#[tokio::test]
async fn what_both_can_see_both_say() {
    let pair = Pair::start().await;
    let server = nginx_server(&ECDSA, "location /missing { return 404; }");
    let url = format!("https://{}/", server.address);
    let seen = pair.agree("http_2xx", &url).await;
    seen.metric("probe_success").value(1.0);
    seen.metric("ssl_probe_success").value(1.0);
    seen.metric("ssl_cert_not_after")
        .label("cn", NAME)
        .label("dnsnames", ",peer.test,")
        .get()
        .unwrap();
    seen.metric("ssl_verified_cert_not_after")
        .label("chain_no", "0")
        .get()
        .unwrap();
    seen.metric("kube_https_certificate_valid")
        .label("source", "probe")
        .value(1.0);

    pair.agree("http_2xx", &format!("{url}missing"))
        .await
        .metric("probe_success")
        .value(0.0);
    pair.agree("http_404", &format!("{url}missing"))
        .await
        .metric("probe_success")
        .value(1.0);
    pair.agree("only_clear", &url)
        .await
        .metric("probe_success")
        .value(0.0);
    pair.agree("tls", &server.address.to_string())
        .await
        .metric("probe_success")
        .value(1.0);
    pair.agree("tcp", &server.address.to_string())
        .await
        .metric("probe_success")
        .value(1.0);
    let closed = format!("127.0.0.1:{}", free_port());
    pair.agree("tcp", &closed)
        .await
        .metric("probe_success")
        .value(0.0);
    pair.agree("tls", &closed)
        .await
        .metric("probe_success")
        .value(0.0);
}

#[tokio::test]
async fn a_redirect_is_followed_to_the_same_host() {
    let pair = Pair::start().await;
    let server = nginx_server(
        &ECDSA,
        "location /away { return 302 /; } location /elsewhere { return 302 https://other.test/; }",
    );
    let url = format!("https://{}", server.address);
    let seen = pair.agree("http_2xx", &format!("{url}/away")).await;
    seen.metric("probe_http_redirects").value(1.0);
    seen.metric("probe_http_status_code").value(200.0);
    pair.agree("no_follow", &format!("{url}/away"))
        .await
        .metric("probe_success")
        .value(0.0);
    let [ours, _] = pair.ask("http_2xx", &format!("{url}/elsewhere")).await;
    ours.metric("probe_http_status_code").value(302.0);
    ours.metric("probe_success").value(0.0);
}

#[tokio::test]
async fn where_theirs_is_silent_or_says_the_year_one_ours_says_what_is_served() {
    let pair = Pair::start().await;
    let mut params = Ca::params(&[NAME]);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 1, 1);
    let expired = nginx_server(&CA.issue(&params, &KeyPair::generate().unwrap()), "");
    let sound = nginx_server(&ECDSA, "");
    let ends = "probe_ssl_earliest_cert_expiry";

    for (module, server, finding) in [
        ("http_2xx", &expired, "certificate_expired"),
        ("tls", &expired, "certificate_expired"),
        ("wrong_name", &sound, "certificate_name_mismatch"),
    ] {
        let scheme = if module == "tls" { "" } else { "https://" };
        let [ours, theirs] = pair
            .ask(module, &format!("{scheme}{}", server.address))
            .await;
        ours.metric("probe_success").value(0.0);
        theirs.metric("probe_success").value(0.0);
        assert!(ours.metric(ends).get().is_some(), "{module}");
        theirs.metric(ends).absent();
        ours.metric("kube_https_finding")
            .label("finding", finding)
            .holds();
    }

    let [ours, theirs] = pair
        .ask("insecure", &format!("https://{}", sound.address))
        .await;
    ours.metric("probe_success").value(1.0);
    theirs.metric("probe_success").value(1.0);
    let verified = "probe_ssl_last_chain_expiry_timestamp_seconds";
    theirs.metric(verified).value(ZERO_TIME);
    ours.metric(verified).absent();
    ours.metric("kube_https_finding")
        .label("finding", "certificate_untrusted")
        .holds();
}

#[tokio::test]
async fn it_is_no_relay() {
    let server = nginx_server(&ECDSA, "");
    let targets = json!([{"name": "none", "url": "https://127.0.0.1:1"}]);
    // Loopback is denied unless the configuration says otherwise; at loopback it is on without a word.
    let exporter = Exporter::serve(&json!({"targets": targets}), None).await;
    let port = server.address.port();
    let off_the_list = exporter
        .get(&format!(
            "/probe?module=tls_connect&target=127.0.0.1:{port}"
        ))
        .await;
    assert_eq!(off_the_list.status, 403, "{}", off_the_list.body);
    assert!(
        off_the_list.body.contains("probe_endpoint.ports"),
        "{}",
        off_the_list.body
    );
    for target in [
        "127.0.0.1:443",
        "[::1]:443",
        "[::ffff:127.0.0.1]:443",
        "169.254.169.254:80",
        "localhost:443",
    ] {
        let denied = exporter
            .get(&format!("/probe?module=tcp_connect&target={target}"))
            .await;
        let denied = Scrape::read(&denied.body);
        denied.metric("probe_success").value(0.0);
        denied.metric("probe_ip_protocol").absent();
    }
    for (query, says) in [
        ("", "Target parameter is missing"),
        ("target=a&module=none", "Unknown module"),
        ("target=ftp://a", "not spoken"),
        ("target=http://a/%0d%0aX:y", "escaped"),
    ] {
        let refused = exporter.get(&format!("/probe?{query}")).await;
        assert_eq!(refused.status, 400, "{query}");
        assert!(refused.body.contains(says), "{query}: {}", refused.body);
    }
}
