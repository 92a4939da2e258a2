//! `check`: one pass over everything, printed.

use std::process::ExitCode;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Environment, Error, find_cluster, load_config, shutdown, start, table, why};
use crate::cli::{Check, Host, Output};
use crate::clock;
use crate::config::{Config, FailOn, Files, StaticTarget};
use crate::judge::Roots;
use crate::record::RowRecord;

/// Findings at or above `--fail-on`.
const FOUND: u8 = 1;

/// Something could not be probed, or not be looked for.
const UNPROBED: u8 = 3;

/// Makes one pass, prints it, and says by the exit code what was found.
pub(super) async fn check(typed: Check, environment: &Environment) -> Result<ExitCode, Error> {
    let mut config = load_config(&typed.config)?;
    config.namespaces = typed.cluster.namespaces(config.namespaces);
    let cluster = if typed.hosts.is_empty() {
        find_cluster(&typed.cluster, environment, &config).await?
    } else {
        look_only_at(&mut config, &typed.hosts);
        None
    };
    let roots = Roots::load(&config, cluster.as_ref().map_or(&[], |cluster| &cluster.ca))?;
    let stop = CancellationToken::new();
    shutdown::on_signals(stop.clone()).map_err(Error::Signals)?;

    let running = start(config, cluster, roots, typed.why.clone())?;
    let finished = stop
        .run_until_cancelled(running.progress.first_pass())
        .await
        .is_some();
    if !finished {
        warn!("interrupted: what is printed is what was seen until now");
    }
    let rows = running.store.rows();
    let failed = running.progress.failed_sources();
    let complete = finished && failed.is_empty();
    let why = match &typed.why {
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

    match (why, typed.output) {
        (Some(why), _) => print!("{why}"),
        (None, Output::Table) => print!("{}", table::render(&rows, clock::now())),
    }
    Ok(exit_code(&rows, complete, typed.fail_on))
}

/// The hosts that were typed, instead of the cluster and of what is configured. Whoever types a
/// host means it, wherever it leads.
fn look_only_at(config: &mut Config, hosts: &[Host]) {
    config.security.deny_networks.clear();
    config.files = Files::default();
    config.targets = hosts
        .iter()
        .map(|host| StaticTarget {
            name: Arc::clone(&host.host),
            host: Arc::clone(&host.host),
            port: host.port,
            address: None,
            ca_file: None,
            http_port: None,
        })
        .collect();
}

/// Findings outrank what could not be probed.
fn exit_code(rows: &[RowRecord], complete: bool, fail_on: FailOn) -> ExitCode {
    let worst = rows
        .iter()
        .flat_map(|row| row.findings.iter())
        .map(|f| f.severity)
        .max();
    let found = match fail_on {
        FailOn::Never => false,
        FailOn::Severity(least) => worst.is_some_and(|worst| worst >= least),
    };
    let unprobed = rows
        .iter()
        .any(|row| row.target.expect.tls && row.summary.failure.is_some());
    if found {
        ExitCode::from(FOUND)
    } else if unprobed || !complete {
        ExitCode::from(UNPROBED)
    } else {
        ExitCode::SUCCESS
    }
}
