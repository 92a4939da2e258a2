//! A real Traefik in front of a real API server, configured by nothing but what its users write,
//! publishing where it serves as it does in a cluster: what discovery takes from these objects is
//! what is on the wire.

use std::fs;
use std::net::TcpListener;

use serde_json::Value;

use crate::ca::CA;
use crate::cluster::Cluster;
use crate::cluster_to_scrape::{ACCOUNT, asked, config};
use crate::exporter::Exporter;
use crate::process::{Peer, Site, command, free_plaintext_port, tool};
use crate::scrape::Scrape;
use crate::services::in_clear;

/// What Traefik watches with the flags of [`traefik`], and what its Gateways need.
const DEFINITIONS: [&str; 2] = ["traefik.yaml", "gateway-api/standard"];

/// Traefik, set up as its chart does, with its entry points `websecure` at the site's port and
/// `web` at this one.
fn traefik(cluster: &Cluster, web: u16) -> Peer {
    let kubeconfig = cluster.admin_kubeconfig();
    Peer::start("traefik", |site| {
        let mut command = command("traefik");
        command
            .env("KUBECONFIG", &kubeconfig)
            .arg(format!("--entrypoints.web.address=127.0.0.1:{web}"))
            .arg(format!(
                "--entrypoints.websecure.address=127.0.0.1:{}",
                site.port
            ))
            .arg("--entrypoints.websecure.http.tls=true")
            .args([
                "--global.checknewversion=false",
                "--global.sendanonymoususage=false",
            ])
            .arg("--providers.kubernetesingress.ingressendpoint.publishedservice=default/traefik")
            .arg("--providers.kubernetesingress.allowexternalnameservices=true")
            .arg("--providers.kubernetescrd")
            .arg("--providers.kubernetesgateway.statusaddress.service.name=traefik")
            .arg("--providers.kubernetesgateway.statusaddress.service.namespace=default");
        command
    })
}

/// Every definition of these projects, as they publish them.
async fn install_definitions(cluster: &Cluster) {
    // Beside the folder of programs.
    let crds = tool("../crds/traefik.yaml");
    for project in DEFINITIONS {
        let path = crds.with_file_name(project);
        let files: Vec<_> = if path.is_dir() {
            let files = fs::read_dir(&path).unwrap();
            files.map(|file| file.unwrap().path()).collect()
        } else {
            vec![path]
        };
        for file in files {
            let text = fs::read_to_string(file).unwrap();
            let all: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
            let is_kind = |one: &&Value| one["kind"] == "CustomResourceDefinition";
            for definition in all.iter().filter(is_kind) {
                cluster.install(definition).await;
            }
        }
    }
}

/// The Service of Traefik, as its chart writes it and as a load balancer publishes it.
fn service(web: u16, websecure: u16) -> String {
    format!(
        "
apiVersion: v1
kind: Service
metadata: {{name: traefik, namespace: default, labels: {{app.kubernetes.io/name: traefik}}}}
spec:
  type: LoadBalancer
  allocateLoadBalancerNodePorts: false
  ports: [{{name: web, port: {web}, protocol: TCP}}, {{name: websecure, port: {websecure}, protocol: TCP}}]
status:
  loadBalancer:
    ingress:
      - ip: 127.0.0.1
        ports: [{{port: {web}, protocol: TCP}}, {{port: {websecure}, protocol: TCP}}]
"
    )
}

/// A Secret with a certificate of the tests' authority for this host.
fn secret(host: &str) -> String {
    let leaf = CA.leaf(&[host]);
    let name = host.replace('.', "-");
    format!(
        "
apiVersion: v1
kind: Secret
metadata: {{name: {name}, namespace: default}}
type: kubernetes.io/tls
stringData: {{tls.crt: {:?}, tls.key: {:?}}}
",
        leaf.cert_pem, leaf.key_pem
    )
}

/// What the objects of the test share: a Service, and the redirect that Traefik's users set up.
fn shared(back_end: u16) -> String {
    format!(
        "
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: default}}
spec: {{type: ExternalName, externalName: localhost, ports: [{{port: {back_end}}}]}}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {{name: traefik}}
spec: {{controller: traefik.io/ingress-controller}}
---
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {{name: to-https, namespace: default}}
spec: {{redirectScheme: {{scheme: https, permanent: true}}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {{name: traefik}}
spec: {{controllerName: traefik.io/gateway-controller}}
"
    )
}

/// An Ingress, which Traefik serves at both entry points; with these annotations.
fn ingress(name: &str, back_end: u16, annotations: &str) -> String {
    format!(
        "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}, namespace: default, annotations: {{{annotations}}}}}
spec:
  ingressClassName: traefik
  rules:
    - host: {name}.test
      http:
        paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: web, port: {{number: {back_end}}}}}}}}}]
  tls: [{{hosts: [{name}.test], secretName: {name}-test}}]
"
    )
}

/// An `IngressRoute` at these entry points, where there are none at Traefik's own choice, with these
/// fields of `tls`.
fn ingress_route(name: &str, entry_points: &str, tls: &str) -> String {
    format!(
        "
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {{name: {name}, namespace: default}}
spec:
  entryPoints: [{entry_points}]
  routes:
    - kind: Rule
      match: Host(`{name}.test`)
      services: [{{kind: TraefikService, name: noop@internal}}]
  tls: {{{tls}}}
"
    )
}

/// A Gateway with a listener of either kind, a route at the one for TLS, and at the other one that
/// redirects there.
fn gateway(web: u16, websecure: u16) -> String {
    format!(
        "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: edge, namespace: default}}
spec:
  gatewayClassName: traefik
  listeners:
    - {{name: http, port: {web}, protocol: HTTP}}
    - {{name: https, port: {websecure}, protocol: HTTPS, hostname: gateway.test, tls: {{certificateRefs: [{{name: gateway-test}}]}}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: redirect, namespace: default}}
spec:
  parentRefs: [{{name: edge, sectionName: http}}]
  hostnames: [gateway.test]
  rules: [{{filters: [{{type: RequestRedirect, requestRedirect: {{scheme: https}}}}]}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: web, namespace: default}}
spec:
  parentRefs: [{{name: edge, sectionName: https}}]
  hostnames: [gateway.test]
  rules: [{{backendRefs: [{{group: traefik.io, kind: TraefikService, name: noop@internal}}]}}]
"
    )
}

/// Every host, and what HTTP in clear gets at `web`. At `websecure` each gets what Traefik gives
/// for hosts that it does not know.
const HOSTS: [(&str, &str); 5] = [
    ("shop.test", "served"),
    ("safe.test", "redirect"),
    ("route.test", "refused"),
    ("bare.test", "refused"),
    ("gateway.test", "redirect"),
];

/// The hosts that have a certificate of their own.
const CERTIFIED: [&str; 4] = ["shop.test", "safe.test", "route.test", "gateway.test"];

/// The samples of this name, each as the values of these labels and its own.
fn lines(scrape: &Scrape, name: &str, labels: &[&str]) -> Vec<String> {
    let named = scrape.samples.iter().filter(|sample| sample.name == name);
    let mut lines: Vec<_> = named
        .map(|sample| {
            let values = labels.iter().filter_map(|label| sample.label(label));
            format!("{} {}", values.collect::<Vec<_>>().join(" "), sample.value)
        })
        .collect();
    lines.sort();
    lines
}

/// Every finding. What is served for no host, a client is not expected to want.
fn findings(scrape: &Scrape) -> Vec<String> {
    lines(
        scrape,
        "kube_https_finding",
        &["source", "host", "finding", "severity"],
    )
}

/// Traefik sends no HSTS unless a middleware does.
const FINDINGS: [&str; 11] = [
    "gateway gateway.test hsts_missing info 1",
    "ingress safe.test hsts_missing info 1",
    "ingress shop.test hsts_missing info 1",
    "ingress shop.test plaintext_served critical 1",
    "service  certificate_default info 1",
    "service  certificate_default info 1",
    MENDED,
    "traefik bare.test hsts_missing info 1",
    "traefik bare.test plaintext_not_redirected info 1",
    "traefik route.test hsts_missing info 1",
    "traefik route.test plaintext_not_redirected info 1",
];

/// What is gone once `bare.test` has a certificate.
const MENDED: &str = "traefik bare.test certificate_default critical 1";

#[tokio::test]
async fn what_traefik_serves_is_told_of_each_object_that_it_serves_it_for() {
    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    install_definitions(&cluster).await;
    // The pod behind the Service of the Ingresses.
    let pod = TcpListener::bind("127.0.0.1:0").unwrap();
    let (web, back_end) = (free_plaintext_port(), pod.local_addr().unwrap().port());
    in_clear(pod);
    cluster.apply_yaml(&shared(back_end)).await;
    let traefik = traefik(&cluster, web);
    let websecure = traefik.address.port();
    cluster.apply_yaml(&service(web, websecure)).await;
    for host in CERTIFIED {
        cluster.apply_yaml(&secret(host)).await;
    }
    let redirected =
        "traefik.ingress.kubernetes.io/router.middlewares: default-to-https@kubernetescrd";
    for objects in [
        ingress("shop", back_end, ""),
        ingress("safe", back_end, redirected),
        ingress_route("route", "websecure", "secretName: route-test"),
        ingress_route("bare", "", ""),
        gateway(web, websecure),
    ] {
        cluster.apply_yaml(&objects).await;
    }

    let site = Site::new("trust");
    let mut config = config(&site);
    // A door may be asked before Traefik knows what it is to serve there.
    config["interval"] = "1s".into();
    let kubeconfig = cluster.kubeconfig(&cluster.token(ACCOUNT).await);
    let exporter = Exporter::serve(&config, Some(&kubeconfig)).await;
    exporter.ready().await;
    let hosts = HOSTS.map(|(host, _)| host);
    let scrape = exporter
        .until(
            "every host was asked, and nothing else is wrong",
            |scrape| asked(scrape, &hosts) && findings(scrape) == FINDINGS,
        )
        .await;
    every_object_has_its_row(&scrape, web, websecure);
    each_host_has_its_certificate(&scrape);
    plaintext_is_told(&scrape, web, websecure);
    assert_eq!(exporter.complaints(), [""; 0]);

    cluster.apply_yaml(&secret("bare.test")).await;
    let repaired = ingress_route("bare", "", "secretName: bare-test");
    cluster.apply_yaml(&repaired).await;
    exporter
        .until("the default certificate is gone", |scrape| {
            FINDINGS
                .iter()
                .filter(|line| **line != MENDED)
                .eq(&findings(scrape))
        })
        .await;
}

fn every_object_has_its_row(scrape: &Scrape, web: u16, websecure: u16) {
    let labels = ["source", "name", "host", "port", "address"];
    let mut rows = lines(scrape, "kube_https_probe_success", &labels);
    rows.retain(|row| !row.starts_with("api_server "));
    let mut expected = vec![
        format!("gateway edge gateway.test {websecure} 127.0.0.1 1"),
        format!("ingress safe safe.test {websecure} 127.0.0.1 1"),
        format!("ingress shop shop.test {websecure} 127.0.0.1 1"),
        // It speaks TLS at every entry point as soon as it does at one.
        format!("service traefik  {web} 127.0.0.1 1"),
        format!("service traefik  {websecure} 127.0.0.1 1"),
        format!("traefik bare bare.test {websecure} 127.0.0.1 1"),
        format!("traefik route route.test {websecure} 127.0.0.1 1"),
    ];
    expected.sort();
    assert_eq!(rows, expected);
    let dropped = lines(scrape, "kube_https_targets_dropped", &["source", "reason"]);
    let dropped: Vec<_> = (dropped.iter())
        .filter(|line| !line.ends_with(" 0"))
        .collect();
    assert_eq!(dropped, [""; 0]);
}

fn each_host_has_its_certificate(scrape: &Scrape) {
    for (host, _) in HOSTS {
        let (name, trust) = if CERTIFIED.contains(&host) {
            (host, "configured")
        } else {
            ("TRAEFIK DEFAULT CERT", "default")
        };
        let of = |metric| scrape.metric(metric).label("host", host);
        of("kube_https_certificate_info")
            .label("subject_common_name", name)
            .holds();
        of("kube_https_certificate_trust_info")
            .label("trust", trust)
            .holds();
    }
}

fn plaintext_is_told(scrape: &Scrape, web: u16, websecure: u16) {
    let (web, websecure) = (web.to_string(), websecure.to_string());
    for (host, state) in HOSTS {
        for (port, state) in [(&web, state), (&websecure, "refused")] {
            let at = |metric| {
                let metric = scrape.metric(metric).label("host", host);
                metric.label("plaintext_port", port)
            };
            at("kube_https_plaintext_info")
                .label("state", state)
                .holds();
            let exposed = f64::from(u8::from(state == "served"));
            at("kube_https_plaintext_exposed").value(exposed);
        }
    }
}
