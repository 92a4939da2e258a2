//! HTML, escaped by construction: markup is written in the program's own text, and everything else
//! goes through one function.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// The style of every page.
const STYLE: &str = include_str!("page.css");

/// Makes the table follow what is typed; it works without.
const SCRIPT: &str = include_str!("page.js");

/// Only the style and the script below may be used, known by their hashes (CSP level 3); the script
/// and the form may ask this server, and the page may not be framed. A test knows the hashes.
const POLICY: &str = "default-src 'none'; \
                      style-src 'sha256-RzhydBgMcNoeUh4AlHQpCkePfJv4RRlvqCfCHeJLpC0='; \
                      script-src 'sha256-amu4fqCKQlpx3T6eKC3EZezC9ZMfGl5vL8P7BqJYQWA='; \
                      connect-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";

/// A document as it is written.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// A page up to and with its opening body tag.
    pub(super) fn page(title: &str) -> Self {
        let mut html = Self::default();
        html.put(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <link rel=\"icon\" href=\"data:,\">\n<title>{}</title>\n<style>",
            &[title],
        );
        html.0.push_str(STYLE);
        html.put("</style>\n</head>\n<body>\n", &[]);
        html
    }

    /// Appends `markup`, each `{}` of it replaced by the next of `values`, escaped: safe within an
    /// element and within a quoted attribute.
    pub(super) fn put(&mut self, markup: &'static str, values: &[&str]) -> &mut Self {
        let mut values = values.iter();
        let mut parts = markup.split("{}");
        self.0.push_str(parts.next().unwrap_or_default());
        for part in parts {
            escape(values.next().copied().unwrap_or_default(), &mut self.0);
            self.0.push_str(part);
        }
        self
    }

    /// The finished page as an answer.
    pub(super) fn answer(mut self) -> Response {
        self.put("<script>", &[]);
        self.0.push_str(SCRIPT);
        self.put("</script>\n</body>\n</html>\n", &[]);
        let mut response = self.0.into_response();
        let headers = response.headers_mut();
        let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
        set(header::CONTENT_TYPE, "text/html; charset=utf-8");
        set(header::CONTENT_SECURITY_POLICY, POLICY);
        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        set(header::REFERRER_POLICY, "no-referrer");
        set(header::CACHE_CONTROL, "no-store");
        response
    }
}

fn escape(text: &str, into: &mut String) {
    for c in text.chars() {
        match c {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '"' => into.push_str("&quot;"),
            '\'' => into.push_str("&#39;"),
            _ => into.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};
    use k8s_openapi::ByteString;

    use super::*;

    #[test]
    fn no_value_can_leave_its_place() {
        let mut html = Html::default();
        html.put(
            r#"<a href="{}" title='{}'>{}</a>"#,
            &[r#"/m"><script>"#, "' onclick='x", "</a><b>&{}"],
        );
        assert_eq!(
            html.0,
            "<a href=\"/m&quot;&gt;&lt;script&gt;\" title='&#39; onclick=&#39;x'>\
             &lt;/a&gt;&lt;b&gt;&amp;{}</a>"
        );
    }

    #[test]
    fn the_policy_allows_the_style_and_the_script_by_their_hashes() {
        for text in [STYLE, SCRIPT] {
            let hash = ByteString(digest(&SHA256, text.as_bytes()).as_ref().to_vec());
            let base64 = serde_json::to_value(&hash).unwrap();
            let source = format!("'sha256-{}'", base64.as_str().unwrap());
            assert!(POLICY.contains(&source), "{source} is not in {POLICY}");
        }
    }

    #[test]
    fn neither_the_style_nor_the_script_ends_its_element_or_loads_anything() {
        for text in [STYLE, SCRIPT] {
            assert!(!text.contains("</") && !text.contains("://") && !text.contains("@import"));
        }
    }
}
