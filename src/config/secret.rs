//! Secrets that may be read, each by its name.

use super::field::{Field, Section, Written};
use super::node::Value;
use super::value;
use crate::model::clean;

/// The longest name of an object (RFC 1123 subdomain, as Kubernetes limits it), in characters.
const NAME_LIMIT: usize = 253;

/// A Secret of which the certificates are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A Secret's name while it is read.
#[derive(Default)]
pub(super) struct Draft {
    namespace: Option<String>,
    name: Option<String>,
}

/// Reads one Secret's name.
pub(super) fn secret(written: &Written<'_>) -> Option<SecretName> {
    let mut draft = Draft::default();
    written.section(&mut draft);
    written.require(
        "namespace",
        "the Secret's namespace, such as `namespace: shop`",
    );
    written.require("name", "the Secret's name, such as `name: shop-tls`");
    Some(SecretName {
        namespace: draft.namespace?,
        name: draft.name?,
    })
}

impl Section for Draft {
    const FIELDS: &'static [Field<Self>] = &[
        Field {
            name: "namespace",
            kind: "text",
            default: "(required)",
            meaning: "The Secret's namespace.",
            read: |secret, written| secret.namespace = written.value(value::namespace),
            inside: None,
        },
        Field {
            name: "name",
            kind: "text",
            default: "(required)",
            meaning: "The Secret's name.",
            read: |secret, written| secret.name = written.value(name),
            inside: None,
        },
    ];
}

fn name(value: &Value) -> Result<String, String> {
    let name = value::text(value, "a Secret's name")?;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    if name.is_empty() || name.len() > NAME_LIMIT || !name.chars().all(fits) {
        return Err(format!(
            "`{}` is not an object's name: lower-case letters, digits, `-` and `.`",
            clean(name)
        ));
    }
    Ok(name.to_owned())
}
