//! The commands: what the program does when it is asked to, and the exit code it ends with.

mod baseline;
mod check;
mod demo;
mod descriptors;
mod events;
mod journal;
mod print;
mod progress;
mod reload;
mod serve;
mod shutdown;
mod systemd;
mod why;

use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;

use tokio::sync::broadcast;
use tracing::warn;

use crate::cli::{self, Command};
use crate::config::{self, Config};
use crate::discover::{Cluster, ClusterError, Search};
use crate::judge::{self, CHECKS};
use crate::logging::Level;
use crate::schedule::Part;
use crate::{gen_documents, gen_manual, logging, probe, record, run};

/// Wrong usage, or a configuration or kubeconfig that is wrong.
const USAGE: u8 = 2;

/// What the environment says of where the cluster is, as kubectl reads it.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `KUBECONFIG`.
    pub kubeconfig: Option<OsString>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `NOTIFY_SOCKET`: where systemd wants to be told that the exporter serves.
    pub notify_socket: Option<OsString>,
    /// `NO_COLOR` is set and not empty (no-color.org).
    pub no_color: bool,
    /// `TOKIO_WORKER_THREADS` is set, which the runtime reads by itself.
    pub says_threads: bool,
}

/// The most worker threads unless the environment says otherwise. Mostly they wait for the network,
/// so that more do not help; 16 rather than 2 cost 10 MiB in a cold start with 20,000 targets.
const THREADS: usize = 4;

/// Why a command could not do what it was asked to. Whatever it is, the exit code is 2: nothing
/// was looked at.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Config(#[from] config::Error),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(
        "{0}; write `targets` or `files` in a configuration file, or point at a cluster with --kubeconfig"
    )]
    NothingToLookAt(ClusterError),
    #[error(transparent)]
    Roots(#[from] judge::Error),
    #[error(transparent)]
    Web(#[from] crate::serve::Error),
    #[error(transparent)]
    Probe(#[from] probe::Error),
    #[error(transparent)]
    Run(#[from] run::Error),
    #[error(transparent)]
    Demo(#[from] crate::demo::Error),
    #[error(transparent)]
    Baseline(#[from] baseline::Error),
    #[error("nothing is called {0:?}{hint}", hint = nearest(*.1))]
    Explain(String, Option<&'static str>),
    #[error("--shard.ordinal {0} is none of {1} shards (--shard.count): they are numbered from 0")]
    Shard(u32, NonZero<u32>),
    #[error("which of {0} shards (--shard.count) is this? --shard.ordinal says so, from 0")]
    Unnumbered(NonZero<u32>),
    #[error("cannot listen at {0} (--web.listen-address)")]
    Listen(cli::Listen, #[source] std::io::Error),
    #[error("cannot listen at systemd's sockets (--web.systemd-socket)")]
    Sockets(#[source] std::io::Error),
    #[error("cannot write the documents below {0}")]
    Gen(PathBuf, #[source] std::io::Error),
    #[error("cannot start the runtime")]
    Runtime(#[source] std::io::Error),
    #[error("cannot hear the signals that end the program")]
    Signals(#[source] std::io::Error),
    #[error("cannot reach the demo's own cluster")]
    DemoCluster(#[source] kube::config::KubeconfigError),
}

/// Does what was asked, and gives the exit code. It blocks until that is done.
#[must_use]
pub fn run(command: Command, environment: &Environment) -> ExitCode {
    finish(command, environment).unwrap_or_else(|error| {
        eprintln!("kube-https-exporter: {}", chain(&error));
        ExitCode::from(USAGE)
    })
}

/// The runtime is started here rather than in `main.rs`: the compiler translates a future where it
/// is first polled, which would be all of the program for a second time.
fn finish(command: Command, environment: &Environment) -> Result<ExitCode, Error> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if !environment.says_threads {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        runtime.worker_threads(cores.min(THREADS));
    }
    let runtime = runtime.enable_all().build().map_err(Error::Runtime)?;
    runtime.block_on(obey(command, environment))
}

async fn obey(command: Command, environment: &Environment) -> Result<ExitCode, Error> {
    match command {
        Command::Serve(typed) => {
            logging::init(typed.log.level.unwrap_or(Level::Info), typed.log.format);
            serve::serve(typed, environment).await
        }
        Command::Check(typed) => {
            logging::init(typed.log.level.unwrap_or(Level::Warn), typed.log.format);
            check::check(typed, environment).await
        }
        Command::Demo(typed) => {
            logging::init(typed.log.level.unwrap_or(Level::Info), typed.log.format);
            demo::demo(typed).await
        }
        Command::Gen { folder, manual } => {
            let written = if manual {
                gen_manual::write(&folder)
            } else {
                gen_documents::write(&folder)
            };
            written
                .map(|()| ExitCode::SUCCESS)
                .map_err(|error| Error::Gen(folder, error))
        }
    }
}

fn nearest(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

/// An error and its sources, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// The configuration that was asked for, or the defaults.
fn load_config(typed: &cli::ConfigFile) -> Result<Config, Error> {
    let checked = CHECKS
        .iter()
        .flat_map(|check| check.families)
        .map(|family| family.name);
    let own = record::own_families().iter().map(|family| family.name);
    let families: Vec<&str> = checked.chain(own).collect();
    let findings = CHECKS.iter().flat_map(|check| check.findings);
    let findings: Vec<&str> = findings.map(|finding| finding.name).collect();
    let names = config::Names {
        families: &families,
        findings: &findings,
    };
    Ok(match &typed.config_file {
        Some(path) => config::load(path, names)?,
        None => Config::default(),
    })
}

/// The cluster that kubectl would find. None is fine where targets are written by hand, or there are files
/// to look at.
async fn find_cluster(
    typed: &cli::Cluster,
    environment: &Environment,
    config: &Config,
) -> Result<Option<Cluster>, Error> {
    let search = Search::new(
        typed.kubeconfig.clone(),
        typed.context.clone(),
        environment.kubeconfig.as_deref(),
        environment.home.as_deref(),
    );
    match search.find().await {
        Ok(cluster) => Ok(Some(cluster)),
        Err(error @ ClusterError::NoCluster { .. })
            if config.targets.is_empty()
                && config.expectations.is_empty()
                && config.files.is_empty() =>
        {
            Err(Error::NothingToLookAt(error))
        }
        Err(error @ ClusterError::NoCluster { .. }) => {
            warn!(%error, "only the targets and files of the configuration are looked at");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// The stages, started; nobody hears of changes.
fn start(
    config: Config,
    cluster: Option<Cluster>,
    roots: judge::Roots,
    part: Part,
) -> Result<run::Running, Error> {
    let unheard = broadcast::Sender::new(1);
    Ok(run::start(config, cluster, roots, part, unheard)?)
}
