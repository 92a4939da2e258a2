//! Rules: what applies to the targets that match. The first rule that matches is the only one.

use std::path::Path;
use std::sync::Arc;

use super::discovery::source_names;
use super::document::rows;
use super::field::{Field, Section, Written};
use super::node::Value;
use super::{host, trust, value, waiver};
use crate::model::{PlaintextRule, Waiver};

/// What applies to the targets that match; unset fields leave the default.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Which targets.
    pub matches: RuleMatch,
    /// Roots instead of the default.
    pub ca_file: Option<Arc<Path>>,
    /// What plaintext may do.
    pub plaintext: Option<PlaintextRule>,
    /// Whether to probe at all.
    pub probe: Option<bool>,
    /// What is accepted although it is wrong.
    pub accept: Arc<[Waiver]>,
}

/// All set fields must match; an empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleMatch {
    /// The source's name.
    pub source: Option<String>,
    /// The owning object's namespace.
    pub namespace: Option<String>,
    /// The host, exactly, or `*.suffix` for any name below the suffix; lower case, A-labels.
    pub host: Option<String>,
    /// Labels of the owning object, all of which must be there with these values.
    pub labels: Vec<(String, String)>,
}

/// The first of `rules` that matches a target of `source`, owned by an object in `namespace` (empty
/// where there is none) of which `label` gives each label, for `host` as it is declared (empty
/// where there is none, `*.` kept).
#[must_use]
pub fn rule_for<'a, 'b>(
    rules: &'a [Rule],
    source: &str,
    namespace: &str,
    host: &str,
    label: impl Fn(&str) -> Option<&'b str>,
) -> Option<&'a Rule> {
    rules
        .iter()
        .map(|rule| (rule, &rule.matches))
        .find_map(|(rule, wanted)| {
            let matches = wanted.source.as_deref().is_none_or(|s| s == source)
                && wanted.namespace.as_deref().is_none_or(|n| n == namespace)
                && wanted
                    .host
                    .as_deref()
                    .is_none_or(|pattern| covers(pattern, host))
                && wanted
                    .labels
                    .iter()
                    .all(|(key, value)| label(key) == Some(value));
            matches.then_some(rule)
        })
}

/// Whether `host` is `pattern`, or is below its suffix at any depth; case does not matter.
fn covers(pattern: &str, host: &str) -> bool {
    let (pattern, host) = (pattern.to_ascii_lowercase(), host.to_ascii_lowercase());
    match pattern.strip_prefix("*.") {
        Some(suffix) => host
            .strip_suffix(suffix)
            .and_then(|below| below.strip_suffix('.'))
            .is_some_and(|below| !below.is_empty()),
        None => host == pattern,
    }
}

/// A rule while it is read.
#[derive(Default)]
pub(super) struct Draft {
    matches: Option<RuleMatch>,
    ca_file: Option<Arc<Path>>,
    plaintext: Option<PlaintextRule>,
    probe: Option<bool>,
    accept: Vec<Waiver>,
}

/// Reads one rule.
pub(super) fn rule(written: &Written<'_>) -> Option<Rule> {
    let mut draft = Draft::default();
    written.section(&mut draft);
    written.require("match", "`match: {}` to match everything");
    Some(Rule {
        matches: draft.matches?,
        ca_file: draft.ca_file,
        plaintext: draft.plaintext,
        probe: draft.probe,
        accept: draft.accept.into(),
    })
}

impl Section for Draft {
    const FIELDS: &'static [Field<Self>] = &[
        Field {
            name: "match",
            kind: "map",
            default: "(required)",
            meaning: "Which targets the rule is for: those to which every field written here \
                      applies. `{}` matches everything.",
            read: |rule, written| rule.matches = matches(written),
            inside: Some(rows::<RuleMatch>),
        },
        Field {
            name: "ca_file",
            kind: "path",
            default: "(the source's own roots)",
            meaning: "A PEM file: the chain must lead to one of its certificates.",
            read: |rule, written| trust::set_ca_file(&mut rule.ca_file, written),
            inside: None,
        },
        Field {
            name: "plaintext",
            kind: "`forbidden`, `redirect` or `allowed`",
            default: "(the source's own rule)",
            meaning: "What HTTP in clear may do: `forbidden`: nothing may answer, not even a \
                      redirect; `redirect`: a redirect to https is fine; `allowed`: it is not \
                      looked for.",
            read: |rule, written| rule.plaintext = written.value(plaintext),
            inside: None,
        },
        Field {
            name: "probe",
            kind: "`true` or `false`",
            default: "true",
            meaning: "Whether these targets are looked at at all. Where not, they are counted as \
                      dropped.",
            read: |rule, written| rule.probe = written.value(value::flag),
            inside: None,
        },
        Field {
            name: "accept",
            kind: "list of maps",
            default: "[]",
            meaning: "Findings that are accepted for a while. They are shown in \
                      `kube_https_finding_waived_info` rather than in `kube_https_finding`.",
            read: |rule, written| written.list(&mut rule.accept, waiver::waiver),
            inside: Some(rows::<waiver::Draft>),
        },
    ];
}

/// Reads what a rule matches. Nothing at all is refused: it would match everything, and is more
/// often a slip.
fn matches(written: &Written<'_>) -> Option<RuleMatch> {
    written.value(|value| match value {
        Value::Empty => Err("found nothing; write `match: {}` to match everything".to_owned()),
        _ => Ok(()),
    })?;
    let mut matches = RuleMatch::default();
    written.section(&mut matches);
    Some(matches)
}

fn plaintext(value: &Value) -> Result<PlaintextRule, String> {
    value::choice(
        value,
        &[
            ("forbidden", PlaintextRule::Forbidden),
            ("redirect", PlaintextRule::Redirect),
            ("allowed", PlaintextRule::Allowed),
        ],
    )
}

impl Section for RuleMatch {
    const FIELDS: &'static [Field<Self>] = &[
        Field {
            name: "source",
            kind: "text",
            default: "(any)",
            meaning: "The name of the source: one of those under `discovery`, or `secret`, `static` (the \
                      `targets` written here) or `file`.",
            read: |wanted, written| {
                let names = source_names().into_iter();
                let words: Vec<_> = names.map(|name| (name, name)).collect();
                wanted.source = written
                    .value(|v| value::choice(v, &words))
                    .map(str::to_owned);
            },
            inside: None,
        },
        Field {
            name: "namespace",
            kind: "text",
            default: "(any)",
            meaning: "The namespace of the object that declares the target.",
            read: |wanted, written| wanted.namespace = written.value(value::namespace),
            inside: None,
        },
        Field {
            name: "host",
            kind: "host or pattern",
            default: "(any)",
            meaning: "The host, exactly; or `\"*.example.com\"`, in quotes, for every name below \
                      `example.com` at any depth, but not `example.com` itself.",
            read: |wanted, written| wanted.host = written.value(host::pattern),
            inside: None,
        },
        Field {
            name: "labels",
            kind: "map of texts",
            default: "{}",
            meaning: "Labels of the object that declares the target, all of which it must have \
                      with these values.",
            read: |wanted, written| written.map(&mut wanted.labels, label_value),
            inside: None,
        },
    ];
}

fn label_value(value: &Value) -> Result<String, String> {
    value::text(value, "a text").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(matches: RuleMatch) -> Rule {
        Rule {
            matches,
            ca_file: None,
            plaintext: None,
            probe: None,
            accept: Arc::default(),
        }
    }

    fn for_host(pattern: &str) -> Rule {
        rule(RuleMatch {
            host: Some(pattern.to_owned()),
            ..RuleMatch::default()
        })
    }

    fn matches(rule: Rule, host: &str) -> bool {
        rule_for(&[rule], "ingress", "shop", host, |_| None).is_some()
    }

    #[test]
    fn a_pattern_matches_below_its_suffix_at_any_depth_but_not_the_suffix() {
        for (host, covered) in [
            ("a.corp", true),
            ("a.b.corp", true),
            ("A.CORP", true),
            ("*.corp", true),
            ("corp", false),
            (".corp", false),
            ("acorp", false),
            ("a.corp.example", false),
            ("", false),
        ] {
            assert_eq!(matches(for_host("*.corp"), host), covered, "{host}");
        }
    }

    #[test]
    fn a_host_without_a_pattern_matches_itself_only() {
        assert!(matches(for_host("a.corp"), "A.corp"));
        assert!(!matches(for_host("a.corp"), "b.a.corp"));
    }

    #[test]
    fn an_empty_match_matches_everything_even_without_a_host() {
        assert!(matches(rule(RuleMatch::default()), ""));
    }

    #[test]
    fn the_first_rule_that_matches_is_taken() {
        let rules = [for_host("b.corp"), for_host("*.corp"), for_host("a.corp")];
        let found = rule_for(&rules, "ingress", "shop", "a.corp", |_| None);
        assert_eq!(found, rules.get(1));
    }

    #[test]
    fn every_field_of_a_match_has_to_match() {
        let wanted = RuleMatch {
            source: Some("ingress".to_owned()),
            namespace: Some("shop".to_owned()),
            host: Some("a.corp".to_owned()),
            labels: vec![("team".to_owned(), "web".to_owned())],
        };
        let rules = [rule(wanted)];
        let found = |source, namespace, host, team: &'static str| {
            let label = |key: &str| (key == "team").then_some(team);
            rule_for(&rules, source, namespace, host, label).is_some()
        };
        assert!(found("ingress", "shop", "a.corp", "web"));
        assert!(!found("static", "shop", "a.corp", "web"));
        assert!(!found("ingress", "bank", "a.corp", "web"));
        assert!(!found("ingress", "shop", "b.corp", "web"));
        assert!(!found("ingress", "shop", "a.corp", "db"));
        assert!(rule_for(&rules, "ingress", "shop", "a.corp", |_| None).is_none());
    }
}
