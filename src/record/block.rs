//! One row's samples, rendered once: what a scrape copies.

use std::ops::Range;
use std::sync::Arc;

use crate::model::{Extra, Row, Sample, Scope, StoredPlace};

use super::catalogue::{Catalogue, FamilyIndex};
use super::text::{push_label, push_labels};
use super::words::{WordId, Words};

/// Label text and values, in the order of the catalogue. No two samples of a block have the same
/// family and labels.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// The row's labels, then the samples' own, but for those that are words.
    text: Box<str>,
    row: Span,
    samples: Box<[Rendered]>,
}

/// A sample: the family, its own labels, and the value. Small, for a row has some dozens.
#[derive(Clone, Copy, Debug)]
struct Rendered {
    value: f64,
    /// Where its own labels end in `Block::text`.
    end: u32,
    family: FamilyIndex,
    /// Its own labels where they are words; then it has none in `Block::text`.
    words: Option<WordId>,
}

/// A sample with its family's place, and its own labels: words, or where their text stands.
struct Placed {
    family: FamilyIndex,
    words: Option<WordId>,
    own: Range<usize>,
    value: f64,
}

/// The labels of a row as text: `source="…",namespace="…",name="…",host="…",port="…",address="…"`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RowLabels {
    text: String,
    span: Span,
}

/// Where the parts of a row's labels stand in a text that begins with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span {
    /// Where `name="…"` begins, with its comma.
    name: usize,
    /// Where that ends.
    name_end: usize,
    /// Where the labels end for [`Scope::Host`].
    host_end: usize,
    /// Where all end.
    end: usize,
}

/// Room for the labels of most rows, in bytes, and for the samples' own labels.
const ROW_LABELS: usize = 256;
const EXTRAS: usize = 1024;

impl RowLabels {
    /// Renders the labels of `row`.
    pub(super) fn of(row: &Row) -> Self {
        let object = [row.source, &row.namespace, &row.name];
        let mut port = itoa::Buffer::new();
        Self::render(object, &row.host, port.format(row.port), &row.address)
    }

    /// Renders the labels of what has no door: those of a door are empty.
    pub(super) fn of_stored(place: &StoredPlace) -> Self {
        let object = [place.source, &place.namespace, &place.name];
        Self::render(object, "", "", "")
    }

    fn render([source, namespace, name]: [&str; 3], host: &str, port: &str, address: &str) -> Self {
        let mut text = String::with_capacity(ROW_LABELS);
        push_label(&mut text, "source", source);
        push_next(&mut text, "namespace", namespace);
        let before_name = text.len();
        push_next(&mut text, "name", name);
        let after_name = text.len();
        push_next(&mut text, "host", host);
        push_next(&mut text, "port", port);
        let host_end = text.len();
        push_next(&mut text, "address", address);
        let span = Span {
            name: before_name,
            name_end: after_name,
            host_end,
            end: text.len(),
        };
        Self { text, span }
    }
}

impl Span {
    /// What tells one host from another: all but the name and the address.
    fn host(self, text: &str) -> (&str, &str) {
        let part = |range: Range<usize>| text.get(range).unwrap_or_default();
        (part(0..self.name), part(self.name_end..self.host_end))
    }

    fn within(self, text: &str, scope: Scope) -> &str {
        let end = match scope {
            Scope::Target => self.end,
            Scope::Host | Scope::HostCount => self.host_end,
            Scope::Object => self.name_end,
            Scope::Own => 0,
        };
        text.get(..end).unwrap_or_default()
    }
}

impl Block {
    /// Renders `samples`. Of two with the same family and labels the first counts; families that
    /// are not in the catalogue are left out.
    pub(super) fn new(catalogue: &Catalogue, labels: RowLabels, samples: &[Sample]) -> Self {
        let mut words = catalogue.words();
        let mut text = String::with_capacity(EXTRAS);
        let mut placed = Vec::with_capacity(samples.len());
        for sample in samples {
            if let Some(family) = catalogue.place(sample.family.name) {
                let start = text.len();
                let words = render(&mut text, &mut words, sample);
                placed.push(Placed {
                    family,
                    words,
                    own: start..text.len(),
                    value: sample.value,
                });
            }
        }
        let key = |one: &Placed| match one.words {
            Some(id) => (one.family, words.text(id)),
            None => (one.family, text.get(one.own.clone()).unwrap_or_default()),
        };
        // Stable, so that of equals the first stays the first.
        placed.sort_by(|a, b| key(a).cmp(&key(b)));
        placed.dedup_by(|later, first| key(later) == key(first));
        Self::pack(labels, &text, &placed)
    }

    fn pack(labels: RowLabels, text: &str, placed: &[Placed]) -> Self {
        let RowLabels {
            text: mut all,
            span,
        } = labels;
        all.reserve_exact(placed.iter().map(|one| one.own.len()).sum());
        let mut samples = Vec::with_capacity(placed.len());
        for one in placed {
            all.push_str(text.get(one.own.clone()).unwrap_or_default());
            // Texts are cut at 128 characters, so that this is out of reach; nothing would be
            // served beyond it rather than something wrong.
            let Ok(end) = u32::try_from(all.len()) else {
                break;
            };
            samples.push(Rendered {
                value: one.value,
                end,
                family: one.family,
                words: one.words,
            });
        }
        Self {
            text: all.into(),
            row: span,
            samples: samples.into(),
        }
    }

    /// The row's labels that a family of this scope carries.
    pub(super) fn labels(&self, scope: Scope) -> &str {
        self.row.within(&self.text, scope)
    }

    /// Whether the row is of the same source, namespace, host and port as `other`.
    pub(super) fn same_host(&self, other: &Self) -> bool {
        self.row.host(&self.text) == other.row.host(&other.text)
    }
}

/// Where a reader stands in a block. It knows the next sample's family without looking into the
/// block, which a scrape of many rows could not afford to do for every family.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    block: Arc<Block>,
    sample: u32,
    family: Option<FamilyIndex>,
}

impl Cursor {
    /// At the first sample.
    pub(super) fn new(block: Arc<Block>) -> Self {
        Self {
            family: block.samples.first().map(|sample| sample.family),
            sample: 0,
            block,
        }
    }

    /// The block being read.
    pub(super) const fn block(&self) -> &Arc<Block> {
        &self.block
    }

    /// The family of the next sample; `None` at the end.
    pub(super) const fn family(&self) -> Option<FamilyIndex> {
        self.family
    }

    /// The next sample: its own labels as text, and its value.
    pub(super) fn peek<'a>(&'a self, words: &'a Words) -> Option<(&'a str, f64)> {
        let place = self.sample as usize;
        let sample = self.block.samples.get(place)?;
        if let Some(id) = sample.words {
            return Some((words.text(id), sample.value));
        }
        let before = place
            .checked_sub(1)
            .and_then(|before| self.block.samples.get(before));
        let start = before.map_or(self.block.row.end, |before| before.end as usize);
        let extra = self.block.text.get(start..sample.end as usize)?;
        Some((extra, sample.value))
    }

    /// Goes to the sample after the next one.
    pub(super) fn advance(&mut self) {
        self.sample = self.sample.saturating_add(1);
        let sample = self.block.samples.get(self.sample as usize);
        self.family = sample.map(|sample| sample.family);
    }
}

/// Appends a sample's own labels as text, unless they are words, which it gives.
fn render(out: &mut String, words: &mut Words, sample: &Sample) -> Option<WordId> {
    let values = match &sample.extra {
        Extra::None => return None,
        Extra::Word(word) => (*word, None),
        Extra::Words(first, second) => (*first, Some(*second)),
        Extra::Texts(texts) => {
            push_labels(out, sample.family, texts.iter().map(|text| &**text));
            return None;
        }
    };
    let id = words.id(sample.family, values);
    if id.is_none() {
        push_labels(out, sample.family, [values.0].into_iter().chain(values.1));
    }
    id
}

fn push_next(out: &mut String, name: &str, value: &str) {
    out.push(',');
    push_label(out, name, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Verdict;
    use crate::record::Standing;
    use crate::record::samples::{INFO, NOT_AFTER, SUCCESS, VERSION, row};

    fn catalogue() -> Catalogue {
        Catalogue::new(&[&SUCCESS, &NOT_AFTER, &INFO], &[], Standing::default())
    }

    fn of((words, block): &(Words, Arc<Block>), family: FamilyIndex) -> Vec<(String, f64)> {
        let mut found = Vec::new();
        let mut cursor = Cursor::new(Arc::clone(block));
        while let Some((extra, value)) = cursor.peek(words) {
            if cursor.family() == Some(family) {
                found.push((extra.to_owned(), value));
            }
            cursor.advance();
        }
        found
    }

    fn sample(extra: &str, value: f64) -> (String, f64) {
        (extra.to_owned(), value)
    }

    fn block(samples: &[Sample]) -> (Words, Arc<Block>) {
        let catalogue = catalogue();
        let block = Block::new(&catalogue, RowLabels::default(), samples);
        (catalogue.words().texts(), Arc::new(block))
    }

    #[test]
    fn the_rows_labels_are_in_order_and_the_address_is_last() {
        let mut row = row("shop.test", "127.0.0.1");
        row.name = "a\"b".into();
        let RowLabels { text, span } = RowLabels::of(&row);
        let within = |scope| span.within(&text, scope);
        let host =
            r#"source="ingress",namespace="default",name="a\"b",host="shop.test",port="443""#;
        assert_eq!(within(Scope::Host), host);
        assert_eq!(
            within(Scope::Target),
            format!("{host},address=\"127.0.0.1\"")
        );
        let object = r#"source="ingress",namespace="default",name="a\"b""#;
        assert_eq!(within(Scope::Object), object);
        assert_eq!(within(Scope::Own), "");
    }

    #[test]
    fn samples_are_found_by_family_whatever_order_they_came_in() {
        let mut verdict = Verdict::default();
        verdict.texts(&INFO, ["a".into(), "b".into()].into(), 1.0);
        verdict.word(&NOT_AFTER, "leaf", 10.0);
        verdict.gauge(&SUCCESS, 1.0);
        verdict.word(&NOT_AFTER, "intermediate", 20.0);
        let block = block(&verdict.samples);
        assert_eq!(of(&block, 0), [sample("", 1.0)]);
        assert_eq!(
            of(&block, 1),
            [
                sample(r#"position="intermediate""#, 20.0),
                sample(r#"position="leaf""#, 10.0)
            ]
        );
        assert_eq!(of(&block, 2), [sample(r#"subject="a",issuer="b""#, 1.0)]);
        assert_eq!(of(&block, 3), []);
    }

    #[test]
    fn of_two_samples_with_the_same_labels_the_first_counts() {
        let mut verdict = Verdict::default();
        verdict.word(&NOT_AFTER, "leaf", 10.0);
        verdict.gauge(&SUCCESS, 1.0);
        verdict.word(&NOT_AFTER, "leaf", 20.0);
        verdict.gauge(&SUCCESS, 0.0);
        let block = block(&verdict.samples);
        assert_eq!(of(&block, 0), [sample("", 1.0)]);
        assert_eq!(of(&block, 1), [sample(r#"position="leaf""#, 10.0)]);
    }

    #[test]
    fn a_family_that_is_not_served_leaves_nothing() {
        let mut verdict = Verdict::default();
        verdict.word(&VERSION, "TLS 1.2", 1.0);
        let block = block(&verdict.samples);
        assert!((0..4).all(|family| of(&block, family).is_empty()));
    }

    #[test]
    fn missing_label_values_leave_their_labels_out() {
        let mut verdict = Verdict::default();
        verdict.texts(&INFO, ["a".into()].into(), 1.0);
        let block = block(&verdict.samples);
        assert_eq!(of(&block, 2), [sample(r#"subject="a""#, 1.0)]);
    }
}
