//! All that was seen of one target, as a specialist reads it.

use std::collections::BTreeMap;

use crate::model::UnixTime;
use crate::record::RowRecord;
use crate::report::{
    self, AddressView, CertificateView, FailureView, PlainAnswerView, TargetView, When,
};

use super::{Manner, coloured};

/// Names of one certificate that are shown unless all are asked for.
const NAMES: usize = 5;

/// As wide as terminals and mails are, and where in a line values begin, in columns.
const WIDTH: usize = 80;
const VALUES: usize = 24;

/// Blocks of lines, each with a word before it.
pub(super) fn render(row: &RowRecord, manner: &Manner<'_>) -> String {
    let target = TargetView::from(row);
    let mut text = Lines::default();
    text.line(
        0,
        &format!("{} ({})", report::door(&row.target.row), target.state),
    );
    findings(&mut text, &target, manner);
    text.failure("failed", target.failure.as_ref());
    if manner.verbose {
        text.when("last probe", target.last_probe, manner.now);
        let took = target.duration_seconds;
        text.fact("took", took.map(|took| format!("{:.0} ms", took * 1000.0)));
    }
    let mut before: Option<&AddressView<'_>> = None;
    for address in &target.addresses {
        self::address(&mut text, address, before, manner);
        before = Some(address);
    }
    for port in &target.plaintext {
        let path = Some(port.path).filter(|path| *path != "/");
        let label = format!("port {}{} in clear", port.port, path.unwrap_or_default());
        text.failure(&label, port.failure.as_ref());
        for answer in &port.answers {
            text.fact(&label, Some(answered(answer)));
        }
    }
    text.0
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, indent: usize, line: &str) {
        self.0.push_str(&" ".repeat(indent));
        self.0.push_str(line);
        self.0.push('\n');
    }

    /// What is not known is left out.
    fn fact(&mut self, label: &str, value: Option<String>) {
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            return;
        };
        let mut label = label;
        for part in wrap(&value, WIDTH - VALUES) {
            self.line(2, &format!("{label:<20}  {part}"));
            label = "";
        }
    }

    fn when(&mut self, label: &str, at: Option<When>, now: UnixTime) {
        self.fact(label, at.map(|at| format!("{at} ({})", at.distance(now))));
    }

    fn failure(&mut self, label: &str, failure: Option<&FailureView<'_>>) {
        let told = failure.map(|failure| format!("{}: {}", failure.reason, failure.detail));
        self.fact(label, told);
    }
}

/// Broken at spaces into lines of that width, but for words that are wider.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn findings(text: &mut Lines, target: &TargetView<'_>, manner: &Manner<'_>) {
    for found in &target.findings {
        let word = format!("{:<8}", found.severity);
        let word = coloured(&word, found.severity, manner);
        let what = if found.detail.is_empty() {
            found.help
        } else {
            found.detail
        };
        text.line(2, &format!("{word}  {}: {what}", found.finding));
        if manner.verbose {
            text.line(12, &format!("{}.", found.help));
        }
    }
    for waived in &target.waived {
        let name = waived.finding.finding;
        let why = format!("{name} until {}: {}", waived.until, waived.reason);
        text.line(2, &format!("accepted  {why}"));
    }
}

/// An address; its chain only where it is not that of the address before it.
fn address(
    text: &mut Lines,
    seen: &AddressView<'_>,
    before: Option<&AddressView<'_>>,
    manner: &Manner<'_>,
) {
    text.line(0, &format!("\n  {}", seen.ip));
    text.failure("failed", seen.failure.as_ref());
    let agreed = [
        seen.version.map(str::to_owned),
        seen.cipher.clone(),
        seen.group.clone(),
        seen.alpn.map(|alpn| format!("ALPN {alpn}")),
    ];
    let agreed: Vec<String> = agreed.into_iter().flatten().collect();
    text.fact("agreed on", Some(agreed.join(", ")));
    text.fact("accepts", Some(said(&seen.versions, "accepted")));
    text.fact("refuses", Some(said(&seen.versions, "refused")));
    text.fact(
        "cipher suites",
        Some(said(&seen.cipher_classes, "accepted")),
    );
    text.fact("groups", Some(said(&seen.groups, "accepted")));
    if manner.verbose {
        let refused = [&seen.cipher_classes, &seen.groups].map(|asked| said(asked, "refused"));
        let refused: Vec<String> = refused
            .into_iter()
            .filter(|said| !said.is_empty())
            .collect();
        text.fact("refuses too", Some(refused.join(", ")));
    }
    let asked = seen.client_certificate.map(|mode| mode.replace('_', " "));
    text.fact("client certificate", asked);
    let answered = seen
        .https
        .iter()
        .map(|(path, status)| format!("{path} {status}"));
    let answered: Vec<String> = answered.collect();
    text.fact("over https", Some(answered.join(", ")));
    text.fact("HSTS", seen.hsts.map(str::to_owned));
    if manner.verbose {
        text.when("seen", seen.seen, manner.now);
        text.when("deeply seen", seen.deep_seen, manner.now);
    }
    if manner.verbose || seen.key_proven == Some(false) {
        text.fact("proved its key", seen.key_proven.map(yes));
    }
    text.fact(
        "OCSP stapled",
        seen.ocsp_stapled
            .filter(|stapled| *stapled || manner.verbose)
            .map(yes),
    );
    if manner.verbose && !seen.trace.is_empty() {
        text.line(2, "on the wire");
        for step in &seen.trace {
            text.line(4, &step.line());
        }
    }
    if before.is_some_and(|before| prints(before).eq(prints(seen))) && !seen.chain.is_empty() {
        text.fact("chain", Some("as above".to_owned()));
        return;
    }
    for (place, certificate) in seen.chain.iter().enumerate() {
        self::certificate(text, place, certificate, manner);
    }
    if !seen.other_chain.is_empty() {
        text.line(2, "beside it, by another kind of key");
    }
    for (place, certificate) in seen.other_chain.iter().enumerate() {
        self::certificate(text, place, certificate, manner);
    }
}

/// What was answered like this, in words.
fn said(answers: &BTreeMap<&'static str, &'static str>, wanted: &str) -> String {
    let said = answers.iter().filter(|(_, answer)| **answer == wanted);
    said.map(|(asked, _)| asked.replace('_', " "))
        .collect::<Vec<_>>()
        .join(", ")
}

fn yes(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

fn prints<'a>(seen: &'a AddressView<'_>) -> impl Iterator<Item = &'a String> {
    let all = seen.chain.iter().chain(&seen.other_chain);
    all.map(|certificate| &certificate.fingerprint_sha256)
}

fn certificate(text: &mut Lines, place: usize, seen: &CertificateView<'_>, manner: &Manner<'_>) {
    let subject = seen.subject_common_name.unwrap_or("(no common name)");
    text.line(2, &format!("certificate {place}         {subject}"));
    let mut fact = |label: &str, value: Option<String>| text.fact(&format!("  {label}"), value);
    fact("unreadable", seen.unreadable.map(str::to_owned));
    let issuer = [seen.issuer_common_name, seen.issuer_organization];
    let issuer: Vec<&str> = issuer.into_iter().flatten().collect();
    fact("issuer", Some(issuer.join(", ")));
    let date = |at: When| format!("{at} ({})", at.distance(manner.now));
    fact("not before", seen.not_before.map(date));
    fact("not after", seen.not_after.map(date));
    fact("names", Some(names(seen, manner.verbose)));
    let size = seen.key_size.map(|bits| format!("{bits} bits"));
    let key = [seen.key_algorithm.map(str::to_owned), size];
    fact(
        "key",
        Some(key.into_iter().flatten().collect::<Vec<_>>().join(", ")),
    );
    fact("signature", seen.signature_algorithm.map(str::to_owned));
    if manner.verbose {
        fact("serial number", seen.serial_number.map(str::to_owned));
    }
    // Without room for the label's column: 64 digits, and a line has 80.
    text.line(4, &format!("SHA-256 {}", seen.fingerprint_sha256));
}

fn names(seen: &CertificateView<'_>, all: bool) -> String {
    let ips = seen.ip_names.iter().map(ToString::to_string);
    let names = seen.dns_names.iter().map(ToString::to_string);
    let names: Vec<String> = names.chain(ips).collect();
    let shown = if all { names.len() } else { NAMES };
    let text = names
        .iter()
        .take(shown)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(shown) {
        0 => text,
        more => format!("{text} and {more} more (-v)"),
    }
}

fn answered(answer: &PlainAnswerView<'_>) -> String {
    let word = answer.answer.unwrap_or("could not be asked");
    let status = answer.status.map(|status| format!(" {status}"));
    let location = answer.location.map(|location| format!(", to {location}"));
    let failure = answer.failure.as_ref();
    let failure = failure.map(|failure| format!(" ({}: {})", failure.reason, failure.detail));
    let parts = [status, location, failure].into_iter().flatten();
    word.replace('_', " ") + &parts.collect::<String>() + " at " + &answer.ip.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{NOW, expired, unseen, with_beside};

    #[test]
    fn a_specialist_reads_what_was_seen() {
        let text = render(&expired("shop.example"), &Manner::table(NOW));
        let expected = "\
shop.example (broken)
  critical  certificate_expired: it expired 3 days ago
  accepted  plaintext_served until 2027-03-01: being moved

  192.0.2.1
  agreed on             TLS 1.3, TLS_AES_128_GCM_SHA256
  accepts               TLS 1.2
  refuses               TLS 1.1
  client certificate    not requested
  certificate 0         shop.example
    issuer              Test CA
    not before          2025-09-30T00:00:00Z (93d ago)
    not after           2025-12-29T00:00:00Z (3d ago)
    names               shop.example
    key                 ECDSA, 256 bits
    signature           ECDSA-SHA256
    SHA-256 0707070707070707070707070707070707070707070707070707070707070707
  certificate 1         (no common name)
    unreadable          a test
    SHA-256 0808080808080808080808080808080808080808080808080808080808080808
  port 80 in clear      http 301, to https://shop.example/ at 192.0.2.1
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_certificate_beside_comes_after_the_chain() {
        let text = render(
            &with_beside("shop.example", "old.example"),
            &Manner::table(NOW),
        );
        let (_, beside) = text
            .split_once("  beside it, by another kind of key\n")
            .unwrap();
        let expected = "  certificate 0         old.example\n    issuer              Test CA\n";
        assert!(beside.starts_with(expected), "{text}");
        assert!(
            beside.contains("key                 RSA, 256 bits\n"),
            "{text}"
        );
    }

    #[test]
    fn long_values_go_on_below_where_they_began() {
        let mut lines = Lines::default();
        lines.fact(
            "names",
            Some("a.example, b.example ".repeat(3) + &"x".repeat(70)),
        );
        let expected = format!(
            "  names                 a.example, b.example a.example, b.example a.example,\n{0}\
             b.example\n{0}{1}\n",
            " ".repeat(24),
            "x".repeat(70)
        );
        assert_eq!(lines.0, expected);
    }

    #[test]
    fn verbose_leaves_nothing_out() {
        let mut manner = Manner::table(NOW);
        manner.verbose = true;
        let text = render(&expired("shop.example"), &manner);
        for line in [
            "serial number       07",
            "took                  35 ms",
            "        1.1 ms  exporter  handshake client_hello, 240 bytes",
            "       34.0 ms  server    application_data, 2000 bytes",
            "For a test.",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }

    #[test]
    fn what_was_never_probed_has_nothing_to_tell() {
        let text = render(&unseen("shop.example"), &Manner::table(NOW));
        assert_eq!(text, "shop.example (unknown)\n");
    }
}
