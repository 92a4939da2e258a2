//! What a server says of itself leaves its place in no output: not as escape sequences, lines,
//! labels, markup, formulas or keys.

use kube_https_exporter::model::is_unsafe;
use rcgen::string::Ia5String;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use serde_json::{Value, json};

use crate::ca::{Ca, Leaf};
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
    let host = server.address.to_string();
    let output = run(&site, &["check", &host, "-o", format, "--log.level=debug"]).await;
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
    printed
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
    for format in ["table", "wide"] {
        let printed = checked(&server, format).await;
        assert!(
            !printed
                .lines()
                .any(|line| line.starts_with("level=") || line.starts_with("kube_https_owned"))
        );
        assert!(printed.contains("127.0.0.1"), "{printed}");
    }
    for format in ["json", "sarif"] {
        let printed = checked(&server, format).await;
        let read: Value = serde_json::from_str(&printed).unwrap();
        assert!(
            printed.contains("<script>"),
            "{format} says what it is: {read}"
        );
    }
    let yaml = checked(&server, "yaml").await;
    let read: Value = serde_saphyr::from_str(&yaml).unwrap();
    assert!(read.to_string().contains("<script>"), "{yaml}");

    let csv = checked(&server, "csv").await;
    let lines = fields(&csv);
    assert_eq!(lines.len(), 2, "{csv}");
    assert_eq!(lines[0].len(), lines[1].len(), "{csv}");
    assert!(csv.contains("calc"), "{csv}");
    for field in &lines[1] {
        assert!(!field.starts_with(FORMULAS), "{field:?} of {csv}");
    }

    let junit = checked(&server, "junit").await;
    assert!(
        !junit.contains("<script>") && !junit.contains("]]>") && !junit.contains("<!--"),
        "{junit}"
    );
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
        assert!(
            scrape
                .samples
                .iter()
                .all(|sample| sample.name != "kube_https_owned" && !sample.name.is_empty())
        );
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
        assert_eq!(exporter.stop().await.code, Some(0));
    }
}
