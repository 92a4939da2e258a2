//! The paths of a host, where what its plaintext does may differ from one to the next.

use std::collections::HashSet;

use crate::model::{PlaintextRule, RequestPath};

/// The paths of a host.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Paths {
    /// Where it is asked for in clear, besides `/`, which is always.
    pub(super) asked: Vec<RequestPath>,
    /// Those where the object asks for plaintext.
    pub(super) in_clear: Vec<RequestPath>,
}

impl Paths {
    /// Those that an object names, where it asks for plaintext at all of them or at none.
    pub(super) fn new(asked: Vec<RequestPath>, plaintext: PlaintextRule) -> Self {
        let in_clear = match plaintext {
            PlaintextRule::Declared if asked.is_empty() => vec![RequestPath::default()],
            PlaintextRule::Declared => asked.clone(),
            _ => Vec::new(),
        };
        Self { asked, in_clear }
    }
}

/// What an object does in clear at one path of a host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Route {
    /// `None` for patterns, and what else cannot be asked for.
    pub(super) path: Option<RequestPath>,
    /// Whether it is served in clear there; it is redirected otherwise.
    pub(super) in_clear: bool,
}

impl Route {
    /// A route for the path that is written, if any is.
    pub(super) fn to(path: Option<&str>, in_clear: bool) -> Self {
        Self {
            path: path.and_then(RequestPath::parse),
            in_clear,
        }
    }

    fn is_apart(&self) -> bool {
        self.path.as_ref().is_some_and(|path| !path.is_root())
    }
}

/// Of all routes those that tell the rest apart, so that no object grows without bound: those
/// served in clear first, and the widest of them.
pub(super) fn telling(routes: Vec<Route>) -> Vec<Route> {
    let mut seen = HashSet::new();
    let (mut served, mut redirected): (Vec<_>, Vec<_>) = (routes.into_iter())
        .filter(|route| seen.insert(route.clone()))
        .partition(|route| route.in_clear);
    for routes in [&mut served, &mut redirected] {
        routes.sort_by_key(Route::is_apart);
        routes.truncate(RequestPath::MOST);
    }
    served.append(&mut redirected);
    served
}

/// What a host may do in clear, where its object says so path by path: plaintext is declared for
/// the host where it is served so at `/`, at all paths, or at some that cannot be asked for, and
/// otherwise for those paths alone.
pub(super) fn by_path(routes: Vec<Route>) -> (PlaintextRule, Paths) {
    let routes = telling(routes);
    let named = |in_clear: bool| {
        let routes = routes
            .iter()
            .filter(move |route| route.in_clear == in_clear);
        routes.filter_map(|route| route.path.as_ref())
    };
    let asked = named(true).chain(named(false)).map(RequestPath::as_str);
    let asked = RequestPath::few(asked);
    let is_in_clear = |path: &&RequestPath| named(true).any(|named| named == *path);
    let in_clear = asked.iter().filter(is_in_clear).cloned().collect();
    let mut served = routes.iter().filter(|route| route.in_clear);
    let apart = routes.iter().any(|route| !route.in_clear) && served.clone().all(Route::is_apart);
    let rule = if apart || served.next().is_none() {
        PlaintextRule::Redirect
    } else {
        PlaintextRule::Declared
    };
    (rule, Paths { asked, in_clear })
}

#[cfg(test)]
mod tests {
    use PlaintextRule::{Declared, Redirect};

    use super::*;

    fn said(routes: &[(&str, bool)]) -> (PlaintextRule, String, String) {
        let route = |(path, in_clear): &(&str, bool)| Route {
            path: RequestPath::parse(path),
            in_clear: *in_clear,
        };
        let routes = routes.iter().map(route).collect();
        let (rule, paths) = by_path(routes);
        let joined = |paths: &[RequestPath]| {
            let paths: Vec<_> = paths.iter().map(RequestPath::as_str).collect();
            paths.join(" ")
        };
        (rule, joined(&paths.asked), joined(&paths.in_clear))
    }

    #[test]
    fn plaintext_is_declared_for_the_paths_that_ask_for_it() {
        let told =
            |rule, asked: &str, in_clear: &str| (rule, asked.to_owned(), in_clear.to_owned());
        for (routes, expected) in [
            (&[][..], told(Redirect, "", "")),
            (&[("/", false), ("/a", false)], told(Redirect, "/ /a", "")),
            (&[("/", false), ("/a", true)], told(Redirect, "/a /", "/a")),
            (
                &[("/a", true), ("/b", true)],
                told(Declared, "/a /b", "/a /b"),
            ),
            (&[("/", true), ("/a", false)], told(Declared, "/ /a", "/")),
            (&[("/", false), ("/(a|b)", true)], told(Declared, "/", "")),
        ] {
            assert_eq!(said(routes), expected, "{routes:?}");
        }
    }

    #[test]
    fn what_is_served_in_clear_is_asked_for_first() {
        let routes = [("/a", false), ("/b", false), ("/c", false), ("/d", true)];
        let (_, asked, in_clear) = said(&routes);
        assert_eq!((&*asked, &*in_clear), ("/d /a /b", "/d"));
    }
}
