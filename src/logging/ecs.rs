//! ECS: a line in the words of the Elastic Common Schema, for Elasticsearch, Logstash and Kibana.
//!
//! A table says what each key of a line is called there, and how its value is written. What the
//! schema has no field for is a label, which it has for that.

use serde_json::{Map, Value, json};

/// The schema's version that the fields below are of.
const VERSION: &str = "9.4.0";

/// How the schema wants a value.
#[derive(Clone, Copy)]
enum Form {
    /// As it is.
    Same,
    /// A list, of what is separated by commas here.
    List,
    /// Hexadecimal in capitals.
    Capitals,
    /// In small letters.
    Small,
    /// The number alone: `1.3` of `TLS 1.3`.
    Number,
    /// The name of the protocol in small letters: `tls` of `TLS 1.3`.
    Protocol,
}

use Form::{Capitals, List, Number, Protocol, Same, Small};

/// A key of a line, and a field that it fills.
type Row = (&'static str, &'static str, Form);

const FIELDS: &[Row] = &[
    ("ts", "@timestamp", Same),
    ("level", "log.level", Same),
    ("msg", "message", Same),
    ("target", "log.logger", Same),
    ("error", "error.message", Same),
    ("problem", "error.message", Same),
    ("cluster", "orchestrator.cluster.name", Same),
    ("namespace", "orchestrator.namespace", Same),
    ("kind", "orchestrator.resource.type", Same),
    ("name", "orchestrator.resource.name", Same),
    ("host", "server.domain", Same),
    ("host", "tls.client.server_name", Same),
    ("address", "server.address", Same),
    ("port", "server.port", Same),
    ("finding", "rule.name", Same),
    ("runbook", "rule.reference", Same),
    ("detail", "event.reason", Same),
    ("tls_version", "tls.version", Number),
    ("tls_version", "tls.version_protocol", Protocol),
    ("cipher", "tls.cipher", Same),
    ("group", "tls.curve", Same),
    ("alpn", "tls.next_protocol", Small),
    ("fingerprint", "tls.server.hash.sha256", Capitals),
    ("subject", "tls.server.x509.subject.common_name", List),
    ("issuer", "tls.server.x509.issuer.common_name", List),
    (
        "issuer_organization",
        "tls.server.x509.issuer.organization",
        List,
    ),
    ("serial_number", "tls.server.x509.serial_number", Capitals),
    ("not_before", "tls.server.x509.not_before", Same),
    ("not_before", "tls.server.not_before", Same),
    ("not_after", "tls.server.x509.not_after", Same),
    ("not_after", "tls.server.not_after", Same),
    (
        "key_algorithm",
        "tls.server.x509.public_key_algorithm",
        Same,
    ),
    ("key_size", "tls.server.x509.public_key_size", Same),
    (
        "signature_algorithm",
        "tls.server.x509.signature_algorithm",
        Same,
    ),
    ("names", "tls.server.x509.alternative_names", List),
];

/// A line as a document.
pub(super) fn document(pairs: &[(&'static str, Value)]) -> Value {
    let mut document = Map::new();
    for (key, value) in pairs {
        let mut known = false;
        for (_, field, form) in FIELDS.iter().filter(|(own, ..)| own == key) {
            put(&mut document, field, written(value, *form));
            known = true;
        }
        if !known {
            put(&mut document, &format!("labels.{key}"), label(value));
        }
    }
    for (field, value) in event(pairs) {
        put(&mut document, field, value);
    }
    Value::Object(document)
}

/// What kind of event a line is: a change of a verdict, a summary, or something that the program says of itself.
fn event(pairs: &[(&'static str, Value)]) -> Vec<(&'static str, Value)> {
    let find = |key: &str| {
        pairs
            .iter()
            .find(|(own, _)| *own == key)
            .map(|(_, value)| value)
    };
    let says = |text: &str| find("msg").is_some_and(|value| value == text);
    let own = [
        ("ecs.version", json!(VERSION)),
        ("event.module", json!("kube_https_exporter")),
        ("service.name", json!("kube-https-exporter")),
        ("service.type", json!("kube-https-exporter")),
        ("service.version", json!(env!("CARGO_PKG_VERSION"))),
    ];
    let kind = if find("finding").is_some() {
        let gone = says("finding is gone");
        vec![
            ("event.dataset", json!("kube_https_exporter.finding")),
            ("event.kind", json!(if gone { "event" } else { "alert" })),
            ("event.category", json!(["network"])),
            ("event.type", json!(["info"])),
            (
                "event.action",
                json!(if gone {
                    "finding-gone"
                } else {
                    "finding-appeared"
                }),
            ),
            (
                "event.outcome",
                json!(if gone { "success" } else { "failure" }),
            ),
        ]
    } else if says("summary") {
        vec![
            ("event.dataset", json!("kube_https_exporter.summary")),
            ("event.kind", json!("state")),
            ("event.category", json!(["network"])),
            ("event.type", json!(["info"])),
        ]
    } else {
        vec![
            ("event.dataset", json!("kube_https_exporter.log")),
            ("event.kind", json!("event")),
        ]
    };
    // What is written by hand, or lies on disk, is of no cluster.
    let cluster = find("namespace").map(|_| ("orchestrator.type", json!("kubernetes")));
    own.into_iter().chain(kind).chain(cluster).collect()
}

fn written(value: &Value, form: Form) -> Value {
    let Some(text) = value.as_str() else {
        return value.clone();
    };
    match form {
        Same => value.clone(),
        List => text.split(',').collect(),
        Capitals => text.to_uppercase().into(),
        Small => text.to_lowercase().into(),
        Number => text.rsplit(' ').next().unwrap_or(text).into(),
        Protocol => text.split(' ').next().unwrap_or(text).to_lowercase().into(),
    }
}

/// Labels are texts.
fn label(value: &Value) -> Value {
    match value {
        Value::String(_) => value.clone(),
        other => other.to_string().into(),
    }
}

/// Puts a value in its place in the tree: `a.b.c` is `{"a": {"b": {"c": value}}}`.
fn put(document: &mut Map<String, Value>, field: &str, value: Value) {
    match field.split_once('.') {
        None => {
            document.insert(field.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = document.entry(first).or_insert_with(|| json!({}));
            if let Some(inner) = inner.as_object_mut() {
                put(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The schema's own definitions of the fields that this uses, and more: `type`, and whether
    /// it is a list. `tests/tools/ecs_fields.js` makes them from what the schema's authors publish.
    const DEFINITIONS: &str = include_str!("../../tests/fixtures/ecs/fields.json");

    /// Every key that a line can have with a field of its own, and one that has none.
    fn whole() -> Vec<(&'static str, Value)> {
        vec![
            ("ts", json!("2026-01-02T03:04:05.678Z")),
            ("level", json!("warn")),
            ("msg", json!("finding appeared")),
            ("target", json!("hyper")),
            ("error", json!("refused")),
            ("cluster", json!("prod")),
            ("namespace", json!("shop")),
            ("kind", json!("Ingress")),
            ("name", json!("web")),
            ("host", json!("shop.example.com")),
            ("address", json!("192.0.2.1")),
            ("port", json!(443)),
            ("finding", json!("certificate_expired")),
            (
                "runbook",
                json!("https://example.com/runbooks/certificate_expired.md"),
            ),
            ("detail", json!("3d ago")),
            ("tls_version", json!("TLS 1.3")),
            ("cipher", json!("TLS_AES_128_GCM_SHA256")),
            ("group", json!("X25519")),
            ("alpn", json!("h2")),
            ("fingerprint", json!("0aff")),
            ("subject", json!("shop.example.com")),
            ("issuer", json!("R11")),
            ("issuer_organization", json!("Let's Encrypt")),
            ("serial_number", json!("03ab")),
            ("not_before", json!("2025-10-03T00:00:00Z")),
            ("not_after", json!("2026-01-01T00:00:00Z")),
            ("key_algorithm", json!("ECDSA")),
            ("key_size", json!(256)),
            ("signature_algorithm", json!("SHA256-RSA")),
            ("names", json!("shop.example.com,www.shop.example.com")),
            ("targets", json!(3)),
        ]
    }

    fn leaves(prefix: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(inner) if prefix != "labels" => {
                for (key, value) in inner {
                    let field = if prefix.is_empty() {
                        key.clone()
                    } else {
                        format!("{prefix}.{key}")
                    };
                    leaves(&field, value, into);
                }
            }
            other => {
                into.insert(prefix.to_owned(), other.clone());
            }
        }
    }

    #[test]
    fn every_field_is_one_of_the_schema_and_has_its_type() {
        let definitions: Value = serde_json::from_str(DEFINITIONS).unwrap();
        assert_eq!(definitions["version"], VERSION);
        let mut summary = whole();
        summary.retain(|(key, _)| *key != "finding");
        summary[2].1 = json!("summary");
        for pairs in [whole(), summary, vec![("msg", json!("started"))]] {
            let mut fields = BTreeMap::new();
            leaves("", &document(&pairs), &mut fields);
            for (field, value) in fields {
                let definition = &definitions["fields"][&field];
                let kind = definition["type"].as_str();
                let kind = kind.unwrap_or_else(|| panic!("{field} is no field of the schema"));
                let values = match (definition["list"].as_bool(), &value) {
                    (Some(true), Value::Array(values)) => values.clone(),
                    (Some(false), one) => vec![one.clone()],
                    (_, other) => panic!("{field} is to be a list, and is {other}"),
                };
                for value in values {
                    let fits = match kind {
                        "long" => value.is_i64(),
                        "date" => value
                            .as_str()
                            .is_some_and(|text| humantime::parse_rfc3339(text).is_ok()),
                        "object" => value.is_object(),
                        "keyword" | "match_only_text" | "wildcard" => value.is_string(),
                        other => panic!("{field}: {other} is not known here"),
                    };
                    assert!(fits, "{field}: {value} is no {kind}");
                    if let Some(allowed) = definition["allowed"].as_array() {
                        assert!(allowed.contains(&value), "{field}: {value}");
                    }
                }
            }
        }
    }

    #[test]
    fn values_are_written_as_the_schema_asks() {
        let document = document(&whole());
        assert_eq!(document["tls"]["version"], "1.3");
        assert_eq!(document["tls"]["version_protocol"], "tls");
        assert_eq!(document["tls"]["server"]["hash"]["sha256"], "0AFF");
        assert_eq!(document["tls"]["server"]["x509"]["serial_number"], "03AB");
        let names = json!(["shop.example.com", "www.shop.example.com"]);
        assert_eq!(
            document["tls"]["server"]["x509"]["alternative_names"],
            names
        );
        assert_eq!(document["event"]["action"], "finding-appeared");
        assert_eq!(document["event"]["kind"], "alert");
        assert_eq!(document["labels"], json!({"targets": "3"}));
    }

    #[test]
    fn every_row_of_the_table_is_tried_above() {
        let whole = whole();
        let tried = |key: &str| key == "problem" || whole.iter().any(|(own, _)| *own == key);
        let untried: Vec<_> = FIELDS.iter().filter(|(key, ..)| !tried(key)).collect();
        assert!(untried.is_empty(), "{}", untried.len());
    }
}
