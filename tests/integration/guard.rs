//! The exporter's own listener behind TLS, client certificates and passwords: what promtool and a
//! real Prometheus make of it.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::ca::{Ca, Leaf};
use crate::exporter::{Exporter, run};
use crate::process::{Peer, Site, command};
use crate::prometheus;

#[tokio::test]
async fn promtool_accepts_the_same_web_configurations() {
    let site = Site::new("web-config");
    let (server, clients) = (Ca::new().leaf(&["server.test"]), Ca::new());
    site.write("server.pem", &server.cert_pem);
    site.write("server.key", &server.key_pem);
    site.write("other.key", &clients.leaf(&["other.test"]).key_pem);
    site.write("client-ca.pem", &clients.issuer.pem());
    let config = site.write("config.yaml", "");

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/web");
    let mut seen = 0;
    for fixture in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = fixture.file_name().into_string().unwrap();
        let file = site.write("web.yml", &fs::read_to_string(fixture.path()).unwrap());
        let promtool = command("promtool")
            .args(["check", "web-config", &file])
            .output()
            .unwrap();
        let (config, web) = (
            format!("--config.file={config}"),
            format!("--web.config.file={file}"),
        );
        let own = run(&site, &["serve", "--config.check", &config, &web]).await;
        let verdicts = (own.status.success(), promtool.status.success());
        // What is stricter here says so in its name, and why in its first line.
        let expected = match name.split('-').next() {
            Some("good") => (true, true),
            Some("bad") => (false, false),
            _ => (false, true),
        };
        let said = String::from_utf8_lossy(&own.stderr);
        assert_eq!(verdicts, expected, "{name}: {said}, {promtool:?}");
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}

/// The web configuration, with files that [`Site::write`] made beside it.
fn web_config() -> String {
    let hash = bcrypt::hash("secret", 10).unwrap();
    let tls = json!({"tls_server_config": {
        "cert_file": "server.pem",
        "key_file": "server.key",
        "client_auth_type": "RequireAndVerifyClientCert",
        "client_ca_file": "client-ca.pem",
        "client_allowed_sans": ["scraper.test"],
    }, "basic_auth_users": {"ann": hash}});
    tls.to_string()
}

/// Jobs that differ in one thing each; the name says in which.
fn scrape_by(site: &Site, exporter: &Exporter, roots: [&Ca; 2], clients: &Ca) -> Peer {
    let [old, new] = roots.map(|ca| ca.issuer.pem());
    let (old, new) = (site.write("old.pem", &old), site.write("new.pem", &new));
    let client = |name: &str| {
        let Leaf {
            cert_pem, key_pem, ..
        } = clients.leaf(&[name]);
        let cert = site.write(&format!("{name}.pem"), &cert_pem);
        json!({"cert_file": cert, "key_file": site.write(&format!("{name}.key"), &key_pem)})
    };
    let (named, other) = (client("scraper.test"), client("other.test"));
    let job = |name: &str, ca: &str, client: &Value, password: &str| {
        let mut tls = client.clone();
        tls["ca_file"] = json!(ca);
        tls["server_name"] = json!("server.test");
        json!({
            "job_name": name,
            "scheme": "https",
            "tls_config": tls,
            "basic_auth": {"username": "ann", "password": password},
            "static_configs": [{"targets": [exporter.address.to_string()]}],
        })
    };
    prometheus::start(&json!({
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [
            job("old", &old, &named, "secret"),
            job("new", &new, &named, "secret"),
            job("password", &old, &named, "wrong"),
            job("certificate", &old, &json!({}), "secret"),
            job("name", &old, &other, "secret"),
        ],
    }))
}

/// The jobs that get answers, and whether all were tried.
async fn up(prometheus: &Peer) -> (Vec<String>, bool) {
    let series = prometheus::series(prometheus, "up").await;
    let up = series.iter().filter(|series| series["value"][1] == "1");
    let mut up: Vec<String> = up
        .map(|series| series["metric"]["job"].as_str().unwrap().to_owned())
        .collect();
    up.sort();
    (up, series.len() == 5)
}

#[tokio::test]
async fn a_real_prometheus_comes_in_by_certificate_and_password_and_follows_a_renewal() {
    let [old, new, clients] = [(); 3].map(|()| Ca::new());
    let site = Site::new("guarded");
    let dir = site.dir.clone();
    let renew = |ca: &Ca| {
        let leaf = ca.leaf(&["server.test"]);
        fs::write(dir.join("server.pem"), leaf.cert_pem).unwrap();
        fs::write(dir.join("server.key"), leaf.key_pem).unwrap();
    };
    renew(&old);
    site.write("client-ca.pem", &clients.issuer.pem());
    let config = site.write(
        "config.yaml",
        "targets: [{name: nowhere, url: 'https://nowhere.invalid'}]",
    );
    let web = site.write("web.yml", &web_config());
    let flags = [
        format!("--config.file={config}"),
        format!("--web.config.file={web}"),
    ];
    let exporter = Exporter::start(site, "serve", &flags).await;

    let scraper = Site::new("scraper");
    let prometheus = scrape_by(&scraper, &exporter, [&old, &new], &clients);
    let answered = async || up(&prometheus).await;
    let only_old = |(up, all): &(Vec<String>, bool)| *all && up == &["old"];
    prometheus::until(
        "only the old root is right",
        &prometheus,
        answered,
        only_old,
    )
    .await;

    // A mistake first, which changes nothing.
    fs::write(&web, "basic_auth_users: {ann: open}").unwrap();
    let said = async || exporter.log();
    let complained = |log: &String| log.contains("could not reload the web configuration");
    prometheus::until("the mistake is told", &prometheus, said, complained).await;
    assert_eq!(up(&prometheus).await, (vec!["old".to_owned()], true));
    assert!(!exporter.log().contains("secret"), "{}", exporter.log());

    fs::write(&web, web_config()).unwrap();
    renew(&new);
    // Connections that are open stay so.
    let renewed = |(up, all): &(Vec<String>, bool)| *all && up == &["new", "old"];
    prometheus::until("the new root is right", &prometheus, answered, renewed).await;
}
