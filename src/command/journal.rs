//! The journal: what changes, in the log, one line for each change of a verdict, and now and then
//! what all of it comes to.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::cli::Web;
use crate::model::Severity;
use crate::record::{Change, Posture, Records, Where};
use crate::report;

/// Where runbooks are read where nobody says where this exporter is found.
const PUBLISHED: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs");

/// Between two summaries.
const SUMMARY_EVERY: Duration = Duration::from_hours(1);

/// Writes until nothing can change any more, and hands each line's change to `events` too.
pub(super) async fn keep(
    mut changes: broadcast::Receiver<Change>,
    records: watch::Receiver<Records>,
    flags: &Web,
    events: impl Fn(&Change),
) {
    let base = match &flags.external_url {
        Some(external) if flags.inventory => external.url.as_str(),
        _ => PUBLISHED,
    };
    let told = async {
        let mut told = Told::default();
        loop {
            match changes.recv().await {
                Ok(change) if told.is_news(&change) => {
                    report::tell(&change, base);
                    events(&change);
                }
                Ok(_) => {}
                Err(RecvError::Lagged(count)) => warn!(count, "changes came too fast to be logged"),
                Err(RecvError::Closed) => return,
            }
        }
    };
    tokio::join!(told, summarise(records));
}

/// What was logged as holding, so that a reload, which judges everything anew, repeats nothing.
#[derive(Debug, Default)]
struct Told(HashMap<(Where, &'static str), Severity>);

impl Told {
    fn is_news(&mut self, change: &Change) -> bool {
        let key = (change.subject.place(), change.finding.spec.name);
        let severity = change.finding.severity;
        if change.holds {
            self.0.insert(key, severity) != Some(severity)
        } else {
            self.0.remove(&key).is_some()
        }
    }
}

async fn summarise(records: watch::Receiver<Records>) {
    loop {
        let now = records.borrow().clone();
        now.progress.ready().await;
        summary(&now);
        sleep(SUMMARY_EVERY).await;
    }
}

fn summary(records: &Records) {
    let rows = records.store.rows();
    let posture = |posture| rows.iter().filter(|row| row.posture == posture).count();
    let findings = |severity| {
        let all = rows.iter().flat_map(|row| row.findings.iter());
        all.filter(|finding| finding.severity == severity).count()
    };
    info!(
        targets = rows.len(),
        https_only = posture(Posture::HttpsOnly),
        exposed = posture(Posture::Exposed),
        broken = posture(Posture::Broken),
        unknown = posture(Posture::Unknown),
        critical = findings(Severity::Critical),
        warning = findings(Severity::Warning),
        info = findings(Severity::Info),
        "summary",
    );
}
