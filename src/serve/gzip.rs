//! Gzip over a stream of chunks, so that the body is never whole in memory.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// The chunks of `source`, compressed. A chunk may be empty.
pub(super) struct Gzip<Source> {
    source: Source,
    /// `None` once its end has been written.
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl<Source> Gzip<Source> {
    /// At the fastest level: label text repeats so much that a higher one gains little.
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            encoder: Some(GzEncoder::new(Vec::new(), Compression::fast())),
        }
    }
}

impl<Source: Iterator<Item = Bytes>> Iterator for Gzip<Source> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        // Writing to memory cannot fail; were it to, the body would end early and be refused.
        let encoder = self.encoder.as_mut()?;
        match self.source.next() {
            Some(chunk) => {
                encoder.write_all(&chunk).ok()?;
                Some(std::mem::take(encoder.get_mut()).into())
            }
            None => Some(self.encoder.take()?.finish().ok()?.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    fn round_trip(chunks: &[&'static str]) -> String {
        let source = chunks
            .iter()
            .map(|chunk| Bytes::from_static(chunk.as_bytes()));
        let compressed: Vec<u8> = Gzip::new(source).flatten().collect();
        let mut text = String::new();
        GzDecoder::new(compressed.as_slice())
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    #[test]
    fn what_is_unpacked_is_what_was_packed() {
        assert_eq!(
            round_trip(&["a 1\n", "", "b 2\n", "# EOF\n"]),
            "a 1\nb 2\n# EOF\n"
        );
        assert_eq!(round_trip(&[]), "");
    }

    #[test]
    fn a_long_body_comes_in_chunks_and_is_not_kept() {
        let line = Bytes::from("x{a=\"b\"} 1\n".repeat(6000));
        let mut gzip = Gzip::new(std::iter::repeat_n(line.clone(), 100));
        let mut largest = 0;
        let compressed: Vec<u8> = gzip
            .by_ref()
            .inspect(|c| largest = largest.max(c.len()))
            .flatten()
            .collect();
        assert!(largest < line.len());
        let mut text = Vec::new();
        GzDecoder::new(compressed.as_slice())
            .read_to_end(&mut text)
            .unwrap();
        assert_eq!(text.len(), 100 * line.len());
        assert_eq!(gzip.next(), None);
    }
}
