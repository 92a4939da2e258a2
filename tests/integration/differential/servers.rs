//! The table of server configurations.

use std::net::Ipv4Addr;
use std::process::id;

use super::leaves::{
    ECDSA, EXPIRED, INCOMPLETE, NOT_YET_VALID, OTHER_NAME, P384, RSA, SELF_SIGNED, UNKNOWN,
    WITH_ROOT,
};
use crate::ca::Leaf;
use crate::peers;
use crate::process::Peer;

/// One server, configured in one way.
#[derive(Debug)]
pub(super) struct Configuration {
    /// Of its record, too.
    pub(super) name: &'static str,
    /// Starts it.
    pub(super) start: fn() -> Peer,
}

const fn of(name: &'static str, start: fn() -> Peer) -> Configuration {
    Configuration { name, start }
}

/// Every suite that Debian's OpenSSL has, the worst too.
const EVERYTHING: &str = "ALL:COMPLEMENTOFALL:@SECLEVEL=0";

/// Mozilla's profile "intermediate", for RSA.
const INTERMEDIATE: &str = "ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ecdh_curve X25519:prime256v1:secp384r1;
    ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305;";

fn nginx_tls12(ciphers: &str) -> Peer {
    let directives = format!("ssl_protocols TLSv1.2; ssl_ciphers {ciphers};");
    peers::nginx_as_it_comes(&RSA, &directives)
}

fn nginx_both(directives: &str) -> Peer {
    let more = format!("ssl_certificate ec.pem; ssl_certificate_key ec.key; {directives}");
    let files = [("ec.pem", &*ECDSA.cert_pem), ("ec.key", &*ECDSA.key_pem)];
    peers::nginx_with_files(&RSA, &more, &files)
}

/// On an address of this process's own, for its usual port.
fn etcd() -> Peer {
    let [.., high, low] = id().to_be_bytes();
    peers::etcd(&ECDSA, Ipv4Addr::new(127, 8, high, low))
}

/// By itself, `s_server` sends no more than the leaf.
fn with_chain(leaf: &Leaf) -> Peer {
    peers::openssl(leaf, &["-cert_chain", "cert.pem"])
}

/// To add one: a line here, then `make differential ONLY=its-name`.
pub(super) const ALL: &[Configuration] = &[
    of("nginx-as-it-comes", || {
        peers::nginx_as_it_comes(&RSA, "ssl_protocols TLSv1.2 TLSv1.3;")
    }),
    of("nginx-up-to-tls1.2", || {
        peers::nginx(&RSA, "TLSv1 TLSv1.1 TLSv1.2")
    }),
    of("nginx-tls1.0-alone", || peers::nginx(&ECDSA, "TLSv1")),
    of("nginx-tls1.3-alone", || peers::nginx(&ECDSA, "TLSv1.3")),
    of("nginx-tls1.0-and-1.3", || {
        peers::nginx(&RSA, "TLSv1 TLSv1.3")
    }),
    of("nginx-intermediate", || {
        peers::nginx_as_it_comes(&RSA, INTERMEDIATE)
    }),
    of("nginx-ecdsa-tls1.2", || {
        peers::nginx_as_it_comes(&ECDSA, "ssl_protocols TLSv1.2;")
    }),
    of("nginx-both-keys", || {
        nginx_both("ssl_protocols TLSv1.2 TLSv1.3;")
    }),
    of("nginx-both-keys-old", || {
        nginx_both("ssl_protocols TLSv1 TLSv1.1 TLSv1.2; ssl_ciphers ALL:@SECLEVEL=0;")
    }),
    of("nginx-cbc-alone", || {
        nginx_tls12("ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA384")
    }),
    of("nginx-no-forward-secrecy", || nginx_tls12("kRSA")),
    of("nginx-client-optional", || {
        peers::nginx_as_it_comes(
            &RSA,
            "ssl_protocols TLSv1.2 TLSv1.3; ssl_verify_client optional_no_ca;",
        )
    }),
    of("nginx-client-required", || {
        peers::nginx_as_it_comes(
            &ECDSA,
            "ssl_protocols TLSv1.2 TLSv1.3; ssl_verify_client on; ssl_client_certificate cert.pem;",
        )
    }),
    of("nginx-p384-alone", || {
        peers::nginx_as_it_comes(
            &RSA,
            "ssl_protocols TLSv1.2 TLSv1.3; ssl_ecdh_curve secp384r1;",
        )
    }),
    of("haproxy-as-it-comes", || peers::haproxy_with(&[&RSA], "")),
    of("haproxy-from-tls1.0", || peers::haproxy(&ECDSA, "TLSv1.0")),
    of("haproxy-tls1.3-alone", || {
        peers::haproxy_with(&[&ECDSA], "ssl-min-ver TLSv1.3")
    }),
    of("haproxy-both-keys", || {
        peers::haproxy_with(&[&RSA, &ECDSA], "ssl-min-ver TLSv1.2")
    }),
    of("haproxy-client-optional", || {
        peers::haproxy_with(&[&RSA], "ca-file 0.pem verify optional")
    }),
    of("haproxy-client-required", || {
        peers::haproxy_with(&[&RSA], "ca-file 0.pem verify required")
    }),
    of("haproxy-p521-alone", || {
        peers::haproxy_with(&[&RSA], "curves P-521")
    }),
    of("openssl-as-it-comes", || peers::openssl(&RSA, &[])),
    of("openssl-everything", || {
        peers::openssl(&RSA, &["-cipher", EVERYTHING])
    }),
    of("openssl-everything-ecdsa", || {
        peers::openssl(&P384, &["-cipher", EVERYTHING])
    }),
    of("openssl-tls1.0-alone", || {
        peers::openssl_weak(&RSA, &["-tls1"])
    }),
    of("openssl-tls1.1-alone", || {
        peers::openssl_weak(&ECDSA, &["-tls1_1"])
    }),
    of("openssl-null-and-aead", || {
        let ciphers = "NULL-SHA256:ECDHE-RSA-AES256-GCM-SHA384:@SECLEVEL=0";
        peers::openssl(&RSA, &["-tls1_2", "-cipher", ciphers])
    }),
    of("openssl-ffdhe2048-alone", || {
        peers::openssl(&RSA, &["-groups", "ffdhe2048"])
    }),
    of("openssl-x448-and-p256", || {
        peers::openssl(&ECDSA, &["-groups", "X448:P-256"])
    }),
    of("openssl-client-requested", || {
        peers::openssl(&RSA, &["-verify", "1"])
    }),
    of("openssl-client-required", || {
        peers::openssl(&RSA, &["-Verify", "1"])
    }),
    of("openssl-client-required-tls1.2", || {
        peers::openssl(&RSA, &["-Verify", "1", "-tls1_2"])
    }),
    of("openssl-expired", || with_chain(&EXPIRED)),
    of("openssl-not-yet-valid", || with_chain(&NOT_YET_VALID)),
    of("openssl-other-name", || with_chain(&OTHER_NAME)),
    of("openssl-incomplete", || with_chain(&INCOMPLETE)),
    of("openssl-self-signed", || with_chain(&SELF_SIGNED)),
    of("openssl-unknown-root", || with_chain(&UNKNOWN)),
    of("openssl-with-root", || with_chain(&WITH_ROOT)),
    of("gnutls-as-it-comes", || {
        peers::gnutls(&RSA, "+VERS-TLS1.3:+VERS-TLS1.2")
    }),
    of("gnutls-from-tls1.0", || {
        peers::gnutls(
            &ECDSA,
            "+VERS-TLS1.3:+VERS-TLS1.2:+VERS-TLS1.1:+VERS-TLS1.0",
        )
    }),
    of("gnutls-tls1.0-and-1.2", || {
        peers::gnutls(&RSA, "+VERS-TLS1.2:+VERS-TLS1.0")
    }),
    of("gnutls-client-requested", || peers::gnutls_with(&RSA, &[])),
    of("gnutls-client-required", || {
        peers::gnutls_with(&RSA, &["--require-client-cert"])
    }),
    of("gnutls-weak", || {
        peers::gnutls(
            &RSA,
            "+VERS-TLS1.2:+ARCFOUR-128:+3DES-CBC:+NULL:+MD5:+ANON-ECDH:+ANON-DH",
        )
    }),
    of("gnutls-x25519-alone", || {
        peers::gnutls(&RSA, "+VERS-TLS1.3:-GROUP-ALL:+GROUP-X25519")
    }),
    of("nss-from-ssl3", || peers::nss(&RSA, "ssl3:tls1.2")),
    of("go-everything", || peers::go(&RSA, "tls1.0", "tls1.3")),
    of("go-tls1.2-alone", || peers::go(&ECDSA, "tls1.2", "tls1.2")),
    of("go-tls1.0-alone", || peers::go(&RSA, "tls1.0", "tls1.0")),
    of("go-tls1.3-alone", || peers::go(&ECDSA, "tls1.3", "tls1.3")),
    of("go-client-requested", || {
        peers::go_with(&RSA, "tls1.2", "tls1.3", &["--client-auth", "request"])
    }),
    of("go-client-required", || {
        peers::go_with(&ECDSA, "tls1.2", "tls1.3", &["--client-auth", "require"])
    }),
    of("java-everything", || peers::java(&RSA, "ssl3", "tls1.3")),
    of("java-tls1.2-alone", || {
        peers::java(&ECDSA, "tls1.2", "tls1.2")
    }),
    of("java-p256-alone", || {
        peers::java_with(
            &["-Djdk.tls.namedGroups=secp256r1"],
            &RSA,
            "tls1.2",
            "tls1.3",
        )
    }),
    of("node-from-tls1.2", || {
        peers::node(&ECDSA, "tls1.2", "tls1.3")
    }),
    of("node-up-to-tls1.2", || {
        peers::node(&RSA, "tls1.0", "tls1.2")
    }),
    of("node-client-requested", || {
        peers::node_with(&RSA, "tls1.2", "tls1.3", &["--client-auth", "request"])
    }),
    of("node-client-required", || {
        peers::node_with(&RSA, "tls1.2", "tls1.3", &["--client-auth", "require"])
    }),
    of("node-p521-alone", || {
        peers::node_with(&RSA, "tls1.2", "tls1.3", &["--groups", "P-521"])
    }),
    of("stunnel-as-it-comes", || peers::stunnel(&RSA, "")),
    of("stunnel-from-tls1.0", || {
        peers::stunnel(
            &RSA,
            "sslVersionMin = TLSv1\nsecurityLevel = 0\nciphers = ALL:@SECLEVEL=0",
        )
    }),
    of("stunnel-tls1.3-alone", || {
        peers::stunnel(&ECDSA, "sslVersion = TLSv1.3")
    }),
    of("stunnel-client-required", || {
        peers::stunnel(&RSA, "verifyChain = yes\nCAfile = cert.pem")
    }),
    of("etcd", etcd),
];
