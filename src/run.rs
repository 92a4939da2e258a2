//! Run: the stages wired together.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::config::Config;
use crate::discover::{self, Catalog, Cluster, Context};
use crate::judge::{CHECKS, Policy, Roots};
use crate::probe::{self, Prober};
use crate::record::{self, Ledger, Own, Progress, Store};
use crate::schedule::{self, Schedule};

/// Messages that may wait between two stages: enough that neither idles for the other, and few
/// enough that a stage that is slow slows the one before it rather than filling the memory.
const WAITING: usize = 1024;

/// The stages at work, and what they fill.
#[derive(Debug)]
pub struct Running {
    /// Every row's last verdict.
    pub store: Arc<Store>,
    /// The exporter's metrics about itself.
    pub own: Arc<Own>,
    /// Whether what is known is the whole picture yet.
    pub progress: Arc<Progress>,
    /// Between two regular probes of a door.
    pub interval: Duration,
    stop: CancellationToken,
    recorded: JoinHandle<()>,
}

/// Starts every stage but the last, which is for who wants it.
pub fn start(
    config: Config,
    cluster: Option<Cluster>,
    roots: Roots,
) -> Result<Running, probe::Error> {
    let config = Arc::new(config);
    let context = Context {
        config: Arc::clone(&config),
        cluster,
        clock: clock::now,
    };
    let sources: Vec<&'static str> = context.sources().map(|source| source.name).collect();
    let stop = CancellationToken::new();

    let (to_schedule, updates) = mpsc::channel(WAITING);
    let (to_record, events) = mpsc::channel(WAITING);

    // discover
    let mut said = discover::start(&context);
    tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
        while let Some(update) = said.next().await {
            if to_schedule.send(update).await.is_err() {
                break;
            }
        }
    }));

    // schedule and probe
    let catalog = Catalog::new(config.rules.clone(), config.caps);
    let plan = Schedule {
        catalog,
        sources: sources.clone(),
        updates,
        events: to_record,
    };
    let prober = Arc::new(Prober::new(&config)?);
    let (settings, until) = (Arc::clone(&config), stop.clone());
    tokio::spawn(async move { schedule::run(plan, &settings, prober, until).await });

    // judge and record
    let checked = CHECKS.iter().flat_map(|check| check.families);
    let families: Vec<_> = checked.chain(record::own_families()).collect();
    let store = Arc::new(Store::new(
        &families,
        &config.metrics.disabled,
        &config.vantage,
    ));
    let own = Own::new(
        &sources,
        config.interval,
        config.deep_interval,
        &config.vantage,
    );
    let own = Arc::new(own);
    let progress = Arc::new(Progress::new(&sources));
    let ledger = Ledger::new(
        Arc::new(Policy::new(&config, roots)),
        config.interval,
        Arc::clone(&store),
        Arc::clone(&own),
        Arc::clone(&progress),
    );
    let recorded = tokio::spawn(ledger.run(events));
    Ok(Running {
        store,
        own,
        progress,
        interval: config.interval,
        stop,
        recorded,
    })
}

impl Running {
    /// Stops every stage, and waits until all that was seen is recorded.
    pub async fn stop(self) {
        self.stop.cancel();
        // It ends when the schedule, its only source, has; a panic in it was reported there.
        drop(self.recorded.await);
    }
}
