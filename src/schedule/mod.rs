//! Schedule: which door is probed when, and how many at once.

mod gate;
mod lane;
mod queue;
mod slots;

use std::sync::Arc;

use crate::discover::{DropReason, Health};
use crate::model::{DeepReport, PlainDoor, PlainReport, Row, Target, TlsDoor, TlsReport};

/// What the schedule tells the record, in the order it happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A row appeared, or what was declared about it changed.
    Target(Arc<Target>),
    /// A row went.
    Gone(Row),
    /// A regular probe of a TLS door ended.
    Tls(Arc<TlsDoor>, TlsReport),
    /// A deep probe ended.
    Deep(Arc<TlsDoor>, DeepReport),
    /// A plaintext probe ended.
    Plain(Arc<PlainDoor>, PlainReport),
    /// How late a probe started after it was due.
    Lateness(std::time::Duration),
    /// How a source fares.
    Source(&'static str, Health),
    /// How much of what a source declares is known but not probed, by reason: the complete counts.
    Dropped(&'static str, Vec<(DropReason, usize)>),
    /// Every door known when all sources had first listed (or failed) has been probed once.
    FirstPass,
}
