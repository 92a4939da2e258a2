//! The status page: counts, and the table with the soonest trouble first. One document, nothing
//! loaded; what it shows of the cluster, it shows only with the inventory.

use std::collections::BTreeSet;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::html::Html;
use super::query::Asked;
use super::{Web, api, plain, sheet};
use crate::clock;
use crate::model::{Row, Severity, Spot, UnixTime};
use crate::record::{Posture, RowRecord};
use crate::report::{self, When};

pub(super) const TARGET: &str = "/target";
pub(super) const RUNBOOKS: &str = "/runbooks";

/// Rows on one page: some 60 kB, which a browser lays out at once.
const ROWS: usize = 100;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route(TARGET, get(sheet::target).post(sheet::probe_now))
        .route(&format!("{RUNBOOKS}/{{name}}"), get(explain))
}

/// Without the inventory: name, version and links.
pub(super) async fn landing(State(web): State<Web>) -> Response {
    let mut html = Html::page("kube-https-exporter");
    html.put("<header>\n<h1>kube-https-exporter</h1>\n", &[]);
    html.put("<p>{}.</p>\n</header>\n", &[env!("CARGO_PKG_DESCRIPTION")]);
    footer(&mut html, &web);
    html.answer()
}

/// With it: everything that was asked for, or all of it.
pub(super) async fn table(State(web): State<Web>, uri: Uri) -> Response {
    let (wanted, asked, _turn) = match api::wanted(&web, &uri).await {
        Ok(wanted) => wanted,
        Err(refusal) => return refusal,
    };
    let now = clock::now();
    let mut all = web.records().store.rows();
    all.retain(report::is_shown);
    let mut html = Html::page("kube-https-exporter");
    html.put("<header>\n<h1>kube-https-exporter</h1>\n", &[]);
    if let Some(waiting) = web.records().progress.waiting() {
        html.put(
            "<p role=\"status\">Still {}.</p>\n",
            &[&waiting.to_string()],
        );
    }
    counts(&mut html, &all);
    html.put("</header>\n<main>\n", &[]);
    form(&mut html, &all, &asked);
    rows(&mut html, wanted, all.len(), &asked, now);
    html.put("</main>\n", &[]);
    footer(&mut html, &web);
    html.answer()
}

/// A runbook, as it is written: Markdown reads well.
async fn explain(Path(name): Path<String>) -> Response {
    match report::runbook(&name) {
        Err(_) => plain(StatusCode::NOT_FOUND, "no runbook has that name"),
        Ok(text) => {
            let mut response = text.into_response();
            let nosniff = HeaderValue::from_static("nosniff");
            response
                .headers_mut()
                .insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
            response
        }
    }
}

pub(super) fn footer(html: &mut Html, web: &Web) {
    html.put("<footer>\n<p>", &[]);
    if web.inventory {
        html.put(
            "<a href=\"api/v1/targets\">JSON</a> · <a href=\"sd\">Service discovery</a> · ",
            &[],
        );
    }
    let metrics = web.inner.telemetry_path.trim_start_matches('/');
    html.put(
        "<a href=\"{}\">Metrics</a> · <a href=\"-/ready\">Ready</a> · version {}</p>\n</footer>\n",
        &[metrics, env!("CARGO_PKG_VERSION")],
    );
}

fn counts(html: &mut Html, rows: &[RowRecord]) {
    html.put(
        "<ul class=\"counts\" aria-label=\"Targets by state\">\n",
        &[],
    );
    let mut count = |name: &'static str, link: &str, count: usize| {
        let count = count.to_string();
        html.put(
            "<li><a href=\"{}\"><b class=\"{}\">{}</b>{}</a></li>\n",
            &[link, name, &count, name],
        );
    };
    count("targets", ".", rows.len());
    for state in Posture::ALL {
        let in_it = rows.iter().filter(|row| row.posture == state).count();
        let name = state.label();
        count(name, &format!("?state={name}"), in_it);
    }
    html.put("</ul>\n", &[]);
}

fn form(html: &mut Html, rows: &[RowRecord], asked: &Asked) {
    let filter = &asked.filter;
    html.put(
        "<form id=\"filter\" method=\"get\" role=\"search\">\n<label class=\"wide\">Host, address, \
         name or finding<input type=\"search\" name=\"q\" value=\"{}\" autocomplete=\"off\" \
         aria-keyshortcuts=\"/\"></label>\n",
        &[&filter.text],
    );
    let sources: BTreeSet<_> = rows.iter().map(|row| row.target.row.source).collect();
    let chosen = filter.sources.first().map(String::as_str);
    select(html, "Source", "source", sources, chosen);
    let namespaces: BTreeSet<_> = rows.iter().map(|row| &*row.target.row.namespace).collect();
    let named = namespaces.into_iter().filter(|name| !name.is_empty());
    let chosen = filter.namespaces.first().map(String::as_str);
    select(html, "Namespace", "namespace", named, chosen);
    let severities = [Severity::Critical, Severity::Warning, Severity::Info];
    let chosen = filter.severity.map(Severity::label);
    select(
        html,
        "At least",
        "severity",
        severities.map(Severity::label),
        chosen,
    );
    let chosen = filter.state.map(Posture::label);
    select(
        html,
        "State",
        "state",
        Posture::ALL.map(Posture::label),
        chosen,
    );
    html.put(
        "<button>Filter</button>\n<a class=\"clear\" href=\".\">Clear</a>\n</form>\n",
        &[],
    );
}

fn select<'a>(
    html: &mut Html,
    title: &str,
    name: &str,
    values: impl IntoIterator<Item = &'a str>,
    chosen: Option<&str>,
) {
    html.put(
        "<label>{}<select name=\"{}\">\n<option value=\"\">all</option>\n",
        &[title, name],
    );
    for value in values {
        if chosen == Some(value) {
            html.put("<option selected>{}</option>\n", &[value]);
        } else {
            html.put("<option>{}</option>\n", &[value]);
        }
    }
    html.put("</select></label>\n", &[]);
}

fn rows(html: &mut Html, mut wanted: Vec<RowRecord>, all: usize, asked: &Asked, now: UnixTime) {
    wanted.retain(|row| report::is_shown(row) || asked.filter.state == Some(Posture::Closed));
    let pages = wanted.len().div_ceil(ROWS).max(1);
    let page = asked.page.clamp(1, pages);
    html.put(
        "<div id=\"rows\">\n<p role=\"status\" class=\"dim\">{} of {} targets, the soonest trouble \
         first</p>\n",
        &[&wanted.len().to_string(), &all.to_string()],
    );
    html.put(
        "<div class=\"scroll cards\">\n<table>\n<caption class=\"hidden\">Targets</caption>\n<thead>\
         <tr><th scope=\"col\">Status</th><th scope=\"col\">Host</th><th scope=\"col\">Expires</th>\
         <th scope=\"col\">TLS</th><th scope=\"col\">Found</th><th scope=\"col\">Owner</th>\
         <th scope=\"col\">Address</th></tr></thead>\n<tbody>\n",
        &[],
    );
    for row in wanted.iter().skip((page - 1) * ROWS).take(ROWS) {
        self::row(html, row, now);
    }
    html.put("</tbody>\n</table>\n</div>\n", &[]);
    if pages > 1 {
        turn(html, asked, page, pages);
    }
    html.put("</div>\n", &[]);
}

fn row(html: &mut Html, row: &RowRecord, now: UnixTime) {
    let own = &row.target.row;
    let status = report::status(row);
    html.put(
        "<tr><td class=\"short\"><span class=\"badge {}\">{}</span></td>\
         <th scope=\"row\"><a href=\"{}\">{}</a></th><td class=\"short\" data-label=\"Expires\">",
        &[status, status, &link(own), &report::door(own)],
    );
    if let Some(at) = row.summary.not_after.and_then(When::new) {
        html.put(
            "<time datetime=\"{}\" title=\"{}\">{}</time>",
            &[&at.to_string(), &at.to_string(), &at.distance(now)],
        );
    }
    let version = row.summary.version.map_or("", |version| version.label());
    html.put("</td><td class=\"short\">{}</td><td>", &[version]);
    findings(html, row);
    let owner = row.target.owners.first().map_or("", |owner| owner.kind);
    html.put(
        "</td><td data-label=\"Owner\">{} <span class=\"dim\">{}</span></td>\
         <td class=\"mono\" data-label=\"Address\">{}</td></tr>\n",
        &[&report::object(own), owner, &own.address],
    );
}

fn findings(html: &mut Html, row: &RowRecord) {
    if row.findings.is_empty() && row.waived.is_empty() {
        return;
    }
    html.put("<ul class=\"plain\">", &[]);
    let failure = row
        .summary
        .failure
        .map(|reason| format!(" ({})", reason.label()));
    for finding in &row.findings {
        let why = failure
            .as_deref()
            .filter(|_| finding.spec.name == "unreachable");
        let severity = finding.severity.label();
        html.put(
            "<li><span class=\"{}\" title=\"{}\">{}</span>{}</li>",
            &[
                severity,
                &finding.detail,
                finding.spec.name,
                why.unwrap_or_default(),
            ],
        );
    }
    for waived in &row.waived {
        html.put(
            "<li class=\"dim\">{}, accepted until {}</li>",
            &[waived.finding.spec.name, &waived.waiver.until],
        );
    }
    html.put("</ul>", &[]);
}

fn turn(html: &mut Html, asked: &Asked, page: usize, pages: usize) {
    html.put("<nav aria-label=\"Pages\">", &[]);
    if page > 1 {
        html.put(
            "<a rel=\"prev\" href=\"{}\">Previous</a>",
            &[&again(asked, page - 1)],
        );
    }
    html.put(
        "<span>Page {} of {}</span>",
        &[&page.to_string(), &pages.to_string()],
    );
    if page < pages {
        html.put(
            "<a rel=\"next\" href=\"{}\">Next</a>",
            &[&again(asked, page + 1)],
        );
    }
    html.put("</nav>\n", &[]);
}

/// The same question, for another page.
fn again(asked: &Asked, page: usize) -> String {
    let filter = &asked.filter;
    let mut query = form_urlencoded::Serializer::for_suffix("?".to_owned(), "?".len());
    let lists = [
        ("source", &filter.sources),
        ("namespace", &filter.namespaces),
        ("host", &filter.hosts),
    ];
    for (name, values) in lists {
        query.extend_pairs(values.iter().map(|value| (name, value)));
    }
    let words = [
        ("q", filter.text.as_str()),
        ("severity", filter.severity.map_or("", Severity::label)),
        ("state", filter.state.map_or("", Posture::label)),
        ("page", &page.to_string()),
    ];
    query.extend_pairs(words.iter().filter(|(_, value)| !value.is_empty()));
    query.finish()
}

/// Where a target's own page is: its place, as a question.
fn link(row: &Row) -> String {
    let Spot {
        entry,
        source,
        namespace,
        host,
        port,
        address,
    } = &**row;
    let mut query = form_urlencoded::Serializer::for_suffix("target?".to_owned(), "target?".len());
    query.append_pair("source", source);
    query.append_pair("namespace", namespace);
    query.append_pair("host", host);
    query.append_pair("port", &port.to_string());
    query.append_pair("address", address);
    query.append_pair("entry", entry);
    query.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Severity::Warning;

    #[test]
    fn another_page_asks_the_same_question() {
        let uri: Uri = "/?source=a&source=b&q=%26%20x&severity=warning&page=2"
            .parse()
            .unwrap();
        let asked = Asked::read(&uri).unwrap();
        let next = again(&asked, 3);
        assert_eq!(next, "?source=a&source=b&q=%26+x&severity=warning&page=3");
        let read = Asked::read(&format!("/{next}").parse().unwrap()).unwrap();
        assert_eq!((read.filter.severity, read.page), (Some(Warning), 3));
        assert_eq!(read.filter, asked.filter);
    }
}
