//! What the program makes of hostile servers, and of configurations and surroundings that are
//! wrong.

use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};

use crate::ca::{CA, NAME};
use crate::exporter::{Exporter, PATIENCE, run};
use crate::hostile::{Hostile, Manner};
use crate::peers;
use crate::process::Site;
use crate::scrape::Scrape;

/// Every way to misbehave, with the reasons that it may be reported for.
const BAD: [(Manner, &[&str]); 21] = [
    (Manner::Hang, &["timeout"]),
    // The hello reaches a socket that is closed already, which resets; or the close is read first.
    (Manner::Close, &["closed", "reset"]),
    (Manner::ResetMidHandshake, &["reset"]),
    (Manner::Garbage, &["not_tls"]),
    (Manner::EndlessZeros, &["not_tls"]),
    (Manner::EndlessEmptyRecords, &["protocol"]),
    (Manner::EndlessWarnings, &["protocol"]),
    (Manner::EndlessCertificate, &["protocol"]),
    (Manner::Drip, &["timeout"]),
    (Manner::Http, &["not_tls"]),
    (Manner::EndlessHttp, &["not_tls"]),
    (Manner::Ssh, &["not_tls"]),
    (Manner::UnknownAlert, &["alert"]),
    (Manner::HangAfter(0), &["timeout"]),
    (Manner::HangAfter(600), &["timeout"]),
    (Manner::HalfClose, &["closed"]),
    (Manner::VersionOfNobody, &["protocol"]),
    (Manner::CompressedCertificate, &["protocol"]),
    (Manner::EndlessRetries, &["protocol"]),
    (Manner::TlsInsideTls, &["protocol"]),
    (Manner::ResetMidCertificate, &["reset"]),
];

/// In seconds.
const INTERVAL: f64 = 2.0;

/// What a probe may come after its turn, in seconds, on two cores that run other tests too.
const SLACK: f64 = 3.0;

/// In KiB. It is some 30 MiB without a limit being tried, most of it the program's own text.
const MOST_MEMORY: u64 = 64 << 10;

/// From SIGTERM to the end, while servers hang.
const END_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_servers_are_reported_and_cost_nobody_else_anything() {
    let good = peers::openssl(&CA.leaf(&[NAME]), &[]);
    let mut hostiles = Vec::new();
    for (manner, _) in BAD {
        hostiles.push((format!("{manner:?}"), Hostile::start(manner).await));
    }
    let target = |name: &str, host: &str, port| {
        let url = format!("https://{host}:{port}");
        json!({"name": name, "url": url, "address": "127.0.0.1"})
    };
    let mut targets = vec![target("good", NAME, good.address.port())];
    targets.extend(
        hostiles
            .iter()
            .map(|(name, hostile)| target(name, "bad.test", hostile.address.port())),
    );
    let site = Site::new("trust");
    let ca = site.write("ca.pem", &CA.issuer.pem());
    let exporter = Exporter::serve(
        &json!({
            "interval": format!("{INTERVAL}s"),
            "timeout": "1s",
            "trust": {"ca_files": [ca]},
            "targets": targets,
        }),
        None,
    )
    .await;

    // Those that are quick to end may be slow on a busy machine, once or twice.
    let all = |scrape: &Scrape| {
        BAD.iter()
            .all(|(manner, why)| is_told(scrape, *manner, why))
    };
    let (scrape, _) = exporter.last_within(PATIENCE, all).await;
    for (manner, reasons) in BAD {
        let name = format!("{manner:?}");
        let of = |metric| scrape.metric(metric).label("name", &name);
        assert!(
            is_told(&scrape, manner, reasons),
            "{manner:?} should be told as one of {reasons:?}, but is as {:?}",
            of("kube_https_probe_failure_info").each("reason")
        );
        of("kube_https_certificate_info").absent();
    }

    the_good_one_is_on_time(&exporter).await;
    let memory = exporter.peak_memory();
    assert!(memory < MOST_MEMORY, "{memory} KiB");
    let ended = exporter.stop().await;
    assert_eq!(ended.code, Some(0));
    assert!(ended.took < END_WITHIN, "{:?}", ended.took);
}

fn success(scrape: &Scrape, name: &str) -> Option<f64> {
    let success = scrape.metric("kube_https_probe_success");
    success.label("name", name).get()
}

/// Whether the probe of this one failed for one of these reasons.
fn is_told(scrape: &Scrape, manner: Manner, reasons: &[&str]) -> bool {
    let name = format!("{manner:?}");
    let failure = scrape.metric("kube_https_probe_failure_info");
    let told = failure.label("name", &name).each("reason");
    let right = |reason: &&str| reasons.contains(reason);
    success(scrape, &name) == Some(0.0) && told.len() == 1 && told.iter().all(right)
}

/// Over five turns, while the others go on misbehaving.
async fn the_good_one_is_on_time(exporter: &Exporter) {
    let last = |scrape: &Scrape| {
        let last = scrape.metric("kube_https_probe_last_timestamp_seconds");
        last.label("name", "good").get()
    };
    let mut before = last(&exporter.scrape().await).unwrap();
    for _ in 0..5 {
        let next = |scrape: &Scrape| last(scrape).is_some_and(|at| at > before);
        let scrape = exporter.until("another probe", next).await;
        assert_eq!(success(&scrape, "good"), Some(1.0));
        let after = last(&scrape).unwrap();
        let took = after - before;
        assert!(
            took < INTERVAL + SLACK,
            "{took} s from one probe to the next"
        );
        before = after;
    }
}

/// Runs `serve` with this text for its configuration, and gives what is wrong with it.
async fn refused(site: &Site, text: &str) -> String {
    let file = site.write("config.yaml", text);
    let output = run(site, &["--config.file", &file]).await;
    says(&output, 2).replace(&file, "FILE")
}

/// What came on standard error, of a run that ended with `code` and printed nothing else.
#[track_caller]
fn says(output: &Output, code: i32) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(output.stdout.is_empty(), "{output:?}");
    text
}

#[tokio::test]
async fn a_wrong_configuration_ends_with_the_place_and_the_remedy() {
    let site = Site::new("config");
    assert_eq!(
        refused(&site, "interval: 5m\nintervall: 5m\n").await,
        "kube-https-exporter: FILE:2:1: intervall: unknown field; did you mean `interval`?\n"
    );
    assert_eq!(
        refused(&site, "timeout: ten\ntargets: [{name: shop}]\n").await,
        "kube-https-exporter: FILE:1:10: timeout: expected a duration such as `30s`, `5m` or \
         `1h 30m`, found the text `ten`\n\
         FILE:2:11: targets[0]: `url` is missing; write what to look at, such as \
         `url: https://shop.example.com`\n"
    );
}

#[tokio::test]
async fn a_right_configuration_can_be_checked_without_running_it() {
    let site = Site::new("config");
    let file = site.write("config.yaml", "targets: [{name: a, url: 'https://a.test'}]");
    let output = run(&site, &["--config.check", "--config.file", &file]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(output.stdout, b"The configuration is right.\n");

    let absent = site.path("absent.pem");
    let config = json!({"trust": {"ca_files": [absent]}});
    let file = site.write("config.yaml", &config.to_string());
    let output = run(&site, &["--config.check", "--config.file", &file]).await;
    assert_eq!(
        says(&output, 2),
        format!(
            "kube-https-exporter: {file}:1:23: trust.ca_files[0]: cannot read {absent}: No such \
             file or directory (os error 2)\n"
        )
    );
}

#[tokio::test]
async fn nothing_to_look_at_ends_with_what_to_do_about_it() {
    let site = Site::new("nowhere");
    let nowhere = site.path(".kube/config");
    for command in ["serve", "check"] {
        let output = run(&site, &[command]).await;
        assert_eq!(
            says(&output, 2),
            format!(
                "kube-https-exporter: no cluster: no kubeconfig at {nowhere}, and not in a pod \
                 (KUBERNETES_SERVICE_HOST is not set); write `targets` or `files` in a configuration file, \
                 or point at a cluster with --kubeconfig\n"
            )
        );
    }
}

#[tokio::test]
async fn a_kubeconfig_that_is_asked_for_must_be_there() {
    let site = Site::new("nowhere");
    let absent = site.path("absent");
    // Targets would be enough to look at, but somebody meant this cluster.
    let file = site.write("config.yaml", "targets: [{name: a, url: 'https://a.test'}]");
    let output = run(&site, &["--config.file", &file, "--kubeconfig", &absent]).await;
    assert_eq!(
        says(&output, 2),
        format!(
            "kube-https-exporter: cannot use the kubeconfig {absent}: No such file or directory \
             (os error 2)\n"
        )
    );
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let target: Value = json!({"name": "a", "url": "https://a.test", "address": "127.0.0.1"});
    let config = json!({"targets": [target]});
    let exporter = Exporter::serve(&config, None).await;
    let site = Site::new("second");
    let file = site.write("config.yaml", &config.to_string());
    let address = exporter.address.to_string();
    let output = run(
        &site,
        &[
            "--log.level=error",
            "--config.file",
            &file,
            "--web.listen-address",
            &address,
        ],
    )
    .await;
    assert_eq!(
        says(&output, 2),
        format!(
            "kube-https-exporter: cannot listen at {address} (--web.listen-address): Address \
             already in use (os error 98)\n"
        )
    );
}
