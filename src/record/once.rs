//! Once: a single probe for who asked, judged and written out, and not kept.

use std::sync::Arc;

use prometheus_client::encoding::text::encode_registry;
use prometheus_client::registry::Registry;

use super::catalogue::Standing;
use super::row::Seen;
use super::store::Store;
use super::summary::own_families;
use super::text::Format;
use super::{fold, legacy};
use crate::judge::{self, CHECKS, Case, Policy};
use crate::model::{Scope, Target, TlsReport, TlsSeen, UnixTime, Verdict};

/// What one probe of one target came to.
#[derive(Debug)]
pub struct Once {
    target: Arc<Target>,
    /// All that the checks say.
    pub verdict: Verdict,
    /// What was seen.
    pub seen: Arc<TlsSeen>,
}

impl Once {
    /// Judges a report of `target`'s TLS door.
    #[must_use]
    pub fn new(target: Arc<Target>, report: TlsReport, policy: &Policy, now: UnixTime) -> Self {
        let mut seen = TlsSeen::default();
        fold::tls(&mut seen, report);
        let verdict = judge::judge(&Case {
            target: &target,
            tls: &seen,
            plain: &[],
            policy,
            now,
        });
        Self {
            target,
            verdict,
            seen: Arc::new(seen),
        }
    }

    /// Its series, as of any target; without an end mark. Those of families in `disabled` are left out.
    #[must_use]
    pub fn encode(self, disabled: &[String], standing: Standing<'_>, format: Format) -> String {
        let checked = CHECKS.iter().flat_map(|check| check.families);
        let families = checked.chain(own_families());
        let families: Vec<_> = families
            .filter(|family| family.scope == Scope::Target)
            .collect();
        let store = Store::new(&families, disabled, standing);
        let seen = Seen {
            tls: self.seen,
            ..Seen::default()
        };
        let probed = self.verdict.summary.version.is_some();
        drop(store.publish(self.target, self.verdict, probed, seen));
        let text: Vec<u8> = store.encode(format).flatten().collect();
        String::from_utf8(text).unwrap_or_default()
    }
}

/// A registry in this format, without an end mark.
#[must_use]
pub fn encode(registry: &Registry, format: Format) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail, and nothing else in it can.
    if encode_registry(&mut text, registry).is_err() {
        tracing::error!("metrics of the exporter's own could not be written");
        text.clear();
    }
    match format {
        Format::OpenMetrics => text,
        Format::Text => legacy::text(&text),
    }
}
