//! Real TLS servers on loopback. `tests/tools/peers.py` says the same command lines and checks
//! them with another client.

use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;

use crate::ca::{CA, Leaf};
use crate::process::{Peer, Site, command, free_plaintext_port, free_port, run, script, tool};

/// All suites with a certificate and forward secrecy, so that none is a finding, and signatures with
/// SHA-1: without it OpenSSL 3 refuses TLS 1.0 and 1.1.
const ALL_CIPHERS: &str = "ALL:!aNULL:!kRSA:@SECLEVEL=0";

/// nginx with these `ssl_protocols`.
pub(crate) fn nginx(leaf: &Leaf, protocols: &str) -> Peer {
    nginx_server(leaf, &format!("ssl_protocols {protocols};"))
}

/// nginx with these directives in its server block, and every sound cipher suite that it has.
pub(crate) fn nginx_server(leaf: &Leaf, directives: &str) -> Peer {
    nginx_as_it_comes(leaf, &format!("ssl_ciphers {ALL_CIPHERS}; {directives}"))
}

/// nginx with no more than these directives in its server block. Files that they name without a
/// folder are its own, such as `cert.pem`.
pub(crate) fn nginx_as_it_comes(leaf: &Leaf, directives: &str) -> Peer {
    nginx_with_files(leaf, directives, &[])
}

/// As [`nginx_as_it_comes`], with these files beside.
pub(crate) fn nginx_with_files(leaf: &Leaf, directives: &str, files: &[(&str, &str)]) -> Peer {
    Peer::start("nginx", |site| {
        for (name, content) in files {
            site.write(name, content);
        }
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
                     ssl_certificate {cert}; ssl_certificate_key {key};
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

/// etcd as kubeadm has it, at `address` on its usual port too: clients must show a certificate.
pub(crate) fn etcd(leaf: &Leaf, address: Ipv4Addr) -> Peer {
    Peer::start("etcd", |site| {
        let (cert, key) = site.write_leaf(leaf);
        let ca = site.write("ca.pem", &CA.issuer.pem());
        let (port, peer_port) = (site.port, free_port());
        let clients = format!("https://127.0.0.1:{port},https://{address}:2379");
        let peers = format!("http://127.0.0.1:{peer_port}");
        let words = [
            format!("--data-dir={}", site.path("data")),
            format!("--listen-client-urls={clients}"),
            format!("--advertise-client-urls={clients}"),
            format!("--listen-peer-urls={peers}"),
            format!("--initial-advertise-peer-urls={peers}"),
            format!("--initial-cluster=default={peers}"),
            format!("--cert-file={cert}"),
            format!("--key-file={key}"),
            format!("--trusted-ca-file={ca}"),
            "--client-cert-auth".to_owned(),
            "--unsafe-no-fsync".to_owned(),
        ];
        let mut command = command("etcd");
        command.args(words);
        command
    })
}

/// nginx as an ingress controller has it: the certificate is chosen by server name, and beside the
/// TLS port there is one for plaintext, which leads to it.
pub(crate) struct Front {
    peer: Peer,
    pub(crate) plaintext_port: u16,
}

/// What every [`Front`] agrees on with a client that knows TLS 1.3 and HTTP/2.
pub(crate) const FRONT_CIPHER: &str = "TLS_AES_128_GCM_SHA256";

/// What every [`Front`] asks browsers to remember, in seconds: a year.
pub(crate) const HSTS: u32 = 31_536_000;

/// The host that every [`Front`] serves in clear.
pub(crate) const OPEN_HOST: &str = "open.test";

/// The host that every [`Front`] serves in clear at [`OPEN_PATH`], and redirects elsewhere.
pub(crate) const PARTLY_OPEN_HOST: &str = "partly-open.test";
pub(crate) const OPEN_PATH: &str = "/api";

impl Front {
    /// With these `ssl_protocols`.
    pub(crate) fn start(protocols: &str) -> Self {
        let plaintext_port = free_plaintext_port();
        let peer = Peer::start("front", |site| {
            // A path with a variable is read at every handshake.
            let certificate = site.path("$ssl_server_name.pem");
            let (dir, port) = (site.dir.display(), site.port);
            let config = format!(
                "daemon off; master_process off; pid {dir}/pid; error_log stderr info;
                 events {{}}
                 http {{
                   access_log off; client_body_temp_path {dir}; proxy_temp_path {dir};
                   fastcgi_temp_path {dir}; uwsgi_temp_path {dir}; scgi_temp_path {dir};
                   server {{
                     listen 127.0.0.1:{port} ssl http2;
                     ssl_certificate {certificate}; ssl_certificate_key {certificate};
                     ssl_protocols {protocols}; ssl_ciphers {ALL_CIPHERS}; ssl_ecdh_curve X25519;
                     ssl_conf_command Ciphersuites {FRONT_CIPHER};
                     add_header Strict-Transport-Security max-age={HSTS} always;
                     location / {{ return 200 \"ok\\n\"; }}
                   }}
                   server {{
                     listen 127.0.0.1:{plaintext_port};
                     location / {{ return 308 https://$host:{port}$request_uri; }}
                   }}
                   server {{
                     listen 127.0.0.1:{plaintext_port}; server_name {OPEN_HOST};
                     location / {{ return 200 \"in clear\\n\"; }}
                   }}
                   server {{
                     listen 127.0.0.1:{plaintext_port}; server_name {PARTLY_OPEN_HOST};
                     location / {{ return 308 https://$host:{port}$request_uri; }}
                     location {OPEN_PATH} {{ return 200 \"in clear\\n\"; }}
                   }}
                 }}"
            );
            let config = site.write("nginx.conf", &config);
            with(command("nginx"), &["-c", &config])
        });
        Self {
            peer,
            plaintext_port,
        }
    }

    /// Shows this certificate for `host` from now on.
    pub(crate) fn show(&self, host: &str, leaf: &Leaf) {
        let both = format!("{}{}", leaf.cert_pem, leaf.key_pem);
        let written = self.peer.site.write("new", &both);
        // At once: a handshake finds the old file or the new one, never half of it.
        fs::rename(written, self.peer.site.path(&format!("{host}.pem"))).unwrap();
    }

    pub(crate) fn tls_port(&self) -> u16 {
        self.peer.address.port()
    }
}

/// haproxy from this version on, such as `TLSv1.0`.
pub(crate) fn haproxy(leaf: &Leaf, lowest: &str) -> Peer {
    haproxy_with(
        &[leaf],
        &format!("ssl-min-ver {lowest} ciphers {ALL_CIPHERS}"),
    )
}

/// haproxy with all these certificates, and these words behind its `bind`. `0.pem` has the first
/// certificate, its chain and its key.
pub(crate) fn haproxy_with(leaves: &[&Leaf], words: &str) -> Peer {
    Peer::start("haproxy", |site| {
        let certificates = leaves.iter().enumerate().map(|(number, leaf)| {
            let both = format!("{}{}", leaf.cert_pem, leaf.key_pem);
            format!(" crt {}", site.write(&format!("{number}.pem"), &both))
        });
        let certificates: String = certificates.collect();
        let config = site.write(
            "haproxy.cfg",
            &format!(
                "defaults
                   mode http
                   timeout client 10s
                 frontend tls
                   bind 127.0.0.1:{} ssl{certificates} {words}
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
    let priority = format!("NORMAL:-VERS-ALL:{versions}");
    gnutls_with(leaf, &["--disable-client-cert", "--priority", &priority])
}

/// gnutls-serv with these arguments besides port, certificate and key.
pub(crate) fn gnutls_with(leaf: &Leaf, arguments: &[&str]) -> Peer {
    Peer::start("gnutls", |site| {
        let (cert, key) = site.write_leaf(leaf);
        let port = site.port.to_string();
        let server = with(
            command("gnutls-serv"),
            &["--http", "--quiet", "--port", &port],
        );
        let files = ["--x509certfile", &cert, "--x509keyfile", &key];
        with(with(server, &files), arguments)
    })
}

/// stunnel with these lines in its service, which says hello to whom it lets in.
pub(crate) fn stunnel(leaf: &Leaf, lines: &str) -> Peer {
    Peer::start("stunnel", |site| {
        let (cert, key) = site.write_leaf(leaf);
        let config = site.write(
            "stunnel.conf",
            &format!(
                "foreground = yes\npid =\n[service]\naccept = 127.0.0.1:{}\n\
                 exec = /bin/echo\nexecArgs = echo ok\ncert = {cert}\nkey = {key}\n{lines}\n",
                site.port
            ),
        );
        with(command("stunnel4"), &[&config])
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
    java_with(&[], leaf, lowest, highest)
}

/// As [`java`], with these options of the virtual machine.
pub(crate) fn java_with(options: &[&str], leaf: &Leaf, lowest: &str, highest: &str) -> Peer {
    let class = tool("TlsServer.class");
    let folder = class.with_file_name("").display().to_string();
    ours("java", leaf, lowest, highest, || {
        let machine = with(command("java"), options);
        with(machine, &["-cp", &folder, "TlsServer"])
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
    node_with(leaf, lowest, highest, &[])
}

/// As [`node`], with these arguments besides.
pub(crate) fn node_with(leaf: &Leaf, lowest: &str, highest: &str, more: &[&str]) -> Peer {
    let script = script("node_server.js").display().to_string();
    ours("node", leaf, lowest, highest, || {
        with(with(command("node"), &[&script]), more)
    })
}

/// Go from one version to another, as [`java`].
pub(crate) fn go(leaf: &Leaf, lowest: &str, highest: &str) -> Peer {
    go_with(leaf, lowest, highest, &[])
}

/// As [`go`], with these arguments besides.
pub(crate) fn go_with(leaf: &Leaf, lowest: &str, highest: &str, more: &[&str]) -> Peer {
    ours("go", leaf, lowest, highest, || {
        with(command("goserver"), more)
    })
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
