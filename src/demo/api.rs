//! A small Kubernetes API: list and watch of the kinds it serves, with the answers of a real one
//! where something is absent or not allowed.
//!
//! Whoever may read anything may read everything, and is told so. Left out, because no client here
//! needs it: writes, paging (`limit` is a wish, and lists are short), and set-based selectors.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use kube::core::ApiResource;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::objects::State;
use super::select::Selector;
use super::watch::Watch;

/// A failure: its code, and the message of the `Status` object that goes with it.
type Refusal = (StatusCode, String);

/// What the API serves, and to whom.
pub(super) struct Api {
    /// The kinds that exist; they all have namespaces.
    pub(super) kinds: Vec<ApiResource>,
    /// The objects.
    pub(super) state: watch::Receiver<State>,
    /// The bearer token that may read everything.
    pub(super) token: &'static str,
}

impl Api {
    /// The HTTP side of it.
    pub(super) fn router(self) -> Router {
        Router::new().fallback(answer).with_state(Arc::new(self))
    }

    /// Answers a request that has passed [`Self::admit`].
    fn read(&self, uri: &Uri) -> Result<Response, Refusal> {
        let path = uri.path();
        if let "/healthz" | "/livez" | "/readyz" = path {
            return Ok("ok".into_response());
        }
        if let Some(found) = self.about(path) {
            return Ok(json_body(found.to_string()));
        }
        let absent = || {
            let message = "the server could not find the requested resource";
            (StatusCode::NOT_FOUND, message.to_owned())
        };
        let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let query: HashMap<String, String> = query.into_owned().collect();
        let wanted = Selector::of_path(path, &self.kinds).ok_or_else(absent)?;
        let refused = |message| (StatusCode::BAD_REQUEST, message);
        let wanted = wanted.narrowed(&query).map_err(refused)?;
        let watches = query.get("watch").is_some_and(|v| v == "true" || v == "1");
        match &wanted.name {
            Some(name) => self.object(name, &wanted),
            None if watches => Ok(stream_of(Watch::new(self.state.clone(), wanted, &query))),
            None => Ok(json_body(self.list(&wanted).to_string())),
        }
    }

    /// Refuses as the real one does: a wrong token is 401; no credentials is the user
    /// `system:anonymous`, who may ask for health and version only.
    fn admit(&self, path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
        const OPEN: [&str; 4] = ["/healthz", "/livez", "/readyz", "/version"];
        let expected = format!("Bearer {}", self.token);
        match headers.get(header::AUTHORIZATION) {
            Some(given) if given.as_bytes() == expected.as_bytes() => Ok(()),
            Some(_) => Err((StatusCode::UNAUTHORIZED, "Unauthorized".to_owned())),
            None if OPEN.contains(&path) => Ok(()),
            None => {
                let who = r#"forbidden: User "system:anonymous""#;
                Err((
                    StatusCode::FORBIDDEN,
                    format!(r#"{who} cannot get path "{path}""#),
                ))
            }
        }
    }

    /// What the server says of itself. Clients that first ask which resources a group has, as
    /// kubectl does, would need more.
    fn about(&self, path: &str) -> Option<Value> {
        match path {
            "/version" => Some(json!({
                "major": "1", "minor": "37", "gitVersion": "v1.37.0-demo", "gitCommit": "",
                "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "",
                "platform": "",
            })),
            "/api" => Some(json!({"kind": "APIVersions", "versions": ["v1"]})),
            "/apis" => {
                let groups: Vec<Value> = self.kinds.iter().map(group).collect();
                Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
            }
            _ => None,
        }
    }

    fn list(&self, wanted: &Selector) -> Value {
        let state = self.state.borrow();
        let objects = state.objects.values().map(AsRef::as_ref);
        let items: Vec<&Value> = objects.filter(|object| wanted.matches(object)).collect();
        json!({
            "kind": format!("{}List", wanted.kind.kind), "apiVersion": wanted.kind.api_version,
            "metadata": {"resourceVersion": state.version.to_string()}, "items": items,
        })
    }

    fn object(&self, name: &str, wanted: &Selector) -> Result<Response, Refusal> {
        let state = self.state.borrow();
        let found = state.objects.values().find(|object| wanted.matches(object));
        let found = found.map(|object| json_body(object.to_string()));
        found.ok_or_else(|| {
            let resource = format!("{}.{}", wanted.kind.plural, wanted.kind.group);
            (
                StatusCode::NOT_FOUND,
                format!(r#"{resource} "{name}" not found"#),
            )
        })
    }
}

/// Where a client asks what it may do.
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// The answer: it may.
fn permitted() -> Response {
    let review = json!({
        "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
        "metadata": {}, "spec": {}, "status": {"allowed": true},
    });
    (StatusCode::CREATED, json_body(review.to_string())).into_response()
}

async fn answer(
    Shared(api): Shared<Arc<Api>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let asks = method == Method::POST && uri.path() == REVIEWS;
    let answered = match api.admit(uri.path(), &headers) {
        Ok(()) if asks => Ok(permitted()),
        admitted => admitted
            .and_then(|()| reads(&method))
            .and_then(|()| api.read(&uri)),
    };
    answered.unwrap_or_else(|(code, message)| {
        (code, json_body(status(code, &message).to_string())).into_response()
    })
}

fn reads(method: &Method) -> Result<(), Refusal> {
    let message = "the server does not allow this method on the requested resource";
    let refusal = || (StatusCode::METHOD_NOT_ALLOWED, message.to_owned());
    (method == Method::GET).then_some(()).ok_or_else(refusal)
}

/// One JSON event a line, for as long as the watch goes on.
fn stream_of(watch: Watch) -> Response {
    let lines = stream::unfold(watch, |mut watch| async {
        watch.next().await.map(|lines| (lines, watch))
    });
    json_body(Body::from_stream(lines.map(Ok::<_, Infallible>)))
}

fn json_body(body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.into()).into_response()
}

/// A `Status` object; the reasons are the API conventions'.
pub(super) fn status(code: StatusCode, message: &str) -> Value {
    let reason = match code {
        StatusCode::BAD_REQUEST => "BadRequest",
        StatusCode::UNAUTHORIZED => "Unauthorized",
        StatusCode::FORBIDDEN => "Forbidden",
        StatusCode::NOT_FOUND => "NotFound",
        StatusCode::METHOD_NOT_ALLOWED => "MethodNotAllowed",
        StatusCode::GONE => "Expired",
        _ => "",
    };
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code.as_u16(),
    })
}

fn group(kind: &ApiResource) -> Value {
    let version = json!({"groupVersion": kind.api_version, "version": kind.version});
    json!({"name": kind.group, "versions": [version], "preferredVersion": version})
}
