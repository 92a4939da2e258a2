//! Long answers: compressed where the client takes that, streamed in chunks, and bounded in number
//! and time.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::{self, Stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::gzip::Gzip;
use super::negotiate;
use super::room::{Patience, Room};

/// How long one more waits for its turn: half of Prometheus' default scrape timeout (10 s).
const TURN: Duration = Duration::from_secs(5);

/// The longest that an answer may take: the scrape timeout can at most be the interval, which is
/// hardly ever above a minute.
const LIMIT: Duration = Duration::from_mins(2);

/// Who takes longer than this over what was written loses the turn to who waits for one. What is
/// written at once is a small part of a second's worth, for any scraper; and for all of it together
/// nobody is waited for as long as one more waits for its turn.
const PATIENCE: Patience = Patience {
    at_once: Duration::from_secs(1),
    in_all: Duration::from_secs(2),
};

/// Between two looks at who could be let go.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Turns for answers that hold the rows as they were until they end.
#[derive(Debug)]
pub(super) struct Turns {
    free: Arc<Semaphore>,
    room: Arc<Room>,
}

impl Turns {
    /// So many at once, of the clients of that room.
    pub(super) fn new(at_once: usize, room: Arc<Room>) -> Self {
        let free = Arc::new(Semaphore::new(at_once));
        Self { free, room }
    }

    /// A turn; `None` where none came free in time. Who is slow to read an answer makes room.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        let until = Instant::now() + TURN;
        let mut turn = pin!(Arc::clone(&self.free).acquire_owned());
        while Instant::now() < until {
            if let Ok(turn) = timeout(LOOK_EVERY, turn.as_mut()).await {
                return turn.ok();
            }
            self.room.let_go_who_takes(PATIENCE);
        }
        None
    }
}

/// An answer of `chunks`, which nobody may keep. It holds its turn until it ends.
pub(super) fn answer(
    request: &HeaderMap,
    content_type: &'static str,
    chunks: impl Iterator<Item = Bytes> + Send + 'static,
    turn: OwnedSemaphorePermit,
) -> Response {
    let (coding, body) = if negotiate::gzip(request) {
        let chunks = Gzip::new(chunks);
        (Some("gzip"), Body::from_stream(paced(chunks, turn)))
    } else {
        (None, Body::from_stream(paced(chunks, turn)))
    };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, content_type);
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
    let until = Instant::now() + LIMIT;
    stream::unfold((chunks, turn), move |(mut chunks, turn)| async move {
        loop {
            tokio::task::yield_now().await;
            if Instant::now() >= until {
                let late = io::Error::new(io::ErrorKind::TimedOut, "the answer took too long");
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
    async fn an_answer_that_takes_too_long_is_broken_off() {
        let turn = Turns::new(1, Arc::default()).turn().await.unwrap();
        let chunks = std::iter::repeat(Bytes::from_static(b"x"));
        let mut body = Box::pin(paced(chunks, turn));
        assert!(body.next().await.unwrap().is_ok());
        tokio::time::advance(LIMIT).await;
        assert!(body.next().await.unwrap().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn one_answer_too_many_waits_for_its_turn() {
        let turns = Turns::new(2, Arc::default());
        let _one = turns.turn().await.unwrap();
        let other = turns.turn().await.unwrap();
        assert!(turns.turn().await.is_none());
        drop(other);
        assert!(turns.turn().await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn empty_chunks_are_not_sent() {
        let turn = Turns::new(1, Arc::default()).turn().await.unwrap();
        let chunks = ["", "a", "", "b", ""].map(|c| Bytes::from_static(c.as_bytes()));
        let sent: Vec<_> = paced(chunks.into_iter(), turn)
            .map(Result::unwrap)
            .collect()
            .await;
        assert_eq!(sent, ["a", "b"]);
    }
}
