//! The program under the seccomp profile that the chart ships.

use std::path::Path;

use crate::exporter::Exporter;
use crate::process::{command, script};

/// How a program is started under the profile.
fn launcher() -> [String; 3] {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("helm/kube-https-exporter");
    let profile = chart.join("files/seccomp.json").display().to_string();
    let confined = script("confined.py").display().to_string();
    ["python3".to_owned(), confined, profile]
}

#[tokio::test]
async fn the_system_calls_of_the_profile_are_enough() {
    let launcher = launcher();
    let launcher: Vec<&str> = launcher.iter().map(String::as_str).collect();
    // It serves, discovers through its own API server and probes, with TLS at both ends.
    let exporter = Exporter::demo_by(&launcher).await;
    exporter.ready().await;
    let scrape = exporter.scrape().await;
    let expired = scrape.metric("kube_https_finding");
    let expired = expired.label("finding", "certificate_expired");
    assert!(!expired.each("host").is_empty());
    assert_eq!(exporter.stop().await.code, Some(0));
}

#[test]
fn a_system_call_beside_them_is_refused() {
    let [python, confined, profile] = launcher();
    let unshare = |first: &str, rest: &[&str]| {
        let mut command = command(first);
        let ended = command.args(rest).args(["--user", "true"]).output();
        ended.unwrap().status.success()
    };
    assert!(unshare("unshare", &[]));
    assert!(!unshare(&python, &[&confined, &profile, "unshare"]));
}
