//! File descriptors: how many the process may have, and what share of them is for probes. The rest
//! is for who scrapes, for watches and files.

use std::fs;

use tracing::warn;

use crate::config::Config;

/// What the process has open before it probes or serves anybody: the runtime's own, listeners, the
/// log, connections to the API server.
const OWN: usize = 16;

/// The soft limit of descriptors, where the system says one.
fn limit() -> Option<usize> {
    read(&fs::read_to_string("/proc/self/limits").ok()?)
}

/// The soft limit in the text of `/proc/self/limits` (proc(5)).
fn read(limits: &str) -> Option<usize> {
    let open_files = (limits.lines()).find_map(|line| line.strip_prefix("Max open files"))?;
    open_files.split_whitespace().next()?.parse().ok()
}

/// Lets no more probes be under way than there are descriptors for: half of what is left.
pub(super) fn bound(config: &mut Config) {
    let Some(limit) = limit() else { return };
    let most = most_probes(limit);
    if config.concurrency > most {
        warn!(
            limit,
            concurrency = most,
            "fewer probes at once than configured: the limit of open files (ulimit -n) allows no more"
        );
        config.concurrency = most;
    }
}

fn most_probes(limit: usize) -> usize {
    (limit.saturating_sub(OWN) / 2).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_counts() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max core file size        0                    unlimited            bytes     \n\
                    Max open files            1024                 524288               files     \n";
        assert_eq!(read(text), Some(1024));
        assert_eq!(read(&text.replace("1024  ", "unlimited")), None);
        assert_eq!(read(""), None);
        assert!(limit().is_some_and(|limit| limit > OWN));
    }

    #[test]
    fn the_default_concurrency_fits_a_usual_limit_and_one_probe_any() {
        assert!(most_probes(1024) >= Config::default().concurrency);
        assert_eq!([0, 16, 18, 20, 40].map(most_probes), [1, 1, 1, 2, 12]);
    }
}
