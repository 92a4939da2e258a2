//! Verdicts: samples and findings, and the declarations that own their names.

use std::sync::Arc;

use super::observation::{Reason, TlsVersion};
use super::time::UnixTime;

/// A metric family: declared once, beside the check that fills it.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// The full metric name.
    pub name: &'static str,
    /// What it means, one sentence without a full stop; must not contain newlines.
    pub help: &'static str,
    /// The labels after the row's own.
    pub labels: &'static [&'static str],
    /// Which of the row's own labels it carries.
    pub scope: Scope,
    /// Gauge or counter.
    pub kind: Kind,
}

/// Which labels of the row a family carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them: source, namespace, name, host, port, address.
    Target,
    /// All but the address: said once for all addresses of a host.
    Host,
    /// Likewise, and none of its own: the value is how many different texts its samples have for
    /// their one label over all addresses of the host.
    HostCount,
    /// Those of the object: source, namespace, name.
    Object,
    /// None: every label is the family's own.
    Own,
}

/// The type of a family in the exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only goes up; its name ends in `_total`.
    Counter,
}

/// The values of a family's own labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extra {
    /// The family has none.
    None,
    /// One label, whose value is from a closed set.
    Word(&'static str),
    /// Two labels, whose values are from closed sets.
    Words(&'static str, &'static str),
    /// Label values in the order of [`Family::labels`], unescaped.
    Texts(Arc<[Box<str>]>),
}

/// One value of one family for one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Which family.
    pub family: &'static Family,
    /// Its own labels' values.
    pub extra: Extra,
    /// The value.
    pub value: f64,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Needs work soon.
    Warning,
    /// Needs work now.
    Critical,
}

impl Severity {
    /// The spelling in labels.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// A kind of finding: declared once, beside the check that makes it.
#[derive(Debug, PartialEq, Eq)]
pub struct FindingSpec {
    /// Its name in labels, outputs and `docs/runbooks/<name>.md`.
    pub name: &'static str,
    /// What it means, one sentence without a full stop.
    pub help: &'static str,
}

/// Something wrong with a target, while it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which kind.
    pub spec: &'static FindingSpec,
    /// How bad.
    pub severity: Severity,
    /// The particulars, for people; cleaned.
    pub detail: Box<str>,
}

/// Findings of one kind that the operator accepts for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiver {
    /// The finding's name.
    pub finding: Arc<str>,
    /// The last day on which it is accepted, as it is written: `2027-03-01`.
    pub until: Arc<str>,
    /// The first instant at which it no longer is: the end of that day, in UTC.
    pub ends: UnixTime,
    /// Why it is accepted; fit for a label.
    pub reason: Arc<str>,
}

/// A finding that holds and is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waived {
    /// What holds.
    pub finding: Finding,
    /// By what it is accepted.
    pub waiver: Waiver,
}

/// What was judged of one target at one instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Facts.
    pub samples: Vec<Sample>,
    /// Problems; at most one of each kind.
    pub findings: Vec<Finding>,
    /// Problems that are accepted, and none of [`Self::findings`].
    pub waived: Vec<Waived>,
    /// The row in a few words.
    pub summary: Summary,
}

/// A row in a few words, for tables. All of it is in the samples too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// When the leaf expires, of the least favourable address.
    pub not_after: Option<UnixTime>,
    /// The version agreed on there.
    pub version: Option<TlsVersion>,
    /// Why the last probe failed, where it did.
    pub failure: Option<Reason>,
    /// Whether what is expected of its reachability holds; `None` where nothing is, or where that
    /// could not be found out.
    pub met: Option<bool>,
}

impl Verdict {
    /// Adds a sample of a family without labels of its own.
    pub fn gauge(&mut self, family: &'static Family, value: f64) {
        self.samples.push(Sample {
            family,
            extra: Extra::None,
            value,
        });
    }

    /// Adds a sample of a family with one label from a closed set.
    pub fn word(&mut self, family: &'static Family, word: &'static str, value: f64) {
        self.samples.push(Sample {
            family,
            extra: Extra::Word(word),
            value,
        });
    }

    /// Adds a sample of a family with free texts as labels.
    pub fn texts(&mut self, family: &'static Family, texts: Arc<[Box<str>]>, value: f64) {
        self.samples.push(Sample {
            family,
            extra: Extra::Texts(texts),
            value,
        });
    }

    /// Adds a finding.
    pub fn find(
        &mut self,
        spec: &'static FindingSpec,
        severity: Severity,
        detail: impl Into<Box<str>>,
    ) {
        self.findings.push(Finding {
            spec,
            severity,
            detail: detail.into(),
        });
    }
}
