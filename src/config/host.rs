//! Hosts as people write them: names, patterns, addresses, `host:port`, URLs.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use rustls_pki_types::DnsName;

use super::node::Value;
use super::value::text;
use crate::model::clean;

/// The port of an `https` URL that has none (RFC 9110 section 4.2.2).
const HTTPS_PORT: u16 = 443;

/// A DNS name in A-label form (RFC 5890), lower case, without the trailing dot.
fn dns_name(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    idna::domain_to_ascii(name)
        .ok()
        .filter(|ascii| DnsName::try_from(ascii.as_str()).is_ok())
        .ok_or_else(|| format!("`{}` is neither a DNS name nor an IP address", clean(text)))
}

/// A DNS name as [`dns_name`], or an IP address in its canonical form, IPv6 without brackets.
fn host(text: &str) -> Result<String, String> {
    let bracketed = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    match bracketed {
        Some(inner) => inner
            .parse::<Ipv6Addr>()
            .map(|ip| ip.to_string())
            .map_err(|_| format!("`{}` is not an IPv6 address", clean(inner))),
        None => text
            .parse::<IpAddr>()
            .map_or_else(|_| dns_name(text), |ip| Ok(ip.to_string())),
    }
}

/// What a rule's `host` takes: a host, or `*.suffix` for every name below the suffix.
pub(super) fn pattern(value: &Value) -> Result<String, String> {
    let text = text(value, "a host, or a pattern such as `*.example.com`")?;
    if text == "*" {
        return Err("`*` alone is no pattern; leave `host` out to match every host".to_owned());
    }
    let written = match text.strip_prefix("*.") {
        Some(suffix) => dns_name(suffix).map(|suffix| format!("*.{suffix}")),
        None => host(text),
    };
    written.map_err(|what| format!("{what}; a pattern is a name with `*.` before it, nowhere else"))
}

/// An IP address to dial.
pub(super) fn address(value: &Value) -> Result<IpAddr, String> {
    let text = text(value, "an IP address such as `192.0.2.7`")?;
    text.parse().map_err(|_| {
        format!(
            "`{}` is not an IP address; write it without port and brackets, and names in `url`",
            clean(text)
        )
    })
}

/// The host and the port of an `https` URL that has nothing else.
pub(super) fn url(value: &Value) -> Result<(String, u16), String> {
    let text = text(value, "a URL such as `https://shop.example.com:8443`")?;
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(format!(
            "`{0}` has no scheme; write `https://{0}`",
            clean(text)
        ));
    };
    if !scheme.eq_ignore_ascii_case("https") {
        return Err(format!(
            "the scheme is `{}`; only `https` is accepted",
            clean(scheme)
        ));
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if !matches!(path, "" | "/") {
        return Err(format!(
            "`{}` is never asked for; write only `https://`, the host and the port",
            clean(path)
        ));
    }
    if authority.contains('@') {
        return Err(
            "a user and a password are never sent; remove what is before the `@`".to_owned(),
        );
    }
    host_port(authority)
}

/// `HOST`, `HOST:PORT`, `[IPv6]:PORT` or a bare IPv6 address; the port is 443 where there is none.
///
/// The host comes back as a lower-case DNS name in A-label form without the trailing dot, or as
/// an IP address without brackets; the error says what is wrong with it.
pub fn host_port(text: &str) -> Result<(String, u16), String> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok((host(text)?, HTTPS_PORT));
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (text, None),
    };
    if name.is_empty() {
        return Err("the host is missing".to_owned());
    }
    match port.map_or(Some(HTTPS_PORT), tcp_port) {
        Some(port) => Ok((host(name)?, port)),
        None => Err(format!(
            "`{}` does not end in a port from 1 to {}; an IPv6 address goes in brackets",
            clean(text),
            u16::MAX
        )),
    }
}

/// A host with its port, as [`host_port`].
pub(super) fn named_port(value: &Value) -> Result<(Arc<str>, u16), String> {
    let text = text(value, "a host such as `api.example.com:6443`")?;
    host_port(text).map(|(host, port)| (host.into(), port))
}

/// A TCP port in decimal digits.
fn tcp_port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|c| c.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port_are_read_in_every_form() {
        for (text, host, port) in [
            ("shop.example.com", "shop.example.com", 443),
            ("SHOP.example.com.:8443", "shop.example.com", 8443),
            ("bücher.example", "xn--bcher-kva.example", 443),
            ("192.0.2.1:1", "192.0.2.1", 1),
            ("[2001:DB8::1]:65535", "2001:db8::1", 65535),
            ("[2001:db8::1]", "2001:db8::1", 443),
            ("2001:db8::1", "2001:db8::1", 443),
            ("my_service.internal", "my_service.internal", 443),
        ] {
            assert_eq!(host_port(text), Ok((host.to_owned(), port)), "{text}");
        }
    }

    #[test]
    fn what_is_no_host_or_no_port_is_refused() {
        for text in [
            "",
            ":443",
            "a b",
            "a..b",
            "-a",
            "a:0",
            "a:65536",
            "a:http",
            "a:",
            "a:+1",
            "[::1",
            "[x]",
            "2001:db8::1:x",
            "127.1",
            "0x7f.0.0.1",
            "*.example.com",
            "%65xample",
            &"a".repeat(64),
            &"a.".repeat(128),
        ] {
            assert!(host_port(text).is_err(), "{text}");
        }
    }
}
