//! The targets for other programs: the whole report as JSON, and where to dial as `http_sd`.
//!
//! Rows are told one after the other as they are sent, so that the answer is never whole in memory.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::query::Asked;
use super::{Web, body, plain};
use crate::clock;
use crate::model::{Clients, Row, UnixTime};
use crate::record::RowRecord;
use crate::report::{self, TargetView, VERSION, When};

pub(super) const TARGETS: &str = "/api/v1/targets";
pub(super) const SD: &str = "/sd";

/// Readers of these, and of the page, at once; apart from scrapes, so that neither keeps the other
/// waiting.
pub(super) const READERS: usize = 8;

/// Rows told in one go: some 100 kB, and well below a millisecond's work each.
const ROWS: usize = 32;

const JSON: &str = "application/json";

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route(TARGETS, get(targets))
        .route(SD, get(discovery))
}

/// `docs/targets.schema.json` describes the answer.
async fn targets(State(web): State<Web>, uri: Uri, headers: HeaderMap) -> Response {
    let (rows, asked, turn) = match wanted(&web, &uri).await {
        Ok(wanted) => wanted,
        Err(refusal) => return refusal,
    };
    let total = rows.len();
    let most = asked.limit.unwrap_or(usize::MAX);
    let rows: Vec<_> = rows.into_iter().skip(asked.offset).take(most).collect();
    let now = clock::now();
    let at = json!(When::new(now));
    let opening = format!(r#"{{"version":{VERSION},"at":{at},"total":{total},"targets":["#);
    let chunks = list(opening, rows, "]}\n", move |row| {
        encode(&tell(&web, row, now))
    });
    body::answer(&headers, JSON, chunks, turn)
}

/// One group for each target on which somebody is meant to connect.
async fn discovery(State(web): State<Web>, uri: Uri, headers: HeaderMap) -> Response {
    let (mut rows, _, turn) = match wanted(&web, &uri).await {
        Ok(wanted) => wanted,
        Err(refusal) => return refusal,
    };
    rows.retain(|row| row.target.expect.clients != Clients::Nobody);
    let chunks = list("[".to_owned(), rows, "]\n", group);
    body::answer(&headers, JSON, chunks, turn)
}

/// The rows that were asked for, the soonest trouble first, and the turn to tell them.
pub(super) async fn wanted(
    web: &Web,
    uri: &Uri,
) -> Result<(Vec<RowRecord>, Asked, OwnedSemaphorePermit), Response> {
    let asked = Asked::read(uri).map_err(|error| plain(StatusCode::BAD_REQUEST, &error))?;
    let busy = || {
        let text = format!("{READERS} readers are being answered; try again");
        plain(StatusCode::SERVICE_UNAVAILABLE, &text)
    };
    let turn = web.inner.readers.turn().await.ok_or_else(busy)?;
    let mut rows = web.records().store.rows();
    rows.retain(|row| asked.filter.takes(row));
    report::sort(&mut rows);
    Ok((rows, asked, turn))
}

/// All that is known of a row, with its next probe.
pub(super) fn tell<'a>(web: &Web, row: &'a RowRecord, now: UnixTime) -> TargetView<'a> {
    TargetView::from(row).with_next(row, web.records().interval, now)
}

/// The chunks of a JSON list between `opening` and `end`.
fn list(
    opening: String,
    rows: Vec<RowRecord>,
    end: &'static str,
    tell: impl Fn(&RowRecord) -> String + Send + 'static,
) -> impl Iterator<Item = Bytes> + Send + 'static {
    let mut rows = rows.into_iter().peekable();
    let told = std::iter::from_fn(move || {
        rows.peek()?;
        let mut chunk = String::new();
        for row in rows.by_ref().take(ROWS) {
            chunk.push_str(&tell(&row));
            chunk.push_str(",\n");
        }
        if rows.peek().is_none() {
            chunk.truncate(chunk.len().saturating_sub(",\n".len()));
        }
        Some(Bytes::from(chunk))
    });
    let opening = Bytes::from(opening);
    [opening]
        .into_iter()
        .chain(told)
        .chain([Bytes::from_static(end.as_bytes())])
}

fn encode(value: &impl Serialize) -> String {
    // Texts, numbers and lists of them can always be written; were one not to be, it is left empty.
    serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned())
}

/// A target group (Prometheus' "HTTP SD" format). A target is dialled by its host where it has one
/// that is no pattern, so that the name is asked for too.
fn group(row: &RowRecord) -> String {
    let own = &row.target.row;
    let owner = row.target.owners.first();
    encode(&json!({
        "targets": [host_port(own)],
        "labels": {
            "__meta_kube_https_source": own.source,
            "__meta_kube_https_namespace": &*own.namespace,
            "__meta_kube_https_name": &*own.name,
            "__meta_kube_https_host": &*own.host,
            "__meta_kube_https_port": own.port.to_string(),
            "__meta_kube_https_address": &*own.address,
            "__meta_kube_https_owner_kind": owner.map_or("", |owner| owner.kind),
            "__meta_kube_https_tls_declared": row.target.expect.tls.to_string(),
        },
    }))
}

fn host_port(row: &Row) -> String {
    let named = !row.host.is_empty() && !row.host.contains('*');
    let host = if named { &row.host } else { &row.address };
    if host.contains(':') {
        format!("[{host}]:{}", row.port)
    } else {
        format!("{host}:{}", row.port)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::report::samples::{expired, good};

    #[test]
    fn a_list_is_whole_json_however_long_it_is() {
        for count in [0, 1, ROWS - 1, ROWS, ROWS + 1, 3 * ROWS] {
            let rows = (0..count).map(|n| good(&format!("h{n}.example"))).collect();
            let chunks = list("[".to_owned(), rows, "]\n", |row| {
                encode(&TargetView::from(row))
            });
            let body: Vec<u8> = chunks.flatten().collect();
            let told: Vec<Value> = serde_json::from_slice(&body).unwrap();
            assert_eq!(told.len(), count);
        }
    }

    #[test]
    fn a_target_is_dialled_by_its_name_where_it_has_one() {
        let group: Value = serde_json::from_str(&group(&expired("shop.example"))).unwrap();
        assert_eq!(group["targets"][0], "shop.example:443");
        assert_eq!(group["labels"]["__meta_kube_https_address"], "192.0.2.1");
        assert_eq!(group["labels"]["__meta_kube_https_owner_kind"], "Ingress");
        let mut row = expired("*.example").target.row.clone();
        assert_eq!(host_port(&row), "192.0.2.1:443");
        row.edit(|row| (row.host, row.address) = ("".into(), "2001:db8::1".into()));
        assert_eq!(host_port(&row), "[2001:db8::1]:443");
    }
}
