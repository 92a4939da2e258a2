//! What was probably meant: the nearest known word.

/// Jaro-Winkler similarity, 0 to 1, from which a word is worth suggesting: `adress` for `address`
/// has 0.97, `caFile` for `ca_file` 0.82, unrelated field names stay below 0.7.
const ALIKE: f64 = 0.75;

/// The remedy for a word that is not among the known ones: the one that is most like it, or all.
pub(super) fn instead(word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    known
        .iter()
        .map(|name| (strsim::jaro_winkler(&word, name), *name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_alike_word_is_suggested() {
        assert_eq!(
            instead("adress", &["name", "address"]),
            "did you mean `address`?"
        );
        assert_eq!(
            instead("caFile", &["url", "ca_file"]),
            "did you mean `ca_file`?"
        );
    }

    #[test]
    fn all_words_are_named_where_none_is_alike() {
        assert_eq!(instead("frob", &["name", "url"]), "known here: name, url");
    }
}
