//! Trust anchors: files of them, checked when the configuration is read.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::field::{Field, Section, Written};
use super::node::Value;
use super::value::text;

/// The most that is read of a file of certificates; the largest public bundles have 250 kB.
const MAX_BYTES: u64 = 16 << 20;

/// Trust anchors besides the system's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trust {
    /// PEM files whose certificates are trusted for every target with public roots.
    pub ca_files: Vec<PathBuf>,
}

impl Section for Trust {
    const FIELDS: &'static [Field<Self>] = &[Field {
        name: "ca_files",
        kind: "list of paths",
        default: "[]",
        meaning: "PEM files with certificate authorities of your own. They are trusted, besides \
                  the system's roots, for every target that has no roots of its own.",
        read: |trust, written| written.list(&mut trust.ca_files, ca_file),
        inside: None,
    }];
    const PLANNED: &'static [&'static str] = &["cluster_trust_bundles"];
}

/// Reads a `ca_file` field.
pub(super) fn set_ca_file(slot: &mut Option<Arc<Path>>, written: &Written<'_>) {
    *slot = ca_file(written).map(Arc::from);
}

/// The path of a file of certificates that is there and can be used, relative to the folder of
/// the configuration file.
fn ca_file(written: &Written<'_>) -> Option<PathBuf> {
    written.value(|value| usable(value, written.reader.folder))
}

fn usable(value: &Value, folder: &Path) -> Result<PathBuf, String> {
    let name = text(value, "the path of a PEM file")?;
    let path = folder.join(name);
    let pem = contents(&path).map_err(|error| {
        let start = if Path::new(name).is_relative() {
            "; a relative path starts at the configuration file's folder"
        } else {
            ""
        };
        format!("cannot read {}: {error}{start}", path.display())
    })?;
    anchors(&pem).map_err(|what| format!("{} {what}", path.display()))?;
    Ok(path)
}

fn contents(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut pem = Vec::new();
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut pem)?;
    Ok(pem)
}

/// Whether every certificate of a PEM file can be a trust anchor, and there is one at least.
fn anchors(pem: &[u8]) -> Result<(), String> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        count += 1;
        certificate
            .ok()
            .filter(|der| webpki::anchor_from_trusted_cert(der).is_ok())
            .ok_or_else(|| format!("has a certificate that is damaged, number {count}"))?;
    }
    match count {
        0 => Err("has no certificate; expected PEM, `-----BEGIN CERTIFICATE-----`".to_owned()),
        _ => Ok(()),
    }
}
