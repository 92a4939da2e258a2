//! What `target=` means: a URL, or a host with or without a port.

use std::net::IpAddr;
use std::sync::Arc;

use crate::config::host_port;

/// Where to go, and what to ask for there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// Whether over TLS.
    pub(super) tls: bool,
    /// A lower-case DNS name in A-label form, or an IP address without brackets.
    pub(super) host: Arc<str>,
    pub(super) port: u16,
    /// Path and query; begins with a slash.
    pub(super) path: String,
}

impl Url {
    /// Reads `http://`, `https://`, or neither: then `tls` says which is meant. The error is for who asked.
    pub(super) fn read(text: &str, tls: bool) -> Result<Self, String> {
        let (tls, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            Some((scheme, _)) => {
                return Err(format!("{scheme:?} is not spoken; write http or https"));
            }
            None => (tls, text),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let path = rest.split('#').next().unwrap_or_default();
        // RFC 3986 section 2: what is neither allowed nor escaped could end the request's line.
        if !path.chars().all(|c| c.is_ascii_graphic()) {
            return Err("the path has characters that must be escaped".to_owned());
        }
        let bare = authority.parse::<std::net::Ipv6Addr>().is_ok();
        let has_port = !bare
            && authority
                .rsplit_once(':')
                .is_some_and(|(_, port)| !port.contains(']'));
        let (host, port) = host_port(authority)?;
        Ok(Self {
            tls,
            host: host.into(),
            port: match (has_port, tls) {
                (true, _) => port,
                (false, true) => 443,
                (false, false) => 80,
            },
            path: if path.starts_with('/') {
                path.to_owned()
            } else {
                format!("/{path}")
            },
        })
    }

    /// Where a redirect from here leads, if that is the same host.
    pub(super) fn follow(&self, location: &str) -> Option<Self> {
        if location.contains("://") {
            return Self::read(location, self.tls)
                .ok()
                .filter(|next| next.host == self.host);
        }
        let path = location
            .strip_prefix("//")
            .map_or(Some(location), |_| None)?;
        let plain = path.chars().all(|c| c.is_ascii_graphic());
        (path.starts_with('/') && plain).then(|| Self {
            path: path.to_owned(),
            ..self.clone()
        })
    }

    /// The host as a request names it (RFC 9110 section 7.2).
    pub(super) fn authority(&self, host: &str) -> String {
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

/// The name to ask TLS for: none where the host is an address (RFC 6066 section 3).
pub(super) fn server_name(host: &Arc<str>) -> Option<Arc<str>> {
    host.parse::<IpAddr>().is_err().then(|| Arc::clone(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        match Url::read(text, false) {
            Ok(url) => format!("{} {}:{} {}", url.tls, url.host, url.port, url.path),
            Err(error) => error,
        }
    }

    #[test]
    fn urls_and_hosts_are_read_alike() {
        for (text, says) in [
            ("https://Shop.example", "true shop.example:443 /"),
            (
                "http://shop.example/a?b=c#d",
                "false shop.example:80 /a?b=c",
            ),
            ("https://shop.example:8443?x", "true shop.example:8443 /?x"),
            ("shop.example", "false shop.example:80 /"),
            ("192.0.2.1:25", "false 192.0.2.1:25 /"),
            ("[2001:db8::1]:443", "false 2001:db8::1:443 /"),
            ("https://[2001:db8::1]", "true 2001:db8::1:443 /"),
        ] {
            assert_eq!(read(text), says, "{text}");
        }
        assert!(read("ftp://a").contains("not spoken"));
        assert!(read("http://a/b c").contains("escaped"));
        assert!(read("http://a/\r\nX: y").contains("escaped"));
    }

    #[test]
    fn a_redirect_is_followed_on_the_same_host_alone() {
        let url = Url::read("http://shop.example/a", false).unwrap();
        let follow = |location| {
            url.follow(location)
                .map(|next| (next.tls, next.port, next.path))
        };
        assert_eq!(
            follow("https://SHOP.example/b"),
            Some((true, 443, "/b".to_owned()))
        );
        assert_eq!(follow("/b?c"), Some((false, 80, "/b?c".to_owned())));
        for elsewhere in [
            "https://other.example/",
            "//other.example/",
            "http://169.254.169.254/",
            "b",
            "/a b",
            "",
        ] {
            assert_eq!(follow(elsewhere), None, "{elsewhere}");
        }
    }
}
