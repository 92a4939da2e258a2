//! Host names as objects declare them, made fit to dial and to ask for.

use std::net::IpAddr;
use std::sync::Arc;

use rustls_pki_types::DnsName;

use super::DropReason;
use crate::model::Address;

/// What stands in for the star of a wildcard host when it is dialled; says who asks, in the
/// server's logs.
const STAND_IN: &str = "kube-https-exporter";

/// A host as an object declares it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Host {
    /// One name.
    Exact(Arc<str>),
    /// Every name below this one: `*.` and the name.
    Below(Arc<str>),
    /// None was declared: every host.
    Any,
}

impl Host {
    /// Reads a name, a `*.` wildcard, or nothing; `None` for what cannot be asked for.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::Any);
        }
        match text.strip_prefix("*.") {
            Some(suffix) => dns_name(suffix).map(Self::Below),
            None => dns_name(text).map(Self::Exact),
        }
    }

    /// The spelling in the label `host`.
    pub(super) fn label(&self) -> Arc<str> {
        match self {
            Self::Exact(name) => Arc::clone(name),
            Self::Below(suffix) => format!("*.{suffix}").into(),
            Self::Any => "".into(),
        }
    }

    /// What to ask for at the host's door: its own name; for a wildcard, a name below it that is
    /// not `taken` by a host of its own. Fails where no name of legal length is left.
    pub(super) fn asked(
        &self,
        taken: impl Fn(&Self) -> bool,
    ) -> Result<Option<Arc<str>>, DropReason> {
        let suffix = match self {
            Self::Any => return Ok(None),
            Self::Exact(name) => return Ok(Some(Arc::clone(name))),
            Self::Below(suffix) => suffix,
        };
        let numbered = (1_u64..).map(|n| format!("{STAND_IN}-{n}.{suffix}"));
        std::iter::once(format!("{STAND_IN}.{suffix}"))
            .chain(numbered)
            .map(|text| dns_name(&text))
            .find(|name| match name {
                Some(name) => !taken(&Self::Exact(Arc::clone(name))),
                None => true,
            })
            .flatten()
            .map(Some)
            .ok_or(DropReason::Unsupported)
    }
}

/// The address that an object publishes: an IP address or a name; `None` for what cannot be dialled.
pub(super) fn dialled(text: &str) -> Option<Address> {
    match Address::parse(text) {
        Address::Name(_) => dns_name(text).map(Address::Name),
        ip @ Address::Ip(_) => Some(ip),
    }
}

/// A DNS name in lower case and A-label form (RFC 5890 section 2.3.2.1), without the trailing dot;
/// `None` for IP addresses and for what could not be sent as a server name (RFC 6066 section 3).
pub(super) fn dns_name(text: &str) -> Option<Arc<str>> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if is_ip(text) {
        return None;
    }
    let name = idna::domain_to_ascii(text).ok()?;
    if name.ends_with('.') || is_ip(&name) {
        return None;
    }
    DnsName::try_from(name.as_str()).ok()?;
    Some(name.into())
}

fn is_ip(text: &str) -> bool {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_in_lower_case_as_a_labels_and_without_its_dot() {
        for (text, name) in [
            ("shop.example.com", "shop.example.com"),
            ("Shop.EXAMPLE.com.", "shop.example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.example", "xn--bcher-kva.example"),
            ("_dmarc.example.com", "_dmarc.example.com"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(dns_name(text).as_deref(), Some(name), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_name_is_refused() {
        let label = "a".repeat(64);
        let endless = "ü.".repeat(100_000);
        for text in [
            "",
            ".",
            "..",
            "a..b",
            "192.0.2.1",
            "[2001:db8::1]",
            "2001:db8::1",
            "a b",
            "a/b",
            "a:443",
            "-a.example",
            "a-.example",
            "*",
            "*.example",
            "a.*.example",
            "１９２.0.2.1",
            "a\nb",
            &label,
            &endless,
        ] {
            assert_eq!(dns_name(text), None, "{text:.40}");
        }
    }

    #[test]
    fn a_name_may_have_253_characters_and_no_more() {
        let (label, last) = ("a".repeat(63), "b".repeat(61));
        let longest = format!("{label}.{label}.{label}.{last}");
        assert_eq!(dns_name(&longest).map(|n| n.len()), Some(253));
        assert_eq!(dns_name(&format!("{longest}b")), None);
    }

    #[test]
    fn a_wildcard_keeps_its_star_in_the_label() {
        let host = Host::parse("*.Example.COM").unwrap();
        assert_eq!(host, Host::Below("example.com".into()));
        assert_eq!(&*host.label(), "*.example.com");
        assert_eq!(Host::parse(""), Some(Host::Any));
        assert_eq!(Host::parse("*."), None);
        assert_eq!(Host::parse("*.*.com"), None);
    }
}
