//! The source `cert_manager`: what cert-manager (`cert-manager.io`) has issued, and when it means to
//! renew it.
//!
//! It declares no targets. A Certificate says into which Secret it goes; the certificate itself is in
//! the `CertificateRequest` of its current revision, so that what other sources' targets should
//! serve is known and no Secret is read.

mod index;
mod kept;

use futures::stream::BoxStream;

use super::index::indexed;
use super::kind::Kind;
use super::watch::Watch;
use super::{Cluster, Context, Source, Start, Update};
use index::Certificates;
use kept::Kept;

pub(super) const SOURCE: Source = Source {
    name: "cert_manager",
    help: "What cert-manager has issued, to be compared with what is served, and when it is to be renewed.",
    access: &[CERTIFICATES.access(), REQUESTS.access()],
    enabled: |config| config.discovery.has("cert_manager"),
    start: Start::Cluster(start),
};

const GROUP: &str = "cert-manager.io";

const CERTIFICATES: Kind = Kind::custom(GROUP, "Certificate", "certificates", &["v1"]);
const REQUESTS: Kind = Kind::custom(GROUP, "CertificateRequest", "certificaterequests", &["v1"]);

fn start(context: &Context, cluster: &Cluster) -> BoxStream<'static, Update> {
    let certificates = Watch::all(context, cluster, CERTIFICATES, Kept::certificate);
    let requests = Watch::all(context, cluster, REQUESTS, Kept::request);
    let certificates = certificates.into_iter().map(Watch::stream);
    let requests = requests.into_iter().map(Watch::stream);
    indexed(
        Certificates::default(),
        certificates.chain(requests).collect(),
    )
}

#[cfg(test)]
mod tests;
