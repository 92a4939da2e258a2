//! Demo: an embedded cluster for a machine that has none.
//!
//! A small Kubernetes API over TLS, and the good and bad hosts that its Ingresses declare, all on
//! loopback. The exporter runs unchanged against it: this is only what it looks at. Nothing is
//! written, nothing needs privilege, and everything stops when the [`Demo`] is dropped.

mod cast;
mod certificates;
mod tls;
mod fleet;
mod objects;
mod select;
mod watch;
mod api;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use k8s_openapi::ByteString;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::jiff::Timestamp;
use kube::config::Kubeconfig;
use kube::core::ApiResource;
use serde_json::json;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::api::Api;
use self::cast::CAST;
pub use self::cast::Role;
use self::certificates::{Authority, Leaf};
use self::fleet::{BACKLOG, Fleet, LOOPBACK};
pub use self::objects::Objects;
use self::tls::{ByServerName, Manner, TlsListener};
use crate::config::Config;
use crate::model::UnixTime;

/// The API's one user. It can read made-up objects on loopback, so it need not be secret.
const TOKEN: &str = "demo";

/// The names of an API server's certificate, as kubeadm has them.
const API_NAMES: &[&str] = &[
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
    "127.0.0.1",
];

/// Why the demo did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No socket.
    #[error("the demo could not listen on loopback")]
    Listen(#[from] io::Error),
    /// No port for plaintext.
    #[error("the demo found no free port for plaintext on loopback between 20000 and 32767")]
    NoPort,
    /// A certificate could not be made.
    #[error("the demo could not make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// A server's TLS could not be set up.
    #[error("the demo could not set up TLS")]
    Tls(#[from] rustls::Error),
    /// The kubeconfig could not be put together.
    #[error("the demo could not write its kubeconfig")]
    Kubeconfig(#[from] serde_json::Error),
}

/// A running demo.
pub struct Demo {
    kubeconfig: Kubeconfig,
    ca_pem: String,
    objects: Objects,
    _fleet: Fleet,
    _stop: DropGuard,
}

/// Starts the API and every host, with certificates dated around `now`.
#[allow(
    clippy::unused_async,
    reason = "it spawns tasks, and only a future is sure to run inside a runtime"
)]
pub async fn start(now: UnixTime) -> Result<Demo, Error> {
    let stop = CancellationToken::new();
    let root = Authority::root("Demo Root", now)?;
    let fleet = Fleet::start(&root.intermediate("Demo Intermediate", now)?, now, &stop)?;
    let cluster = Authority::root("kubernetes", now)?;
    let objects = Objects::new();
    let port = serve_api(&cluster, &objects, now, &stop)?;
    objects.put(api_endpoints(port));
    let created = Timestamp::from_second(now.as_secs()).unwrap_or_default();
    for role in CAST {
        objects.put(fleet.ingress(role, &created.to_string()));
    }
    Ok(Demo {
        kubeconfig: kubeconfig(port, cluster.pem())?,
        ca_pem: root.pem(),
        objects,
        _fleet: fleet,
        _stop: stop.drop_guard(),
    })
}

impl Demo {
    /// How the API is reached: its address, its authority and a token.
    #[must_use]
    pub fn kubeconfig(&self) -> Kubeconfig {
        self.kubeconfig.clone()
    }

    /// The authority of the hosts' certificates, as PEM: what stands in for the public ones.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The configuration to look at it with: `defaults`, but quick, and allowed on loopback.
    #[must_use]
    pub fn config(&self, mut defaults: Config) -> Config {
        defaults.interval = Duration::from_secs(15);
        defaults.deep_interval = Duration::from_mins(1);
        defaults.timeout = Duration::from_secs(2);
        let loopback = Ipv4Net::new_assert(LOOPBACK, 8).trunc();
        defaults.security.allow_networks.push(IpNet::V4(loopback));
        defaults
    }

    /// Every host, and what it is there to show.
    #[must_use]
    pub fn story(&self) -> &'static [Role] {
        CAST
    }

    /// The API's objects, to change them as it runs.
    #[must_use]
    pub fn objects(&self) -> &Objects {
        &self.objects
    }
}

/// Serves the API; gives its port.
fn serve_api(
    cluster: &Authority,
    objects: &Objects,
    now: UnixTime,
    stop: &CancellationToken,
) -> Result<u16, Error> {
    let leaf = Leaf {
        common_name: "kube-apiserver",
        organization: None,
        names: API_NAMES,
        days_old: 30,
        days_valid: 365,
    };
    let certificates = ByServerName {
        named: HashMap::new(),
        default: leaf.issued_by(cluster, now)?,
    };
    let config = fleet::server_config(Arc::new(certificates))?;
    let api = Api {
        kinds: vec![
            ApiResource::erase::<Ingress>(&()),
            ApiResource::erase::<EndpointSlice>(&()),
        ],
        state: objects.subscribe(),
        token: TOKEN,
    };
    let socket = fleet::tls_socket()?;
    let port = fleet::port(&socket)?;
    let listener = TlsListener::new(socket.listen(BACKLOG)?, config, Manner::go());
    fleet::serve(listener, api.router(), stop);
    Ok(port)
}

/// The `EndpointSlice` that lists the API servers.
fn api_endpoints(port: u16) -> serde_json::Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"namespace": "default", "name": "kubernetes",
            "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "endpoints": [{"addresses": [LOOPBACK], "conditions": {"ready": true}}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    })
}

fn kubeconfig(port: u16, ca_pem: String) -> Result<Kubeconfig, serde_json::Error> {
    let server = format!("https://{LOOPBACK}:{port}");
    let ca = ByteString(ca_pem.into_bytes());
    serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "demo",
        "clusters": [{"name": "demo",
            "cluster": {"server": server, "certificate-authority-data": ca}}],
        "users": [{"name": "demo", "user": {"token": TOKEN}}],
        "contexts": [{"name": "demo", "context": {"cluster": "demo", "user": "demo"}}],
    }))
}

#[cfg(test)]
mod api_test;
#[cfg(test)]
mod fleet_test;
