//! Label values of closed sets, as text: kept once for all rows that carry them.

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::Arc;

use super::text::push_labels;
use crate::model::Family;

/// Names a text of [`Words`].
pub(super) type WordId = NonZero<u16>;

/// The texts there are. They come from the program's own code, so that there are some hundreds.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    ids: HashMap<(&'static str, Pair), WordId>,
    texts: Vec<Arc<str>>,
}

/// The values of the first label of a family, and of the second where it has one.
type Pair = (&'static str, Option<&'static str>);

impl Words {
    /// The id of the text of a family's labels with these values; `None` where there are more
    /// texts than ids.
    pub(super) fn id(&mut self, family: &'static Family, values: Pair) -> Option<WordId> {
        let key = (family.name, values);
        if let Some(id) = self.ids.get(&key) {
            return Some(*id);
        }
        let id = NonZero::new(u16::try_from(self.texts.len() + 1).ok()?)?;
        let mut text = String::new();
        push_labels(&mut text, family, [values.0].into_iter().chain(values.1));
        self.texts.push(text.into());
        self.ids.insert(key, id);
        Some(id)
    }

    /// The text of an id that these words gave.
    pub(super) fn text(&self, id: WordId) -> &str {
        let place = usize::from(id.get()) - 1;
        self.texts.get(place).map_or("", |text| text)
    }

    /// The texts alone, for a reader that goes on while there come more.
    pub(super) fn texts(&self) -> Self {
        Self {
            ids: HashMap::new(),
            texts: self.texts.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::samples::{INFO, VERSION};

    #[test]
    fn what_is_said_again_is_kept_once() {
        let mut words = Words::default();
        let first = words.id(&VERSION, ("TLS 1.2", None)).unwrap();
        let pair = words.id(&INFO, ("a", Some("b"))).unwrap();
        assert_eq!(words.id(&VERSION, ("TLS 1.2", None)), Some(first));
        assert_eq!(words.texts.len(), 2);
        let read = words.texts();
        assert_eq!(read.text(first), r#"version="TLS 1.2""#);
        assert_eq!(read.text(pair), r#"subject="a",issuer="b""#);
    }

    #[test]
    fn the_ids_end_before_they_are_given_twice() {
        let words: Vec<&'static str> = (0..=u16::MAX).map(|n| &*n.to_string().leak()).collect();
        let mut known = Words::default();
        let ids: Vec<_> = words
            .iter()
            .map(|word| known.id(&VERSION, (word, None)))
            .collect();
        assert_eq!(ids.last(), Some(&None));
        let (all, last) = (ids.len(), ids[ids.len() - 2].unwrap());
        assert_eq!((all, usize::from(last.get())), (65_536, 65_535));
    }
}
