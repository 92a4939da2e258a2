//! Health and readiness, at the paths of Prometheus and at those of Kubernetes.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use super::{Web, plain};

/// Every path here; the first three ask whether the process lives, the others whether the metrics
/// are the whole picture.
pub(super) const PATHS: [&str; 5] = ["/-/healthy", "/livez", "/healthz", "/-/ready", "/readyz"];

pub(super) fn routes() -> Router<Web> {
    let [healthy_path, livez, healthz, ready_path, readyz] = PATHS;
    Router::new()
        .route(healthy_path, get(healthy))
        .route(livez, get(healthy))
        .route(healthz, get(healthy))
        .route(ready_path, get(ready))
        .route(readyz, get(ready))
}

/// Always fine: that it answers is the proof. A source that fails is no reason for a restart.
async fn healthy() -> Response {
    plain(StatusCode::OK, "healthy")
}

/// Fine once every source has listed or failed and one pass is made, or two minutes went by.
async fn ready(State(web): State<Web>) -> Response {
    match web.records().progress.waiting() {
        None => plain(StatusCode::OK, "ready"),
        Some(waiting) => plain(StatusCode::SERVICE_UNAVAILABLE, &waiting.to_string()),
    }
}
