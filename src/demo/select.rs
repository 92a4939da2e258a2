//! Which objects a request to the API is about: its path, and its field and label selectors.

use std::collections::HashMap;

use kube::core::ApiResource;
use serde_json::Value;

use super::objects::text;

/// The objects that a request is about.
pub(super) struct Selector {
    /// Their kind.
    pub(super) kind: ApiResource,
    /// Where the path names a single object: its name.
    pub(super) name: Option<String>,
    /// What must be equal: where, as a JSON pointer (RFC 6901), and to what.
    conditions: Vec<(String, String)>,
}

impl Selector {
    /// Reads `/apis/GROUP/VERSION[/namespaces/NAMESPACE]/PLURAL[/NAME]`; `None` where that names
    /// none of the kinds.
    pub(super) fn of_path(path: &str, kinds: &[ApiResource]) -> Option<Self> {
        kinds.iter().find_map(|kind| {
            let root = if kind.group.is_empty() {
                "/api/"
            } else {
                "/apis/"
            };
            let rest = path.strip_prefix(root)?.strip_prefix(&kind.api_version)?;
            let segments: Vec<&str> = rest.split('/').collect();
            let (namespace, plural, name) = match segments.as_slice() {
                ["", plural] => (None, plural, None),
                ["", "namespaces", namespace, plural] => (Some(*namespace), plural, None),
                ["", "namespaces", namespace, plural, name] => {
                    (Some(*namespace), plural, Some(*name))
                }
                _ => return None,
            };
            (*plural == kind.plural).then(|| Self::of_kind(kind, namespace, name))
        })
    }

    fn of_kind(kind: &ApiResource, namespace: Option<&str>, name: Option<&str>) -> Self {
        let wanted = [
            ("/apiVersion", Some(kind.api_version.as_str())),
            ("/kind", Some(&kind.kind)),
            ("/metadata/namespace", namespace),
            ("/metadata/name", name),
        ];
        let conditions = wanted.into_iter();
        Self {
            kind: kind.clone(),
            name: name.map(str::to_owned),
            conditions: conditions
                .filter_map(|(at, value)| Some((at.to_owned(), value?.to_owned())))
                .collect(),
        }
    }

    /// Adds `fieldSelector` and `labelSelector`, of which only `key=value` and `key==value` are
    /// understood; else says which one is not.
    pub(super) fn narrowed(mut self, query: &HashMap<String, String>) -> Result<Self, String> {
        // A label's key may contain a slash, which RFC 6901 section 3 writes `~1`.
        let selectors = [
            ("fieldSelector", "/", ".", "/"),
            ("labelSelector", "/metadata/labels/", "/", "~1"),
        ];
        for (parameter, parent, from, to) in selectors {
            let terms = query.get(parameter).map_or("", String::as_str);
            for term in terms.split(',').filter(|term| !term.is_empty()) {
                let equal = term.split_once('=').filter(|(key, _)| !key.ends_with('!'));
                let (key, value) = equal.ok_or_else(|| {
                    format!("{parameter}: only key=value is supported here, not {term}")
                })?;
                let value = value.strip_prefix('=').unwrap_or(value).to_owned();
                let at = format!("{parent}{}", key.replace(from, to));
                self.conditions.push((at, value));
            }
        }
        Ok(self)
    }

    /// Whether an object is meant.
    pub(super) fn matches(&self, object: &Value) -> bool {
        let mut conditions = self.conditions.iter();
        conditions.all(|(at, value)| text(object, at) == value)
    }
}
