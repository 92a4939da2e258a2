//! Looks at every TLS door of a Kubernetes cluster and serves what it saw to Prometheus.
//!
//! ```text
//! discover ──► schedule ──► probe ──► judge ──► record ──► serve
//! (what to    (when, how   (what is   (what    (the last   (metrics,
//!  look at)    many)        there)     it means) verdicts)   health)
//! ```
//!
//! [`report`] tells what is recorded to people and other programs: the commands and the pages.
//!
//! Each stage is a module below, in this order. A stage imports only from [`model`], [`clock`],
//! [`config`] and the stages to its left; `tests/` checks it.

pub mod model;
pub mod clock;
pub mod config;
pub mod logging;
pub mod cli;
pub mod discover;
pub mod schedule;
pub mod probe;
pub mod judge;
pub mod record;
pub mod report;
pub mod serve;
pub mod run;
pub mod demo;
pub mod gen_documents;
pub mod gen_manual;
pub mod command;
