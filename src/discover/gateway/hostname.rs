//! Which hosts a listener and a route have in common.
//!
//! A star stands for one label or more (`Hostname` of Gateway API: "interpreted as a suffix
//! match"), unlike in an Ingress or a certificate, where it stands for exactly one. It never stands
//! for none: `*.example.com` does not match `example.com`.

use super::super::host::Host;

/// The hosts that `listener` and `route` both have: the more specific of the two.
pub(super) fn intersection<'a>(listener: &'a Host, route: &'a Host) -> Option<&'a Host> {
    match (listener, route) {
        (Host::Any, host) | (host, Host::Any) => Some(host),
        (Host::Exact(a), Host::Exact(b)) => (a == b).then_some(route),
        (Host::Below(suffix), Host::Exact(name)) => is_below(name, suffix).then_some(route),
        (Host::Exact(name), Host::Below(suffix)) => is_below(name, suffix).then_some(listener),
        (Host::Below(a), Host::Below(b)) if a == b || is_below(b, a) => Some(route),
        (Host::Below(a), Host::Below(b)) => is_below(a, b).then_some(listener),
    }
}

/// Whether `name` has at least one label more than `suffix`.
fn is_below(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix)
        .is_some_and(|labels| labels.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common(listener: &str, route: &str) -> Option<String> {
        let host = |text| Host::parse(text).unwrap();
        let (listener, route) = (host(listener), host(route));
        let found = intersection(&listener, &route).map(|host| host.label().to_string());
        let turned = intersection(&route, &listener).map(|host| host.label().to_string());
        assert_eq!(found, turned, "it is the same from either side");
        found
    }

    #[test]
    fn the_more_specific_of_two_that_overlap_is_what_they_have_in_common() {
        for (listener, route, expected) in [
            ("", "", ""),
            ("", "a.example.com", "a.example.com"),
            ("", "*.example.com", "*.example.com"),
            ("a.example.com", "A.example.com.", "a.example.com"),
            ("*.example.com", "a.example.com", "a.example.com"),
            ("*.example.com", "a.b.c.example.com", "a.b.c.example.com"),
            ("*.example.com", "*.example.com", "*.example.com"),
            ("*.example.com", "*.a.b.example.com", "*.a.b.example.com"),
            ("*.com", "*.example.com", "*.example.com"),
        ] {
            assert_eq!(
                common(listener, route).as_deref(),
                Some(expected),
                "{listener} {route}"
            );
        }
    }

    #[test]
    fn a_star_stands_for_whole_labels_and_at_least_one() {
        for (listener, route) in [
            ("*.example.com", "example.com"),
            ("*.example.com", "anexample.com"),
            ("*.example.com", "*.anexample.com"),
            ("*.example.com", "*.com.example"),
            ("*.a.example.com", "*.b.example.com"),
            ("*.a.example.com", "example.com"),
            ("a.example.com", "b.example.com"),
        ] {
            assert_eq!(common(listener, route), None, "{listener} {route}");
        }
    }
}
