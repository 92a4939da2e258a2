//! The servers on loopback that the demo's Ingresses point at.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Error;
use super::cast::{CAST, Certificate, Role, Stage};
use super::certificates::{Authority, Leaf};
use super::tls::{ByServerName, Manner, TlsListener};
use crate::model::UnixTime;

/// Where the whole demo lives.
pub(super) const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Connections that the kernel keeps waiting for a listener; what servers usually ask for.
pub(super) const BACKLOG: u32 = 1024;

/// Above the ports that services are assigned, and below those that the kernel hands out to
/// clients (`ip_local_port_range`).
const PLAINTEXT_PORTS: std::ops::RangeInclusive<u16> = 20_000..=32_767;

/// How ingress-nginx's default certificate is made out.
const FAKE_CERTIFICATE: Leaf<'_> = Leaf {
    common_name: "Kubernetes Ingress Controller Fake Certificate",
    organization: Some("Acme Co"),
    names: &["ingress.local"],
    days_old: 0,
    days_valid: 365,
};

/// Running servers; they stop with the token they were started with.
pub(super) struct Fleet {
    /// The TLS and the plaintext port of each load balancer.
    ports: HashMap<Stage, [u16; 2]>,
    /// The sockets behind the ports that refuse, so that nobody else gets these.
    _reserved: [TcpSocket; 2],
}

impl Fleet {
    /// Starts every server.
    pub(super) fn start(
        authority: &Authority,
        now: UnixTime,
        stop: &CancellationToken,
    ) -> Result<Self, Error> {
        let certificates = Arc::new(certificates(authority, now)?);
        let old = CAST.iter().find(|role| role.stage == Stage::OldController);
        let old = Manner {
            in_clear: "",
            old_versions: old.and_then(|role| certificates.named.get(role.host).cloned()),
        };
        let controller = serve_tls(&certificates, Manner::nginx(), stop)?;
        let old_controller = serve_tls(&certificates, old, stop)?;
        let plaintext = serve_plaintext([controller, old_controller], stop)?;
        let silent = [tls_socket()?, plaintext_socket()?];
        let reserved = [tls_socket()?, plaintext_socket()?];
        let refusing = [port(&reserved[0])?, port(&reserved[1])?];
        let ports = HashMap::from([
            (Stage::Controller, [controller, plaintext]),
            (Stage::OldController, [old_controller, plaintext]),
            (Stage::PlaintextOnly, [refusing[0], plaintext]),
            (Stage::Refusing, refusing),
            (Stage::Silent, [port(&silent[0])?, port(&silent[1])?]),
        ]);
        for socket in silent {
            stay_silent(socket.listen(BACKLOG)?, stop);
        }
        Ok(Self {
            ports,
            _reserved: reserved,
        })
    }

    /// The Ingress that declares a host, as a controller leaves it.
    pub(super) fn ingress(&self, role: &Role, created: &str) -> Value {
        let (name, host) = (role.name(), role.host);
        let ports = self.ports.get(&role.stage).into_iter().flatten();
        let ports = ports.map(|port| json!({"port": port, "protocol": "TCP"}));
        let backend = json!({"service": {"name": name, "port": {"number": 80}}});
        let path = json!({"path": "/", "pathType": "Prefix", "backend": backend});
        let tls = (role.stage != Stage::PlaintextOnly)
            .then(|| json!({"hosts": [host], "secretName": format!("{name}-tls")}));
        let address = json!({"ip": LOOPBACK, "ports": ports.collect::<Vec<_>>()});
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {
                "namespace": role.namespace, "name": name, "creationTimestamp": created,
            },
            "spec": {
                "ingressClassName": "demo", "tls": Vec::from_iter(tls),
                "rules": [{"host": host, "http": {"paths": [path]}}],
            },
            "status": {"loadBalancer": {"ingress": [address]}},
        })
    }
}

/// What the controllers show, by server name.
fn certificates(authority: &Authority, now: UnixTime) -> Result<ByServerName, Error> {
    let stranger = Authority::root("Unknown Demo Root", now)?;
    let mut named = HashMap::new();
    for role in CAST {
        if let Some(shown) = certificate(role, authority, &stranger, now)? {
            named.insert(role.host, shown);
        }
    }
    let default = FAKE_CERTIFICATE.self_signed(now)?;
    Ok(ByServerName { named, default })
}

/// What one host shows; `None` where it has nothing of its own.
fn certificate(
    role: &Role,
    authority: &Authority,
    stranger: &Authority,
    now: UnixTime,
) -> Result<Option<Arc<CertifiedKey>>, Error> {
    let name = match role.certificate {
        Certificate::IssuedFor(other) => other,
        _ => role.host,
    };
    let leaf = Leaf {
        common_name: name,
        organization: None,
        names: &[name],
        days_old: role.days.0,
        days_valid: role.days.1,
    };
    match role.certificate {
        Certificate::Issued | Certificate::IssuedFor(_) => leaf.issued_by(authority, now),
        Certificate::Untrusted => leaf.issued_by(stranger, now),
        Certificate::SelfSigned => leaf.self_signed(now),
        Certificate::Missing => return Ok(None),
    }
    .map(Some)
}

/// TLS 1.2 and 1.3 as rustls does them by default, and HTTP/2 where the client wants it.
pub(super) fn server_config(certificates: Arc<ByServerName>) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Serves until the token is cancelled, in the background.
pub(super) fn serve<L>(listener: L, app: Router, stop: &CancellationToken)
where
    L: Listener<Addr = SocketAddr>,
{
    let stopped = stop.clone().cancelled_owned();
    let served = axum::serve(listener, app).with_graceful_shutdown(stopped);
    tokio::spawn(served.into_future());
}

fn serve_tls(
    certificates: &Arc<ByServerName>,
    manner: Manner,
    stop: &CancellationToken,
) -> Result<u16, Error> {
    let config = server_config(Arc::clone(certificates))?;
    let socket = tls_socket()?;
    let number = port(&socket)?;
    let listener = TlsListener::new(socket.listen(BACKLOG)?, config, manner);
    serve(listener, Router::new().fallback(page), stop);
    Ok(number)
}

fn serve_plaintext(tls: [u16; 2], stop: &CancellationToken) -> Result<u16, Error> {
    let app = Router::new().fallback(answer_in_clear);
    let socket = plaintext_socket()?;
    let number = port(&socket)?;
    serve(socket.listen(BACKLOG)?, app.with_state(tls), stop);
    Ok(number)
}

/// Reads whatever comes without a word, until the client leaves.
fn stay_silent(mut listener: TcpListener, stop: &CancellationToken) {
    let swallow = async move {
        let mut held = JoinSet::new();
        loop {
            let (mut stream, _) = Listener::accept(&mut listener).await;
            while held.try_join_next().is_some() {}
            held.spawn(async move { tokio::io::copy(&mut stream, &mut tokio::io::sink()).await });
        }
    };
    tokio::spawn(stop.clone().run_until_cancelled_owned(swallow));
}

/// What every host serves over TLS.
async fn page(headers: HeaderMap) -> Response {
    let body = "a host of the demo\n";
    let role = asked(&headers).and_then(|host| CAST.iter().find(|role| role.answers_to(host)));
    if role.is_some_and(|role| !role.hsts) {
        return body.into_response();
    }
    let lasting = [(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000")];
    (lasting, body).into_response()
}

/// The host that a request is for, without port.
fn asked(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    host.split(':').next()
}

/// What the controllers' shared plaintext port answers, by host.
async fn answer_in_clear(
    Shared([tls, old_tls]): Shared<[u16; 2]>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let Some((host, role)) = asked(&headers)
        .and_then(|host| Some((host, CAST.iter().find(|role| role.answers_to(host))?)))
    else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if role.page_in_clear {
        return "a host of the demo, in clear\n".into_response();
    }
    let old = role.stage == Stage::OldController;
    let location = format!(
        "https://{host}:{}{}",
        if old { old_tls } else { tls },
        uri.path()
    );
    let location = [(header::LOCATION, location)];
    (StatusCode::PERMANENT_REDIRECT, location).into_response()
}

/// A socket bound to a port that reads as one for TLS; not listening yet.
pub(super) fn tls_socket() -> Result<TcpSocket, Error> {
    loop {
        let socket = bound(0)?;
        if !reads_as_plaintext(port(&socket)?) {
            return Ok(socket);
        }
    }
}

/// A socket bound to a port that reads as one for plaintext; not listening yet.
fn plaintext_socket() -> Result<TcpSocket, Error> {
    let mut ports = PLAINTEXT_PORTS.filter(|port| reads_as_plaintext(*port));
    ports.find_map(|port| bound(port).ok()).ok_or(Error::NoPort)
}

/// An Ingress' status lists port numbers without saying what they speak: discovery takes those
/// that end like 80 for plaintext.
const fn reads_as_plaintext(port: u16) -> bool {
    port % 100 == 80
}

fn bound(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((LOOPBACK, port).into())?;
    Ok(socket)
}

pub(super) fn port(socket: &TcpSocket) -> io::Result<u16> {
    socket.local_addr().map(|address| address.port())
}
