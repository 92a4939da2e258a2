//! The exporter's metrics about itself: probes, sources, the build and the process.

use std::borrow::Cow;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::discover::{Health, Permissions};
use crate::model::{DeepReport, Failure, Reason, TlsReport, UnixTime};

use super::once;
use super::process::Process;
use super::text::Format;

/// Upper bounds, in seconds: the customary ones, which span a handshake on the same node to the
/// default deadline.
const BUCKETS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The closed set of [`Health::Failed`]'s reasons.
const SOURCE_ERRORS: [&str; 5] = ["forbidden", "gone", "unreachable", "malformed", "other"];

type Labels<const N: usize> = [(&'static str, &'static str); N];
type Histograms = Family<Labels<1>, Histogram, fn() -> Histogram>;

/// The exporter's metrics about itself.
#[derive(Debug)]
pub struct Own {
    registry: Registry,
    probes: Counter,
    failures: Family<Labels<1>, Counter>,
    phases: Histograms,
    lateness: Histogram,
    synced: Family<Labels<1>, Gauge>,
    last_sync: Family<Labels<1>, Gauge>,
    errors: Family<Labels<2>, Counter>,
    permissions: Family<Vec<(&'static str, String)>, Gauge>,
    /// Whether the configuration, when it was last read, was taken.
    reloaded: Gauge,
    reloaded_at: Gauge,
}

impl Own {
    /// Nothing counted yet. `sources` are those that are on; the intervals are the configured
    /// ones; `vantage`, where not empty, is a label of every metric.
    #[must_use]
    pub fn new(
        sources: &[&'static str],
        interval: Duration,
        deep_interval: Duration,
        vantage: &str,
    ) -> Self {
        let vantage = (!vantage.is_empty())
            .then(|| (Cow::Borrowed("vantage"), Cow::Owned(vantage.to_owned())));
        let mut own = Self {
            registry: Registry::with_labels(vantage.into_iter()),
            probes: Counter::default(),
            failures: Family::default(),
            phases: Family::new_with_constructor(histogram),
            lateness: histogram(),
            synced: Family::default(),
            last_sync: Family::default(),
            errors: Family::default(),
            permissions: Family::default(),
            reloaded: Gauge::default(),
            reloaded_at: Gauge::default(),
        };
        own.register_probes();
        own.register_sources();
        own.register_configuration();
        own.register_constants(interval, deep_interval);
        own.registry.register_collector(Box::new(Process));
        own.start_at_zero(sources);
        own
    }

    fn register_probes(&mut self) {
        self.registry.register(
            "kube_https_probes",
            "Regular TLS probes, one for each address dialled; plaintext and deep probes are not counted",
            self.probes.clone(),
        );
        self.registry.register(
            "kube_https_probe_failures",
            "Regular TLS probes that showed no certificate, by reason",
            self.failures.clone(),
        );
        self.registry.register(
            "kube_https_probe_phase_duration_seconds",
            "Time that the phases of TLS probes took, over all targets",
            self.phases.clone(),
        );
        self.registry.register(
            "kube_https_probe_lateness_seconds",
            "How late probes started after they were due",
            self.lateness.clone(),
        );
    }

    fn register_sources(&mut self) {
        self.registry.register(
            "kube_https_discovery_synced",
            "1 when the source could read everything it looks at, 0 while it cannot",
            self.synced.clone(),
        );
        self.registry.register(
            "kube_https_discovery_last_sync_timestamp_seconds",
            "When the source last listed everything it looks at",
            self.last_sync.clone(),
        );
        self.registry.register(
            "kube_https_discovery_errors",
            "Failed attempts to read the source, by reason",
            self.errors.clone(),
        );
        self.registry.register(
            "kube_https_permission",
            "1 where the API server's rules permit what a source that is on needs, 0 where they do not; the scope is a namespace, or * for the whole cluster",
            self.permissions.clone(),
        );
    }

    fn register_configuration(&mut self) {
        self.registry.register(
            "kube_https_config_last_reload_successful",
            "1 where the configuration was right when it was last read, 0 where it was not and the one before is in force",
            self.reloaded.clone(),
        );
        self.registry.register(
            "kube_https_config_last_reload_success_timestamp_seconds",
            "When the configuration that is in force was read",
            self.reloaded_at.clone(),
        );
    }

    fn register_constants(&mut self, interval: Duration, deep_interval: Duration) {
        let intervals = Family::<Labels<1>, Gauge<f64, AtomicU64>>::default();
        for (kind, every) in [("regular", interval), ("deep", deep_interval)] {
            let gauge = intervals.get_or_create_owned(&[("kind", kind)]);
            gauge.set(every.as_secs_f64());
        }
        self.registry.register(
            "kube_https_probe_interval_seconds",
            "The configured time between two probes of a door",
            intervals,
        );
        let build = Family::<Vec<(&'static str, &'static str)>, Gauge>::default();
        build.get_or_create_owned(&build_labels()).set(1);
        self.registry.register(
            "kube_https_build_info",
            "1, with what this program was built from",
            build,
        );
    }

    /// Makes every series whose labels are known in advance, so that a first failure is an
    /// increase rather than a new series.
    fn start_at_zero(&self, sources: &[&'static str]) {
        for reason in Reason::ALL {
            drop(self.failures.get_or_create(&[("reason", reason.label())]));
        }
        for phase in ["resolve", "connect", "handshake", "deep"] {
            drop(self.phases.get_or_create(&[("phase", phase)]));
        }
        for source in sources {
            drop(self.synced.get_or_create(&[("source", source)]));
            for reason in SOURCE_ERRORS {
                let labels = [("source", *source), ("reason", reason)];
                drop(self.errors.get_or_create(&labels));
            }
        }
    }

    /// Everything in this format, without an end mark.
    #[must_use]
    pub fn encode(&self, format: Format) -> String {
        once::encode(&self.registry, format)
    }

    /// Counts a regular probe: one for each address, or one where none could be dialled.
    pub(super) fn regular_probe(&self, report: &TlsReport) {
        self.phase("resolve", report.resolve);
        match &report.attempts {
            Err(failure) => self.attempt(Some(failure)),
            Ok(attempts) => {
                for attempt in attempts {
                    self.attempt(attempt.outcome.as_ref().err());
                    self.phase("connect", attempt.connect);
                    self.phase("handshake", attempt.handshake);
                }
            }
        }
    }

    fn attempt(&self, failure: Option<&Failure>) {
        self.probes.inc();
        if let Some(failure) = failure {
            let labels = [("reason", failure.reason.label())];
            self.failures.get_or_create(&labels).inc();
        }
    }

    fn phase(&self, phase: &'static str, took: Option<Duration>) {
        if let Some(took) = took {
            let histogram = self.phases.get_or_create(&[("phase", phase)]);
            histogram.observe(took.as_secs_f64());
        }
    }

    /// Times a deep probe.
    pub(super) fn deep_probe(&self, report: &DeepReport) {
        self.phase("deep", Some(report.took));
    }

    /// Notes how late a probe started.
    pub(super) fn lateness(&self, late: Duration) {
        self.lateness.observe(late.as_secs_f64());
    }

    /// Notes what is permitted: the answers to the same questions each time.
    pub fn permissions(&self, permissions: &Permissions) {
        for (permission, allowed) in permissions {
            let labels = vec![
                ("group", permission.group.clone()),
                ("resource", permission.resource.clone()),
                ("verb", permission.verb.clone()),
                ("scope", permission.scope.clone()),
            ];
            let gauge = self.permissions.get_or_create_owned(&labels);
            gauge.set(i64::from(*allowed));
        }
    }

    /// Notes that the configuration was read and taken at this time.
    pub fn configured(&self, at: UnixTime) {
        self.reloaded.set(1);
        self.reloaded_at.set(at.as_secs());
    }

    /// Notes that the configuration was read and is wrong.
    pub fn misconfigured(&self) {
        self.reloaded.set(0);
    }

    /// Notes how a source fares.
    pub fn source(&self, source: &'static str, health: &Health) {
        let labels = [("source", source)];
        let synced = self.synced.get_or_create(&labels);
        match health {
            Health::Synced(at) | Health::Absent(at) => {
                synced.set(1);
                self.last_sync.get_or_create(&labels).set(at.as_secs());
            }
            Health::Failed { reason, .. } => {
                synced.set(0);
                let labels = [("source", source), ("reason", *reason)];
                self.errors.get_or_create(&labels).inc();
            }
        }
    }
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

/// What is known of the build: the packagers set the two variables when they compile.
fn build_labels() -> Vec<(&'static str, &'static str)> {
    let optional = [
        ("revision", option_env!("KUBE_HTTPS_EXPORTER_REVISION")),
        ("rustc", option_env!("KUBE_HTTPS_EXPORTER_RUSTC")),
    ];
    let known = optional
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    std::iter::once(("version", env!("CARGO_PKG_VERSION")))
        .chain(known)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::grammar::{Read, read};
    use crate::record::samples::{attempt, failure};

    fn own() -> Own {
        let interval = Duration::from_mins(5);
        Own::new(&["ingress"], interval, Duration::from_hours(6), "")
    }

    fn samples(own: &Own) -> Vec<Read> {
        read(&own.encode(Format::Text), Format::Text)
    }

    /// The values of a family, of samples that carry this label value.
    fn values(own: &Own, family: &str, label: &str) -> Vec<f64> {
        samples(own)
            .iter()
            .filter(|(name, labels, _)| {
                name == family && (label.is_empty() || labels.iter().any(|(_, v)| v == label))
            })
            .map(|(.., value)| *value)
            .collect()
    }

    fn probe(own: &Own, attempts: Result<Vec<crate::model::TlsAttempt>, Failure>) {
        own.regular_probe(&TlsReport {
            at: UnixTime::from_secs(1),
            resolve: Some(Duration::from_millis(2)),
            attempts,
        });
    }

    #[test]
    fn both_formats_are_well_formed_and_hold_the_same_names() {
        let own = own();
        own.source(
            "ingress",
            &Health::Synced(UnixTime::from_secs(1_700_000_000)),
        );
        let names = |format: Format| -> Vec<String> {
            let body = own.encode(format) + format.end();
            read(&body, format)
                .into_iter()
                .map(|(name, ..)| name)
                .collect()
        };
        assert_eq!(names(Format::Text), names(Format::OpenMetrics));
        let text = own.encode(Format::Text);
        assert!(text.contains("\n# TYPE kube_https_probes_total counter\n"));
        assert!(
            own.encode(Format::OpenMetrics)
                .contains("\n# TYPE kube_https_probes counter\n")
        );
    }

    #[test]
    fn every_series_that_can_be_known_in_advance_starts_at_zero() {
        let own = own();
        assert_eq!(values(&own, "kube_https_probes_total", ""), [0.0]);
        assert_eq!(
            values(&own, "kube_https_probe_failures_total", "").len(),
            Reason::ALL.len()
        );
        assert_eq!(
            values(&own, "kube_https_probe_phase_duration_seconds_count", ""),
            [0.0; 4]
        );
        assert_eq!(
            values(&own, "kube_https_discovery_synced", "ingress"),
            [0.0]
        );
        assert_eq!(
            values(&own, "kube_https_discovery_errors_total", "ingress"),
            [0.0; 5]
        );
    }

    #[test]
    fn each_address_dialled_is_one_probe_and_so_is_a_name_that_does_not_resolve() {
        let own = own();
        let both = vec![
            attempt("192.0.2.1", Ok(1)),
            attempt("192.0.2.2", Err(Reason::Timeout)),
        ];
        probe(&own, Ok(both));
        probe(&own, Err(failure(Reason::Dns)));
        assert_eq!(values(&own, "kube_https_probes_total", ""), [3.0]);
        assert_eq!(
            values(&own, "kube_https_probe_failures_total", "timeout"),
            [1.0]
        );
        assert_eq!(
            values(&own, "kube_https_probe_failures_total", "dns"),
            [1.0]
        );
        assert_eq!(
            values(&own, "kube_https_probe_failures_total", "reset"),
            [0.0]
        );
        let count = |phase| values(&own, "kube_https_probe_phase_duration_seconds_count", phase);
        assert_eq!(count("resolve"), [2.0]);
        assert_eq!(count("connect"), [2.0]);
        assert_eq!(count("handshake"), [1.0]);
    }

    #[test]
    fn a_sources_last_sync_is_absent_until_it_is_known_and_stays_when_it_fails() {
        let own = own();
        let last = |own: &Own| {
            values(
                own,
                "kube_https_discovery_last_sync_timestamp_seconds",
                "ingress",
            )
        };
        assert_eq!(last(&own), Vec::<f64>::new());
        own.source(
            "ingress",
            &Health::Absent(UnixTime::from_secs(1_700_000_000)),
        );
        assert_eq!(
            values(&own, "kube_https_discovery_synced", "ingress"),
            [1.0]
        );
        own.source(
            "ingress",
            &Health::Failed {
                reason: "forbidden",
                detail: String::new(),
            },
        );
        assert_eq!(
            values(&own, "kube_https_discovery_synced", "ingress"),
            [0.0]
        );
        assert_eq!(
            values(&own, "kube_https_discovery_errors_total", "forbidden"),
            [1.0]
        );
        assert_eq!(last(&own), [1_700_000_000.0]);
    }

    #[test]
    fn the_configured_intervals_and_the_version_show() {
        let own = own();
        assert_eq!(
            values(&own, "kube_https_probe_interval_seconds", "regular"),
            [300.0]
        );
        assert_eq!(
            values(&own, "kube_https_probe_interval_seconds", "deep"),
            [21600.0]
        );
        assert_eq!(
            values(&own, "kube_https_build_info", env!("CARGO_PKG_VERSION")),
            [1.0]
        );
    }

    #[test]
    fn the_vantage_is_on_every_sample() {
        let own = Own::new(&["ingress"], Duration::ZERO, Duration::ZERO, "edge \"1\"");
        let label = ("vantage".to_owned(), "edge \"1\"".to_owned());
        assert!(
            samples(&own)
                .iter()
                .all(|(_, labels, _)| labels.contains(&label))
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_process_shows_what_it_uses() {
        let own = own();
        for name in [
            "process_cpu_seconds_total",
            "process_resident_memory_bytes",
            "process_virtual_memory_bytes",
            "process_open_fds",
            "process_start_time_seconds",
        ] {
            let values = values(&own, name, "");
            assert!(values.len() == 1 && values[0] >= 0.0, "{name}: {values:?}");
        }
    }
}
