//! How far a check is, on standard error while it works; only where that is a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::record::Store;

/// Between two looks: often enough to seem alive, and nothing beside the probes.
const EVERY: Duration = Duration::from_millis(300);

/// Goes back to the line's start and erases it (ECMA-48).
const ERASE: &str = "\r\u{1b}[2K";

/// Waits for `done`, and tells how many targets were looked at until then.
pub(super) async fn while_waiting<T>(store: &Store, done: impl Future<Output = T>) -> T {
    if !std::io::stderr().is_terminal() {
        return done.await;
    }
    let mut done = std::pin::pin!(done);
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            ended = done.as_mut() => {
                tell(ERASE);
                return ended;
            }
            _ = tick.tick() => tell(&format!("{ERASE}{}", line(store))),
        }
    }
}

/// Whether a terminal takes it is its own business.
fn tell(text: &str) {
    let mut stderr = std::io::stderr();
    drop(stderr.write_all(text.as_bytes()));
    drop(stderr.flush());
}

fn line(store: &Store) -> String {
    let rows = store.rows();
    let probed = rows
        .iter()
        .filter(|row| row.seen.tls.last_attempt.is_some())
        .count();
    format!("Looked at {probed} of {} targets found so far", rows.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::samples::store;
    use crate::report::samples::{good, unseen};

    #[test]
    fn what_was_looked_at_is_counted() {
        let store = store([good("a.example"), unseen("b.example"), unseen("c.example")]);
        assert_eq!(line(&store), "Looked at 1 of 3 targets found so far");
    }
}
