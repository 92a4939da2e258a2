//! An exposition, read, and asked for single samples by name and labels.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A scrape in the text format 0.0.4.
#[derive(Debug)]
pub(crate) struct Scrape {
    pub(crate) samples: Vec<Sample>,
    /// What the TYPE lines say, by family.
    pub(crate) types: BTreeMap<String, String>,
}

/// One line of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    /// In the order of the line.
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: f64,
}

impl Scrape {
    /// Reads a whole body.
    pub(crate) fn read(body: &str) -> Self {
        let types = body.lines().filter_map(|line| {
            let (family, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
            Some((family.to_owned(), kind.to_owned()))
        });
        let lines = body.lines().filter(|line| !line.starts_with('#'));
        Self {
            samples: lines.map(Sample::read).collect(),
            types: types.collect(),
        }
    }

    /// The samples of this name.
    pub(crate) fn metric<'a>(&'a self, name: &'a str) -> Metric<'a> {
        Metric {
            scrape: self,
            name,
            labels: Vec::new(),
        }
    }

    /// The names of the metrics that have a sample with this label.
    pub(crate) fn names_with(&self, label: &str, value: &str) -> BTreeSet<&str> {
        let with = |sample: &&Sample| sample.label(label) == Some(value);
        self.samples
            .iter()
            .filter(with)
            .map(|sample| &*sample.name)
            .collect()
    }
}

impl Sample {
    fn read(line: &str) -> Self {
        let end = line.find(['{', ' ']).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => read_labels(rest),
            None => (Vec::new(), rest),
        };
        let value = value.trim().parse();
        Self {
            name: name.to_owned(),
            labels,
            value: value.unwrap_or_else(|_| panic!("this line has no value: {line}")),
        }
    }

    /// The value of this label.
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        let found = self.labels.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The labels from behind the opening brace, and what follows the closing one.
fn read_labels(mut rest: &str) -> (Vec<(String, String)>, &str) {
    let mut labels = Vec::new();
    while let Some((name, quoted)) = rest.split_once("=\"") {
        let (value, after) = read_quoted(quoted);
        labels.push((name.trim_start_matches(',').to_owned(), value));
        rest = after;
        if let Some(after) = rest.strip_prefix('}') {
            return (labels, after);
        }
    }
    panic!("these labels have no end: {rest}")
}

/// The text up to the closing quote, and what follows that.
fn read_quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return (value, chars.as_str()),
            '\\' => value.push(match chars.next() {
                Some('n') => '\n',
                Some(c) => c,
                None => break,
            }),
            c => value.push(c),
        }
    }
    panic!("this label value has no end: {text}")
}

/// The samples of a name, narrowed down by labels.
#[derive(Clone, Debug)]
pub(crate) struct Metric<'a> {
    scrape: &'a Scrape,
    name: &'a str,
    labels: Vec<(&'a str, &'a str)>,
}

impl<'a> Metric<'a> {
    /// Only those with this label.
    pub(crate) fn label(mut self, name: &'a str, value: &'a str) -> Self {
        self.labels.push((name, value));
        self
    }

    fn found(&self) -> Vec<&'a Sample> {
        let fits = |sample: &&Sample| {
            let mut wanted = self.labels.iter();
            sample.name == self.name
                && wanted.all(|(name, value)| sample.label(name) == Some(value))
        };
        self.scrape.samples.iter().filter(fits).collect()
    }

    /// The value of the only one; `None` where there is none.
    #[track_caller]
    pub(crate) fn get(&self) -> Option<f64> {
        match self.found()[..] {
            [] => None,
            [one] => Some(one.value),
            _ => panic!("{self} is not one series: {}", self.alike()),
        }
    }

    /// Asserts that there is one, with this value.
    #[track_caller]
    pub(crate) fn value(&self, expected: f64) {
        let found = self.get();
        assert!(
            found == Some(expected),
            "{self} should be {expected}, but {}",
            match found {
                Some(found) => format!("it is {found}"),
                None => format!("it is absent; there is {}", self.alike()),
            }
        );
    }

    /// Asserts that there is one with the value 1: the labels are what it says.
    #[track_caller]
    pub(crate) fn holds(&self) {
        self.value(1.0);
    }

    /// Asserts that there is none.
    #[track_caller]
    pub(crate) fn absent(&self) {
        let found = self.found();
        assert!(
            found.is_empty(),
            "{self} should be absent, but there is {}",
            self.alike()
        );
    }

    /// The values that this label has in all of them.
    pub(crate) fn each(&self, label: &str) -> BTreeSet<&'a str> {
        let found = self.found().into_iter();
        found.filter_map(|sample| sample.label(label)).collect()
    }

    /// The series that fit, or else all of the name.
    fn alike(&self) -> String {
        let mut found = self.found();
        if found.is_empty() {
            let all = self.scrape.samples.iter();
            found = all.filter(|sample| sample.name == self.name).collect();
        }
        if found.is_empty() {
            return "none of that name at all".to_owned();
        }
        let lines: Vec<_> = found.iter().map(|sample| format!("\n  {sample}")).collect();
        lines.concat()
    }
}

impl fmt::Display for Metric<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&series(self.name, self.labels.iter().copied()))
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels = self.labels.iter();
        let labels = labels.map(|(name, value)| (&**name, &**value));
        write!(f, "{} {}", series(&self.name, labels), self.value)
    }
}

/// A name and labels, as they are written in queries.
pub(crate) fn series<'a>(name: &str, labels: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let labels: Vec<_> = labels
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    if labels.is_empty() {
        name.to_owned()
    } else {
        format!("{name}{{{}}}", labels.join(","))
    }
}
