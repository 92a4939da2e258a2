//! YAML that others wrote: what aliases repeat in it is bounded.

use serde::de::DeserializeOwned;

/// Values that aliases may repeat. Lists of targets and kubeconfigs hardly have any; a few lines of
/// them could stand for a million (found by fuzzing: a second of work, and more, for 300 bytes).
const MAX_REPEATED: usize = 10_000;

/// Reads one document.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, serde_saphyr::Error> {
    let options = serde_saphyr::options! {
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_REPEATED },
    };
    serde_saphyr::from_str_with_options(text, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list of a tenth of what may be repeated, its ends counted, and so many aliases of it.
    fn repeated(aliases: usize) -> String {
        let values = "x, ".repeat(MAX_REPEATED / 10 - 2);
        format!("[&a [{values}]{}]", ", *a".repeat(aliases))
    }

    #[test]
    fn aliases_repeat_no_more_than_they_may() {
        let values = read::<Vec<Vec<String>>>(&repeated(10)).unwrap();
        assert_eq!(values.len(), 11);
        let refused = read::<Vec<Vec<String>>>(&repeated(11)).unwrap_err();
        assert!(refused.to_string().contains("alias"), "{refused}");
    }
}
