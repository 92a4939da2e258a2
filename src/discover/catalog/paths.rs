//! Several objects may declare one host path by path, as controllers that decide by path want it
//! written: what the others of a row add to its plaintext doors.

use std::sync::Arc;

use crate::model::{PlainDoor, PlaintextRule, RequestPath, Target};

/// Adds to a row, which is as the first of its objects declares it, the paths of the others, the
/// oldest first. Where objects name the same path, the older one says what plaintext may do there.
///
/// What one object asks for in clear excuses no other's paths: where they differ, the row has the
/// stricter rule, and those paths apart.
pub(super) fn join<'a>(target: &mut Target, others: impl Iterator<Item = &'a Target>) {
    for other in others {
        let expect = &other.expect;
        let own = &target.expect;
        let stricter = expect.tls && expect.plaintext != PlaintextRule::Declared;
        if stricter && own.plaintext == PlaintextRule::Declared && !own.in_clear.is_empty() {
            target.expect.plaintext = expect.plaintext;
        }
        let added: Vec<_> = other
            .plaintext
            .iter()
            .filter(|door| adds(target, door))
            .cloned()
            .collect();
        let in_clear = expect.in_clear.iter();
        let mut in_clear = in_clear
            .filter(|path| added.iter().any(|door| door.path == **path))
            .peekable();
        if in_clear.peek().is_some() {
            let all = target.expect.in_clear.iter().chain(in_clear).cloned();
            target.expect.in_clear = all.collect();
        }
        for door in added {
            if adds(target, &door) {
                target.plaintext.push(door);
            }
        }
    }
}

/// Whether this is a path that is not asked for at its port yet, and there is room. A TLS port that
/// answers in clear does so whatever the path.
fn adds(target: &Target, door: &Arc<PlainDoor>) -> bool {
    let for_plaintext = door.port != target.tls.port || !target.expect.tls;
    let at_port = || (target.plaintext.iter()).filter(|known| known.port == door.port);
    let known = at_port().any(|known| known.path == door.path);
    for_plaintext && !known && (1..RequestPath::MOST).contains(&at_port().count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::host::Host;
    use crate::discover::paths::Paths;
    use crate::discover::published::Published;
    use crate::model::{Address, Owner};

    use PlaintextRule::{Declared, Redirect};

    fn claim(tls: bool, plaintext: PlaintextRule, paths: &[&str]) -> Target {
        let owner = Owner {
            created: None,
            kind: "Ingress",
            namespace: "trade".into(),
            name: "shop".into(),
        };
        let published = Published {
            source: "ingress",
            owner: &owner,
            host: &Host::parse("shop.example").unwrap(),
            name: None,
            address: &Address::parse("192.0.2.1"),
            port: 443,
            tls,
            http: &[80],
            plaintext,
            paths: &Paths::new(RequestPath::few(paths.iter().copied()), plaintext),
            secret: None,
        };
        published.target()
    }

    /// The rule, the paths at port 80, and those where plaintext is declared.
    fn joined(claims: &[Target]) -> (PlaintextRule, String, String) {
        let mut target = claims[0].clone();
        join(&mut target, claims[1..].iter());
        let at_80 = target.plaintext.iter().filter(|door| door.port == 80);
        let at_80: Vec<_> = at_80.map(|door| door.path.as_str()).collect();
        let tls_port = target.plaintext.iter().filter(|door| door.port == 443);
        assert_eq!(tls_port.count(), 1, "the TLS port has `/` alone");
        let in_clear: Vec<_> = target
            .expect
            .in_clear
            .iter()
            .map(RequestPath::as_str)
            .collect();
        (target.expect.plaintext, at_80.join(" "), in_clear.join(" "))
    }

    #[test]
    fn the_paths_of_all_objects_are_asked_for_within_the_bound() {
        for (claims, at_80) in [
            (vec![claim(true, Redirect, &["/"])], "/"),
            (
                vec![
                    claim(true, Redirect, &["/"]),
                    claim(true, Redirect, &["/a"]),
                ],
                "/ /a",
            ),
            (
                vec![
                    claim(true, Redirect, &["/a", "/b"]),
                    claim(false, Redirect, &["/a", "/c", "/d"]),
                    claim(false, Redirect, &["/e"]),
                ],
                "/ /a /b /c",
            ),
        ] {
            assert_eq!(joined(&claims), (Redirect, at_80.to_owned(), String::new()));
        }
    }

    #[test]
    fn what_one_object_asks_for_in_clear_excuses_no_other() {
        let (strict, open) = (
            claim(true, Redirect, &["/"]),
            claim(true, Declared, &["/open"]),
        );
        let apart = (Redirect, "/ /open".to_owned(), "/open".to_owned());
        assert_eq!(joined(&[strict.clone(), open.clone()]), apart);
        assert_eq!(joined(&[open.clone(), strict.clone()]), apart);
        let (rule, ..) = joined(&[open.clone(), open]);
        assert_eq!(rule, Declared);
    }

    #[test]
    fn of_two_objects_that_name_a_path_the_older_decides() {
        let (strict, open) = (
            claim(true, Redirect, &["/", "/a"]),
            claim(true, Declared, &["/", "/a"]),
        );
        let (rule, _, in_clear) = joined(&[strict.clone(), open.clone()]);
        assert_eq!((rule, &*in_clear), (Redirect, ""));
        let (rule, _, in_clear) = joined(&[open, strict]);
        assert_eq!((rule, &*in_clear), (Redirect, "/ /a"));
    }

    #[test]
    fn an_object_without_tls_adds_paths_and_no_rule() {
        let (open, bare) = (
            claim(true, Declared, &["/a"]),
            claim(false, Redirect, &["/b"]),
        );
        let (rule, at_80, _) = joined(&[open, bare]);
        assert_eq!((rule, &*at_80), (Declared, "/ /a /b"));
    }
}
