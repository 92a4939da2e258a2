//! Report: what is known of each row, for people and for other programs.
//!
//! The metrics say what a row comes to; a report says what is behind it: the chain, every address,
//! each answer in clear, the findings and where to read on. The commands, the status page and the
//! API show the same report, in the same order, by the same filters.

mod filter;
mod journal;
mod name;
mod order;
mod runbook;
mod stored;
mod time;
mod view;

pub use filter::Filter;
pub use journal::tell;
pub use name::{door, named, object};
pub use order::{is_shown, sort, status, worst};
pub use runbook::runbook;
pub use stored::{StoredCertificateView, StoredView};
pub use time::{When, distance};
pub use view::{
    AddressView, CertificateView, Document, FailureView, FindingView, OwnerView, PlainAnswerView,
    PlainView, StepView, TargetView, VERSION, WaivedView,
};

#[cfg(test)]
pub(crate) mod samples;
