//! The metrics endpoint: negotiated, streamed, and bounded in number and time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::{self, Stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::gzip::Gzip;
use super::{Web, negotiate, plain};

/// Scrapes at once: each holds the rows as they were and some chunks. A pair of Prometheus
/// servers, a person and room to spare.
const SCRAPES: usize = 8;

/// How long one more waits for its turn: half of Prometheus' default scrape timeout (10 s).
const TURN: Duration = Duration::from_secs(5);

/// The longest that a scrape may take: the scrape timeout can at most be the interval, which is
/// hardly ever above a minute.
const SCRAPE_LIMIT: Duration = Duration::from_mins(2);

/// Turns for scrapes.
#[derive(Debug)]
pub(super) struct Scrapes(Arc<Semaphore>);

impl Default for Scrapes {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(SCRAPES)))
    }
}

impl Scrapes {
    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        let turn = Arc::clone(&self.0).acquire_owned();
        timeout(TURN, turn).await.ok()?.ok()
    }
}

/// Answers a scrape.
pub(super) async fn metrics(State(web): State<Web>, headers: HeaderMap) -> Response {
    let Some(turn) = web.inner.scrapes.turn().await else {
        let text = format!("{SCRAPES} scrapes are being answered; try again");
        return plain(StatusCode::SERVICE_UNAVAILABLE, &text);
    };
    let format = negotiate::format(&headers);
    let own = Bytes::from(web.inner.own.encode(format));
    let end = Bytes::from_static(format.end().as_bytes());
    let chunks = web.inner.store.encode(format).chain([own, end]);
    let (coding, body) = if negotiate::gzip(&headers) {
        (
            Some("gzip"),
            Body::from_stream(paced(Gzip::new(chunks), turn)),
        )
    } else {
        (None, Body::from_stream(paced(chunks, turn)))
    };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, format.content_type());
    set(header::VARY, "Accept, Accept-Encoding");
    set(header::CACHE_CONTROL, "no-store");
    if let Some(coding) = coding {
        set(header::CONTENT_ENCODING, coding);
    }
    response
}

/// The chunks as a stream that lets other tasks run before each, holds its turn until it ends,
/// and breaks off when it has taken too long.
fn paced(
    chunks: impl Iterator<Item = Bytes> + Send + 'static,
    turn: OwnedSemaphorePermit,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let until = Instant::now() + SCRAPE_LIMIT;
    stream::unfold((chunks, turn), move |(mut chunks, turn)| async move {
        loop {
            tokio::task::yield_now().await;
            if Instant::now() >= until {
                let late = io::Error::new(io::ErrorKind::TimedOut, "the scrape took too long");
                return Some((Err(late), (chunks, turn)));
            }
            let chunk = chunks.next()?;
            if !chunk.is_empty() {
                return Some((Ok(chunk), (chunks, turn)));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_scrape_that_takes_too_long_is_broken_off() {
        let turn = Scrapes::default().turn().await.unwrap();
        let chunks = std::iter::repeat(Bytes::from_static(b"x"));
        let mut body = Box::pin(paced(chunks, turn));
        assert!(body.next().await.unwrap().is_ok());
        tokio::time::advance(SCRAPE_LIMIT).await;
        assert!(body.next().await.unwrap().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn one_scrape_too_many_waits_for_its_turn() {
        let scrapes = Scrapes::default();
        let mut held = Vec::new();
        for _ in 0..SCRAPES {
            held.push(scrapes.turn().await.unwrap());
        }
        assert!(scrapes.turn().await.is_none());
        held.pop();
        assert!(scrapes.turn().await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn empty_chunks_are_not_sent() {
        let turn = Scrapes::default().turn().await.unwrap();
        let chunks = ["", "a", "", "b", ""].map(|c| Bytes::from_static(c.as_bytes()));
        let sent: Vec<_> = paced(chunks.into_iter(), turn)
            .map(Result::unwrap)
            .collect()
            .await;
        assert_eq!(sent, ["a", "b"]);
    }
}
