//! Traefik's rules (`Host(`a`) && PathPrefix(`/b`)`), read for their hosts and paths.
//!
//! Nothing else of a rule matters here, and its whole grammar is not checked: what Traefik would
//! refuse comes to hosts that it does not serve. Reading takes one pass, without recursion.

/// The matchers whose arguments are hosts, in any case: of HTTP, of TCP, and of Traefik v2.
const HOSTS: [&str; 3] = ["host", "hostsni", "hostheader"];

/// The matchers whose arguments are patterns of hosts.
const PATTERNS: [&str; 2] = ["hostregexp", "hostsniregexp"];

/// The matchers whose arguments are paths, or prefixes of them.
const PATHS: [&str; 2] = ["path", "pathprefix"];

/// The hosts that a rule is for: `Ok` for each, `Err` for each pattern, which stands for names that
/// nobody can list. A rule that says nothing of hosts is for any, and gives the empty one.
///
/// What a rule excludes (`!`) is not given.
pub(super) fn hosts(rule: &str) -> Vec<Result<String, String>> {
    let arguments = arguments(rule).into_iter();
    let mut found: Vec<_> = arguments
        .filter_map(|(matcher, text)| argument(&matcher, text))
        .collect();
    if found.is_empty() {
        found.push(Ok(String::new()));
    }
    found
}

/// The paths, or prefixes of paths, that a rule is for; none where it is for any, or for patterns.
pub(super) fn paths(rule: &str) -> Vec<String> {
    let arguments = arguments(rule).into_iter();
    let paths = arguments.filter(|(matcher, _)| PATHS.contains(&matcher.as_str()));
    paths.map(|(_, path)| path).collect()
}

/// Each matcher in lower case with each of its arguments, but for what is excluded.
fn arguments(rule: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    // Whether each parenthesis that is open stands behind an odd number of `!`.
    let mut groups: Vec<bool> = Vec::new();
    let (mut negated, mut word) = (false, String::new());
    // What the parenthesis that was opened last holds: arguments of this matcher, or a group.
    let mut matcher: Option<String> = None;
    let mut rest = rule.chars();
    while let Some(c) = rest.next() {
        match c {
            '`' | '"' | '\'' => {
                let text: String = rest.by_ref().take_while(|next| *next != c).collect();
                let outside = !groups.last().copied().unwrap_or(false);
                if let Some(matcher) = matcher.clone().filter(|_| outside) {
                    found.push((matcher, text));
                }
            }
            '(' => {
                matcher = (!word.is_empty()).then(|| std::mem::take(&mut word));
                let outer = groups.last().copied().unwrap_or(false);
                groups.push(outer ^ std::mem::take(&mut negated));
            }
            ')' => {
                groups.pop();
                matcher = None;
                word.clear();
            }
            '!' => negated = !negated,
            c if c.is_alphanumeric() => word.extend(c.to_lowercase()),
            _ => word.clear(),
        }
    }
    found
}

/// `*` of `HostSNI` stands for any host, and for none.
fn argument(matcher: &str, text: String) -> Option<Result<String, String>> {
    match text.as_str() {
        "*" if HOSTS.contains(&matcher) => Some(Ok(String::new())),
        _ if HOSTS.contains(&matcher) => Some(Ok(text)),
        _ if PATTERNS.contains(&matcher) => Some(Err(text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hosts, and the patterns after a tilde.
    fn read(rule: &str) -> Vec<String> {
        let hosts = hosts(rule).into_iter();
        hosts
            .map(|host| host.unwrap_or_else(|pattern| format!("~{pattern}")))
            .collect()
    }

    #[test]
    fn hosts_are_found_wherever_a_rule_has_them() {
        for (rule, hosts) in [
            ("Host(`a.test`)", &["a.test"][..]),
            ("Host(`a.test`) && PathPrefix(`/b`)", &["a.test"]),
            ("PathPrefix(`/b`)&&Host(`a.test`)", &["a.test"]),
            ("Host(`a.test`) || host(\"b.test\")", &["a.test", "b.test"]),
            ("Host(`a.test`, `b.test`)", &["a.test", "b.test"]),
            (
                "(Host(`a.test`) || (HOST(`b.test`))) && Method(`GET`)",
                &["a.test", "b.test"],
            ),
            ("HostSNI(`a.test`)", &["a.test"]),
            ("HostSNI(`*`)", &[""]),
            ("HostRegexp(`^.+\\.a\\.test$`)", &["~^.+\\.a\\.test$"]),
        ] {
            assert_eq!(read(rule), hosts, "{rule}");
        }
    }

    #[test]
    fn paths_are_found_but_for_patterns_and_what_is_excluded() {
        for (rule, expected) in [
            ("Host(`a.test`)", &[][..]),
            ("Host(`a.test`) && PathPrefix(`/b`, `/c`)", &["/b", "/c"]),
            (
                "Path(`/b`) || (!Path(`/c`) && pathprefix(\"/d\"))",
                &["/b", "/d"],
            ),
            ("PathRegexp(`^/b`)", &[]),
        ] {
            assert_eq!(paths(rule), expected, "{rule}");
        }
    }

    #[test]
    fn what_a_rule_excludes_is_not_its_host() {
        assert_eq!(read("Host(`a.test`) && !Host(`b.test`)"), ["a.test"]);
        assert_eq!(read("!(Host(`a.test`) || Host(`b.test`))"), [""]);
        assert_eq!(read("!(!Host(`a.test`))"), ["a.test"]);
        assert_eq!(read("!!Host(`a.test`)"), ["a.test"]);
    }

    #[test]
    fn a_host_inside_another_matchers_text_is_none() {
        assert_eq!(read("Header(`X`, `Host(a.test)`)"), [""]);
        assert_eq!(read("PathPrefix(`/Host(`)"), [""]);
    }

    #[test]
    fn nonsense_of_any_length_is_read_to_its_end() {
        for rule in ["", "(", ")))", "Host(`a", "!!!", "Host(`", "``", "&&"] {
            read(rule);
        }
        let deep = "(".repeat(200_000) + "Host(`a.test`)";
        assert_eq!(read(&deep), ["a.test"]);
    }
}
