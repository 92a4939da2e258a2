//! The source `file`: what is in files on disk. PEM files and kubeconfigs, for the certificates
//! that they store, and lists of targets in Prometheus's `file_sd` format.

mod follow;
mod kubeconfig;
mod list;
mod pem;

use std::path::Path;
use std::sync::Arc;

use futures::stream::BoxStream;

use self::follow::{Followed, follow};
use super::{Context, Source, Start, Update};
use crate::model::{Owner, is_unsafe};

pub(super) const SOURCE: Source = Source {
    name: NAME,
    help: "Files on disk: PEM files, kubeconfigs, and lists of targets.",
    access: &[],
    enabled: |config| !config.files.is_empty(),
    start: Start::Alone(start),
};

const NAME: &str = "file";

fn start(context: &Context) -> BoxStream<'static, Update> {
    let files = &context.config.files;
    let followed = vec![
        Followed::new(&files.certificates, pem::read),
        Followed::new(&files.kubeconfigs, kubeconfig::read),
        Followed::new(&files.targets, list::read),
    ];
    follow(followed, context.clock)
}

/// Reads a file as each kind that there is.
#[cfg(fuzzing)]
pub(super) fn read_by_each(path: &Path, bytes: &[u8]) {
    for read in [pem::read, kubeconfig::read, list::read] {
        for named in [true, false] {
            drop(read(path, bytes, named));
        }
    }
}

/// The owner of what is in a file: its name is the file's path.
fn owner(kind: &'static str, path: &Path) -> Owner {
    let path = path.to_string_lossy();
    // Not cut: two files may differ in the end of their paths alone.
    let name: String = path.chars().filter(|c| !is_unsafe(*c)).collect();
    Owner {
        created: None,
        kind,
        namespace: Arc::default(),
        name: name.into(),
    }
}
