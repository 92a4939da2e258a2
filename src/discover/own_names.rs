//! The names that the API server's own certificate is for and that the public may know it by.
//!
//! Only a handshake shows them: one of this source's own, verified as the client verifies, at the
//! start and then again and again, so that a certificate that was renewed for more names is noticed.
//! Names for the cluster's own use are left out, and so are the names of nodes, which kubeadm adds:
//! behind a load balancer, each replica has its own. Where it cannot be asked whether a name is a
//! node's, there is none.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::ListParams;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tracing::debug;

use super::host::dns_name;
use super::{Access, Cluster, node};
use crate::model::Certificate;

/// To tell names from those of nodes.
pub(super) const NODES: Access = Access {
    verbs: &["list"],
    ..node::KIND.access()
};

/// Between two readings.
const READ_EVERY: Duration = Duration::from_mins(10);

/// How long a reading may take. The source counts as synced only after the first.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// The most names that are taken, the first: more than any distribution adds.
const NAMES: usize = 20;

/// Domains that nothing outside the cluster's own network can look up: RFC 6761 and 6762, what ICANN
/// keeps for private use, and what installers of Linux make up.
const PRIVATE: [&str; 4] = [".localhost", ".local", ".internal", ".localdomain"];

/// The names, once for each reading; `None` where it failed.
pub(super) fn read(cluster: &Cluster) -> BoxStream<'static, Option<Vec<Arc<str>>>> {
    stream::unfold(
        (cluster.clone(), Duration::ZERO),
        |(cluster, wait)| async move {
            sleep(wait).await;
            let names = match timeout(READ_TIMEOUT, public_names(&cluster)).await {
                Ok(Ok(names)) => Some(names),
                Ok(Err(error)) => {
                    debug!(%error, "the API server's own names could not be read");
                    None
                }
                Err(_) => {
                    debug!("the API server's own names could not be read in time");
                    None
                }
            };
            Some((names, (cluster, READ_EVERY)))
        },
    )
    .boxed()
}

/// Why they could not be read.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("no handshake: {0}")]
    Handshake(#[from] std::io::Error),
    #[error("nodes cannot be listed: {0}")]
    Nodes(#[from] kube::Error),
}

async fn public_names(cluster: &Cluster) -> Result<Vec<Arc<str>>, Error> {
    let nodes: Api<Node> = Api::all(cluster.client.clone());
    let mut names = Vec::new();
    for name in public(&shown(cluster).await?) {
        let of_name = ListParams::default().fields(&format!("metadata.name={name}"));
        if nodes.list_metadata(&of_name).await?.items.is_empty() {
            names.push(name);
        }
    }
    Ok(names)
}

/// The DNS names of the certificate that the API server shows; none where it is reached without
/// TLS, or by way of a proxy.
async fn shown(cluster: &Cluster) -> Result<Vec<Box<str>>, std::io::Error> {
    let Some(tls) = &cluster.tls else {
        return Ok(Vec::new());
    };
    let host = cluster.tls_server_name.as_ref().unwrap_or(&cluster.host);
    let name = ServerName::try_from(host.to_string()).map_err(std::io::Error::other)?;
    let stream = TcpStream::connect((&*cluster.host, cluster.port)).await?;
    let stream = TlsConnector::from(Arc::clone(tls))
        .connect(name, stream)
        .await?;
    let (_, session) = stream.get_ref();
    let leaf = session.peer_certificates().and_then(<[_]>::first);
    let facts = leaf.and_then(|leaf| Certificate::read(leaf).facts.ok());
    Ok(facts.map(|facts| facts.dns_names).unwrap_or_default())
}

/// Those of a certificate's names that may be somebody's outside, each once.
fn public(names: &[Box<str>]) -> Vec<Arc<str>> {
    let mut public = Vec::new();
    for name in names.iter().filter_map(|name| dns_name(name)) {
        if is_public(&name) && !public.contains(&name) {
            public.push(name);
        }
    }
    public.truncate(NAMES);
    public
}

/// A Service's name is `<service>.<namespace>.svc` before the cluster's domain, which may be any;
/// names of one label are looked up in search domains.
fn is_public(name: &str) -> bool {
    let of_service = name.split('.').nth(2) == Some("svc");
    let of_default = name == "kubernetes.default";
    let private = PRIVATE.iter().any(|domain| name.ends_with(domain));
    name.contains('.') && !of_service && !of_default && !private
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Vec<String> {
        let names: Vec<_> = names.iter().map(|name| Box::from(*name)).collect();
        public(&names).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_only_the_cluster_knows_is_no_public_name() {
        for name in [
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "kubernetes.default.svc.corp.example.com",
            "localhost",
            "master-1",
            "master-1.local",
            "ip-10-0-0-1.eu-west-1.compute.internal",
            "localhost.localdomain",
            "*.example.com",
            "192.0.2.1",
            "not a name",
            "",
        ] {
            assert_eq!(of(&[name]), [""; 0], "{name}");
        }
    }

    #[test]
    fn every_other_name_is_taken_once_in_the_certificates_order() {
        let names = [
            "kubernetes",
            "b.example.com",
            "a.example.com",
            "B.example.com",
            "0123.gr7.eu-west-1.eks.amazonaws.com",
            "svc.example.com",
        ];
        assert_eq!(
            of(&names),
            [
                "b.example.com",
                "a.example.com",
                "0123.gr7.eu-west-1.eks.amazonaws.com",
                "svc.example.com"
            ]
        );
    }

    #[test]
    fn so_many_names_are_taken_and_no_more() {
        let names: Vec<_> = (0..=NAMES).map(|n| format!("a{n}.example.com")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        assert_eq!(of(&names[..NAMES]).len(), NAMES);
        assert_eq!(of(&names), of(&names[..NAMES]));
    }
}
