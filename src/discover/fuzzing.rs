//! What the fuzz targets reach of this stage: a cluster in memory, and the readers of files.

use std::path::Path;
use std::sync::OnceLock;

use super::{Cluster, files};

/// A cluster whose API server is this router.
#[expect(clippy::expect_used, reason = "the address is a constant")]
pub fn cluster(router: axum::Router) -> Cluster {
    // Making one takes milliseconds, for it reads the system's trust anchors.
    static TEMPLATE: OnceLock<Cluster> = OnceLock::new();
    let template = TEMPLATE.get_or_init(|| {
        let url = "http://192.0.2.1".parse().expect("an address");
        Cluster::new(kube::Config::new(url), "fuzzing").expect("a cluster")
    });
    Cluster {
        client: kube::Client::new(router, "default"),
        ..template.clone()
    }
}

/// Reads a file by each of the readers.
pub fn file(bytes: &[u8]) {
    files::read_by_each(Path::new("/nowhere/file"), bytes);
}
