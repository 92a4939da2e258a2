//! How a written section becomes a typed one: by the table of its fields.
//!
//! A row of [`Section::FIELDS`] is a field's name, its documentation and how it is read. What is
//! accepted, what is suggested for a misspelt name and what `docs/config.md` says all come from
//! that row. To add a field: add it to the typed struct, and its row to the section's table.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;

use super::Names;
use super::document::Row;
use super::error::{Position, Problem};
use super::node::{Entry, Node, Value};
use super::suggest;
use crate::model::clean;

/// A part of the file that is a map with fixed fields, and what it is read into.
pub(super) trait Section: Sized + 'static {
    /// Its fields, in the order of the documentation.
    const FIELDS: &'static [Field<Self>];
    /// Fields that the file format has but this version does not act on. They are refused in
    /// words of their own: to ignore what someone configured would be to lie to them.
    const PLANNED: &'static [&'static str] = &[];
}

/// One field of the section `T`.
pub(super) struct Field<T> {
    pub(super) name: &'static str,
    /// Its type, for the documentation.
    pub(super) kind: &'static str,
    /// What it is where it is not written, in YAML; or a word in parentheses.
    pub(super) default: &'static str,
    /// Its meaning, in Markdown.
    pub(super) meaning: &'static str,
    /// Reads what is written; where that is wrong, reports it and leaves `T` as it is.
    pub(super) read: fn(&mut T, &Written<'_>),
    /// The fields inside, where it is a section or a list of sections.
    pub(super) inside: Option<fn(&str, &mut Vec<Row>)>,
}

/// What reading needs besides the text, and where problems go.
pub(super) struct Reader<'a> {
    /// What relative paths are relative to.
    pub(super) folder: &'a Path,
    /// What fields may refer to.
    pub(super) names: Names<'a>,
    pub(super) problems: RefCell<Vec<Problem>>,
}

/// A written value, its path, and its reader.
pub(super) struct Written<'a> {
    node: &'a Node,
    path: String,
    pub(super) reader: &'a Reader<'a>,
}

impl<'a> Written<'a> {
    pub(super) const fn root(node: &'a Node, reader: &'a Reader<'a>) -> Self {
        Self {
            node,
            path: String::new(),
            reader,
        }
    }

    /// Reads a single value by `parse`, whose error says what is wrong with it.
    pub(super) fn value<T>(&self, parse: impl FnOnce(&Value) -> Result<T, String>) -> Option<T> {
        parse(&self.node.value)
            .map_err(|what| self.report(what))
            .ok()
    }

    /// Reads a single value into `slot`.
    pub(super) fn set<T>(&self, slot: &mut T, parse: impl FnOnce(&Value) -> Result<T, String>) {
        if let Some(value) = self.value(parse) {
            *slot = value;
        }
    }

    /// Reads a list, each item by `read`, which reports what is wrong with it.
    pub(super) fn list<T>(&self, slot: &mut Vec<T>, read: impl Fn(&Self) -> Option<T>) {
        match &self.node.value {
            Value::Empty => {}
            Value::List(nodes) => {
                let items = nodes.iter().enumerate().map(|(i, node)| self.item(i, node));
                *slot = items.filter_map(|item| read(&item)).collect();
            }
            other => self.report(format!(
                "expected a list, found {}; begin each item with `- `",
                other.describe()
            )),
        }
    }

    /// Reads a list, or a single item that is written without one; what is there twice counts once.
    pub(super) fn one_or_list<T: PartialEq>(
        &self,
        slot: &mut Vec<T>,
        read: impl Fn(&Self) -> Option<T>,
    ) {
        if !matches!(self.node.value, Value::Text(_)) {
            self.list(slot, read);
        } else if let Some(one) = read(self) {
            *slot = vec![one];
        }
        let mut kept = Vec::with_capacity(slot.len());
        for one in slot.drain(..) {
            if !kept.contains(&one) {
                kept.push(one);
            }
        }
        *slot = kept;
    }

    /// Reads a map of free keys, each value by `parse`.
    pub(super) fn map<T>(
        &self,
        slot: &mut Vec<(String, T)>,
        parse: fn(&Value) -> Result<T, String>,
    ) {
        let entries = self.entries("`key: value` lines");
        let pairs = entries.map(|entry| Some((entry.key.clone(), self.field(entry).value(parse)?)));
        *slot = pairs.flatten().collect();
    }

    /// Reads a map by the table of `T`.
    pub(super) fn section<T: Section>(&self, into: &mut T) {
        for entry in self.entries("fields") {
            let written = self.field(entry);
            match T::FIELDS.iter().find(|field| field.name == entry.key) {
                Some(field) => (field.read)(into, &written),
                None => self
                    .reader
                    .push(entry.at, &written.path, refusal::<T>(&entry.key)),
            }
        }
    }

    /// Reports a field that has to be there and is not, and what to write.
    pub(super) fn require(&self, name: &str, remedy: &str) {
        if matches!(self.node.value, Value::Map(_) | Value::Empty)
            && self.node.field(name).is_none()
        {
            self.report(format!("`{name}` is missing; write {remedy}"));
        }
    }

    /// The name of the field that this is the value of.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// Reports what is wrong with this value and what to write instead.
    pub(super) fn report(&self, what: String) {
        self.reader.push(self.node.at, &self.path, what);
    }

    /// The value at a path such as `targets[1].name`, where it is written.
    pub(super) fn find(&self, path: &str) -> Option<Self> {
        let mut node = self.node;
        for step in path.split(['.', '[']) {
            node = match (&node.value, step.strip_suffix(']')) {
                (Value::List(items), Some(index)) => items.get(index.parse::<usize>().ok()?)?,
                _ => node.field(step)?,
            };
        }
        Some(Self {
            node,
            path: path.to_owned(),
            reader: self.reader,
        })
    }

    /// The lines of a map, without the repeated ones, which are reported.
    fn entries(&self, of: &str) -> impl Iterator<Item = &'a Entry> {
        let entries: &[Entry] = match &self.node.value {
            Value::Map(entries) => entries,
            Value::Empty => &[],
            other => {
                self.report(format!(
                    "expected a map of {of}, found {}",
                    other.describe()
                ));
                &[]
            }
        };
        let mut seen = HashMap::new();
        entries.iter().filter(move |entry| {
            let Some(line) = seen.insert(&entry.key, entry.at.line) else {
                return true;
            };
            let what = format!("already on line {line}; keep one of the two");
            self.reader.push(entry.at, &self.field(entry).path, what);
            false
        })
    }

    fn field(&self, entry: &'a Entry) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        Self {
            node: &entry.node,
            path: format!("{}{dot}{}", self.path, clean(&entry.key)),
            reader: self.reader,
        }
    }

    fn item(&self, index: usize, node: &'a Node) -> Self {
        Self {
            node,
            path: format!("{}[{index}]", self.path),
            reader: self.reader,
        }
    }
}

impl Reader<'_> {
    fn push(&self, at: Position, path: &str, what: String) {
        self.problems.borrow_mut().push(Problem {
            at: Some(at),
            path: path.to_owned(),
            what,
        });
    }
}

/// Why the section `T` does not take a field of this name.
fn refusal<T: Section>(name: &str) -> String {
    if T::PLANNED.contains(&name) {
        return "not supported by this version yet; remove it".to_owned();
    }
    let names: Vec<&str> = T::FIELDS.iter().map(|field| field.name).collect();
    format!("unknown field; {}", suggest::instead(name, &names))
}
