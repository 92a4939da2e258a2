//! `JUnit`'s XML, as CI systems read it: a test case for each target, failed by its findings.

use crate::record::RowRecord;
use crate::report;

use super::{Manner, found};

/// One suite; findings that do not fail the check are told as output.
pub(super) fn render(rows: &[RowRecord], manner: &Manner<'_>) -> String {
    let cases: Vec<Case> = rows.iter().map(|row| Case::of(row, manner)).collect();
    let failures = cases
        .iter()
        .filter(|case| !case.failures.is_empty())
        .count();
    let counts = format!(
        r#"tests="{}" failures="{failures}" errors="0""#,
        cases.len()
    );
    let body: String = cases.iter().map(Case::print).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n\
         <testsuite name=\"kube-https-exporter\" {counts}>\n{body}</testsuite>\n</testsuites>\n"
    )
}

struct Case {
    class: String,
    name: String,
    failures: Vec<(String, &'static str, String)>,
    remarks: Vec<String>,
}

impl Case {
    fn of(row: &RowRecord, manner: &Manner<'_>) -> Self {
        let own = &row.target.row;
        let (failing, other): (Vec<_>, Vec<_>) = row
            .findings
            .iter()
            .partition(|finding| manner.fails(own, finding));
        let waived = row.waived.iter().map(|waived| {
            let (name, waiver) = (waived.finding.spec.name, &waived.waiver);
            format!("{name}: accepted until {}: {}", waiver.until, waiver.reason)
        });
        Self {
            class: format!("{}.{}.{}", own.source, own.namespace, own.name),
            name: format!("{} at {}", report::door(own), own.address),
            failures: failing
                .iter()
                .map(|finding| {
                    let text = format!("{}: {}", found(row, finding, manner), finding.detail);
                    (text, finding.spec.name, finding.spec.help.to_owned())
                })
                .collect(),
            remarks: other
                .iter()
                .map(|finding| {
                    let severity = finding.severity.label();
                    format!("{severity}: {}: {}", finding.spec.name, finding.detail)
                })
                .chain(waived)
                .collect(),
        }
    }

    fn print(&self) -> String {
        let (class, name) = (escape(&self.class), escape(&self.name));
        // One failure at most: most readers expect no more.
        let failure = self.failures.first().map(|(message, kind, _)| {
            let all: Vec<String> = self
                .failures
                .iter()
                .map(|(message, _, help)| format!("{message}\n  {help}."))
                .collect();
            let (message, all) = (escape(message), escape(&all.join("\n")));
            format!("<failure type=\"{kind}\" message=\"{message}\">{all}</failure>\n")
        });
        let remarks = (!self.remarks.is_empty()).then(|| {
            let remarks = escape(&self.remarks.join("\n"));
            format!("<system-out>{remarks}</system-out>\n")
        });
        let (failure, remarks) = (failure.unwrap_or_default(), remarks.unwrap_or_default());
        format!("<testcase classname=\"{class}\" name=\"{name}\">\n{failure}{remarks}</testcase>\n")
    }
}

/// Fit for an attribute and for text, without what XML 1.0 cannot have (section 2.2).
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{NOW, expired, good, named};

    #[test]
    fn a_finding_fails_its_target_and_no_other() {
        let text = render(
            &[expired("bad.example"), good("good.example")],
            &Manner::table(NOW),
        );
        assert!(
            text.contains("<testsuites tests=\"2\" failures=\"1\" errors=\"0\">"),
            "{text}"
        );
        let failure = "<testcase classname=\"ingress.default.shop\" name=\"bad.example at \
                       192.0.2.1\">\n<failure type=\"certificate_expired\" \
                       message=\"certificate_expired: it expired 3 days ago\">";
        assert!(text.contains(failure), "{text}");
        assert!(
            text.contains("accepted until 2027-03-01: being moved</system-out>"),
            "{text}"
        );
        assert_eq!(text.matches("<failure").count(), 1);
    }

    #[test]
    fn what_does_not_fail_the_check_fails_no_target() {
        let mut manner = Manner::table(NOW);
        manner.fail_on = crate::config::FailOn::Never;
        let text = render(&[expired("bad.example")], &manner);
        assert!(!text.contains("<failure"), "{text}");
        assert!(text.contains("critical: certificate_expired"), "{text}");
    }

    #[test]
    fn no_text_can_end_its_element() {
        let hostile = "]]></failure><x a=\"1\"&\u{ffff}\u{1}";
        let text = render(&[named("a.example", "x", hostile)], &Manner::table(NOW));
        assert!(
            text.contains("]]&gt;&lt;/failure&gt;&lt;x a=&quot;1&quot;&amp;\""),
            "{text}"
        );
        assert_eq!(text.matches("</failure>").count(), 1);
    }
}
