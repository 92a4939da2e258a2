//! Prefix: everything is served below a path, for a proxy that leaves it in place.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::plain;

/// Where everything is served: empty for the root, or a path such as `/tls`, with no slash at its end.
#[derive(Clone, Debug, Default)]
pub(super) struct Prefix(Arc<str>);

impl Prefix {
    pub(super) fn new(path: &str) -> Self {
        Self(path.into())
    }

    /// `routes`, below this.
    pub(super) fn before(&self, routes: Router) -> Router {
        if self.0.is_empty() {
            return routes;
        }
        // A layer runs before the routes are looked up only where they are behind a fallback.
        let strip = from_fn_with_state(self.clone(), strip);
        Router::new().fallback_service(routes).layer(strip)
    }

    /// What `uri` is to the routes; nothing where it is not below this.
    fn without(&self, uri: &Uri) -> Option<Uri> {
        let whole = uri.path_and_query()?.as_str();
        let rest = whole.strip_prefix(&*self.0)?;
        let rest = rest.starts_with('/').then_some(rest)?;
        Some(PathAndQuery::try_from(rest).ok()?.into())
    }
}

/// The root, and the prefix without a slash, lead to the page: its links are relative to that.
async fn strip(State(prefix): State<Prefix>, mut request: Request, next: Next) -> Response {
    if let Some(uri) = prefix.without(request.uri()) {
        *request.uri_mut() = uri;
        return next.run(request).await;
    }
    let path = request.uri().path();
    if path == "/" || path == &*prefix.0 {
        Redirect::temporary(&format!("{}/", prefix.0)).into_response()
    } else {
        let text = format!("not found: everything is below {}/", prefix.0);
        plain(StatusCode::NOT_FOUND, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_below_it_is_served() {
        let prefix = Prefix::new("/tls");
        let without = |uri: &str| Some(prefix.without(&uri.parse().unwrap())?.to_string());
        assert_eq!(without("/tls/").as_deref(), Some("/"));
        assert_eq!(without("/tls/sd?host=a").as_deref(), Some("/sd?host=a"));
        assert_eq!(without("/tls?host=a"), None);
        assert_eq!(without("/tlsx/sd"), None);
        assert_eq!(without("/sd"), None);
    }
}
