//! What a request to the API asks for: its path, and its label and field selectors.

use std::collections::HashMap;

use kube::core::ApiResource;
use serde_json::Value;

use super::objects::text;

/// A path that names a kind: `/apis/GROUP/VERSION[/namespaces/NAMESPACE]/PLURAL[/NAME]`.
pub(super) struct Request<'a> {
    pub(super) kind: &'a ApiResource,
    pub(super) namespace: Option<&'a str>,
    pub(super) name: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// Reads a path; `None` where it names none of the kinds.
    pub(super) fn parse(path: &'a str, kinds: &'a [ApiResource]) -> Option<Self> {
        let segments: Vec<&str> = path.split('/').collect();
        let (group, version, rest) = match segments.as_slice() {
            ["", "api", version, rest @ ..] => ("", version, rest),
            ["", "apis", group, version, rest @ ..] => (*group, version, rest),
            _ => return None,
        };
        let (namespace, plural, name) = match rest {
            [plural] => (None, plural, None),
            ["namespaces", namespace, plural] => (Some(*namespace), plural, None),
            ["namespaces", namespace, plural, name] => (Some(*namespace), plural, Some(*name)),
            _ => return None,
        };
        let mut kinds = kinds.iter();
        let kind =
            kinds.find(|k| k.group == group && k.version == *version && k.plural == *plural)?;
        Some(Self {
            kind,
            namespace,
            name,
        })
    }
}

/// Which objects a request is about.
pub(super) struct Selector {
    pub(super) kind: ApiResource,
    conditions: Vec<Condition>,
}

/// What one field or label must or must not be. An absent one reads as empty.
struct Condition {
    /// Where it is, as a JSON pointer.
    at: String,
    value: String,
    equal: bool,
}

impl Selector {
    /// What path and query ask for; or, in words, why that is not understood.
    pub(super) fn of(
        request: &Request<'_>,
        query: &HashMap<String, String>,
    ) -> Result<Self, String> {
        let is = |at: &str, value: &str| Condition {
            at: at.to_owned(),
            value: value.to_owned(),
            equal: true,
        };
        let mut conditions = vec![
            is("/apiVersion", &request.kind.api_version),
            is("/kind", &request.kind.kind),
        ];
        conditions.extend(request.namespace.map(|n| is("/metadata/namespace", n)));
        conditions.extend(request.name.map(|n| is("/metadata/name", n)));
        for (parameter, pointer) in [
            ("fieldSelector", field_pointer as fn(&str) -> String),
            ("labelSelector", label_pointer),
        ] {
            let terms = query.get(parameter).into_iter();
            let terms = terms.flat_map(|all| all.split(',').filter(|term| !term.is_empty()));
            for term in terms {
                let read = condition(term, pointer);
                conditions.push(read.ok_or_else(|| format!("{parameter} not supported: {term}"))?);
            }
        }
        Ok(Self {
            kind: request.kind.clone(),
            conditions,
        })
    }

    /// Whether an object is meant.
    pub(super) fn matches(&self, object: &Value) -> bool {
        let holds = |c: &Condition| (text(object, &c.at) == c.value) == c.equal;
        self.conditions.iter().all(holds)
    }
}

/// Reads `key=value`, `key==value` or `key!=value`.
fn condition(term: &str, pointer: fn(&str) -> String) -> Option<Condition> {
    let (key, value) = term.split_once('=')?;
    let (key, equal) = match key.strip_suffix('!') {
        Some(key) => (key, false),
        None => (key, true),
    };
    Some(Condition {
        at: pointer(key.trim()),
        value: value.strip_prefix('=').unwrap_or(value).trim().to_owned(),
        equal,
    })
}

fn field_pointer(field: &str) -> String {
    format!("/{}", field.replace('.', "/"))
}

/// A label's key may contain a slash, which a JSON pointer writes `~1` (RFC 6901 section 3).
fn label_pointer(key: &str) -> String {
    format!("/metadata/labels/{}", key.replace('/', "~1"))
}
