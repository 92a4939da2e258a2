//! Every replica of the API server is probed at the address that it publishes.
//!
//! An API server publishes no address of loopback, so the test runs in a network namespace of its
//! own, where it has another.

use std::env;
use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::process::Command;

use kube_https_exporter::clock;
use serde_json::json;

use crate::cluster::Cluster;
use crate::exporter::Exporter;
use crate::scrape::Scrape;

/// Of the network that is reserved for documentation (RFC 5737), so that it is nobody's.
const REPLICA: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// Set in the namespace.
const INSIDE: &str = "KUBE_HTTPS_EXPORTER_TEST_INSIDE";

/// Gives the namespace its address, and runs what follows.
const PREPARE: &str = "ip addr add 192.0.2.1/24 dev lo && ip link set lo up && exec \"$@\"";

/// As anybody, where the kernel lets users have namespaces; else as root.
const UNSHARE: [&[&str]; 2] = [
    &["--map-root-user", "--net", "--kill-child"],
    &["--net", "--kill-child"],
];

#[test]
fn every_replica_of_the_api_server_is_probed() {
    if env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        return runtime.block_on(inside());
    }
    let mut refused = Vec::new();
    let unshare = UNSHARE.into_iter().find(|unshare| {
        let tried = prepared(unshare, [OsStr::new("true")]).output().unwrap();
        let error = String::from_utf8_lossy(&tried.stderr).into_owned();
        refused.push(format!("unshare {}: {error}", unshare.join(" ")));
        tried.status.success()
    });
    let unshare = unshare.unwrap_or_else(|| {
        panic!(
            "this test needs a network namespace: run it as root, or let users have them (sysctl \
             kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0):\n{}",
            refused.concat()
        )
    });
    let this = env::current_exe().unwrap();
    let test = concat!(
        module_path!(),
        "::every_replica_of_the_api_server_is_probed"
    );
    let (_, test) = test.split_once("::").unwrap();
    let words = [this.as_os_str(), "--exact".as_ref(), test.as_ref()];
    let output = prepared(unshare, words).env(INSIDE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    // Were the name wrong, nothing would be run, successfully.
    let passed = output.status.success() && said.contains("1 passed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(passed, "in the namespace: {said}{errors}");
}

/// A command in a namespace.
fn prepared<'a>(unshare: &[&str], words: impl IntoIterator<Item = &'a OsStr>) -> Command {
    let mut command = crate::process::command("unshare");
    command
        .args(unshare)
        .args(["sh", "-c", PREPARE, "sh"])
        .args(words);
    command
}

async fn inside() {
    let cluster = Cluster::start_at(REPLICA).await;
    cluster.grant_all("exporter").await;
    let kubeconfig = cluster.kubeconfig(&cluster.token("exporter").await);
    let exporter = Exporter::serve(&json!({"interval": "5s"}), Some(&kubeconfig)).await;
    let address = REPLICA.to_string();
    let replica = |scrape: &Scrape| {
        let versions = scrape.metric("kube_https_tls_version_accepted");
        let versions = versions.label("host", "kubernetes.default.svc");
        let asked = versions.label("version", "TLS 1.3");
        let asked = asked.label("address", &address).get().is_some();
        let loopback = scrape.metric("kube_https_probe_success");
        asked && loopback.label("host", "apiserver-loopback-client").get() == Some(1.0)
    };
    let scrape = exporter.until("the replica was probed", replica).await;

    let own = |name| {
        let metric = scrape.metric(name).label("source", "api_server");
        metric.label("host", "kubernetes.default.svc")
    };
    let rows = own("kube_https_probe_success").each("address");
    assert_eq!(Vec::from_iter(rows), [&address]);
    own("kube_https_probe_success").value(1.0);
    own("kube_https_certificate_valid").value(1.0);
    own("kube_https_certificate_trust_info")
        .label("trust", "cluster")
        .holds();
    own("kube_https_target_owner_info")
        .label("namespace", "default")
        .label("owner_kind", "EndpointSlice")
        .label("owner_name", "kubernetes")
        .holds();
    // The certificate that it made for this address.
    let subjects = own("kube_https_certificate_info").each("subject_common_name");
    let made = |subject: &&str| subject.starts_with(&address);
    assert!(
        subjects.len() == 1 && subjects.iter().all(made),
        "{subjects:?}"
    );
    // Besides the one that the kubeconfig gives.
    let targets = scrape.metric("kube_https_targets");
    targets.label("source", "api_server").value(3.0);

    // The certificate for its calls to itself: its end is known, and nothing is wrong with it.
    let loopback = |name| {
        let metric = scrape.metric(name).label("source", "api_server");
        metric.label("host", "apiserver-loopback-client")
    };
    let subjects = loopback("kube_https_certificate_info").each("subject_common_name");
    let made = |subject: &&str| subject.starts_with("apiserver-loopback-client@");
    assert!(
        subjects.len() == 1 && subjects.iter().all(made),
        "{subjects:?}"
    );
    let ends = loopback("kube_https_certificate_not_after_timestamp_seconds");
    let days = (ends.label("position", "leaf").get().unwrap() - clock::now().as_secs_f64())
        / (24.0 * 60.0 * 60.0);
    assert!((1000.0..1100.0).contains(&days), "{days}");
    loopback("kube_https_finding").absent();
    loopback("kube_https_certificate_valid").absent();
}
