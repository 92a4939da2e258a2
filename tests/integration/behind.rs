//! The servers behind the API server: a real one calls a real TLS server by the Service's address,
//! and what the exporter says of that server agrees with it.

use std::net::Ipv4Addr;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use serde_json::json;
use tokio::time::{Duration, Instant, sleep};

use crate::ca::{CA, Ca};
use crate::cluster::Cluster;
use crate::exporter::{Exporter, PATIENCE};
use crate::peers::nginx_server;
use crate::process::free_port;
use crate::scrape::{Metric, Scrape};

const ACCOUNT: &str = "exporter";

/// In the range that the test clusters' Services have.
const CLUSTER_IP: Ipv4Addr = Ipv4Addr::new(127, 8, 0, 77);

/// The Service, as the API server asks for it.
const HOST: &str = "behind.default.svc";

/// As objects carry it: PEM in base64.
fn bundle(pem: String) -> String {
    let text = serde_json::to_value(ByteString(pem.into_bytes())).unwrap();
    text.as_str().unwrap().to_owned()
}

/// A configuration of webhooks that are asked about nothing, as a user would write it.
fn webhooks(kind: &str, name: &str, port: u16, bundle: &str) -> String {
    format!(
        "
apiVersion: admissionregistration.k8s.io/v1
kind: {kind}
metadata: {{name: {name}}}
webhooks:
  - name: {name}.behind.test
    admissionReviewVersions: [v1]
    sideEffects: None
    rules: []
    clientConfig:
      service: {{namespace: default, name: behind, port: {port}}}
      caBundle: {bundle}
"
    )
}

/// An API that the Service serves; `trust` is what the API server is told to verify it by.
fn api(group: &str, port: u16, trust: &str) -> String {
    format!(
        "
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {{name: v1.{group}}}
spec:
  group: {group}
  version: v1
  groupPriorityMinimum: 100
  versionPriority: 100
  service: {{namespace: default, name: behind, port: {port}}}
  {trust}
"
    )
}

fn definition(port: u16, bundle: &str) -> String {
    format!(
        "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: things.convert.test}}
spec:
  group: convert.test
  scope: Namespaced
  names: {{kind: Thing, plural: things}}
  versions:
    - {{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object}}}}}}
  conversion:
    strategy: Webhook
    webhook:
      conversionReviewVersions: [v1]
      clientConfig:
        service: {{namespace: default, name: behind, port: {port}}}
        caBundle: {bundle}
"
    )
}

/// What the API server says of an API's server, once it does: the condition `Available`.
async fn available(cluster: &Cluster, name: &str, message: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = cluster.get::<APIService>("", name).await.unwrap();
        let said = found.data["status"]["conditions"].to_string();
        if said.contains(message) {
            return;
        }
        assert!(Instant::now() < deadline, "{name}: {said}");
        sleep(Duration::from_millis(200)).await;
    }
}

/// This metric of the row of this object.
fn of<'a>(scrape: &'a Scrape, name: &'a str, source: &'a str, object: &'a str) -> Metric<'a> {
    let metric = scrape.metric(name).label("source", source);
    metric.label("name", object).label("host", HOST)
}

fn is_trusted(scrape: &Scrape, source: &str, object: &str) {
    let valid = of(scrape, "kube_https_certificate_valid", source, object);
    valid.label("address", "127.8.0.77").holds();
    let trust = of(scrape, "kube_https_certificate_trust_info", source, object);
    trust.label("trust", "configured").holds();
    of(scrape, "kube_https_finding", source, object).absent();
    let bundle = "kube_https_stored_certificate_not_after_timestamp_seconds";
    let bundle = scrape.metric(bundle).label("source", source);
    let bundle = bundle.label("name", object).label("usage", "ca_bundle");
    assert!(bundle.get().is_some(), "{source} {object}");
}

fn is_untrusted(scrape: &Scrape, source: &str, object: &str) {
    let valid = of(scrape, "kube_https_certificate_valid", source, object);
    valid.value(0.0);
    let finding = of(scrape, "kube_https_finding", source, object);
    let finding = finding.label("finding", "certificate_untrusted");
    finding.label("severity", "critical").holds();
}

#[tokio::test]
async fn what_the_api_server_calls_is_judged_as_the_api_server_judges_it() {
    let port = free_port();
    let directives = format!("listen {CLUSTER_IP}:{port} ssl; ssl_protocols TLSv1.2 TLSv1.3;");
    let _server = nginx_server(&CA.leaf(&[HOST]), &directives);

    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    let spec = json!({"clusterIP": CLUSTER_IP.to_string(), "ports": [{"port": port}]});
    let service = json!({"metadata": {"name": "behind"}, "spec": spec});
    cluster.apply::<Service>("default", service).await;
    // The API server takes an API for available only if somebody stands behind its Service.
    let slice = json!({
        "metadata": {"name": "behind", "labels": {"kubernetes.io/service-name": "behind"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["192.0.2.1"], "conditions": {"ready": true}}],
        "ports": [{"name": "", "port": port}],
    });
    cluster.apply::<EndpointSlice>("default", slice).await;
    let (right, wrong) = (bundle(CA.issuer.pem()), bundle(Ca::new().issuer.pem()));
    let (validating, mutating) = (
        "ValidatingWebhookConfiguration",
        "MutatingWebhookConfiguration",
    );
    for object in [
        webhooks(validating, "right", port, &right),
        webhooks(validating, "wrong", port, &wrong),
        webhooks(mutating, "right", port, &right),
        api("right.test", port, &format!("caBundle: {right}")),
        api("wrong.test", port, &format!("caBundle: {wrong}")),
        api("open.test", port, "insecureSkipTLSVerify: true"),
        definition(port, &right),
    ] {
        cluster.apply_yaml(&object).await;
    }

    let config = json!({"security": {"allow_networks": ["127.0.0.0/8"]}});
    let kubeconfig = cluster.kubeconfig(&cluster.token(ACCOUNT).await);
    let exporter = Exporter::serve(&config, Some(&kubeconfig)).await;
    exporter.ready().await;
    let rows = [
        ("validating_webhook", "right"),
        ("validating_webhook", "wrong"),
        ("mutating_webhook", "right"),
        ("apiservice", "v1.right.test"),
        ("apiservice", "v1.wrong.test"),
        ("apiservice", "v1.open.test"),
        ("crd_conversion", "things.convert.test"),
    ];
    let scrape = exporter
        .until("every row was probed", |scrape| {
            let probed = |(source, name)| of(scrape, "kube_https_probe_success", source, name);
            rows.iter().all(|row| probed(*row).get() == Some(1.0))
        })
        .await;

    is_trusted(&scrape, "validating_webhook", "right");
    is_trusted(&scrape, "mutating_webhook", "right");
    is_trusted(&scrape, "apiservice", "v1.right.test");
    is_trusted(&scrape, "crd_conversion", "things.convert.test");
    is_untrusted(&scrape, "validating_webhook", "wrong");
    is_untrusted(&scrape, "apiservice", "v1.wrong.test");
    let open = of(&scrape, "kube_https_finding", "apiservice", "v1.open.test");
    let open = open.label("finding", "verification_disabled");
    open.label("severity", "info").holds();

    available(&cluster, "v1.right.test", "\"True\"").await;
    available(&cluster, "v1.wrong.test", "unknown authority").await;
}
