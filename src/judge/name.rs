//! Whether a certificate names a host (RFC 9525).
//!
//! Only the subject alternative name counts; the common name never does (section 2). An own
//! matcher, because the one in rustls-webpki refuses every certificate with a fault anywhere in it,
//! and a wrong name and a fault are two findings.

use std::net::IpAddr;

use crate::model::CertificateFacts;

/// Whether the certificate is for `name`: a DNS name in A-labels, or an IP address.
///
/// An address matches only an address of the certificate, exactly (section 6.4).
#[must_use]
pub(super) fn names(facts: &CertificateFacts, name: &str) -> bool {
    if let Ok(ip) = name.parse::<IpAddr>() {
        return facts.ip_names.contains(&ip);
    }
    let host = name.strip_suffix('.').unwrap_or(name);
    let mut presented = facts.dns_names.iter();
    presented.any(|presented| covers(presented, host))
}

/// Whether a presented DNS name covers `host`: without regard to case (section 6.2), a leading `*`
/// standing for exactly one whole label (section 6.3).
///
/// What follows the `*` must have two labels: OpenSSL and the browsers refuse `*.test`. A name
/// such as `*.a.example` asked for as it stands is covered by that very wildcard.
fn covers(presented: &str, host: &str) -> bool {
    match presented.strip_prefix("*.") {
        Some(parent) => {
            parent.contains('.')
                && host.split_once('.').is_some_and(|(label, rest)| {
                    !label.is_empty() && rest.eq_ignore_ascii_case(parent)
                })
        }
        None => {
            !host.is_empty() && !presented.contains('*') && presented.eq_ignore_ascii_case(host)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::fixtures::facts;

    #[test]
    fn a_name_matches_by_the_rules_of_rfc_9525() {
        let cases = [
            ("a.example", "a.example", true),
            ("a.example", "A.EXAMPLE", true),
            ("a.example", "a.example.", true),
            ("a.example", "b.example", false),
            ("a.example", "x.a.example", false),
            ("example", "a.example", false),
            ("*.b.example", "a.b.example", true),
            ("*.b.example", "A.B.example", true),
            ("*.b.example", "*.b.example", true),
            ("*.b.example", "b.example", false),
            ("*.b.example", ".b.example", false),
            ("*.b.example", "x.a.b.example", false),
            ("*.b.example", "ab.example", false),
            ("*.example", "a.example", false),
            ("*", "example", false),
            ("*.", "a.", false),
            ("a*.b.example", "ax.b.example", false),
            ("a*.b.example", "a*.b.example", false),
            ("a.*.example", "a.b.example", false),
            ("xn--*.b.example", "xn--a.b.example", false),
            (
                "*.xn--bcher-kva.example",
                "shop.xn--bcher-kva.example",
                true,
            ),
            ("a_b.example", "a_b.example", true),
            ("a.example.", "a.example", false),
            ("", "", false),
            ("192.0.2.1", "192.0.2.1", false),
        ];
        for (presented, host, expected) in cases {
            let facts = CertificateFacts {
                dns_names: vec![presented.into()],
                ..facts()
            };
            assert_eq!(names(&facts, host), expected, "{presented} for {host}");
        }
    }

    #[test]
    fn an_address_matches_only_the_very_address() {
        let facts = CertificateFacts {
            ip_names: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
            ..facts()
        };
        assert!(names(&facts, "192.0.2.1"));
        assert!(names(&facts, "2001:DB8:0::1"));
        assert!(!names(&facts, "192.0.2.2"));
        assert!(!names(&facts, "::ffff:192.0.2.1"));
    }

    #[test]
    fn the_common_name_is_not_a_name() {
        let facts = CertificateFacts {
            subject_common_name: "a.example".into(),
            ..facts()
        };
        assert!(!names(&facts, "a.example"));
    }
}
