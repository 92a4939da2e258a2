//! Serve: metrics, health, the status page and the API over HTTP.
//!
//! A scrape copies what [`crate::record`] has, and waits for nothing; only `probe` makes one for who asks.
//! Clients may be slow, stuck or hostile: connections, scrapes at once and every wait are bounded.

mod api;
mod body;
mod connection;
#[cfg(fuzzing)]
pub mod fuzzing;
mod guard;
mod gzip;
mod health;
mod html;
mod lifecycle;
mod metrics;
mod negotiate;
mod pace;
mod page;
mod prefix;
mod probe;
mod query;
mod room;
mod sheet;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;

use crate::record::Records;

pub use connection::serve;
use prefix::Prefix;

pub use guard::Guard;
pub use lifecycle::{Reload, Wish};
pub use probe::Endpoint;

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
const TAKEN: [&str; 6] = [
    probe::PROBE,
    page::TARGET,
    page::RUNBOOKS,
    api::TARGETS,
    api::SD,
    lifecycle::RELOAD,
];

/// What the handlers read.
#[derive(Clone, Debug)]
pub struct Web {
    inner: Arc<Inner>,
    /// What is served; another one after the configuration was read again.
    records: watch::Receiver<Records>,
    /// Whether what lists the targets is served.
    inventory: bool,
    /// Where all of it is served.
    prefix: Prefix,
    /// What answers `/probe`, where anything does; another one after a reload.
    endpoint: Option<watch::Receiver<Option<Arc<Endpoint>>>>,
    /// Who reads the configuration again, where clients may ask for that.
    reload: Option<Reload>,
}

#[derive(Debug)]
struct Inner {
    telemetry_path: String,
    /// Who keeps it waiting.
    room: Arc<room::Room>,
    scrapes: body::Turns,
    readers: body::Turns,
    /// Of probes that people ask for.
    prompts: pace::Pace,
}

impl Web {
    /// Serves the latest of `records`, their metrics at `telemetry_path`.
    pub fn new(records: watch::Receiver<Records>, telemetry_path: &str) -> Result<Self, Error> {
        let telemetry_path = telemetry_path.to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._~-".contains(c);
        if !telemetry_path.starts_with('/') || !telemetry_path.chars().all(plain) {
            return Err(Error::PathMalformed(telemetry_path));
        }
        if TAKEN
            .iter()
            .chain(&health::PATHS)
            .any(|taken| *taken == telemetry_path)
        {
            return Err(Error::PathTaken(telemetry_path));
        }
        let room = Arc::<room::Room>::default();
        let turns = |at_once| body::Turns::new(at_once, Arc::clone(&room));
        let (scrapes, readers) = (turns(metrics::SCRAPES), turns(api::READERS));
        Ok(Self {
            inner: Arc::new(Inner {
                telemetry_path,
                room,
                scrapes,
                readers,
                prompts: pace::Pace::new(sheet::PROMPTS, sheet::PROMPT_EVERY),
            }),
            records,
            inventory: true,
            prefix: Prefix::default(),
            endpoint: None,
            reload: None,
        })
    }

    /// Whether to serve what lists the targets: the table, the API and `http_sd`.
    #[must_use]
    pub fn with_inventory(self, inventory: bool) -> Self {
        Self { inventory, ..self }
    }

    /// Serves everything below this path: empty, or with a slash before and none behind it.
    #[must_use]
    pub fn below(self, path: &str) -> Self {
        let prefix = Prefix::new(path);
        Self { prefix, ..self }
    }

    /// Lets clients ask `reload` to read the configuration again.
    #[must_use]
    pub fn with_reload(self, reload: Reload) -> Self {
        let reload = Some(reload);
        Self { reload, ..self }
    }

    /// Answers `/probe` by the latest of these.
    #[must_use]
    pub fn with_endpoint(self, endpoint: watch::Receiver<Option<Arc<Endpoint>>>) -> Self {
        let endpoint = Some(endpoint);
        Self { endpoint, ..self }
    }

    fn endpoint(&self) -> Option<Arc<Endpoint>> {
        self.endpoint.as_ref()?.borrow().clone()
    }

    /// What is known now.
    fn records(&self) -> Records {
        self.records.borrow().clone()
    }

    /// Every path that is answered, to whom the guard lets in.
    pub fn router(&self, guard: &Guard) -> Router {
        let metrics_at = self.inner.telemetry_path.as_str();
        let mut router = health::routes()
            .merge(lifecycle::routes())
            .merge(probe::routes())
            .route(metrics_at, get(metrics::metrics));
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
        let answered = router
            .fallback(|| async { plain(StatusCode::NOT_FOUND, "not found") })
            .with_state(self.clone())
            .layer(middleware::from_fn_with_state(guard.clone(), guard::admit));
        self.prefix.before(answered)
    }
}

/// A line of text as an answer.
fn plain(status: StatusCode, text: &str) -> Response {
    (status, format!("{text}\n")).into_response()
}

#[cfg(test)]
mod tests;
