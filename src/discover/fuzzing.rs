//! What the fuzz targets reach of this stage: a cluster in memory, and the readers of files.

use std::path::Path;

use super::{Cluster, files};

/// A cluster whose API server is this router.
#[expect(clippy::expect_used, reason = "the address is a constant")]
pub fn cluster(router: axum::Router) -> Cluster {
    let url = "http://192.0.2.1".parse().expect("an address");
    let cluster = Cluster::new(kube::Config::new(url), "fuzzing");
    Cluster {
        client: kube::Client::new(router, "default"),
        ..cluster.expect("a cluster without TLS")
    }
}

/// Reads a file by each of the readers.
pub fn file(bytes: &[u8]) {
    files::read_by_each(Path::new("/nowhere/file"), bytes);
}
