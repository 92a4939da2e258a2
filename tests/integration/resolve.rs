//! Where the hosts of Ingresses are dialled: at the address that was published, where nobody listens,
//! at what a resolver of the test's own says of them, or both.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

use crate::ca::CA;
use crate::cluster::Cluster;
use crate::cluster_to_scrape::{ACCOUNT, config};
use crate::exporter::Exporter;
use crate::names::Names;
use crate::peers;
use crate::process::{Peer, Site};
use crate::scrape::Scrape;

const HOST: &str = "shop.test";

/// Where the controller has published the host.
const PUBLISHED: &str = "127.0.0.9";

const SUCCESS: &str = "kube_https_probe_success";

/// Every name leads to this machine.
fn names_at(last: u8) -> Names {
    Names::start(last, |_| Some(vec![Ipv4Addr::LOCALHOST]))
}

/// A cluster with an Ingress, its host served at an address that is not the published one.
async fn served_elsewhere() -> (Cluster, Peer) {
    let server = peers::openssl(&CA.leaf(&[HOST]), &[]);
    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    let port = server.address.port();
    let ingress = format!(
        "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: shop, namespace: default}}
spec:
  tls: [{{hosts: [{HOST}], secretName: shop-tls}}]
  rules: [{{host: {HOST}, http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: s, port: {{number: 80}}}}}}}}]}}}}]
status: {{loadBalancer: {{ingress: [{{ip: {PUBLISHED}, ports: [{{port: {port}, protocol: TCP}}]}}]}}}}
"
    );
    cluster.apply_yaml(&ingress).await;
    (cluster, server)
}

/// Runs by a configuration with this in it.
async fn exporter(cluster: &Cluster, names: &Names, resolve: &str, change: &Value) -> Exporter {
    let site = Site::new("resolve");
    let mut config = config(&site);
    config["interval"] = json!("1s");
    config["timeout"] = json!("1s");
    config["resolve"] = json!(resolve);
    for (field, value) in change.as_object().unwrap() {
        config[field] = value.clone();
    }
    let token = cluster.token(ACCOUNT).await;
    let arguments = [
        format!(
            "--config.file={}",
            site.write("config.yaml", &config.to_string())
        ),
        format!("--kubeconfig={}", cluster.kubeconfig(&token).display()),
    ];
    let launcher = names.launcher(&site);
    let launcher: Vec<_> = launcher.iter().map(String::as_str).collect();
    Exporter::start_by(&launcher, site, "serve", &arguments).await
}

/// Where the host has rows.
fn addresses(scrape: &Scrape) -> BTreeSet<String> {
    let rows = scrape.metric(SUCCESS).label("host", HOST);
    rows.each("address")
        .into_iter()
        .map(str::to_owned)
        .collect()
}

fn success(scrape: &Scrape, address: &str) -> Option<f64> {
    let rows = scrape.metric(SUCCESS).label("host", HOST);
    rows.label("address", address).get()
}

#[tokio::test]
async fn hosts_are_dialled_where_they_are_published_where_dns_leads_or_both() {
    let (cluster, _server) = served_elsewhere().await;
    let names = names_at(55);
    for (resolve, seen) in [
        ("status", &[(PUBLISHED, 0.0)][..]),
        ("dns", &[(HOST, 1.0)]),
        ("both", &[(PUBLISHED, 0.0), (HOST, 1.0)]),
    ] {
        let per_ip = json!({"metrics": {"per_ip": resolve == "both"}});
        let exporter = exporter(&cluster, &names, resolve, &per_ip).await;
        let told = |scrape: &Scrape| {
            let mut seen = seen.iter();
            seen.all(|(address, value)| success(scrape, address) == Some(*value))
        };
        let scrape = exporter.until(resolve, told).await;
        let expected: BTreeSet<_> = seen.iter().map(|(at, _)| (*at).to_owned()).collect();
        assert_eq!(addresses(&scrape), expected, "{resolve}");
        // Only what has a name has addresses behind it.
        let behind = scrape.metric("kube_https_ip_probe_success");
        let asked = resolve == "both";
        assert_eq!(behind.each("ip").len(), usize::from(asked));
        assert_eq!(behind.label("ip", "127.0.0.1").get(), asked.then_some(1.0));
        assert_eq!(exporter.stop().await.code, Some(0));
    }
}

#[tokio::test]
async fn a_hosts_name_leads_nowhere_that_security_denies() {
    let (cluster, _server) = served_elsewhere().await;
    let names = names_at(56);
    // By default, this machine is denied to what tenants write.
    let change = json!({"security": {}});
    let exporter = exporter(&cluster, &names, "dns", &change).await;
    let denied = |scrape: &Scrape| {
        let failure = scrape.metric("kube_https_probe_failure_info");
        let failure = failure.label("host", HOST).label("address", HOST);
        failure.label("reason", "denied").get() == Some(1.0)
    };
    let scrape = exporter.until("denied", denied).await;
    assert_eq!(success(&scrape, HOST), Some(0.0));
    assert_eq!(exporter.stop().await.code, Some(0));
}
