//! A target's own page: what is wrong, every address side by side, its chains, and what answered in
//! clear.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse as _, Redirect, Response};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::guard::Trusted;
use super::html::Html;
use super::{Web, api, page, plain};
use crate::clock;
use crate::discover::SOURCES;
use crate::model::{Place, Spot, TlsVersion, UnixTime};
use crate::record::RowRecord;
use crate::report::{
    self, AddressView, CertificateView, FailureView, FindingView, PlainAnswerView, TargetView, When,
};
use crate::schedule::Question;

/// Names of one certificate that are shown; some have hundreds.
const NAMES: usize = 25;

/// Probes that people may ask for in a row, and between two after that.
pub(super) const PROMPTS: u32 = 5;
pub(super) const PROMPT_EVERY: Duration = Duration::from_secs(2);

/// The target whose place the query names.
pub(super) async fn target(
    State(web): State<Web>,
    Extension(Trusted(trusted)): Extension<Trusted>,
    uri: Uri,
) -> Response {
    match place(&uri).and_then(|place| web.records().store.row(&place)) {
        Some(row) => show(&web, &row, trusted, clock::now()),
        None => gone(),
    }
}

fn gone() -> Response {
    plain(StatusCode::NOT_FOUND, "no such target; it may have gone")
}

/// Has that target probed at once, and leads back to its page. Only for who is known, or on this machine, and for
/// no page of another site (Fetch Metadata; browsers send it, and other clients need not).
pub(super) async fn probe_now(
    State(web): State<Web>,
    Extension(Trusted(trusted)): Extension<Trusted>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let from = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let elsewhere = from.is_some_and(|site| site != b"same-origin" && site != b"none");
    if !trusted || elsewhere {
        let text = "only who logs in, or is on this machine, may ask for a probe, by this page";
        return plain(StatusCode::FORBIDDEN, text);
    }
    let Some(place) = place(&uri) else {
        return gone();
    };
    if !web.inner.prompts.take(Instant::now()) {
        let text = "probes were asked for too often; try again in some seconds";
        return plain(StatusCode::TOO_MANY_REQUESTS, text);
    }
    let (answer, answered) = oneshot::channel();
    let question = Question::Now(place, answer);
    let asked = web.records().questions.send(question).await;
    match (asked, answered.await) {
        (Ok(()), Ok(true)) => {
            // The page's own address, relative to itself: a proxy may have taken a prefix away.
            let back = format!("?{}", uri.query().unwrap_or_default());
            Redirect::to(&back).into_response()
        }
        _ => gone(),
    }
}

fn place(uri: &Uri) -> Option<Place> {
    let query = uri.query()?;
    let value = |name: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let value = pairs.find(|(known, _)| known == name);
        value.map(|(_, value)| value).unwrap_or_default()
    };
    let source = value("source");
    let known = SOURCES.iter().find(|known| known.name == source)?;
    let spot = Spot {
        source: known.name,
        namespace: (&*value("namespace")).into(),
        host: (&*value("host")).into(),
        port: value("port").parse().ok()?,
        address: (&*value("address")).into(),
        entry: (&*value("entry")).into(),
    };
    Some(spot.into())
}

fn show(web: &Web, row: &RowRecord, may_ask: bool, now: UnixTime) -> Response {
    let target = api::tell(web, row, now);
    let title = report::door(&row.target.row);
    let mut html = Html::page(&title);
    html.put(
        "<header>\n<p><a href=\".\">All targets</a></p>\n<h1>{}</h1>\n<p><span class=\"badge {}\">{}\
         </span></p>\n</header>\n<main>\n",
        &[&title, target.state, target.state],
    );
    labels(&mut html, &target, now);
    if may_ask {
        html.put(
            "<form method=\"post\"><button>Probe now</button></form>\n",
            &[],
        );
    }
    findings(&mut html, &target);
    addresses(&mut html, &target.addresses, now);
    traces(&mut html, &target.addresses);
    chains(&mut html, &target.addresses, now);
    plaintext(&mut html, &target);
    html.put("</main>\n", &[]);
    page::footer(&mut html, web);
    html.answer()
}

fn labels(html: &mut Html, target: &TargetView<'_>, now: UnixTime) {
    html.put("<dl>\n", &[]);
    let port = target.port.to_string();
    let facts = [
        ("Source", target.source),
        ("Namespace", target.namespace),
        ("Name", target.name),
        ("Host", target.host),
        ("Port", &port),
        ("Address", target.address),
    ];
    for (name, value) in facts {
        fact(html, name, value);
    }
    for owner in &target.owners {
        html.put(
            "<dt>{}</dt><dd>{} {}</dd>\n",
            &[owner.kind, owner.namespace, owner.name],
        );
    }
    when(html, "Certificate expires", target.not_after, now);
    when(html, "Last probe", target.last_probe, now);
    when(html, "Next probe", target.next_probe, now);
    let took = target
        .duration_seconds
        .map(|took| format!("{:.0} ms", took * 1000.0));
    fact(html, "It took", took.as_deref().unwrap_or_default());
    failure(html, "Last probe failed", target.failure.as_ref());
    html.put("</dl>\n", &[]);
}

/// What is not known is left out.
fn fact(html: &mut Html, name: &str, value: &str) {
    if !value.is_empty() {
        html.put("<dt>{}</dt><dd>{}</dd>\n", &[name, value]);
    }
}

fn when(html: &mut Html, name: &str, at: Option<When>, now: UnixTime) {
    if let Some(at) = at {
        let (text, distance) = (at.to_string(), at.distance(now));
        html.put(
            "<dt>{}</dt><dd><time datetime=\"{}\">{}</time> <span class=\"dim\">{}</span></dd>\n",
            &[name, &text, &text, &distance],
        );
    }
}

fn failure(html: &mut Html, name: &str, failure: Option<&FailureView<'_>>) {
    if let Some(failure) = failure {
        html.put(
            "<dt>{}</dt><dd>{}: {}</dd>\n",
            &[name, failure.reason, failure.detail],
        );
    }
}

fn findings(html: &mut Html, target: &TargetView<'_>) {
    html.put("<h2>Findings</h2>\n", &[]);
    if target.findings.is_empty() && target.waived.is_empty() {
        html.put("<p>None.</p>\n", &[]);
    }
    for found in &target.findings {
        finding(html, found);
        html.put("</div>\n", &[]);
    }
    for waived in &target.waived {
        finding(html, &waived.finding);
        html.put(
            "<p class=\"dim\">Accepted until {}: {}</p>\n</div>\n",
            &[waived.until, waived.reason],
        );
    }
}

fn finding(html: &mut Html, found: &FindingView<'_>) {
    html.put(
        "<div class=\"card\">\n<h3><span class=\"badge {}\">{}</span> {}</h3>\n<p>{}.</p>\n",
        &[found.severity, found.severity, found.finding, found.help],
    );
    if !found.detail.is_empty() {
        html.put("<p>{}</p>\n", &[found.detail]);
    }
    let runbook = found.runbook.trim_start_matches('/');
    html.put("<p><a href=\"{}\">Runbook</a></p>\n", &[runbook]);
}

/// What passed in the last probe of each address.
fn traces(html: &mut Html, addresses: &[AddressView<'_>]) {
    for address in addresses.iter().filter(|address| !address.trace.is_empty()) {
        let ip = address.ip.to_string();
        html.put(
            "<details>\n<summary>On the wire, {}</summary>\n<pre>",
            &[&ip],
        );
        for step in &address.trace {
            html.put("{}\n", &[&step.line()]);
        }
        html.put("</pre>\n</details>\n", &[]);
    }
}

/// One column for each address.
fn addresses(html: &mut Html, addresses: &[AddressView<'_>], now: UnixTime) {
    html.put("<h2>Addresses</h2>\n", &[]);
    if addresses.is_empty() {
        html.put("<p>None has been dialled.</p>\n", &[]);
        return;
    }
    html.put("<div class=\"scroll\">\n<table>\n<thead><tr><td></td>", &[]);
    for address in addresses {
        html.put(
            "<th scope=\"col\" class=\"mono\">{}</th>",
            &[&address.ip.to_string()],
        );
    }
    html.put("</tr></thead>\n<tbody>\n", &[]);
    let ago = |at: Option<When>| at.map(|at| at.distance(now));
    line(html, "Last failure", addresses, |seen| {
        let failure = seen.failure.as_ref()?;
        Some(format!("{}: {}", failure.reason, failure.detail))
    });
    line(html, "Last handshake", addresses, |seen| ago(seen.seen));
    line(html, "Version", addresses, |seen| {
        Some(seen.version?.to_owned())
    });
    line(html, "Cipher suite", addresses, |seen| seen.cipher.clone());
    line(html, "Key exchange", addresses, |seen| seen.group.clone());
    line(html, "ALPN", addresses, |seen| Some(seen.alpn?.to_owned()));
    line(html, "Client certificate", addresses, |seen| {
        Some(seen.client_certificate?.replace('_', " "))
    });
    line(html, "Proved its key", addresses, |seen| {
        Some(yes(seen.key_proven?))
    });
    line(html, "OCSP stapled", addresses, |seen| {
        Some(yes(seen.ocsp_stapled?))
    });
    for version in TlsVersion::ALL.map(TlsVersion::label) {
        line(html, version, addresses, |seen| {
            Some((*seen.versions.get(version)?).to_owned())
        });
    }
    let accepted = |answers: &BTreeMap<&str, &str>| {
        let accepted = answers.iter().filter(|(_, answer)| **answer == "accepted");
        let names: Vec<&str> = accepted.map(|(name, _)| *name).collect();
        (!answers.is_empty()).then(|| names.join(", "))
    };
    line(html, "Cipher suites", addresses, |seen| {
        accepted(&seen.cipher_classes).map(|classes| classes.replace('_', " "))
    });
    line(html, "Groups", addresses, |seen| accepted(&seen.groups));
    line(html, "Over HTTPS", addresses, |seen| {
        let answered = seen.https.iter();
        let answered: Vec<String> = answered
            .map(|(path, status)| format!("{path} {status}"))
            .collect();
        (!answered.is_empty()).then(|| answered.join(", "))
    });
    line(html, "HSTS", addresses, |seen| Some(seen.hsts?.to_owned()));
    line(html, "Leaf (SHA-256)", addresses, |seen| {
        let leaf = seen.chain.first()?;
        Some(leaf.fingerprint_sha256.chars().take(16).collect())
    });
    html.put("</tbody>\n</table>\n</div>\n", &[]);
}

fn yes(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

/// A line of the table, unless no address has anything to say.
fn line<'a>(
    html: &mut Html,
    name: &str,
    addresses: &[AddressView<'a>],
    value: impl Fn(&AddressView<'a>) -> Option<String>,
) {
    let values: Vec<Option<String>> = addresses.iter().map(value).collect();
    if values.iter().all(Option::is_none) {
        return;
    }
    html.put("<tr><th scope=\"row\" class=\"dim\">{}</th>", &[name]);
    for value in values {
        html.put("<td>{}</td>", &[value.as_deref().unwrap_or("–")]);
    }
    html.put("</tr>\n", &[]);
}

/// Each chain once, with the addresses that show it.
fn chains(html: &mut Html, addresses: &[AddressView<'_>], now: UnixTime) {
    let mut chains: Vec<(&str, &[CertificateView<'_>], Vec<IpAddr>)> = Vec::new();
    let shown = addresses.iter().map(|one| ("", &one.chain, one.ip));
    let others = addresses.iter();
    let others = others.map(|one| ("by another kind of key, ", &one.other_chain, one.ip));
    for (kind, chain, ip) in shown
        .chain(others)
        .filter(|(_, chain, _)| !chain.is_empty())
    {
        let known = chains
            .iter_mut()
            .find(|(as_kind, known, _)| *as_kind == kind && prints(known).eq(prints(chain)));
        match known {
            Some((.., shown_by)) => shown_by.push(ip),
            None => chains.push((kind, chain, vec![ip])),
        }
    }
    for (kind, chain, shown_by) in chains {
        let shown_by: Vec<String> = shown_by.iter().map(ToString::to_string).collect();
        html.put(
            "<h2>Chain <span class=\"dim\">{}as sent by {}</span></h2>\n",
            &[kind, &shown_by.join(", ")],
        );
        for (place, certificate) in chain.iter().enumerate() {
            self::certificate(html, place, certificate, now);
        }
    }
}

fn prints<'a>(chain: &'a [CertificateView<'_>]) -> impl Iterator<Item = &'a String> {
    chain
        .iter()
        .map(|certificate| &certificate.fingerprint_sha256)
}

fn certificate(html: &mut Html, place: usize, seen: &CertificateView<'_>, now: UnixTime) {
    let role = if place == 0 { "leaf" } else { "sent after it" };
    html.put(
        "<div class=\"card\">\n<h3>{} <span class=\"dim\">{}</span></h3>\n<dl>\n",
        &[seen.subject_common_name.unwrap_or("(no common name)"), role],
    );
    fact(html, "Unreadable", seen.unreadable.unwrap_or_default());
    let issuer = [seen.issuer_common_name, seen.issuer_organization];
    let issuer: Vec<&str> = issuer.into_iter().flatten().collect();
    fact(html, "Issuer", &issuer.join(", "));
    when(html, "Not before", seen.not_before, now);
    when(html, "Not after", seen.not_after, now);
    fact(html, "Names", &names(seen));
    let size = seen
        .key_size
        .map(|bits| format!("{bits} bits"))
        .unwrap_or_default();
    let key = format!("{} {size}", seen.key_algorithm.unwrap_or_default());
    fact(html, "Key", key.trim());
    fact(
        html,
        "Signature",
        seen.signature_algorithm.unwrap_or_default(),
    );
    fact(
        html,
        "Serial number",
        seen.serial_number.unwrap_or_default(),
    );
    html.put(
        "<dt>SHA-256</dt><dd class=\"mono\">{}</dd>\n</dl>\n</div>\n",
        &[&seen.fingerprint_sha256],
    );
}

fn names(seen: &CertificateView<'_>) -> String {
    let ips = seen.ip_names.iter().map(ToString::to_string);
    let all: Vec<String> = seen
        .dns_names
        .iter()
        .map(ToString::to_string)
        .chain(ips)
        .collect();
    let shown: Vec<&str> = all.iter().take(NAMES).map(String::as_str).collect();
    match all.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn plaintext(html: &mut Html, target: &TargetView<'_>) {
    html.put("<h2>In clear</h2>\n", &[]);
    if target
        .plaintext
        .iter()
        .all(|port| port.answers.is_empty() && port.failure.is_none())
    {
        html.put("<p>Not looked for, or not yet.</p>\n", &[]);
        return;
    }
    html.put("<dl>\n", &[]);
    for port in &target.plaintext {
        let path = Some(port.path).filter(|path| *path != "/");
        let number = format!("Port {}{}", port.port, path.unwrap_or_default());
        failure(html, &number, port.failure.as_ref());
        for answer in &port.answers {
            fact(html, &number, &answered(answer));
        }
    }
    html.put("</dl>\n", &[]);
}

fn answered(answer: &PlainAnswerView<'_>) -> String {
    let word = answer.answer.unwrap_or("could not be asked");
    let status = answer.status.map(|status| format!(" {status}"));
    let location = answer.location.map(|location| format!(", to {location}"));
    let failure = answer.failure.as_ref();
    let failure = failure.map(|failure| format!(" ({}: {})", failure.reason, failure.detail));
    let parts = [status, location, failure].into_iter().flatten();
    format!("{}: {}", answer.ip, word.replace('_', " ")) + &parts.collect::<String>()
}
