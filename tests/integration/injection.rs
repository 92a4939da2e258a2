//! What servers say of themselves, and what objects and files say, leaves its place in no output: not
//! as escape sequences, lines, labels, markup, formulas or keys.

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use kube_https_exporter::model::is_unsafe;
use rcgen::string::Ia5String;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use serde_json::{Value, json};

use crate::ca::{Ca, Leaf};
use crate::cluster::Cluster;
use crate::cluster_to_scrape::ACCOUNT;
use crate::exporter::{Exporter, run};
use crate::http;
use crate::peers;
use crate::process::{Peer, Site, command};
use crate::scrape::Scrape;

/// A formula, what steers a terminal and reorders text, a line of its own in whatever is written by
/// lines, the ends of quotes and labels, markup, a template and the ends of CDATA and comments.
const HOSTILE: &str = "=cmd|' /C calc'!A0\u{1b}[2J\u{9b}31m\u{202e}\nlevel=error msg=\"owned\"\r\n\
    kube_https_owned 1\n\"} 7,\\\",x=\"</td><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}]]>--><!--\0\t";

/// Every way to begin what a spreadsheet takes for a formula (OWASP: CSV injection).
const FORMULAS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A certificate whose every name is hostile, its issuer's too, below the names that `nginx` needs.
fn leaf() -> Leaf {
    let name = |params: &mut CertificateParams, start: &str| {
        for kind in [
            DnType::CommonName,
            DnType::OrganizationName,
            DnType::OrganizationalUnitName,
        ] {
            params
                .distinguished_name
                .push(kind, format!("{start}{HOSTILE}"));
        }
    };
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    name(&mut authority, "");
    let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let mut params = Ca::params(&["127.0.0.1"]);
    name(&mut params, "");
    let ascii: String = HOSTILE.chars().filter(char::is_ascii).collect();
    params.subject_alt_names.push(SanType::DnsName(
        Ia5String::try_from(ascii.clone()).unwrap(),
    ));
    params
        .subject_alt_names
        .push(SanType::Rfc822Name(Ia5String::try_from(ascii).unwrap()));
    Ca { issuer }.issue(&params, &KeyPair::generate().unwrap())
}

/// It says more of the kind in its headers.
fn server() -> Peer {
    let said = "=1+1</td><script>alert(1)</script>{{7*7}}";
    let header = format!("add_header Strict-Transport-Security \"{said}\" always;");
    peers::nginx_server(&leaf(), &header)
}

/// Asserts that a terminal is not steered: of all control characters, only line ends.
#[track_caller]
fn is_tame(what: &str, text: &str) {
    let wild = |c: &char| is_unsafe(*c) && !matches!(c, '\n' | '\r');
    assert_eq!(text.chars().find(wild), None, "{what}: {text:?}");
}

/// The fields of lines of comma-separated values (RFC 4180).
fn fields(text: &str) -> Vec<Vec<String>> {
    let (mut lines, mut quoted) = (vec![vec![String::new()]], false);
    for c in text.chars() {
        let line = lines.last_mut().unwrap();
        match c {
            '"' => {
                // A doubled one stands for itself; where that matters, nothing here asks.
                quoted = !quoted;
            }
            ',' if !quoted => line.push(String::new()),
            '\n' if !quoted => lines.push(vec![String::new()]),
            '\r' if !quoted => {}
            c => line.last_mut().unwrap().push(c),
        }
    }
    lines.pop();
    lines
}

async fn checked(server: &Peer, format: &str) -> String {
    let site = Site::new("injection");
    printed(&site, &[&server.address.to_string()], format).await
}

/// What `check` prints, with all that it logs looked at.
async fn printed(site: &Site, arguments: &[&str], format: &str) -> String {
    let command = ["check", "-o", format, "--log.level=debug"];
    let output = run(site, &[&command, arguments].concat()).await;
    let (printed, logged) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(
        matches!(output.status.code(), Some(0 | 1 | 3)),
        "{format}: {printed}{logged}"
    );
    is_tame(format, &printed);
    are_lines(&logged);
    is_data(format, &printed);
    printed
}

const FORMATS: [&str; 7] = ["table", "wide", "json", "yaml", "csv", "sarif", "junit"];

/// Asserts that what was printed has the form that it has for anybody.
#[track_caller]
fn is_data(format: &str, printed: &str) {
    match format {
        "json" | "sarif" => drop(serde_json::from_str::<Value>(printed).unwrap()),
        "yaml" => drop(serde_saphyr::from_str::<Value>(printed).unwrap()),
        "csv" => {
            let lines = fields(printed);
            for line in &lines {
                assert_eq!(line.len(), lines[0].len(), "{line:?} of {printed}");
                for field in line {
                    assert!(!field.starts_with(FORMULAS), "{field:?} of {printed}");
                }
            }
        }
        "junit" => {
            let markup = ["<script", "<img", "]]>", "<!--"];
            assert!(!markup.iter().any(|m| printed.contains(m)), "{printed}");
        }
        _ => {
            let owned = ["level=", "kube_https_owned"];
            let begins = |line: &str| owned.iter().any(|start| line.starts_with(start));
            assert!(!printed.lines().any(begins), "{printed}");
        }
    }
}

/// Asserts that nothing but data came of what is served, of the pages, and of what is logged; the
/// path of a row's page is the first one of the table.
async fn is_served_as_data(exporter: &Exporter) {
    let scrape = exporter.scrape().await;
    let is_own = |name: &str| {
        name.starts_with("kube_https_") && name != "kube_https_owned"
            || name.starts_with("process_")
    };
    for sample in &scrape.samples {
        assert!(is_own(&sample.name), "{}", sample.name);
    }
    let text = exporter.get("/metrics").await.body;
    is_tame("/metrics", &text);
    let checked = Site::new("promtool");
    let scraped = checked.write("scrape.txt", &text);
    let line = format!("promtool check metrics <{scraped}");
    let promtool = command("sh").args(["-c", &line]).output().unwrap();
    assert!(promtool.status.success(), "{promtool:?}");

    let table = exporter.get("/").await.body;
    let (_, rest) = table.split_once("href=\"target?").unwrap();
    let (query, _) = rest.split_once('"').unwrap();
    let sheet = format!("/target?{}", query.replace("&amp;", "&"));
    for path in ["/", &sheet] {
        let page = http::get(exporter.address, path).await.unwrap();
        assert_eq!(page.status, 200, "{path}");
        is_tame(path, &page.body);
        assert!(
            !page.body.contains("<script>alert") && !page.body.contains("<img"),
            "{path}: {}",
            page.body
        );
    }
    for path in ["/api/v1/targets", "/sd"] {
        let body = exporter.get(path).await.body;
        is_tame(path, &body);
        serde_json::from_str::<Value>(&body).unwrap();
    }
    are_lines(&exporter.log());
}

/// Asserts that each line of a log is one that this program wrote.
#[track_caller]
fn are_lines(log: &str) {
    is_tame("the log", log);
    for line in log.lines() {
        assert!(
            line.starts_with("ts=") || line.starts_with('{'),
            "{line}: {log}"
        );
    }
}

#[tokio::test]
async fn what_check_prints_of_a_hostile_certificate_is_data_in_every_format() {
    let server = server();
    for format in FORMATS {
        let printed = checked(&server, format).await;
        match format {
            "table" | "wide" => assert!(printed.contains("127.0.0.1"), "{printed}"),
            "csv" => {
                assert_eq!(fields(&printed).len(), 2, "{printed}");
                assert!(printed.contains("calc"), "{printed}");
            }
            "junit" => assert!(printed.contains("&lt;script"), "{printed}"),
            _ => assert!(
                printed.contains("<script>"),
                "{format} says what it is: {printed}"
            ),
        }
    }
}

#[tokio::test]
async fn what_is_served_and_logged_of_a_hostile_certificate_is_data() {
    let server = server();
    let url = format!("https://shop.test:{}", server.address.port());
    let config = json!({
        "interval": "1s", "timeout": "1s",
        "targets": [{"name": "shop", "url": url, "address": "127.0.0.1"}],
    });
    for format in ["logfmt", "json", "ecs"] {
        let site = Site::new("injection");
        let file = site.write("config.yaml", &config.to_string());
        let flags = [
            format!("--config.file={file}"),
            format!("--log.format={format}"),
            "--log.level=debug".to_owned(),
        ];
        let exporter = Exporter::start(site, "serve", &flags).await;
        let deep = |scrape: &Scrape| {
            let info = scrape.metric("kube_https_certificate_info");
            let asked = scrape.metric("kube_https_deep_probe_last_success_timestamp_seconds");
            !info.each("issuer_common_name").is_empty() && !asked.each("name").is_empty()
        };
        let scrape = exporter.until("its certificate is seen", deep).await;
        let info = scrape.metric("kube_https_certificate_info");
        for label in [
            "subject_common_name",
            "issuer_common_name",
            "issuer_organization",
        ] {
            let said = info.each(label).into_iter().next().unwrap_or_default();
            assert!(
                said.contains("level=error msg=\"owned\"kube_https_owned 1\"} 7,"),
                "{label}: {said}"
            );
            is_tame(label, said);
        }
        is_served_as_data(&exporter).await;
        assert_eq!(exporter.stop().await.code, Some(0));
    }
}

/// What a file may be called.
fn file_name() -> String {
    HOSTILE.replace(['/', '\0'], "")
}

/// A configuration of files that are called so, and of what is named so in them.
fn hostile_files(site: &Site, server: &Peer) -> Value {
    let name = file_name();
    let leaf = leaf();
    let list = json!([{
        "targets": [server.address.to_string(), HOSTILE, format!("https://{HOSTILE}:1"), format!("{HOSTILE}.test")],
        "labels": {HOSTILE: HOSTILE, "__hidden": HOSTILE},
    }]);
    let cluster = |server: String| {
        let named = format!("{HOSTILE}{server:.12}");
        json!({"name": named, "cluster": {
            "server": server, "insecure-skip-tls-verify": true, "certificate-authority": HOSTILE,
        }})
    };
    let [good, bad] = [
        format!("https://{}", server.address),
        format!("https://{HOSTILE}"),
    ];
    let kubeconfig = json!({
        "clusters": [cluster(good), cluster(bad), cluster(format!("http://{HOSTILE}"))],
        "users": [{"name": HOSTILE, "user": {"client-certificate": HOSTILE}}],
    });
    let pem =
        leaf.cert_pem + "-----BEGIN CERTIFICATE-----\n=1+1\u{1b}[2J\n-----END CERTIFICATE-----\n";
    let write = |kind: &str, content: &str| {
        std::fs::create_dir(site.path(kind)).unwrap();
        // Sound ones, and what is none.
        site.write(&format!("{kind}/{name}"), content);
        site.write(&format!("{kind}/{name} none"), HOSTILE);
        site.write(&format!("{kind}/open"), content);
        json!([site.path(kind)])
    };
    json!({
        "interval": "1s", "timeout": "1s",
        "security": {"allow_networks": ["127.0.0.0/8"]},
        "files": {
            "targets": write("lists", &list.to_string()),
            "kubeconfigs": write("kubeconfigs", &kubeconfig.to_string()),
            "certificates": write("pem", &pem),
        },
    })
}

#[tokio::test]
async fn hostile_names_of_files_and_in_them_are_data_in_every_output() {
    let server = server();
    for format in FORMATS {
        let site = Site::new("names");
        let config = hostile_files(&site, &server);
        let file = site.write("config.yaml", &config.to_string());
        let config = format!("--config.file={file}");
        let printed = printed(&site, &[&config], format).await;
        let names_files = ["json", "yaml"].contains(&format);
        assert!(
            !names_files || printed.contains("calc"),
            "{format}: {printed}"
        );
    }
    for format in ["logfmt", "json", "ecs"] {
        let site = Site::new("names");
        let config = hostile_files(&site, &server);
        let file = site.write("config.yaml", &config.to_string());
        let flags = [
            format!("--config.file={file}"),
            format!("--log.format={format}"),
            "--log.level=debug".to_owned(),
        ];
        let exporter = Exporter::start(site, "serve", &flags).await;
        let seen = |scrape: &Scrape| {
            let info = scrape.metric("kube_https_certificate_info");
            let dropped = scrape.metric("kube_https_targets_dropped");
            info.each("name").iter().any(|name| name.contains("calc"))
                && dropped
                    .label("source", "file")
                    .label("reason", "unsupported")
                    .get()
                    >= Some(6.0)
        };
        exporter.until("its certificate is seen", seen).await;
        is_served_as_data(&exporter).await;
        let log = exporter.log();
        assert!(log.contains("a target is left out"), "{log}");
        assert_eq!(exporter.stop().await.code, Some(0));
    }
}

/// Annotations that somebody reads, here or in a controller, and the API server does not.
const ANNOTATIONS: [&str; 13] = [
    "nginx.ingress.kubernetes.io/server-alias",
    "nginx.ingress.kubernetes.io/ssl-redirect",
    "nginx.ingress.kubernetes.io/ssl-passthrough",
    "nginx.ingress.kubernetes.io/backend-protocol",
    "alb.ingress.kubernetes.io/listen-ports",
    "alb.ingress.kubernetes.io/scheme",
    "cert-manager.io/cluster-issuer",
    "kubernetes.io/ingress.allow-http",
    "kube-https-exporter/probe",
    "kube-https-exporter/plaintext",
    "service.beta.kubernetes.io/aws-load-balancer-scheme",
    "service.beta.kubernetes.io/aws-load-balancer-security-groups",
    "service.beta.kubernetes.io/azure-allowed-service-tags",
];

/// As JSON, for control characters are no part of YAML.
async fn create<K>(cluster: &Cluster, namespace: &str, object: Value)
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    K: Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    let api = kube::Api::<K>::namespaced(cluster.client(), namespace);
    let object = serde_json::from_value(object).unwrap();
    api.create(&kube::api::PostParams::default(), &object)
        .await
        .unwrap();
}

/// An Ingress and a Service that say in every free text what is hostile, and in every name the oddest
/// that the API server lets through. Gives the namespace and the Ingress's name.
async fn declare(cluster: &Cluster, server: &Peer) -> (String, String) {
    let annotations: Value = ANNOTATIONS
        .iter()
        .map(|name| ((*name).to_owned(), json!(HOSTILE)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let namespace = "n".repeat(63);
    cluster.namespace(&namespace).await;
    let name = format!("0.{}", "1.0-".repeat(60)) + "0";
    let metadata = json!({"name": name, "annotations": annotations});
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    let path = format!("/{}", HOSTILE.replace('\0', ""));
    let paths = json!([{"path": path, "pathType": "ImplementationSpecific", "backend": backend}]);
    // What is a number or too long for DNS is a host all the same.
    let long = format!("{}.test", "a".repeat(200));
    let hosts = ["shop.test", &long, "2130706433", "0x7f.1"];
    let rule = |host| json!({"host": host, "http": {"paths": paths}});
    let rules: Value = hosts.into_iter().map(rule).collect();
    create::<Ingress>(
        cluster,
        &namespace,
        json!({"metadata": metadata, "spec": {"rules": rules}}),
    )
    .await;
    let balancer = |port: u16| {
        let port = json!({"port": port, "protocol": "TCP"});
        json!({"loadBalancer": {"ingress": [{"ip": "127.0.0.1", "ports": [port]}]}})
    };
    let status = json!({"metadata": {"name": name}, "status": balancer(server.address.port())});
    cluster.apply_status::<Ingress>(&namespace, status).await;
    let metadata = json!({"name": "web", "annotations": annotations});
    let spec = json!({"type": "LoadBalancer", "ports": [{"name": "https", "port": 443}]});
    create::<Service>(
        cluster,
        &namespace,
        json!({"metadata": metadata, "spec": spec}),
    )
    .await;
    (namespace, name)
}

#[tokio::test]
async fn what_a_tenant_writes_into_objects_is_data_in_every_output() {
    let server = server();
    let cluster = Cluster::start().await;
    cluster.grant_all(ACCOUNT).await;
    let (namespace, name) = declare(&cluster, &server).await;
    let kubeconfig = cluster.kubeconfig(&cluster.token(ACCOUNT).await);
    let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
    let config = json!({
        "interval": "1s", "timeout": "1s", "security": {"allow_networks": ["127.0.0.0/8"]},
    });
    for format in FORMATS {
        let site = Site::new("objects");
        let file = site.write("config.yaml", &config.to_string());
        let config = format!("--config.file={file}");
        let printed = printed(&site, &[&config, &kubeconfig], format).await;
        assert!(printed.contains("shop.test"), "{format}: {printed}");
    }
    // Why a host is not probed, as is asked of what was left out.
    let site = Site::new("objects");
    let file = site.write("config.yaml", &config.to_string());
    let config = format!("--config.file={file}");
    for host in ["shop.test", "level=error", HOSTILE] {
        let host = host.replace('\0', "");
        let asked = ["check", &config, &kubeconfig, "--why", &host];
        let output = run(&site, &asked).await;
        is_tame("--why", &String::from_utf8(output.stdout).unwrap());
        is_tame("--why", &String::from_utf8(output.stderr).unwrap());
    }
    for format in ["logfmt", "json", "ecs"] {
        let flags = [
            config.clone(),
            kubeconfig.clone(),
            format!("--log.format={format}"),
            "--log.level=debug".to_owned(),
        ];
        let exporter = Exporter::start(Site::new("objects"), "serve", &flags).await;
        let seen = |scrape: &Scrape| {
            let info = scrape.metric("kube_https_certificate_info");
            let info = info.label("namespace", &namespace).label("name", &name);
            !info.each("host").is_empty()
        };
        exporter.until("its certificate is seen", seen).await;
        is_served_as_data(&exporter).await;
        assert_eq!(exporter.stop().await.code, Some(0));
    }
}
