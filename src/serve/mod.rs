//! Serve: metrics, health, the status page and the API over HTTP.
//!
//! Nothing here waits for the network that is probed: a scrape copies what [`crate::record`] has.
//! Clients may be slow, stuck or hostile: connections, scrapes at once and every wait are bounded.

mod api;
mod body;
mod connection;
mod guard;
mod gzip;
mod health;
mod html;
mod metrics;
mod negotiate;
mod page;
mod query;
mod sheet;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::record::{Own, Progress, Store};

pub use connection::serve;
pub use guard::Guard;

/// Why nothing can be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The path is no plain path.
    #[error(
        "the telemetry path {0:?} must start with a slash and have only letters, digits and the \
         characters / . _ ~ -"
    )]
    PathMalformed(String),
    /// Something else is served at the path.
    #[error("the telemetry path {0:?} is taken; choose another, such as \"/metrics\"")]
    PathTaken(String),
    /// The web configuration is wrong.
    #[error("the web configuration {path} (--web.config.file) is refused: {problem}", path = .path.display())]
    Guard {
        /// The file.
        path: PathBuf,
        /// Which field or file, and what to write.
        problem: String,
    },
}

/// The paths of the pages and of the API, besides [`health::PATHS`] and `/`.
const TAKEN: [&str; 4] = [page::TARGET, page::RUNBOOKS, api::TARGETS, api::SD];

/// What the handlers read.
#[derive(Clone, Debug)]
pub struct Web {
    inner: Arc<Inner>,
    /// Whether what lists the targets is served.
    inventory: bool,
    /// Between two regular probes of a door; where it is not known, neither is the next probe.
    interval: Option<Duration>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<Store>,
    own: Arc<Own>,
    progress: Arc<Progress>,
    telemetry_path: String,
    scrapes: body::Turns,
    readers: body::Turns,
}

impl Web {
    /// Serves the metrics of `store` and `own` at `telemetry_path`, and readiness by `progress`.
    pub fn new(
        store: Arc<Store>,
        own: Arc<Own>,
        progress: Arc<Progress>,
        telemetry_path: &str,
    ) -> Result<Self, Error> {
        let telemetry_path = telemetry_path.to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._~-".contains(c);
        if !telemetry_path.starts_with('/') || !telemetry_path.chars().all(plain) {
            return Err(Error::PathMalformed(telemetry_path));
        }
        if TAKEN.contains(&telemetry_path.as_str())
            || health::PATHS.contains(&telemetry_path.as_str())
        {
            return Err(Error::PathTaken(telemetry_path));
        }
        Ok(Self {
            inner: Arc::new(Inner {
                store,
                own,
                progress,
                telemetry_path,
                scrapes: body::Turns::new(metrics::SCRAPES),
                readers: body::Turns::new(api::READERS),
            }),
            inventory: true,
            interval: None,
        })
    }

    /// Whether to serve what lists the targets: the table, the API and `http_sd`.
    #[must_use]
    pub fn with_inventory(self, inventory: bool) -> Self {
        Self { inventory, ..self }
    }

    /// Tells readers when a target is probed next, by the interval between regular probes.
    #[must_use]
    pub fn with_interval(self, interval: Duration) -> Self {
        let interval = Some(interval);
        Self { interval, ..self }
    }

    /// Every path that is answered, to whom the guard lets in.
    pub fn router(&self, guard: &Guard) -> Router {
        let metrics_at = self.inner.telemetry_path.as_str();
        let mut router = health::routes().route(metrics_at, get(metrics::metrics));
        if metrics_at != "/" {
            let page = if self.inventory {
                get(page::table)
            } else {
                get(page::landing)
            };
            router = router.route("/", page);
        }
        if self.inventory {
            router = router.merge(api::routes()).merge(page::routes());
        }
        router
            .fallback(|| async { plain(StatusCode::NOT_FOUND, "not found") })
            .with_state(self.clone())
            .layer(middleware::from_fn_with_state(guard.clone(), guard::admit))
    }
}

/// A line of text as an answer.
fn plain(status: StatusCode, text: &str) -> Response {
    (status, format!("{text}\n")).into_response()
}

#[cfg(test)]
mod tests;
