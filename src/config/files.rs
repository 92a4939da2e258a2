//! Files on disk whose certificates or targets are looked at.

use super::field::{Field, Section, Written};
use super::value::text;
use crate::model::clean;

/// Paths and patterns, each as it is looked for: relative ones start at the configuration file's
/// folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// PEM files, or folders of them.
    pub certificates: Vec<String>,
    /// Kubeconfigs.
    pub kubeconfigs: Vec<String>,
    /// Lists of targets.
    pub targets: Vec<String>,
}

impl Files {
    /// Whether there is nothing to look at.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.certificates.is_empty() && self.kubeconfigs.is_empty() && self.targets.is_empty()
    }
}

impl Section for Files {
    const FIELDS: &'static [Field<Self>] = &[
        Field {
            name: "certificates",
            kind: "list of paths",
            default: "[]",
            meaning: "PEM files, folders of them, or patterns (`*`, `?`, `[…]`, and `**` for \
                      folders in folders): when their certificates expire. Only certificates are \
                      kept of a file.",
            read: |files, written| written.list(&mut files.certificates, pattern),
            inside: None,
        },
        Field {
            name: "kubeconfigs",
            kind: "list of paths",
            default: "[]",
            meaning: "Kubeconfigs, likewise: when their client certificates and authorities \
                      expire, whether they verify the server, and the server itself. Keys and \
                      tokens are not read.",
            read: |files, written| written.list(&mut files.kubeconfigs, pattern),
            inside: None,
        },
        Field {
            name: "targets",
            kind: "list of paths",
            default: "[]",
            meaning: "Lists of targets, likewise, as Prometheus's `file_sd` has them, in YAML or \
                      JSON: `HOST:PORT` or URLs, whose paths are not asked for. `rules` match \
                      their labels; labels that begin with `__` are left out.",
            read: |files, written| written.list(&mut files.targets, pattern),
            inside: None,
        },
    ];
}

/// A path or pattern that is well formed, from the root or from the folder that it starts at. What
/// it matches may come later.
fn pattern(written: &Written<'_>) -> Option<String> {
    let folder = written.reader.folder.to_string_lossy();
    written.value(|value| {
        let name = text(value, "a path or a pattern such as `/etc/tls/*.pem`")?;
        if name.is_empty() {
            return Err("the path is empty".to_owned());
        }
        glob::Pattern::new(name)
            .map_err(|error| format!("`{}` is no pattern: {}", clean(name), error.msg))?;
        Ok(if name.starts_with('/') || folder.is_empty() {
            name.to_owned()
        } else {
            format!("{}/{name}", glob::Pattern::escape(&folder))
        })
    })
}
