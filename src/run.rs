//! Run: the stages wired together.

use std::sync::Arc;

use futures::StreamExt;
use tokio::runtime;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::clock;
use crate::config::Config;
use crate::discover::{self, Catalog, Cluster, Context, Declaration};
use crate::judge::{CHECKS, Policy, Roots};
use crate::probe::{self, Prober};
use crate::record::{self, Change, Ledger, Own, Progress, Records, Standing, Store};
use crate::schedule::{self, Part, Question, Schedule};

/// Messages that may wait between two stages: enough that neither idles for the other, and few
/// enough that a stage that is slow slows the one before it rather than filling the memory.
const WAITING: usize = 1024;

/// The stages at work, and what they fill.
#[derive(Debug)]
pub struct Running {
    /// What they record.
    pub records: Records,
    /// The sources that are on.
    pub sources: Vec<&'static str>,
    stop: DropGuard,
    recorded: JoinHandle<()>,
}

/// Why the stages cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No probe can be made.
    #[error(transparent)]
    Probe(#[from] probe::Error),
    /// The system refuses what the thread of the probes needs.
    #[error("cannot start the thread that makes the probes")]
    Thread(#[from] std::io::Error),
}

/// Starts every stage but the last, which is for who wants it. Of what is discovered, `part` is looked at;
/// whoever listens to `changes` hears what appears in the verdicts, and what is gone.
pub fn start(
    config: Config,
    cluster: Option<Cluster>,
    roots: Roots,
    part: Part,
    changes: broadcast::Sender<Change>,
) -> Result<Running, Error> {
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
    let (to_ask, questions) = mpsc::channel(1);

    // discover
    let mut said = discover::start(&context);
    tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
        while let Some(update) = said.next().await {
            if to_schedule.send(update).await.is_err() {
                break;
            }
        }
    }));

    let shard = part.shard.number();
    let catalog = Catalog::new(&config);
    let plan = Schedule {
        catalog,
        sources: sources.clone(),
        updates,
        events: to_record,
        questions,
        part,
    };

    // judge and record
    let checked = CHECKS.iter().flat_map(|check| check.families);
    let families: Vec<_> = checked.chain(record::own_families()).collect();
    let store = Arc::new(Store::new(
        &families,
        &config.metrics.disabled,
        Standing {
            vantage: &config.vantage,
            shard,
        },
    ));
    let own = Own::new(
        &sources,
        config.interval,
        config.deep_interval,
        &config.vantage,
    );
    own.configured(clock::now());
    let own = Arc::new(own);
    let mut permitted = discover::permissions(&context);
    let noted = Arc::clone(&own);
    tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
        while let Some(permissions) = permitted.next().await {
            noted.permissions(&permissions);
        }
    }));
    let progress = Arc::new(Progress::new(&sources));
    let records = Records {
        store,
        own,
        progress,
        interval: config.interval,
        questions: to_ask,
    };
    let policy = Arc::new(Policy::new(&config, roots));
    let ledger = Ledger::new(policy, records.clone(), changes);
    let recorded = tokio::spawn(ledger.run(events));

    // schedule and probe
    probe(plan, config, stop.clone())?;
    Ok(Running {
        records,
        sources,
        stop: stop.drop_guard(),
        recorded,
    })
}

/// Schedules and probes, on a thread of its own: where several threads share the probes, each step of
/// one wakes another thread and finds its caches cold, which costs a tenth more (measured); and one
/// thread makes some 2,500 probes a second.
fn probe(plan: Schedule, config: Arc<Config>, until: CancellationToken) -> Result<(), Error> {
    let prober = Arc::new(Prober::new(&config)?);
    let thread = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    tokio::task::spawn_blocking(move || {
        thread.block_on(schedule::run(plan, &config, prober, until));
    });
    Ok(())
}

impl Running {
    /// What was declared of a host, and what became of that; nothing where the schedule has ended.
    pub async fn why(&self, host: &str) -> Vec<Declaration> {
        let (answer, answered) = oneshot::channel();
        let question = Question::Why(host.into(), answer);
        if self.records.questions.send(question).await.is_err() {
            return Vec::new();
        }
        answered.await.unwrap_or_default()
    }

    /// Stops every stage, and waits until all that was seen is recorded.
    pub async fn stop(self) {
        drop(self.stop);
        // It ends when the schedule, its only source, has; a panic in it was reported there.
        drop(self.recorded.await);
    }
}
