//! Marks: what an object's metadata tell the operator's rules, and this program.

use std::collections::BTreeMap;
use std::fmt;

use crate::model::PlaintextRule;

/// `true` or `false`: whether what the object declares is probed.
const PROBE: &str = "kube-https-exporter/probe";

/// `forbidden`, `redirect` or `allowed`, as in the configuration's rules.
const PLAINTEXT: &str = "kube-https-exporter/plaintext";

/// What an object's metadata say besides whose it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Marks {
    /// Its labels, for the configuration's rules.
    pub labels: Labels,
    /// What whoever wrote it wants, by the annotations [`PROBE`] and [`PLAINTEXT`].
    pub(super) wishes: Wishes,
}

/// An object's labels, by their keys: thousands of objects have a few each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels(Box<[(Box<str>, Box<str>)]>);

impl Labels {
    /// The value of this label.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let mut labels = self.0.iter();
        labels
            .find(|(known, _)| &**known == key)
            .map(|(_, value)| &**value)
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }
}

impl From<BTreeMap<String, String>> for Labels {
    fn from(labels: BTreeMap<String, String>) -> Self {
        let boxed = |(key, value): (String, String)| (key.into(), value.into());
        Self(labels.into_iter().map(boxed).collect())
    }
}

/// What an object's annotations ask for; the configuration's rules outrank it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Wishes {
    /// Whether to probe what the object declares.
    pub(super) probe: Option<bool>,
    /// What plaintext may do there.
    pub(super) plaintext: Option<PlaintextRule>,
}

/// An annotation of ours with a value that means nothing.
#[derive(Debug, PartialEq)]
pub(super) struct Misspelt {
    annotation: &'static str,
    /// What it may be.
    words: &'static str,
}

impl fmt::Display for Misspelt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the annotation {} is ignored: it must be {}",
            self.annotation, self.words
        )
    }
}

impl Wishes {
    /// What `annotations` ask for, and those of them that mean nothing.
    pub(super) fn read(annotations: &BTreeMap<String, String>) -> (Self, Vec<Misspelt>) {
        let mut misspelt = Vec::new();
        let wishes = Self {
            probe: word(annotations, PROBE, probe, "true or false", &mut misspelt),
            plaintext: word(
                annotations,
                PLAINTEXT,
                plaintext,
                "forbidden, redirect or allowed",
                &mut misspelt,
            ),
        };
        (wishes, misspelt)
    }
}

fn word<T>(
    annotations: &BTreeMap<String, String>,
    annotation: &'static str,
    read: fn(&str) -> Option<T>,
    words: &'static str,
    misspelt: &mut Vec<Misspelt>,
) -> Option<T> {
    let value = read(annotations.get(annotation)?);
    if value.is_none() {
        misspelt.push(Misspelt { annotation, words });
    }
    value
}

fn probe(word: &str) -> Option<bool> {
    word.parse().ok()
}

fn plaintext(word: &str) -> Option<PlaintextRule> {
    match word {
        "forbidden" => Some(PlaintextRule::Forbidden),
        "redirect" => Some(PlaintextRule::Redirect),
        "allowed" => Some(PlaintextRule::Allowed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(annotations: &[(&str, &str)]) -> (Wishes, Vec<String>) {
        let annotations = annotations
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()));
        let (wishes, misspelt) = Wishes::read(&annotations.collect());
        (wishes, misspelt.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn an_object_asks_by_its_annotations() {
        let asked = [(PROBE, "false"), (PLAINTEXT, "forbidden"), ("other", "x")];
        let (wishes, misspelt) = read(&asked);
        assert_eq!(wishes.probe, Some(false));
        assert_eq!(wishes.plaintext, Some(PlaintextRule::Forbidden));
        assert_eq!(misspelt, [""; 0]);
        assert_eq!(read(&[]).0, Wishes::default());
    }

    #[test]
    fn what_means_nothing_asks_for_nothing_and_is_named() {
        let (wishes, misspelt) = read(&[(PROBE, "no"), (PLAINTEXT, "redirect")]);
        assert_eq!(wishes.probe, None);
        assert_eq!(wishes.plaintext, Some(PlaintextRule::Redirect));
        assert_eq!(
            misspelt,
            ["the annotation kube-https-exporter/probe is ignored: it must be true or false"]
        );
    }
}
