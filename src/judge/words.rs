//! Spans of time as people say them.

use std::time::Duration;

/// In whole units of the largest that fits: `3 days`, `1 hour`, `less than a second`.
pub(super) fn span(span: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [
        (86_400, "day"),
        (3_600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    let seconds = span.as_secs();
    let fits = UNITS.iter().find(|(unit, _)| seconds >= *unit);
    fits.map_or_else(
        || "less than a second".to_owned(),
        |(unit, name)| match seconds / unit {
            1 => format!("1 {name}"),
            count => format!("{count} {name}s"),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_said_in_its_largest_unit() {
        let said = |seconds| span(Duration::from_secs(seconds));
        assert_eq!(said(0), "less than a second");
        assert_eq!(said(1), "1 second");
        assert_eq!(said(119), "1 minute");
        assert_eq!(said(7_200), "2 hours");
        assert_eq!(said(86_399), "23 hours");
        assert_eq!(said(86_400 * 400), "400 days");
    }
}
