//! `process_*`: what this process uses of its machine, from `/proc/self`; absent elsewhere.

use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Ticks a second in `/proc` (`USER_HZ`): 100 on every architecture that Rust's Linux targets
/// have, whatever the kernel's own tick is (proc(5), time(7)).
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads the values at each scrape, as their standard names promise.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let stat = read("/proc/self/stat");
        if let Some(seconds) = stat.as_deref().and_then(cpu_seconds) {
            let counter = ConstCounter::new(seconds);
            let help = "Total user and system CPU time spent in seconds.";
            let kind = counter.metric_type();
            counter.encode(encoder.encode_descriptor(
                "process_cpu_seconds",
                help,
                None,
                kind,
            )?)?;
        }
        for (name, help, value) in gauges(stat.as_deref()) {
            if let Some(value) = value {
                let gauge = ConstGauge::new(value);
                let kind = gauge.metric_type();
                gauge.encode(encoder.encode_descriptor(name, help, None, kind)?)?;
            }
        }
        Ok(())
    }
}

fn gauges(stat: Option<&str>) -> [(&'static str, &'static str, Option<f64>); 5] {
    let status = read("/proc/self/status");
    let memory = |field| {
        status
            .as_deref()
            .and_then(|status| kilobytes(status, field))
    };
    let boot = read("/proc/stat");
    let started = || Some(boot_seconds(boot.as_deref()?)? + start_seconds(stat?)?);
    [
        (
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            memory("VmRSS:"),
        ),
        (
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes.",
            memory("VmSize:"),
        ),
        (
            "process_open_fds",
            "Number of open file descriptors.",
            open_descriptors(),
        ),
        (
            "process_max_fds",
            "Maximum number of open file descriptors.",
            read("/proc/self/limits")
                .as_deref()
                .and_then(max_descriptors),
        ),
        (
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
            started(),
        ),
    ]
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// The fields of `/proc/self/stat` from the third on: the second, the command in brackets, may
/// itself hold anything.
fn stat_fields(stat: &str) -> Option<Vec<&str>> {
    Some(stat.rsplit_once(')')?.1.split_whitespace().collect())
}

fn ticks(stat: &str, field: usize) -> Option<f64> {
    // proc(5) counts fields from 1, and the first two are cut off.
    stat_fields(stat)?.get(field.checked_sub(3)?)?.parse().ok()
}

/// `utime` and `stime`, fields 14 and 15.
fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((ticks(stat, 14)? + ticks(stat, 15)?) / TICKS_PER_SECOND)
}

/// `starttime`, field 22: since boot.
fn start_seconds(stat: &str) -> Option<f64> {
    Some(ticks(stat, 22)? / TICKS_PER_SECOND)
}

/// `btime` of `/proc/stat`: when the machine booted, since the epoch.
fn boot_seconds(stat: &str) -> Option<f64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

/// A field of `/proc/self/status`, in bytes; the kernel writes `kB` and means 1024 bytes.
fn kilobytes(status: &str, field: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kilobytes: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024.0)
}

fn open_descriptors() -> Option<f64> {
    // One of them is the directory being read.
    Some(
        fs::read_dir("/proc/self/fd")
            .ok()?
            .count()
            .saturating_sub(1) as f64,
    )
}

/// The soft limit; absent where it is `unlimited`.
fn max_descriptors(limits: &str) -> Option<f64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "7 (a ) b) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 3 0 1234 9 8";

    #[test]
    fn a_command_with_brackets_and_spaces_does_not_shift_the_fields() {
        assert_eq!(cpu_seconds(STAT), Some(2.0));
        assert_eq!(start_seconds(STAT), Some(12.34));
    }

    #[test]
    fn what_cannot_be_read_is_absent() {
        assert_eq!(cpu_seconds(""), None);
        assert_eq!(cpu_seconds("7 (a) S 1"), None);
        assert_eq!(boot_seconds("cpu 1 2 3\n"), None);
        assert_eq!(kilobytes("VmRSS:\t12 MB\n", "VmRSS:"), None);
        assert_eq!(
            max_descriptors("Max open files  unlimited unlimited files\n"),
            None
        );
    }

    #[test]
    fn sizes_are_in_bytes_and_limits_are_the_soft_ones() {
        assert_eq!(
            kilobytes("VmSize:\t 9 kB\nVmRSS:\t 2 kB\n", "VmRSS:"),
            Some(2048.0)
        );
        assert_eq!(
            max_descriptors("Max open files   1024   4096   files\n"),
            Some(1024.0)
        );
        assert_eq!(boot_seconds("cpu 1\nbtime 1700000000\n"), Some(1.7e9));
    }
}
