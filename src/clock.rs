//! The wall clock: the one place that reads it.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::UnixTime;

/// The current instant.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one reader of the wall clock"
)]
pub fn now() -> UnixTime {
    let millis = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => {
            i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis)
        }
    };
    UnixTime::from_millis(millis)
}
