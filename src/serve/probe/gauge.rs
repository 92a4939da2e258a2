//! Gauges of one answer.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Names and values.
pub(super) type Labels = Vec<(&'static str, String)>;

/// One sample without labels.
pub(super) fn gauge(registry: &mut Registry, name: &str, help: &str, value: f64) {
    let gauge = Gauge::<f64, AtomicU64>::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

/// Samples with labels; nothing at all where there are none.
pub(super) fn info(
    registry: &mut Registry,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (Labels, f64)>,
) {
    let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
    let mut any = false;
    for (labels, value) in samples {
        family.get_or_create_owned(&labels).set(value);
        any = true;
    }
    if any {
        registry.register(name, help, family);
    }
}
