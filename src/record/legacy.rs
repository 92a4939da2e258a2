//! The text format 0.0.4 made of prometheus-client's OpenMetrics, which is all it writes.

/// `openmetrics` in the text format 0.0.4: without UNIT and EOF lines, and with counters' HELP and
/// TYPE lines naming them as their samples do.
pub(super) fn text(openmetrics: &str) -> String {
    let mut out = String::with_capacity(openmetrics.len());
    let mut help = None;
    for line in openmetrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = Some(rest);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            push_head(&mut out, help.take(), rest);
        } else if line != "# EOF" && !line.starts_with("# UNIT ") {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// Writes the HELP line that was held back until its TYPE line told whether it is a counter's.
fn push_head(out: &mut String, help: Option<&str>, kind: &str) {
    let (name, kind) = kind.split_once(' ').unwrap_or((kind, "untyped"));
    let suffix = if kind == "counter" { "_total" } else { "" };
    let help = help.and_then(|help| help.strip_prefix(name)?.strip_prefix(' '));
    if let Some(help) = help {
        out.extend(["# HELP ", name, suffix, " ", help, "\n"]);
    }
    out.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_counters_heads_and_the_end_differ() {
        let openmetrics = "# HELP a Counts # TYPE a.\n# TYPE a counter\n# UNIT a seconds\n\
                           a_total{x=\"# EOF\"} 1\n# HELP b Level.\n# TYPE b gauge\nb 2\n# EOF\n";
        assert_eq!(
            text(openmetrics),
            "# HELP a_total Counts # TYPE a.\n# TYPE a_total counter\n\
             a_total{x=\"# EOF\"} 1\n# HELP b Level.\n# TYPE b gauge\nb 2\n"
        );
    }
}
