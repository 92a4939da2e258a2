//! The exposition, written family by family in chunks as a reader asks for them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use bytes::Bytes;

use crate::model::Scope;

use super::block::{Block, Cursor};
use super::catalogue::{Catalogue, Entry, FamilyIndex};
use super::text::{Format, push_number};
use super::words::Words;

/// A chunk is sent once it is this long, in bytes: large enough that the cost of passing it on
/// does not count, small enough that a slow reader holds little.
const CHUNK: usize = 64 * 1024;

/// The longest that a chunk gets past [`CHUNK`] in the usual case, in bytes: one row's samples
/// of one family.
const CHUNK_SLACK: usize = 4 * 1024;

/// Rows looked at before a chunk is handed over even if it is short: a family that few rows have
/// must not hold up the caller for longer than a chunk that is full.
const ROWS_A_CHUNK: usize = 16 * 1024;

/// An iterator over the chunks of an exposition, without its end mark. It holds the rows as they
/// were when it was made. A chunk may be empty.
#[derive(Debug)]
pub struct Encoder {
    catalogue: Arc<Catalogue>,
    rows: Vec<Cursor>,
    words: Words,
    family: FamilyIndex,
    row: usize,
    page: Page,
}

impl Encoder {
    pub(super) fn new(catalogue: Arc<Catalogue>, blocks: Vec<Arc<Block>>, format: Format) -> Self {
        // All that the blocks carry: they were made before.
        let words = catalogue.words().texts();
        Self {
            catalogue,
            words,
            rows: blocks.into_iter().map(Cursor::new).collect(),
            family: 0,
            row: 0,
            page: Page {
                format,
                text: String::new(),
                headed: false,
                said: HashSet::new(),
                counted: BTreeMap::new(),
                host: None,
            },
        }
    }
}

impl Iterator for Encoder {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        self.catalogue.entry(self.family)?;
        self.page.text.reserve(CHUNK + CHUNK_SLACK);
        let mut seen = 0;
        while let Some(entry) = self.catalogue.entry(self.family) {
            while let Some(row) = self.rows.get_mut(self.row) {
                if self.page.text.len() >= CHUNK || seen >= ROWS_A_CHUNK {
                    return Some(self.page.take());
                }
                if row.family() == Some(self.family) {
                    self.page.write(self.family, entry, row, &self.words);
                }
                self.row += 1;
                seen += 1;
            }
            self.page.end_family(entry);
            self.family += 1;
            self.row = 0;
        }
        Some(self.page.take())
    }
}

/// What is written and not yet taken, and what the family at hand has said.
#[derive(Debug)]
struct Page {
    format: Format,
    text: String,
    headed: bool,
    /// The series written of a family whose rows may repeat each other: since the host changed,
    /// or of the whole family where it has no row labels.
    said: HashSet<Box<str>>,
    /// What a family that counts has found at the host at hand: by row labels, each text once.
    counted: BTreeMap<Box<str>, BTreeSet<Box<str>>>,
    /// The last row that had a sample.
    host: Option<Arc<Block>>,
}

impl Page {
    /// Writes the samples that a row has of a family; it has at least one.
    fn write(&mut self, family: FamilyIndex, entry: &Entry, row: &mut Cursor, words: &Words) {
        let scope = entry.family.scope;
        if !self.headed {
            self.text.push_str(entry.head(self.format));
            self.headed = true;
        }
        if matches!(scope, Scope::Host | Scope::HostCount) {
            self.enter_host(entry, row.block());
        }
        while row.family() == Some(family)
            && let Some((extra, value)) = row.peek(words)
        {
            if scope == Scope::HostCount {
                let labels = row.block().labels(scope).into();
                self.counted.entry(labels).or_default().insert(extra.into());
                row.advance();
                continue;
            }
            let start = self.text.len();
            self.push_series(entry, row.block().labels(scope), extra);
            if scope == Scope::Target || self.is_first(start) {
                self.push_value(value);
            } else {
                self.text.truncate(start);
            }
            row.advance();
        }
    }

    fn push_series(&mut self, entry: &Entry, labels: &str, extra: &str) {
        self.text.push_str(&entry.open);
        let mut comma = entry.labelled;
        for part in [labels, extra] {
            if part.is_empty() {
                continue;
            }
            if comma {
                self.text.push(',');
            }
            self.text.push_str(part);
            comma = true;
        }
        self.text.push('}');
    }

    fn push_value(&mut self, value: f64) {
        self.text.push(' ');
        push_number(&mut self.text, value);
        self.text.push('\n');
    }

    /// Writes what was counted at the host that is left.
    fn push_counts(&mut self, entry: &Entry) {
        for (labels, found) in std::mem::take(&mut self.counted) {
            self.push_series(entry, &labels, "");
            self.push_value(found.len() as f64);
        }
    }

    /// Whether the series from `start` on has not been written before.
    fn is_first(&mut self, start: usize) -> bool {
        let series = self.text.get(start..).unwrap_or_default();
        self.said.insert(series.into())
    }

    /// Rows of one host follow each other, so that only they can repeat each other.
    fn enter_host(&mut self, entry: &Entry, block: &Arc<Block>) {
        if !self.host.as_ref().is_some_and(|last| last.same_host(block)) {
            self.said.clear();
            self.push_counts(entry);
        }
        self.host = Some(Arc::clone(block));
    }

    fn end_family(&mut self, entry: &Entry) {
        self.push_counts(entry);
        self.headed = false;
        self.said.clear();
        self.host = None;
    }

    fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.text).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Family, Row, Verdict};
    use crate::record::grammar::{Read, read};
    use crate::record::samples::{
        DECLARED, DIFFERENT, INFO, NOT_AFTER, RENEWAL, SERVED, SUCCESS, VERSION, row, target,
    };
    use crate::record::store::Store;
    use crate::record::{Seen, Standing};

    const FAMILIES: [&Family; 8] = [
        &SUCCESS, &NOT_AFTER, &VERSION, &INFO, &DECLARED, &RENEWAL, &SERVED, &DIFFERENT,
    ];

    fn publish(store: &Store, row: Row, verdict: Verdict) {
        store.publish(Arc::new(target(row)), verdict, true, Seen::default());
    }

    fn body(store: &Store, format: Format) -> String {
        let mut body: Vec<u8> = store.encode(format).flatten().collect();
        body.extend_from_slice(format.end().as_bytes());
        String::from_utf8(body).unwrap()
    }

    fn both(store: &Store) -> [Vec<Read>; 2] {
        [Format::OpenMetrics, Format::Text].map(|format| read(&body(store, format), format))
    }

    #[test]
    fn a_row_reads_as_the_contract_spells_it() {
        let store = Store::new(&FAMILIES, &[], Standing::default());
        let mut verdict = Verdict::default();
        verdict.word(&NOT_AFTER, "leaf", 1.7e9);
        verdict.gauge(&SERVED, 3.0);
        publish(&store, row("shop.test", "127.0.0.1"), verdict);
        let labels = r#"source="ingress",namespace="default",name="shop",host="shop.test",port="443",address="127.0.0.1""#;
        assert_eq!(
            body(&store, Format::Text),
            format!(
                "# HELP t_not_after For a test.\n# TYPE t_not_after gauge\n\
                 t_not_after{{{labels},position=\"leaf\"}} 1700000000\n\
                 # HELP t_served_total Served.\n# TYPE t_served_total counter\n\
                 t_served_total{{{labels}}} 3\n"
            )
        );
        assert_eq!(
            body(&store, Format::OpenMetrics),
            format!(
                "# HELP t_not_after For a test.\n# TYPE t_not_after gauge\n\
                 t_not_after{{{labels},position=\"leaf\"}} 1700000000\n\
                 # HELP t_served Served.\n# TYPE t_served counter\n\
                 t_served_total{{{labels}}} 3\n# EOF\n"
            )
        );
    }

    #[test]
    fn an_empty_store_writes_only_the_end_mark() {
        let store = Store::new(&FAMILIES, &[], Standing::default());
        assert_eq!(body(&store, Format::Text), "");
        assert_eq!(body(&store, Format::OpenMetrics), "# EOF\n");
    }

    #[test]
    fn hostile_strings_come_back_as_they_were_in_both_formats() {
        let hostile = [
            "",
            "\"",
            "\\",
            "\\\"} 1\nevil{x=\"",
            "\n# EOF\n",
            "\r\n\t\u{1b}[31m",
            "a,b={c}",
            "é\u{202e}\u{0}\u{fffd}🦀",
            "\\n",
        ];
        let store = Store::new(
            &FAMILIES,
            &[],
            Standing {
                vantage: "van\"tage\n",
                shard: None,
            },
        );
        for (index, text) in hostile.into_iter().enumerate() {
            let mut row = row(text, text);
            row.edit(|row| {
                row.name = text.into();
                row.namespace = format!("{index}{text}").into();
            });
            let mut verdict = Verdict::default();
            verdict.texts(&INFO, [text.into(), text.into()].into(), f64::NAN);
            verdict.gauge(&DECLARED, f64::NEG_INFINITY);
            verdict.texts(&RENEWAL, [text.into()].into(), 1e-9);
            publish(&store, row, verdict);
        }
        for samples in both(&store) {
            for text in hostile {
                let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
                assert!(samples.iter().any(|(name, labels, value)| {
                    name == "t_info"
                        && value.is_nan()
                        && labels[0] == label("vantage", "van\"tage\n")
                        && labels.contains(&label("host", text))
                        && labels.contains(&label("name", text))
                        && labels.contains(&label("address", text))
                        && labels.contains(&label("subject", text))
                        && labels.contains(&label("issuer", text))
                }));
            }
            assert_eq!(samples.len(), 3 * hostile.len());
        }
    }

    #[test]
    fn a_host_is_said_once_for_all_its_addresses() {
        let store = Store::new(&FAMILIES, &[], Standing::default());
        // The name is the oldest owner's, so that it may differ from address to address.
        for (address, name) in [("192.0.2.1", "a"), ("192.0.2.2", "b"), ("192.0.2.3", "a")] {
            let mut row = row("shop.test", address);
            row.name = name.into();
            let mut verdict = Verdict::default();
            verdict.gauge(&SUCCESS, 1.0);
            verdict.gauge(&DECLARED, 1.0);
            publish(&store, row, verdict);
        }
        let mut other = Verdict::default();
        other.gauge(&DECLARED, 0.0);
        publish(&store, row("zoo.test", "192.0.2.1"), other);
        for samples in both(&store) {
            let values = |name: &str| -> Vec<f64> {
                samples
                    .iter()
                    .filter(|s| s.0 == name)
                    .map(|s| s.2)
                    .collect()
            };
            assert_eq!(values("t_declared"), [1.0, 1.0, 0.0]);
            assert_eq!(values("t_success"), [1.0; 3]);
        }
    }

    #[test]
    fn what_is_counted_is_each_text_once_over_all_addresses_of_a_host() {
        let store = Store::new(
            &FAMILIES,
            &[],
            Standing {
                vantage: "here",
                shard: None,
            },
        );
        for (host, address, texts) in [
            ("a.test", "192.0.2.1", &["x"][..]),
            ("a.test", "192.0.2.2", &["x", "y"]),
            ("a.test", "192.0.2.3", &[]),
            ("b.test", "192.0.2.1", &["x"]),
            ("c.test", "192.0.2.1", &[]),
            ("d.test", "192.0.2.1", &["z"]),
        ] {
            let mut verdict = Verdict::default();
            for text in texts {
                verdict.texts(&DIFFERENT, [Box::from(*text)].into(), 1.0);
            }
            let mut row = row(host, address);
            // Otherwise than in the order of the rows.
            row.name = if host == "a.test" { "z" } else { "y" }.into();
            publish(&store, row, verdict);
        }
        for samples in both(&store) {
            let said: Vec<_> = samples
                .iter()
                .map(|(_, labels, value)| (labels[4].1.as_str(), labels.len(), *value))
                .collect();
            // With the vantage: source, namespace, name, host and port.
            assert_eq!(
                said,
                [("a.test", 6, 2.0), ("b.test", 6, 1.0), ("d.test", 6, 1.0)]
            );
        }
    }

    #[test]
    fn what_is_counted_is_one_family_s_and_the_next_counts_anew() {
        const ALSO: Family = Family {
            name: "t_also",
            ..DIFFERENT
        };
        let store = Store::new(&[&DIFFERENT, &ALSO], &[], Standing::default());
        let mut verdict = Verdict::default();
        verdict.texts(&DIFFERENT, ["x".into()].into(), 1.0);
        verdict.texts(&ALSO, ["x".into()].into(), 1.0);
        verdict.texts(&ALSO, ["y".into()].into(), 1.0);
        publish(&store, row("a.test", "192.0.2.1"), verdict);
        for samples in both(&store) {
            let said: Vec<_> = samples
                .iter()
                .map(|(name, _, value)| (name.as_str(), *value))
                .collect();
            assert_eq!(said, [("t_different", 1.0), ("t_also", 2.0)]);
        }
    }

    #[test]
    fn a_series_without_row_labels_is_said_once_over_all_rows() {
        let store = Store::new(&FAMILIES, &[], Standing::default());
        for (host, renewal) in [("a.test", "x"), ("b.test", "y"), ("c.test", "x")] {
            let mut verdict = Verdict::default();
            verdict.texts(&RENEWAL, [renewal.into()].into(), 1.0);
            publish(&store, row(host, "192.0.2.1"), verdict);
        }
        for samples in both(&store) {
            assert_eq!(samples.len(), 2);
        }
    }

    #[test]
    fn a_long_body_comes_in_chunks_of_bounded_size_and_says_the_same() {
        let store = Store::new(&FAMILIES, &[], Standing::default());
        let rows = 3000;
        for index in 0..rows {
            let mut verdict = Verdict::default();
            verdict.gauge(&SUCCESS, 1.0);
            verdict.word(&VERSION, "TLS 1.3", 1.0);
            publish(&store, row(&format!("h{index}.test"), "192.0.2.1"), verdict);
        }
        let chunks: Vec<_> = store.encode(Format::Text).collect();
        assert!(chunks.len() > 2);
        assert!(
            chunks
                .iter()
                .all(|chunk| chunk.len() <= CHUNK + CHUNK_SLACK)
        );
        for samples in both(&store) {
            assert_eq!(samples.len(), 2 * rows);
        }
    }

    #[test]
    fn rows_that_say_nothing_do_not_hold_up_the_caller() {
        let store = Store::new(&[&SUCCESS, &VERSION], &[], Standing::default());
        for index in 0..=ROWS_A_CHUNK {
            let row = row(&format!("h{index}.test"), "192.0.2.1");
            publish(&store, row, Verdict::default());
        }
        let chunks: Vec<_> = store.encode(Format::Text).collect();
        assert!(chunks.len() >= 2);
        assert!(chunks.iter().all(Bytes::is_empty));
    }

    #[test]
    fn a_scrape_shows_the_rows_as_they_were_when_it_began() {
        let store = Store::new(&FAMILIES, &[], Standing::default());
        let mut verdict = Verdict::default();
        verdict.gauge(&SUCCESS, 1.0);
        publish(&store, row("a.test", "192.0.2.1"), verdict.clone());
        let begun = store.encode(Format::Text);
        publish(&store, row("b.test", "192.0.2.1"), verdict);
        let text = String::from_utf8(begun.flatten().collect()).unwrap();
        assert_eq!(read(&text, Format::Text).len(), 1);
    }
}
