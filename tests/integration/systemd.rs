//! The exporter started as systemd does it.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::exporter::{Exporter, PATIENCE, run};
use crate::process::{Site, script, tool};

/// The flag for a configuration that needs no cluster.
fn config(site: &Site) -> String {
    let text = "targets: [{name: nowhere, url: 'https://nowhere.invalid'}]";
    format!("--config.file={}", site.write("config.yaml", text))
}

#[tokio::test]
async fn it_serves_at_the_socket_that_it_is_given_and_says_when() {
    let name = format!("kube-https-exporter-{}", std::process::id());
    let notified = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap());
    let notified = notified.unwrap();
    notified.set_read_timeout(Some(PATIENCE)).unwrap();

    let site = Site::new("systemd");
    let config = config(&site);
    let flags = [config, "--web.systemd-socket".to_owned()];
    let (python, script) = (tool("python3"), script("socket_activation.py"));
    let launcher = [
        python.to_str().unwrap(),
        script.to_str().unwrap(),
        &format!("@{name}"),
    ];
    let exporter = Exporter::start_by(&launcher, site, "serve", &flags).await;

    let mut said = [0; 16];
    let length = notified.recv(&mut said).unwrap();
    assert_eq!(&said[..length], b"READY=1");
    assert_eq!(exporter.get("/-/healthy").await.status, 200);
}

#[tokio::test]
async fn without_a_socket_it_says_what_to_do() {
    let site = Site::new("no-socket");
    let config = config(&site);
    let ended = run(&site, &["serve", &config, "--web.systemd-socket"]).await;
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("start it by a .socket unit"), "{said}");
}
