//! Captured answers of real servers; `testdata/README.md` says of which.

pub(super) const SSL30: &[u8] = include_bytes!("testdata/ssl30.bin");
pub(super) const TLS10: &[u8] = include_bytes!("testdata/tls10.bin");
pub(super) const TLS12: &[u8] = include_bytes!("testdata/tls12.bin");
pub(super) const TLS13: &[u8] = include_bytes!("testdata/tls13.bin");

pub(super) const ALL: [&[u8]; 4] = [SSL30, TLS10, TLS12, TLS13];
