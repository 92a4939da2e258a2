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
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Error;
use super::cast::{CAST, Certificate, InClear, Role, Stage};
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
    controller: Ports,
    old_controller: Ports,
    refusing: Ports,
    silent: Ports,
    plaintext_only: Ports,
    /// The sockets behind the refusing ports, so that nobody else gets these.
    _reserved: [TcpSocket; 2],
}

/// What an Ingress' status lists.
#[derive(Clone, Copy)]
struct Ports {
    tls: u16,
    plaintext: u16,
}

impl Fleet {
    /// Starts every server.
    pub(super) fn start(
        authority: &Authority,
        now: UnixTime,
        stop: &CancellationToken,
    ) -> Result<Self, Error> {
        let certificates = Arc::new(certificates(authority, now)?);
        let old = Manner {
            in_clear: "",
            old_versions: Some(Arc::clone(&certificates.default)),
        };
        let controller = serve_tls(&certificates, Manner::nginx(), stop)?;
        let old_controller = serve_tls(&certificates, old, stop)?;
        let plaintext = serve_plaintext(controller, old_controller, stop)?;
        let reserved = [tls_socket()?, plaintext_socket()?];
        let [refused_tls, refused_plaintext] = [port(&reserved[0])?, port(&reserved[1])?];
        let at = |tls, plaintext| Ports { tls, plaintext };
        Ok(Self {
            controller: at(controller, plaintext),
            old_controller: at(old_controller, plaintext),
            refusing: at(refused_tls, refused_plaintext),
            silent: at(
                stay_silent(tls_socket()?, stop)?,
                stay_silent(plaintext_socket()?, stop)?,
            ),
            plaintext_only: at(refused_tls, plaintext),
            _reserved: reserved,
        })
    }

    /// The Ingress that declares a host, as a controller leaves it.
    pub(super) fn ingress(&self, role: &Role, created: &str) -> Value {
        let (name, host) = (role.name(), role.host);
        let ports = self.ports(role.stage);
        let ports = [ports.tls, ports.plaintext].map(|p| json!({"port": p, "protocol": "TCP"}));
        let backend = json!({"service": {"name": name, "port": {"number": 80}}});
        let path = json!({"path": "/", "pathType": "Prefix", "backend": backend});
        let tls = (role.stage != Stage::PlaintextOnly)
            .then(|| json!({"hosts": [host], "secretName": format!("{name}-tls")}));
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {
                "namespace": role.namespace, "name": name, "creationTimestamp": created,
            },
            "spec": {
                "ingressClassName": "demo", "tls": Vec::from_iter(tls),
                "rules": [{"host": host, "http": {"paths": [path]}}],
            },
            "status": {"loadBalancer": {"ingress": [{"ip": LOOPBACK, "ports": ports}]}},
        })
    }

    fn ports(&self, stage: Stage) -> Ports {
        match stage {
            Stage::Controller => self.controller,
            Stage::OldController => self.old_controller,
            Stage::Refusing => self.refusing,
            Stage::Silent => self.silent,
            Stage::PlaintextOnly => self.plaintext_only,
        }
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
    let (days_old, days_valid) = match role.certificate {
        Certificate::Issued(old, valid) => (old, valid),
        _ => (30, 90),
    };
    let leaf = Leaf {
        common_name: name,
        organization: None,
        names: &[name],
        days_old,
        days_valid,
    };
    match role.certificate {
        Certificate::Issued(..) | Certificate::IssuedFor(_) => leaf.issued_by(authority, now),
        Certificate::Untrusted => leaf.issued_by(stranger, now),
        Certificate::SelfSigned => leaf.self_signed(now),
        Certificate::MissingSecret => return Ok(None),
    }
    .map(Some)
}

/// TLS 1.2 and 1.3 as rustls does them by default, and HTTP/2 where the client wants it.
pub(super) fn server_config(
    verifier: Arc<dyn ClientCertVerifier>,
    certificates: Arc<ByServerName>,
) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
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
    tokio::spawn(async move {
        axum::serve(listener, app)
            .with_graceful_shutdown(stopped)
            .await
    });
}

fn serve_tls(
    certificates: &Arc<ByServerName>,
    manner: Manner,
    stop: &CancellationToken,
) -> Result<u16, Error> {
    let config = server_config(
        WebPkiClientVerifier::no_client_auth(),
        Arc::clone(certificates),
    )?;
    let socket = tls_socket()?;
    let number = port(&socket)?;
    let listener = TlsListener::new(socket.listen(BACKLOG)?, config, manner);
    serve(listener, Router::new().fallback(page), stop);
    Ok(number)
}

fn serve_plaintext(tls: u16, old_tls: u16, stop: &CancellationToken) -> Result<u16, Error> {
    let app = Router::new().fallback(answer_in_clear);
    let socket = plaintext_socket()?;
    let number = port(&socket)?;
    serve(
        socket.listen(BACKLOG)?,
        app.with_state([tls, old_tls]),
        stop,
    );
    Ok(number)
}

/// Listens, and reads whatever comes without a word until the client leaves.
fn stay_silent(socket: TcpSocket, stop: &CancellationToken) -> Result<u16, Error> {
    let number = port(&socket)?;
    let mut listener = socket.listen(BACKLOG)?;
    let swallow = async move {
        let mut held = JoinSet::new();
        loop {
            let (mut stream, _) = Listener::accept(&mut listener).await;
            while held.try_join_next().is_some() {}
            held.spawn(async move { tokio::io::copy(&mut stream, &mut tokio::io::sink()).await });
        }
    };
    tokio::spawn(stop.clone().run_until_cancelled_owned(swallow));
    Ok(number)
}

/// What every host serves over TLS.
async fn page() -> Response {
    let lasting = [(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000")];
    (lasting, "a host of the demo\n").into_response()
}

/// What the controllers' shared plaintext port answers, by host.
async fn answer_in_clear(
    Shared([tls, old_tls]): Shared<[u16; 2]>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let host = host.map_or("", |host| {
        host.split_once(':').map_or(host, |(name, _)| name)
    });
    let Some(role) = CAST.iter().find(|role| role.answers_to(host)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if role.in_clear == InClear::Page {
        return "a host of the demo, in clear\n".into_response();
    }
    let port = if role.stage == Stage::OldController {
        old_tls
    } else {
        tls
    };
    let location = format!("https://{host}:{port}{}", uri.path());
    (
        StatusCode::PERMANENT_REDIRECT,
        [(header::LOCATION, location)],
    )
        .into_response()
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
