//! Waivers: findings that a rule accepts, until a date and for a reason.

use super::field::{Field, Section, Written};
use super::node::Value;
use super::{suggest, value};
use crate::model::{UnixTime, Waiver, clean};

/// A waiver while it is read.
#[derive(Default)]
pub(super) struct Draft {
    finding: Option<String>,
    until: Option<(String, UnixTime)>,
    reason: Option<String>,
}

/// Reads one waiver.
pub(super) fn waiver(written: &Written<'_>) -> Option<Waiver> {
    let mut draft = Draft::default();
    written.section(&mut draft);
    written.require("finding", "the name of what is accepted");
    written.require("until", "the last day of it, such as `until: 2027-03-01`");
    written.require("reason", "why it is accepted");
    let (until, ends) = draft.until?;
    Some(Waiver {
        finding: draft.finding?.into(),
        until: until.into(),
        ends,
        reason: draft.reason?.into(),
    })
}

impl Section for Draft {
    const FIELDS: &'static [Field<Self>] = &[
        Field {
            name: "finding",
            kind: "text",
            default: "(required)",
            meaning: "The name of the finding, as in `docs/metrics.md`.",
            read: |waiver, written| {
                let findings = written.reader.names.findings;
                waiver.finding = written.value(|v| finding(v, findings));
            },
            inside: None,
        },
        Field {
            name: "until",
            kind: "date",
            default: "(required)",
            meaning: "The last day, in UTC, on which it is accepted, as in `2027-03-01`.",
            read: |waiver, written| waiver.until = written.value(value::day),
            inside: None,
        },
        Field {
            name: "reason",
            kind: "text",
            default: "(required)",
            meaning: "Why, for whoever meets it; shown as the label `reason`.",
            read: |waiver, written| waiver.reason = written.value(reason),
            inside: None,
        },
    ];
}

fn finding(value: &Value, findings: &[&str]) -> Result<String, String> {
    let name = value::text(value, "the name of a finding")?;
    if findings.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(format!(
        "`{}` is not a finding; {}",
        clean(name),
        suggest::instead(name, findings)
    ))
}

fn reason(value: &Value) -> Result<String, String> {
    match value::label(value)? {
        "" => Err("a waiver needs a reason that is not empty".to_owned()),
        reason => Ok(reason.to_owned()),
    }
}
