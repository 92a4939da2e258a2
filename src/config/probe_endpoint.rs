//! What `/probe` may be asked.

use std::sync::Arc;

use super::field::{Field, Section};
use super::modules::{self, Modules};
use super::value::{self, text};

/// Ports that speak TLS or HTTP by custom: no more than these, so that nobody looks for others by this program.
const PORTS: &[u16] = &[
    21, 25, 80, 110, 143, 389, 443, 465, 587, 636, 853, 990, 993, 995, 2379, 2380, 3306, 5222,
    5432, 5671, 6443, 6697, 8080, 8443, 8883, 9093, 9200, 9443, 10250,
];

/// What `/probe` may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeEndpoint {
    /// What `module=` may name.
    pub modules: Arc<Modules>,
    /// The ports that a target may have.
    pub ports: Vec<u16>,
}

impl Default for ProbeEndpoint {
    fn default() -> Self {
        Self {
            modules: Arc::default(),
            ports: PORTS.to_vec(),
        }
    }
}

impl Section for ProbeEndpoint {
    const FIELDS: &'static [Field<Self>] = &[
        Field {
            name: "modules_file",
            kind: "path",
            default: "(`http_2xx`, `tcp_connect`, `tls_connect`, `https`, `tcp`)",
            meaning: "A file of modules as `blackbox_exporter` or `ssl_exporter` reads it. What does not apply here is logged and left out.",
            read: |endpoint, written| {
                let folder = written.reader.folder;
                let read = written.value(|value| {
                    let path = folder.join(text(value, "the path of a file of modules")?);
                    modules::load(&path).map_err(|what| format!("{}: {what}", path.display()))
                });
                if let Some(read) = read {
                    endpoint.modules = Arc::new(read);
                }
            },
            inside: None,
        },
        Field {
            name: "ports",
            kind: "list of ports",
            default: "(those that speak TLS or HTTP by custom)",
            meaning: "The ports that a target may have.",
            read: |endpoint, written| {
                written.list(&mut endpoint.ports, |item| item.value(value::port));
            },
            inside: None,
        },
    ];
}
