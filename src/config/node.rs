//! YAML as written: a tree of values that know their line and column.
//!
//! The tree stands between the YAML library and the typed configuration so that every message,
//! also about a value that is well-formed YAML but makes no sense, can say where it is written.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Location, MessageFormatter, Spanned, UserMessageFormatter};

use super::error::{Position, Problem};
use crate::model::clean;

/// Lists and maps inside one another; the deepest field of the configuration is at 4.
const MAX_DEPTH: usize = 32;
/// Values, keys included; 10,000 targets with all their fields come to 130,000.
const MAX_NODES: usize = 250_000;
/// Values that aliases may repeat; with [`MAX_NODES`] it bounds what a few lines can grow to.
const MAX_REPEATED: usize = 250_000;

/// One value and where it is written.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) value: Value,
}

/// A value as YAML types it.
#[derive(Debug)]
pub(super) enum Value {
    /// Nothing after the colon, or `null`.
    Empty,
    Bool(bool),
    Whole(i128),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    /// As written, repeated keys included.
    Map(Vec<Entry>),
}

/// One line of a map.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: Position,
    pub(super) node: Node,
}

impl Node {
    /// Reads one YAML document; an empty one is [`Value::Empty`].
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! {
                max_depth: MAX_DEPTH,
                max_nodes: MAX_NODES,
                // One anchor used by a hundred targets is good style; MAX_REPEATED is the bound.
                enforce_alias_anchor_ratio: false,
            },
            alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_REPEATED },
            duplicate_keys: DuplicateKeyPolicy::PassThrough,
            non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
            strict_booleans: true,
            reject_unsupported_tags: true,
            emit_comments: false,
            with_snippet: false,
        };
        serde_saphyr::from_str_with_options(text, options).map_err(|error| syntax(&error))
    }

    /// The value of a field, where this is a map that has it.
    pub(super) fn field(&self, name: &str) -> Option<&Self> {
        let Value::Map(entries) = &self.value else {
            return None;
        };
        Some(&entries.iter().find(|entry| entry.key == name)?.node)
    }
}

impl Value {
    /// What stands there, for a message: `the number 300`, `a list`.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Empty => "nothing".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Whole(value) => format!("the number {value}"),
            Self::Number(value) => format!("the number {value}"),
            Self::Text(text) if text.is_empty() => "an empty text".to_owned(),
            Self::Text(text) => format!("the text `{}`", clean(text)),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "a map".to_owned(),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned {
            value, referenced, ..
        } = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self {
            at: referenced.into(),
            value,
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Empty)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Whole(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Whole(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = items.next_element()? {
            list.push(node);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some((key, node)) = entries.next_entry::<Spanned<String>, Node>()? {
            map.push(Entry {
                key: key.value,
                at: key.referenced.into(),
                node,
            });
        }
        Ok(Value::Map(map))
    }
}

impl From<Location> for Position {
    fn from(location: Location) -> Self {
        Self {
            line: location.line(),
            column: location.column(),
        }
    }
}

/// What the YAML library refuses, in words for the one who wrote the file.
fn syntax(error: &serde_saphyr::Error) -> Problem {
    use serde_saphyr::Error;

    let cause = match error {
        Error::AliasError { error, .. } => error,
        other => other,
    };
    let what = match cause {
        Error::UnknownAnchor { .. } => "an alias (`*name`) without its anchor (`&name`); \
             put a value that begins with `*` in quotes"
            .to_owned(),
        Error::UnsupportedTag { tag, .. } => {
            let tag = clean(tag);
            format!(
                "the tag `{tag}` means nothing here; put a value that begins with `!` in quotes"
            )
        }
        Error::MultipleDocuments { .. } => {
            "more than one YAML document; remove the `---` and what follows it".to_owned()
        }
        Error::Budget {
            breach: BudgetBreach::Depth { .. },
            ..
        } => format!("nested more than {MAX_DEPTH} levels deep; no field is"),
        Error::Budget { .. } | Error::AliasReplayLimitExceeded { .. } => {
            format!("more than {MAX_NODES} values, aliases counted; write fewer")
        }
        other => format!(
            "not valid YAML: {}",
            UserMessageFormatter.format_message(other)
        ),
    };
    Problem {
        at: error.location().map(Position::from),
        path: String::new(),
        what,
    }
}
