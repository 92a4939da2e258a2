//! Lifecycle: clients ask for the configuration to be read again, as of Prometheus.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use tokio::sync::{mpsc, oneshot};

use super::{Web, plain};

pub(super) const RELOAD: &str = "/-/reload";

/// Who reads the configuration again.
pub type Reload = mpsc::Sender<Wish>;

/// One wish that it be read, and where to say how that went: what is wrong, in a line. Nobody need
/// be listening.
pub type Wish = oneshot::Sender<Result<(), String>>;

pub(super) fn routes() -> Router<Web> {
    Router::new().route(RELOAD, post(reload).put(reload))
}

/// Answers once the new configuration is in force, or refused; the codes are those of Prometheus.
async fn reload(State(web): State<Web>) -> Response {
    let Some(reload) = web.reload else {
        let text = "start the exporter with --web.enable-lifecycle to reload it this way";
        return plain(StatusCode::FORBIDDEN, text);
    };
    let (wish, granted) = oneshot::channel();
    let ending = "the exporter is ending";
    if reload.send(wish).await.is_err() {
        return plain(StatusCode::SERVICE_UNAVAILABLE, ending);
    }
    match granted.await {
        Ok(Ok(())) => plain(StatusCode::OK, "the configuration is in force"),
        Ok(Err(problem)) => plain(StatusCode::INTERNAL_SERVER_ERROR, &problem),
        Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE, ending),
    }
}
