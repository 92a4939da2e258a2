//! The nouns that cross stages: plain values, no input or output.
//!
//! A [`Target`] is one row of the metrics: what an object of the cluster declared. It points at
//! [`TlsDoor`] and [`PlainDoor`] values, which say where to dial and what to ask for; doors are
//! shared by every target that points at the same place, and are what is scheduled and probed.
//! Probing gives reports, which are folded into [`TlsSeen`] and [`PlainSeen`]; judging turns those
//! into a [`Verdict`].

mod time;
mod validity;
mod door;
mod request_path;
mod starttls;
mod target;
mod chain;
mod certificate;
mod observation;
mod stored;
mod deep;
mod verdict;
mod text;
mod trace;
mod remark;

pub use chain::{Certificate, CertificateFacts, Chain, Fingerprint, KeyUsage};
pub use deep::{
    Acceptance, CipherClass, CipherSupport, DeepSeen, Group, GroupSupport, HttpsAnswer,
    VersionSupport,
};
pub use door::{Address, Door, PlainDoor, Requests, TlsDoor};
pub use observation::{
    AddressSeen, At, ClientAuth, DeepReport, Failure, Handshake, PlainAddressSeen, PlainAnswer,
    PlainReport, PlainSeen, Reason, TlsAttempt, TlsReport, TlsSeen, TlsVersion,
};
pub use remark::{Remark, RemarkKind, together};
pub use request_path::RequestPath;
pub use starttls::StartTls;
pub use stored::{Flaw, FlawKind, Stored, StoredObject, StoredPlace, Usage};
pub use target::{
    BY_HAND, Clients, EXPECTED, Expectation, Issued, Owner, Place, PlaintextRule, Reach, RootsRef,
    Row, RowParts, SecretName, Spot, Target,
};
pub use text::{LABEL_LIMIT, clean, is_unsafe};
pub use time::UnixTime;
pub use trace::{Passed, Step, Trace};
pub use validity::Validity;
pub use verdict::{
    Extra, Family, Finding, FindingSpec, Kind, Sample, Scope, Severity, Summary, Verdict, Waived,
    Waiver,
};
