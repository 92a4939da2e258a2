//! Probe: what is there. Dials a door and reports only what it saw.
//!
//! The hellos of our own, for versions and keys that the TLS library does not know, go
//! `hello` (bytes out) ► `exchange` (one conversation) ► `records` ► `answer` (bytes in), and are
//! put to use by `version` (is it accepted?) and `legacy` (which certificate is shown?).

pub mod answer;
pub mod ended;
mod exchange;
pub mod hello;
pub mod legacy;
pub mod names;
mod records;
pub mod version;

#[cfg(test)]
mod testdata;
