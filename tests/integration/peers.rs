//! Real TLS servers on loopback. `tests/tools/peers.py` says the same command lines and checks
//! them with another client.

use std::process::Command;

use crate::ca::Leaf;
use crate::process::{Peer, Site, command, run, script, tool};

/// All suites, and signatures with SHA-1: without it OpenSSL 3 refuses TLS 1.0 and 1.1.
const ALL_CIPHERS: &str = "ALL:@SECLEVEL=0";

/// nginx with these `ssl_protocols`.
pub(crate) fn nginx(leaf: &Leaf, protocols: &str) -> Peer {
    nginx_server(leaf, &format!("ssl_protocols {protocols};"))
}

/// nginx with these directives in its server block.
pub(crate) fn nginx_server(leaf: &Leaf, directives: &str) -> Peer {
    Peer::start("nginx", |site| {
        let (cert, key) = site.write_leaf(leaf);
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|part| format!("{part}_temp_path {};", site.dir.display()))
            .concat();
        let config = site.write(
            "nginx.conf",
            &format!(
                "daemon off; master_process off; pid {pid}; error_log stderr info;
                 events {{}}
                 http {{
                   access_log off; {temporary}
                   server {{
                     listen 127.0.0.1:{port} ssl;
                     ssl_certificate {cert}; ssl_certificate_key {key}; ssl_ciphers {ALL_CIPHERS};
                     {directives}
                     location / {{ return 200 \"ok\\n\"; }}
                   }}
                 }}",
                pid = site.path("pid"),
                port = site.port,
            ),
        );
        with(command("nginx"), &["-c", &config])
    })
}

/// haproxy from this version on, such as `TLSv1.0`.
pub(crate) fn haproxy(leaf: &Leaf, lowest: &str) -> Peer {
    Peer::start("haproxy", |site| {
        let both = site.write("both.pem", &format!("{}{}", leaf.cert_pem, leaf.key_pem));
        let config = site.write(
            "haproxy.cfg",
            &format!(
                "defaults
                   mode http
                   timeout client 10s
                 frontend tls
                   bind 127.0.0.1:{} ssl crt {both} ssl-min-ver {lowest} ciphers {ALL_CIPHERS}
                   http-request return status 200 content-type text/plain string ok\n",
                site.port
            ),
        );
        with(command("haproxy"), &["-db", "-f", &config])
    })
}

/// `openssl s_server` with these arguments besides address, certificate and key.
pub(crate) fn openssl(leaf: &Leaf, arguments: &[&str]) -> Peer {
    Peer::start("openssl", |site| {
        let (cert, key) = site.write_leaf(leaf);
        let address = format!("127.0.0.1:{}", site.port);
        let fixed = [
            "s_server", "-quiet", "-www", "-accept", &address, "-cert", &cert, "-key", &key,
        ];
        with(with(command("openssl"), &fixed), arguments)
    })
}

/// `openssl s_server` that takes weak ciphers and signatures too.
pub(crate) fn openssl_weak(leaf: &Leaf, arguments: &[&str]) -> Peer {
    openssl(leaf, &[&["-cipher", ALL_CIPHERS], arguments].concat())
}

/// gnutls-serv with these versions, such as `+VERS-TLS1.2`.
pub(crate) fn gnutls(leaf: &Leaf, versions: &str) -> Peer {
    Peer::start("gnutls", |site| {
        let (cert, key) = site.write_leaf(leaf);
        let port = site.port.to_string();
        let priority = format!("NORMAL:-VERS-ALL:{versions}");
        let server = with(
            command("gnutls-serv"),
            &[
                "--http",
                "--disable-client-cert",
                "--quiet",
                "--port",
                &port,
            ],
        );
        with(
            server,
            &[
                "--x509certfile",
                &cert,
                "--x509keyfile",
                &key,
                "--priority",
                &priority,
            ],
        )
    })
}

/// NSS's selfserv with a range of versions, such as `ssl3:tls1.2`. The certificate must be RSA.
pub(crate) fn nss(leaf: &Leaf, versions: &str) -> Peer {
    Peer::start("nss", |site| {
        let database = nss_database(site, leaf);
        let port = site.port.to_string();
        with(
            command("selfserv"),
            &[
                "-D", "-n", "server", "-d", &database, "-p", &port, "-V", versions,
            ],
        )
    })
}

fn nss_database(site: &Site, leaf: &Leaf) -> String {
    let (cert, key) = site.write_leaf(leaf);
    let bundle = site.path("server.p12");
    let database = format!("sql:{}", site.dir.display());
    run(command("certutil").args(["-N", "-d", &database, "--empty-password"]));
    run(command("openssl")
        .args(["pkcs12", "-export", "-name", "server", "-passout", "pass:"])
        .args(["-in", &cert, "-inkey", &key, "-out", &bundle]));
    run(command("pk12util").args(["-i", &bundle, "-d", &database, "-W", ""]));
    database
}

/// Java's own TLS from one version to another: `ssl3`, `tls1.0` … `tls1.3`.
pub(crate) fn java(leaf: &Leaf, lowest: &str, highest: &str) -> Peer {
    let class = tool("TlsServer.class");
    ours("java", leaf, lowest, highest, || {
        with(
            command("java"),
            &[
                "-cp",
                &class.with_file_name("").display().to_string(),
                "TlsServer",
            ],
        )
    })
}

/// tlslite-ng from one version to another, as [`java`].
pub(crate) fn tlslite(leaf: &Leaf, lowest: &str, highest: &str) -> Peer {
    ours("tlslite", leaf, lowest, highest, || {
        with(
            command("python"),
            &[&script("tlslite_server.py").display().to_string()],
        )
    })
}

/// Node from one version to another, as [`java`].
pub(crate) fn node(leaf: &Leaf, lowest: &str, highest: &str) -> Peer {
    ours("node", leaf, lowest, highest, || {
        with(
            command("node"),
            &[&script("node_server.js").display().to_string()],
        )
    })
}

/// Go from one version to another, as [`java`].
pub(crate) fn go(leaf: &Leaf, lowest: &str, highest: &str) -> Peer {
    ours("go", leaf, lowest, highest, || command("goserver"))
}

/// The servers of `tests/tools` take the same arguments.
fn ours(
    name: &str,
    leaf: &Leaf,
    lowest: &str,
    highest: &str,
    server: impl Fn() -> Command,
) -> Peer {
    Peer::start(name, |site| {
        let (cert, key) = site.write_leaf(leaf);
        let listen = format!("127.0.0.1:{}", site.port);
        let files = ["--listen", &listen, "--cert", &cert, "--key", &key];
        with(with(server(), &files), &["--min", lowest, "--max", highest])
    })
}

fn with(mut command: Command, arguments: &[&str]) -> Command {
    command.args(arguments);
    command
}
