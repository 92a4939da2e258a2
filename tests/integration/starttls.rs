//! Real servers that begin in clear: the certificate and the versions that they were configured
//! with are seen by their own protocol, at every connection of both probes.

use std::process::Command;
use std::time::Duration;

use kube_https_exporter::config::Config;
use kube_https_exporter::model::TlsVersion::{Ssl30, Tls10, Tls11, Tls12, Tls13};
use kube_https_exporter::model::{
    Acceptance, Address, Reason, Requests, StartTls, TlsDoor, TlsVersion,
};
use kube_https_exporter::probe::Prober;
use kube_https_exporter::schedule::Probe;

use crate::ca::{Leaf, NAME, RSA};
use crate::hostile::{Hostile, Manner};
use crate::peers;
use crate::process::{Peer, Site, command, run, tool};

fn prober() -> Prober {
    // Ample on loopback, with several servers starting on two cores.
    let config = Config {
        timeout: Duration::from_secs(20),
        ..Config::default()
    };
    Prober::new(&config).unwrap()
}

fn door(port: u16, protocol: StartTls) -> TlsDoor {
    TlsDoor {
        address: Address::parse("127.0.0.1"),
        port,
        server_name: Some(NAME.into()),
        starttls: Some(protocol),
        guarded: false,
        requests: Requests::Nothing,
    }
}

/// The server shows the leaf, and takes these versions and refuses the others.
async fn serves(peer: Peer, protocol: StartTls, leaf: &Leaf, versions: &[TlsVersion]) {
    let (prober, door) = (prober(), door(peer.address.port(), protocol));
    let report = prober.tls(&door).await;
    let seen = report.attempts.unwrap().remove(0).outcome;
    let seen = seen.unwrap_or_else(|failed| panic!("{failed:?}: {}", peer.site.log()));
    assert_eq!(*seen.chain.leaf().unwrap().der, leaf.der);
    assert_eq!(Some(&seen.version), versions.last());
    assert_eq!(seen.alpn, None);

    let known = [(peer.address.ip(), seen.version)];
    let (_, deep) = prober.deep(&door, &known).await.addresses.remove(0);
    for version in [Ssl30, Tls10, Tls11, Tls12, Tls13] {
        let expected = if versions.contains(&version) {
            Acceptance::Accepted
        } else {
            Acceptance::Refused
        };
        assert_eq!(deep.versions.of(version), expected, "{version:?}");
    }
    assert!(
        deep.groups
            .iter()
            .any(|(_, answer)| answer == Acceptance::Accepted)
    );
}

/// The program as the first user of a namespace of its own who is not root, since it refuses to be.
fn unprivileged(program: &str) -> Command {
    let mut command = command("unshare");
    command
        .args(["--user", "--map-user=1000"])
        .arg(tool(program));
    command
}

#[tokio::test]
async fn aiosmtpd() {
    let peer = Peer::start("aiosmtpd", |site| {
        let (cert, key) = site.write_leaf(&RSA);
        let listen = format!("127.0.0.1:{}", site.port);
        let mut server = command("aiosmtpd");
        server.args([
            "-n",
            "-l",
            &listen,
            "--tlscert",
            &cert,
            "--tlskey",
            &key,
            "--no-requiretls",
        ]);
        server
    });
    serves(peer, StartTls::Smtp, &RSA, &[Tls12, Tls13]).await;
}

/// stunnel in front of a mail server that says no more than its greeting.
async fn stunnel(protocol: StartTls, name: &str, greeting: &str) {
    let lines = format!("protocol = {name}\nexecArgs = echo {greeting}");
    let peer = peers::stunnel(&RSA, &lines);
    serves(peer, protocol, &RSA, &[Tls12, Tls13]).await;
}

#[tokio::test]
async fn stunnel_before_imap() {
    stunnel(StartTls::Imap, "imap", "* OK ready").await;
}

#[tokio::test]
async fn stunnel_before_pop3() {
    stunnel(StartTls::Pop3, "pop3", "+OK ready").await;
}

#[tokio::test]
async fn openldap() {
    let peer = Peer::start("slapd", |site| {
        let (cert, key) = site.write_leaf(&RSA);
        let config = format!(
            "TLSCertificateFile {cert}\nTLSCertificateKeyFile {key}\n\
             TLSCipherSuite NORMAL:-VERS-ALL:+VERS-TLS1.2\n"
        );
        let config = site.write("slapd.conf", &config);
        let listen = format!("ldap://127.0.0.1:{}", site.port);
        let mut server = command("slapd");
        // Told to debug nothing, it stays in the foreground.
        server.args(["-h", &listen, "-f", &config, "-d", "0"]);
        server
    });
    serves(peer, StartTls::Ldap, &RSA, &[Tls12]).await;
}

#[tokio::test]
async fn postgresql() {
    let peer = Peer::start("postgres", |site| {
        postgres(
            site,
            &["-c", "ssl=on", "-c", "ssl_min_protocol_version=TLSv1.3"],
        )
    });
    serves(peer, StartTls::Postgres, &RSA, &[Tls13]).await;
}

#[tokio::test]
async fn postgresql_without_tls_says_so() {
    let peer = Peer::start("postgres", |site| postgres(site, &["-c", "ssl=off"]));
    let report = prober()
        .tls(&door(peer.address.port(), StartTls::Postgres))
        .await;
    let failed = report.attempts.unwrap().remove(0).outcome.unwrap_err();
    assert_eq!(failed.reason, Reason::NotTls);
    assert_eq!(
        &*failed.detail,
        "postgres: the server refuses to start TLS: \"N\""
    );
}

fn postgres(site: &Site, settings: &[&str]) -> Command {
    let data = site.path("data");
    run(unprivileged("initdb").args(["--no-sync", "-A", "trust", "-D", &data]));
    site.write("data/server.crt", &RSA.cert_pem);
    let key = site.write("data/server.key", &RSA.key_pem);
    run(Command::new("chmod").args(["600", &key]));
    let port = site.port.to_string();
    let mut server = unprivileged("postgres");
    server.args([
        "-D",
        &data,
        "-p",
        &port,
        "-h",
        "127.0.0.1",
        "-c",
        "unix_socket_directories=",
    ]);
    server.args(settings);
    server
}

#[tokio::test]
async fn mariadb() {
    let peer = Peer::start("mariadb", |site| {
        let (cert, key) = site.write_leaf(&RSA);
        let mut server = command("mariadbd");
        server.args([
            "--no-defaults",
            "--skip-grant-tables",
            "--user=root",
            "--bind-address=127.0.0.1",
            "--tls-version=TLSv1.2,TLSv1.3",
            &format!("--port={}", site.port),
            &format!("--datadir={}", site.dir.display()),
            &format!("--socket={}", site.path("socket")),
            &format!("--ssl-cert={cert}"),
            &format!("--ssl-key={key}"),
        ]);
        server
    });
    serves(peer, StartTls::MySql, &RSA, &[Tls12, Tls13]).await;
}

/// It insists on its protocol, as version 17 does of clients with `sslnegotiation=direct`.
#[tokio::test]
async fn postgresql_with_tls_from_the_first_byte() {
    let peer = peers::openssl(&RSA, &["-tls1_3", "-alpn", "postgresql"]);
    let door = TlsDoor {
        starttls: None,
        ..door(peer.address.port(), StartTls::Postgres)
    };
    let report = prober().tls(&door).await;
    let seen = report.attempts.unwrap().remove(0).outcome.unwrap();
    assert_eq!(seen.alpn.as_deref(), Some("postgresql"));
}

#[tokio::test]
async fn another_server_is_named_by_what_it_says() {
    let peer = Hostile::start(Manner::Http).await;
    let report = prober()
        .tls(&door(peer.address.port(), StartTls::Ldap))
        .await;
    let failed = report.attempts.unwrap().remove(0).outcome.unwrap_err();
    assert_eq!(failed.reason, Reason::NotTls);
    assert!(failed.detail.contains("HTTP/1."), "{failed:?}");
}
