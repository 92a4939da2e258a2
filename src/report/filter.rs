//! Which rows are wanted.

use crate::model::Severity;
use crate::record::{Posture, RowRecord, StoredRecord};

use super::order::worst;

/// What a row must be to be wanted. What is empty or `None` leaves all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of one of these sources.
    pub sources: Vec<String>,
    /// In one of these namespaces.
    pub namespaces: Vec<String>,
    /// With one of these hosts, or addresses where there is no host; `*.suffix` is every name below the suffix.
    pub hosts: Vec<String>,
    /// With a finding this bad or worse.
    pub severity: Option<Severity>,
    /// In this state.
    pub state: Option<Posture>,
    /// With this text, in any case, in its host, address, name, namespace or a finding's name.
    pub text: String,
}

impl Filter {
    /// Whether the row is wanted.
    #[must_use]
    pub fn takes(&self, row: &RowRecord) -> bool {
        let own = &row.target.row;
        let named = if own.host.is_empty() {
            &own.address
        } else {
            &own.host
        };
        among(&self.sources, own.source)
            && among(&self.namespaces, &own.namespace)
            && (self.hosts.is_empty() || self.hosts.iter().any(|host| matches(host, named)))
            && self.severity.is_none_or(|least| worst(row) >= Some(least))
            && self.state.is_none_or(|state| row.posture == state)
            && has_text(&self.text, row)
    }
}

impl Filter {
    /// Whether what an object stores is wanted: it has no host and no state, so that a filter by
    /// those leaves it out.
    #[must_use]
    pub fn takes_stored(&self, record: &StoredRecord) -> bool {
        let place = &record.object.place;
        let worst = record.findings.iter().map(|finding| finding.severity).max();
        among(&self.sources, place.source)
            && among(&self.namespaces, &place.namespace)
            && self.hosts.is_empty()
            && self.state.is_none()
            && self.severity.is_none_or(|least| worst >= Some(least))
    }
}

fn among(wanted: &[String], value: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|wanted| wanted == value)
}

/// As the hosts of rules match, but that a pattern also finds itself as it was declared.
fn matches(pattern: &str, host: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    pattern == host
        || pattern
            .strip_prefix('*')
            .is_some_and(|suffix| host.len() > suffix.len() && host.ends_with(suffix))
}

fn has_text(text: &str, row: &RowRecord) -> bool {
    let text = text.trim().to_lowercase();
    let own = &row.target.row;
    let fields = [&own.host, &own.address, &own.name, &own.namespace];
    let waived = row.waived.iter().map(|waived| &waived.finding);
    text.is_empty()
        || fields
            .iter()
            .any(|field| field.to_lowercase().contains(&text))
        || row
            .findings
            .iter()
            .chain(waived)
            .any(|finding| finding.spec.name.contains(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{expired, good};

    fn taken(filter: &Filter) -> Vec<String> {
        let rows = [expired("shop.example"), good("a.shop.example")];
        rows.iter()
            .filter(|row| filter.takes(row))
            .map(|row| row.target.row.host.to_string())
            .collect()
    }

    #[test]
    fn each_condition_leaves_what_meets_it() {
        let every = ["shop.example", "a.shop.example"];
        let list = |word: &str| vec![word.to_owned()];
        let filter = Filter::default;
        let cases: [(Filter, &[&str]); 12] = [
            (filter(), &every),
            (
                Filter {
                    sources: list("ingress"),
                    ..filter()
                },
                &every,
            ),
            (
                Filter {
                    sources: list("node"),
                    ..filter()
                },
                &[],
            ),
            (
                Filter {
                    namespaces: list("default"),
                    ..filter()
                },
                &every,
            ),
            (
                Filter {
                    namespaces: list("defaul"),
                    ..filter()
                },
                &[],
            ),
            (
                Filter {
                    hosts: list("Shop.example"),
                    ..filter()
                },
                &every[..1],
            ),
            (
                Filter {
                    hosts: list("*.shop.example"),
                    ..filter()
                },
                &every[1..],
            ),
            (
                Filter {
                    severity: Some(Severity::Critical),
                    ..filter()
                },
                &every[..1],
            ),
            (
                Filter {
                    state: Some(Posture::HttpsOnly),
                    ..filter()
                },
                &every[1..],
            ),
            (
                Filter {
                    text: " A.SHOP".into(),
                    ..filter()
                },
                &every[1..],
            ),
            (
                Filter {
                    text: "_expired".into(),
                    ..filter()
                },
                &every[..1],
            ),
            (
                Filter {
                    text: "nowhere".into(),
                    ..filter()
                },
                &[],
            ),
        ];
        for (filter, expected) in cases {
            assert_eq!(taken(&filter), expected, "{filter:?}");
        }
    }

    #[test]
    fn without_a_host_the_address_stands_for_it() {
        let filter = Filter {
            hosts: vec!["192.0.2.1".to_owned()],
            ..Filter::default()
        };
        assert!(filter.takes(&good("")) && !filter.takes(&good("shop.example")));
    }
}
