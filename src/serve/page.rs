//! The landing page: what this is, and where its metrics are. One document, nothing loaded.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};

use super::Web;

/// Nothing may be loaded or run; the page's own style is allowed, and it may not be framed.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// Name, version and links.
pub(super) async fn landing(State(web): State<Web>) -> Response {
    let mut response = Html(html(&web.inner.telemetry_path)).into_response();
    let policy = HeaderValue::from_static(POLICY);
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    let nosniff = HeaderValue::from_static("nosniff");
    response
        .headers_mut()
        .insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

fn html(telemetry_path: &str) -> String {
    let metrics = escape(telemetry_path);
    let version = escape(env!("CARGO_PKG_VERSION"));
    let description = escape(env!("CARGO_PKG_DESCRIPTION"));
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>kube-https-exporter</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; }}
</style>
</head>
<body>
<h1>kube-https-exporter</h1>
<p>{description}.</p>
<p>Version {version}</p>
<ul>
<li><a href="{metrics}">Metrics</a></li>
<li><a href="/-/healthy">Healthy</a></li>
<li><a href="/-/ready">Ready</a></li>
</ul>
</body>
</html>
"#
    )
}

/// `text` made safe within an element and within a quoted attribute.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configured_path_cannot_leave_its_attribute() {
        let page = html("/m\"><script>alert('&')</script>");
        assert!(page.contains(
            r#"<a href="/m&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;">"#
        ));
        assert!(!page.contains("<script"));
    }
}
