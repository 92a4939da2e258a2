//! Schedule: which door is probed when, and how many at once.
//!
//! One task ([`run()`]) takes what the sources say, keeps the queue of doors, starts the probes and
//! passes on, in order, what became of all that. What to start next is decided by the `queue`,
//! which knows neither tasks nor sockets.

mod doors;
mod faces;
mod gate;
mod lane;
mod part;
mod queue;
mod run;
mod sharing;
mod slots;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::discover::{DropReason, Health};
use crate::model::{
    DeepReport, Place, PlainDoor, PlainReport, StoredObject, StoredPlace, Target, TlsDoor,
    TlsReport, TlsVersion,
};

pub use part::{Part, Shard};
pub use run::{Question, Schedule, run};
pub use slots::next_turn;

/// What makes the probes. Implemented by the probe stage, and by the tests of this one.
pub trait Probe: Send + Sync + 'static {
    /// One regular probe of a TLS door.
    fn tls(&self, door: &TlsDoor) -> impl Future<Output = TlsReport> + Send;

    /// One deep probe: of these addresses, with the version that the last handshake with each
    /// settled on.
    fn deep(
        &self,
        door: &TlsDoor,
        known: &[(IpAddr, TlsVersion)],
    ) -> impl Future<Output = DeepReport> + Send;

    /// One plaintext probe.
    fn plain(&self, door: &PlainDoor) -> impl Future<Output = PlainReport> + Send;
}

/// What the schedule tells the record, in the order it happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A row appeared, or what was declared about it changed.
    Target(Arc<Target>),
    /// A row went.
    Gone(Place),
    /// Stored certificates appeared, or changed.
    Stored(Arc<StoredObject>),
    /// Stored certificates went.
    StoredGone(StoredPlace),
    /// A regular probe of a TLS door ended.
    Tls(Arc<TlsDoor>, TlsReport),
    /// A deep probe ended.
    Deep(Arc<TlsDoor>, DeepReport),
    /// A deep probe of another door holds for this one: they are alike in all that handshakes show.
    SharedDeep(Arc<TlsDoor>, DeepReport),
    /// A plaintext probe ended.
    Plain(Arc<PlainDoor>, PlainReport),
    /// How late a probe started after it was due.
    Lateness(Duration),
    /// How a source fares.
    Source(&'static str, Health),
    /// How much of what a source declares is known but not probed, by reason: the complete counts.
    Dropped(&'static str, Vec<(DropReason, usize)>),
    /// All sources have listed or failed, and every door has been probed once, deeply too.
    FirstPass,
}
