//! Probe: what is there. Dials a door and reports only what it saw.

pub mod certificate;
pub mod chain;
