//! What the program does to real servers and hostile ones, on loopback. `make tools` installs the
//! servers; none is skipped where it is missing.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy's exception for tests does not cover their helpers; a failed test panics"
)]

/// Certificates.
mod ca;
/// A real API server on a real etcd.
mod cluster;
/// Child processes: where their programs are, what they need, and their end.
mod process;

/// What is discovered in a real cluster, under the access rules of the sources' table.
mod discovery;
