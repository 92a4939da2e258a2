//! Paths that are asked for in clear: written by tenants, and so only what is safe to send.

use std::fmt;
use std::sync::Arc;

/// The most bytes that a path may have: those that declare more are not asked for.
const LIMIT: usize = 256;

/// Where a certificate authority looks for its challenge, over plain HTTP by design (RFC 8555
/// section 8.3): an answer there is no exposure.
const ACME: &str = "/.well-known/acme-challenge";

/// A path to ask for: an absolute one without query, of characters that mean nothing to a request
/// line and to no pattern. The default is `/`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestPath(Option<Arc<str>>);

impl RequestPath {
    /// The most paths that are asked for at one port of a host, `/` included: enough to see
    /// controllers that redirect on some paths alone, for one short connection each.
    pub const MOST: usize = 4;

    /// Reads a declared path or prefix; `/*` at its end (AWS, Google) stands for all below it.
    /// `None` for what is not asked for: patterns, what is too long or not absolute, what has a
    /// query, an empty or a dot segment, or characters that RFC 3986 has encoded, and ACME's challenges.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let path = match text.strip_suffix('*') {
            Some(below) => Some(below).filter(|below| below.ends_with('/'))?,
            None => text,
        };
        let is_dots = |segment: &str| matches!(segment, "." | "..");
        let is_safe = path.starts_with('/')
            && path.len() <= LIMIT
            && path.bytes().all(is_plain)
            && !path.split('/').any(is_dots)
            && !path.contains("//")
            && !path.starts_with(ACME);
        is_safe.then(|| Self((path != "/").then(|| path.into())))
    }

    /// Those of the declared paths that can be asked for, each once, and of those besides `/` the
    /// first that [`RequestPath::MOST`] allows.
    #[must_use]
    pub fn few<'a>(declared: impl IntoIterator<Item = &'a str>) -> Vec<Self> {
        let mut paths = Vec::new();
        let mut room = Self::MOST - 1;
        for path in declared.into_iter().filter_map(Self::parse) {
            if (path.is_root() || room > 0) && !paths.contains(&path) {
                room -= usize::from(!path.is_root());
                paths.push(path);
            }
        }
        paths
    }

    /// Whether it is `/`.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_none()
    }

    /// As it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or("/")
    }
}

impl fmt::Display for RequestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The unreserved characters (RFC 3986 section 2.3), those that end no segment and begin no
/// pattern, and the slash. Nothing encoded: what it would decode to is not worth the risk.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~/:@!,;=&".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        RequestPath::parse(text).map(|path| path.to_string())
    }

    #[test]
    fn declared_paths_are_asked_for_as_they_are_written() {
        for (written, asked) in [
            ("/", "/"),
            ("/*", "/"),
            ("/api", "/api"),
            ("/api/", "/api/"),
            ("/api/*", "/api/"),
            ("/v1.2/a_b-c~d", "/v1.2/a_b-c~d"),
            ("/.well-known/security.txt", "/.well-known/security.txt"),
            ("/...", "/..."),
        ] {
            assert_eq!(read(written).as_deref(), Some(asked));
        }
    }

    #[test]
    fn what_could_break_out_or_is_a_pattern_is_not_asked_for() {
        for written in [
            "",
            "api",
            "*",
            "/a*",
            "/a\r\nHost: b",
            "/a b",
            "/a\tb",
            "/a\0",
            "/a?b=c",
            "/a#b",
            "/%2e%2e/b",
            "/ä",
            "/a/../b",
            "//a.example/",
            "/a/.",
            "/api(/|$)(.*)",
            "/[a-z]+",
            "/a\\b",
            "/a^$",
            "/.well-known/acme-challenge/token",
            "http://a.example/",
        ] {
            assert_eq!(read(written), None, "{written:?}");
        }
        let long = |bytes: usize| format!("/{}", "a".repeat(bytes - 1));
        assert!(read(&long(LIMIT)).is_some());
        assert_eq!(read(&long(LIMIT + 1)), None);
    }

    #[test]
    fn of_many_paths_the_first_few_are_asked_for_each_once() {
        let paths = ["/a", "/a", "(", "/b", "/c", "/d", "/", "/"];
        let asked = RequestPath::few(paths);
        let asked: Vec<_> = asked.iter().map(RequestPath::as_str).collect();
        assert_eq!(asked, ["/a", "/b", "/c", "/"]);
    }
}
