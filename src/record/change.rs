//! Changes: what appears in a verdict that was not in the one before it, and what is gone.

use crate::model::{Finding, Place, StoredPlace};

use super::row::{RowRecord, StoredRecord};

/// A finding that appeared, became better or worse, or is gone.
#[derive(Clone, Debug)]
pub struct Change {
    /// What it is about, as it is now; where that is gone itself, as it was.
    pub subject: Subject,
    /// The finding.
    pub finding: Finding,
    /// Whether it holds now.
    pub holds: bool,
}

/// What a change is about.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A target.
    Row(RowRecord),
    /// What is stored.
    Stored(StoredRecord),
}

/// Where the subject of a change is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Where {
    /// A target's place.
    Row(Place),
    /// That of what is stored. Boxed: there are many more targets.
    Stored(Box<StoredPlace>),
}

impl Subject {
    /// Where it is.
    #[must_use]
    pub fn place(&self) -> Where {
        match self {
            Self::Row(row) => Where::Row(row.target.row.place().clone()),
            Self::Stored(record) => Where::Stored(Box::new(record.object.place.clone())),
        }
    }
}

/// What can have findings.
pub(super) trait Judged: Clone {
    /// Those that hold.
    fn findings(&self) -> &[Finding];
    fn subject(self) -> Subject;
}

impl Judged for RowRecord {
    fn findings(&self) -> &[Finding] {
        &self.findings
    }

    fn subject(self) -> Subject {
        Subject::Row(self)
    }
}

impl Judged for StoredRecord {
    fn findings(&self) -> &[Finding] {
        &self.findings
    }

    fn subject(self) -> Subject {
        Subject::Stored(self)
    }
}

/// From one verdict to the next; before the first, and after the last, there is none. Particulars that
/// change, as days that remain do, are no change.
pub(super) fn changes<T: Judged>(old: Option<&T>, new: Option<&T>) -> Vec<Change> {
    let (before, after) = (findings_of(old), findings_of(new));
    let Some(subject) = new.or(old) else {
        return Vec::new();
    };
    let change = |finding: &Finding, holds| Change {
        subject: subject.clone().subject(),
        finding: finding.clone(),
        holds,
    };
    let appeared = after.iter().filter(|finding| {
        let same =
            |other: &Finding| other.spec == finding.spec && other.severity == finding.severity;
        !before.iter().any(same)
    });
    let gone = before.iter().filter(|finding| {
        let same = |other: &Finding| other.spec == finding.spec;
        !after.iter().any(same)
    });
    let gone = gone.map(|finding| change(finding, false));
    gone.chain(appeared.map(|finding| change(finding, true)))
        .collect()
}

fn findings_of<T: Judged>(one: Option<&T>) -> &[Finding] {
    one.map_or(&[], T::findings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FindingSpec, Severity, Verdict};
    use crate::record::Seen;
    use crate::record::samples::{EXPIRED, PLAINTEXT, record, row, target};

    type Findings<'a> = &'a [(&'static FindingSpec, Severity)];

    /// No row where it has no findings.
    fn row_with(findings: Findings<'_>) -> Option<RowRecord> {
        let mut verdict = Verdict::default();
        for (spec, severity) in findings {
            verdict.find(spec, *severity, "");
        }
        let target = target(row("a.test", "192.0.2.1"));
        (!findings.is_empty()).then(|| record(target, verdict, Seen::default()))
    }

    fn told(old: Findings<'_>, new: Findings<'_>) -> Vec<String> {
        let changes = changes(row_with(old).as_ref(), row_with(new).as_ref());
        let words = changes.iter().map(|change| {
            let sign = if change.holds { '+' } else { '-' };
            let severity = change.finding.severity.label();
            format!("{sign}{} {severity}", change.finding.spec.name)
        });
        words.collect()
    }

    #[test]
    fn a_finding_is_told_when_it_appears_changes_its_severity_and_goes() {
        use Severity::{Critical, Warning};
        let (expired, plaintext) = ((&EXPIRED, Critical), (&PLAINTEXT, Critical));
        assert_eq!(told(&[], &[expired]), ["+certificate_expired critical"]);
        assert_eq!(told(&[expired], &[expired]), [""; 0]);
        assert_eq!(
            told(&[expired], &[(&EXPIRED, Warning)]),
            ["+certificate_expired warning"]
        );
        assert_eq!(
            told(&[expired], &[plaintext]),
            [
                "-certificate_expired critical",
                "+plaintext_served critical"
            ]
        );
        assert_eq!(told(&[expired], &[]), ["-certificate_expired critical"]);
        assert_eq!(told(&[], &[]), [""; 0]);
    }
}
