//! `check`: one pass over everything, printed.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::baseline::Baseline;
use super::print::{self, Manner};
use super::{
    Environment, Error, descriptors, find_cluster, load_config, progress, shutdown, start, why,
};
use crate::cli::Check;
use crate::clock;
use crate::config::{Config, Files, StaticTarget};
use crate::discover::Cluster;
use crate::judge::Roots;
use crate::record::{RowRecord, StoredRecord};
use crate::report::{self, Filter};
use crate::schedule::{Part, Shard};

/// Findings at or above `--fail-on`.
const FOUND: u8 = 1;

/// Something could not be probed, or not be looked for.
const UNPROBED: u8 = 3;

/// Makes one pass, prints it, and says by the exit code what was found.
pub(super) async fn check(typed: Check, environment: &Environment) -> Result<ExitCode, Error> {
    if let Some(name) = &typed.explain {
        return explain(name);
    }
    let baseline = typed.baseline.as_deref().map(Baseline::load).transpose()?;
    let mut config = load_config(&typed.config)?;
    descriptors::bound(&mut config);
    config.namespaces = typed.cluster.namespaces(config.namespaces);
    let cluster = if typed.hosts.is_empty() {
        find_cluster(&typed.cluster, environment, &config).await?
    } else {
        look_only_at(&mut config, &typed);
        None
    };
    let roots = Roots::load(&config, cluster.as_ref().map_or(&[], |cluster| &cluster.ca))?;
    let pass = one_pass(config, cluster, roots, typed.why.as_ref()).await?;
    let filter = filter(&typed);
    let mut stored = pass.stored;
    stored.retain(|record| filter.takes_stored(record));
    let rows: Vec<RowRecord> = pass
        .rows
        .into_iter()
        .filter(|row| filter.takes(row))
        .collect();

    let manner = Manner {
        output: typed.output,
        now: clock::now(),
        baseline: baseline.as_ref(),
        fail_on: typed.fail_on,
        colour: std::io::stdout().is_terminal() && !environment.no_color,
        details: typed.verbose || typed.hosts.len() == 1,
        verbose: typed.verbose,
    };
    let code = exit_code(
        &rows,
        &stored,
        pass.complete || typed.allow_unprobed,
        &typed,
        &manner,
    );
    let text = pass
        .why
        .unwrap_or_else(|| print::render(rows, &stored, &manner));
    print(&text);
    Ok(code)
}

/// Prints a runbook.
fn explain(name: &str) -> Result<ExitCode, Error> {
    let text = report::runbook(name).map_err(|near| Error::Explain(name.to_owned(), near))?;
    print(text);
    Ok(ExitCode::SUCCESS)
}

/// Who closes the pipe (`| head`) has read enough.
fn print(text: &str) {
    let mut stdout = std::io::stdout();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    if let Err(error) = written {
        debug!(%error, "standard output was closed");
    }
}

/// What one pass came to.
struct Pass {
    rows: Vec<RowRecord>,
    stored: Vec<StoredRecord>,
    /// Whether these are all there are, and all were looked at.
    complete: bool,
    /// The answer to `--why`, where that was asked.
    why: Option<String>,
}

/// Looks at everything once; at what is about one host alone where it is asked for that.
async fn one_pass(
    config: Config,
    cluster: Option<Cluster>,
    roots: Roots,
    about: Option<&Arc<str>>,
) -> Result<Pass, Error> {
    let stop = CancellationToken::new();
    shutdown::on_signals(stop.clone()).map_err(Error::Signals)?;
    let part = Part {
        host: about.cloned(),
        shard: Shard::default(),
    };
    let running = start(config, cluster, roots, part)?;
    let pass = stop.run_until_cancelled(running.records.progress.first_pass());
    let finished = progress::while_waiting(&running.records.store, pass)
        .await
        .is_some();
    if !finished {
        warn!("interrupted: what is printed is what was seen until now");
    }
    let (rows, stored) = (running.records.store.rows(), running.records.store.stored());
    let failed = running.records.progress.failed_sources();
    let complete = finished && failed.is_empty();
    let why = match about {
        Some(host) => Some(why::render(
            host,
            &running.why(host).await,
            &rows,
            &running.sources,
            &failed,
        )),
        None => None,
    };
    running.stop().await;
    Ok(Pass {
        rows,
        stored,
        complete,
        why,
    })
}

fn filter(typed: &Check) -> Filter {
    Filter {
        sources: typed.only.source.clone(),
        hosts: typed.only.host.clone(),
        severity: typed.only.severity,
        ..Filter::default()
    }
}

/// The hosts that were typed, instead of the cluster and of what is configured. Whoever types a
/// host means it, wherever it leads.
fn look_only_at(config: &mut Config, typed: &Check) {
    config.security.deny_networks.clear();
    config.files = Files::default();
    config.targets = (typed.hosts)
        .iter()
        .map(|host| StaticTarget {
            name: Arc::clone(&host.host),
            host: Arc::clone(&host.host),
            port: host.port,
            address: None,
            ca_file: None,
            http_port: None,
            starttls: typed.starttls,
        })
        .collect();
}

/// Findings outrank what could not be probed. With a baseline, what it knows does not count.
fn exit_code(
    rows: &[RowRecord],
    stored: &[StoredRecord],
    complete: bool,
    typed: &Check,
    manner: &Manner<'_>,
) -> ExitCode {
    let found = rows.iter().any(|row| {
        let own = &row.target.row;
        row.findings
            .iter()
            .any(|finding| manner.fails(own, finding))
    });
    let found = found
        || stored.iter().any(|record| {
            let fails = |finding| manner.fails_stored(&record.object.place, finding);
            record.findings.iter().any(fails)
        });
    let unprobed = !typed.allow_unprobed && rows.iter().any(|row| is_unprobed(row, manner));
    if found {
        ExitCode::from(FOUND)
    } else if unprobed || !complete {
        ExitCode::from(UNPROBED)
    } else {
        ExitCode::SUCCESS
    }
}

/// Whether TLS is expected and was not seen, and that is news; or what is expected of its
/// reachability was not found to hold.
fn is_unprobed(row: &RowRecord, manner: &Manner<'_>) -> bool {
    let own = &row.target.row;
    let mut findings = row.findings.iter();
    let known = findings.any(|finding| {
        finding.spec.name == "unreachable" && manner.is_new(own, finding) == Some(false)
    });
    let unmet = row.target.expect.reach.is_some() && row.summary.met != Some(true);
    unmet || row.target.expect.tls && row.summary.failure.is_some() && !known
}
