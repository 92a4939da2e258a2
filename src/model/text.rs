//! Text that came from a peer or a tenant, made fit for a label, a log line or a terminal.

/// The most characters of a foreign string that any output carries.
pub const LABEL_LIMIT: usize = 128;

/// `text` without control and direction-changing characters, cut at [`LABEL_LIMIT`] characters.
///
/// Escaping for a particular output (exposition, JSON, HTML) is that output's own business and
/// comes after this.
#[must_use]
pub fn clean(text: &str) -> String {
    // Most text is fit as it stands, and then takes one allocation.
    if text.len() <= LABEL_LIMIT && !text.chars().any(is_unsafe) {
        return text.to_owned();
    }
    text.chars()
        .filter(|c| !is_unsafe(*c))
        .take(LABEL_LIMIT)
        .collect()
}

/// Control characters, line separators, and the marks that reorder what a reader sees
/// (Unicode UAX #9: embeddings, overrides, isolates).
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{feff}'
        )
        || ('\u{202a}'..='\u{202e}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_reordering_characters_are_removed() {
        assert_eq!(clean("a\n\u{1b}[31mb\u{202e}c\0\u{2028}"), "a[31mbc");
    }

    #[test]
    fn a_long_text_is_cut_at_the_limit_in_characters() {
        assert_eq!(clean(&"é".repeat(LABEL_LIMIT)).chars().count(), LABEL_LIMIT);
        assert_eq!(
            clean(&"é".repeat(LABEL_LIMIT + 1)).chars().count(),
            LABEL_LIMIT
        );
    }
}
