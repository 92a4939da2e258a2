//! Record: the last verdict of every row, ready to be written out.
//!
//! ```text
//!  events ──► Ledger ──► Store ──► Encoder ──► serve
//!             (folds     (rows     (text, in
//!              reports,   rendered  chunks)
//!              judges)    once)
//! ```
//!
//! One task owns the [`Ledger`] and is the only writer. What a row says is rendered when it is
//! judged, so that a scrape only copies text, and a row that goes takes all its series with it.
//! [`Own`] holds the exporter's metrics about itself, [`Progress`] whether the first pass is made.

mod text;
mod words;
mod catalogue;
mod change;
mod block;
mod row;
mod summary;
mod store;
mod encoder;
mod fold;
mod ledger;
mod legacy;
mod process;
mod once;
mod own;
mod progress;
mod records;

pub use catalogue::Standing;
pub use change::{Change, Subject, Where};
pub use encoder::Encoder;
pub use ledger::Ledger;
pub use once::{Once, encode};
pub use own::Own;
pub use progress::{Progress, Waiting};
pub use records::Records;
pub use row::{Posture, RowRecord, Seen, StoredRecord};
pub use store::Store;
pub use summary::own_families;
pub use text::Format;

#[cfg(test)]
mod grammar;
#[cfg(test)]
pub(crate) mod samples;
