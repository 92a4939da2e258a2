//! The metrics endpoint.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;

use super::{Web, body, negotiate, plain};

/// Scrapes at once: each holds the rows as they were and some chunks. A pair of Prometheus
/// servers, a person and room to spare.
pub(super) const SCRAPES: usize = 8;

/// Answers a scrape.
pub(super) async fn metrics(State(web): State<Web>, headers: HeaderMap) -> Response {
    let Some(turn) = web.inner.scrapes.turn().await else {
        let text = format!("{SCRAPES} scrapes are being answered; try again");
        return plain(StatusCode::SERVICE_UNAVAILABLE, &text);
    };
    let format = negotiate::format(&headers);
    let records = web.records();
    let own = Bytes::from(records.own.encode(format));
    let end = Bytes::from_static(format.end().as_bytes());
    let chunks = records.store.encode(format).chain([own, end]);
    body::answer(&headers, format.content_type(), chunks, turn)
}
