//! A strict reader of both text formats, for tests: it panics at whatever Prometheus, or the
//! format's own grammar, would refuse.

use std::collections::{BTreeMap, HashSet};

use super::text::Format;

/// A sample: its name, its labels in order, and its value.
pub(crate) type Read = (String, Vec<(String, String)>, f64);

/// Every sample of a whole body.
pub(crate) fn read(body: &str, format: Format) -> Vec<Read> {
    let body = match format {
        Format::OpenMetrics => body.strip_suffix("# EOF\n").expect("an end mark"),
        Format::Text => body,
    };
    assert!(
        body.is_empty() || body.ends_with('\n'),
        "an unfinished line"
    );
    let mut reader = Reader {
        format,
        kinds: BTreeMap::new(),
        family: None,
        series: HashSet::new(),
        samples: Vec::new(),
    };
    // Not `lines()`, which would take a carriage return away.
    for line in body.split_terminator('\n') {
        reader.line(line);
    }
    reader.samples
}

struct Reader {
    format: Format,
    kinds: BTreeMap<String, String>,
    family: Option<String>,
    series: HashSet<(String, Vec<(String, String)>)>,
    samples: Vec<Read>,
}

impl Reader {
    fn line(&mut self, line: &str) {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').expect("a help text");
            assert_name(name);
            assert!(!self.kinds.contains_key(name), "{name} comes twice");
            self.kinds.insert(name.to_owned(), String::new());
            self.family = Some(name.to_owned());
            unescape(text, self.format == Format::OpenMetrics);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a type");
            assert_eq!(self.family.as_deref(), Some(name), "TYPE follows its HELP");
            assert!(["gauge", "counter", "histogram"].contains(&kind), "{kind}");
            self.kinds.insert(name.to_owned(), kind.to_owned());
        } else {
            assert!(!line.starts_with('#'), "an unknown comment: {line}");
            self.sample(line);
        }
    }

    fn sample(&mut self, line: &str) {
        let end = line.find(['{', ' ']).expect("a name");
        let (name, rest) = line.split_at(end);
        assert_name(name);
        self.assert_belongs(name);
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => read_labels(rest),
            None => (Vec::new(), rest),
        };
        let value = rest.strip_prefix(' ').expect("a space before the value");
        assert!(!value.contains(' '), "nothing after the value: {line}");
        let mut sorted = labels.clone();
        sorted.sort();
        assert!(
            self.series.insert((name.to_owned(), sorted)),
            "{line} comes twice"
        );
        self.samples
            .push((name.to_owned(), labels, read_value(value)));
    }

    fn assert_belongs(&self, name: &str) {
        let family = self.family.as_deref().expect("a family");
        let suffix = name.strip_prefix(family).expect("a sample of its family");
        let suffixes: &[&str] = match (self.kinds[family].as_str(), self.format) {
            ("counter", Format::OpenMetrics) => &["_total"],
            ("histogram", _) => &["_bucket", "_sum", "_count"],
            ("gauge" | "counter", _) => &[""],
            (kind, _) => panic!("{family} has the type {kind:?}"),
        };
        assert!(suffixes.contains(&suffix), "{name} in {family}");
    }
}

fn assert_name(name: &str) {
    let first = name.chars().next().expect("a name");
    assert!(first.is_ascii_alphabetic() || first == '_', "{name}");
    assert!(
        name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'),
        "{name}"
    );
}

/// The labels from behind the opening brace, and what follows the closing one.
fn read_labels(mut rest: &str) -> (Vec<(String, String)>, &str) {
    let mut labels: Vec<(String, String)> = Vec::new();
    if let Some(after) = rest.strip_prefix('}') {
        return (labels, after);
    }
    loop {
        let (name, value) = rest.split_once("=\"").expect("a label");
        assert_name(name);
        assert!(
            labels.iter().all(|(other, _)| other != name),
            "{name} comes twice"
        );
        let (value, after) = value.split_at(closing_quote(value));
        labels.push((name.to_owned(), unescape(value, true)));
        rest = after.strip_prefix('"').expect("a closing quote");
        if let Some(after) = rest.strip_prefix('}') {
            return (labels, after);
        }
        rest = rest.strip_prefix(',').expect("a comma between labels");
    }
}

fn closing_quote(value: &str) -> usize {
    let mut escaped = false;
    for (at, c) in value.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at,
            _ => {}
        }
    }
    panic!("no closing quote: {value}")
}

fn unescape(text: &str, quotes: bool) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some('\\') => '\\',
                Some('"') if quotes => '"',
                other => panic!("the escape {other:?}"),
            },
            '"' => {
                assert!(!quotes, "a quote that is not escaped");
                c
            }
            c => c,
        });
    }
    out
}

fn read_value(text: &str) -> f64 {
    let number = text.trim_start_matches(['+', '-']);
    let plain = number
        .chars()
        .all(|c| c.is_ascii_digit() || "eE.+-".contains(c));
    assert!(
        plain || ["Inf", "NaN"].contains(&number),
        "the value {text}"
    );
    text.parse().expect("a value")
}
