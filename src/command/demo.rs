//! `demo`: an embedded cluster, and the exporter looking at it.

use std::process::ExitCode;

use futures::FutureExt as _;
use kube::config::KubeConfigOptions;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::print::{self, Manner};
use super::serve::{guard, listen, web};
use super::{Error, shutdown, start};
use crate::cli;
use crate::clock;
use crate::config::Config;
use crate::demo;
use crate::discover::Cluster;
use crate::judge::Roots;
use crate::run::Running;
use crate::schedule::Part;
use crate::serve;

/// Prints what is found, and serves until it is told to end.
pub(super) async fn demo(typed: cli::Demo) -> Result<ExitCode, Error> {
    let stop = CancellationToken::new();
    shutdown::on_signals(stop.clone()).map_err(Error::Signals)?;
    let guard = guard(&typed.web, stop.clone()).await?;
    let scheme = if guard.has_tls() { "https" } else { "http" };
    let listeners = listen(&typed.web).await?;
    let urls: Vec<String> = listeners
        .iter()
        .filter_map(|listener| listener.local_addr().ok())
        .map(|address| {
            format!(
                "{scheme}://localhost:{}{}{}",
                address.port(),
                typed.web.prefix(),
                typed.web.telemetry_path
            )
        })
        .collect();

    let demo = demo::start(clock::now()).await?;
    let config = demo.config(Config::default());
    let options = KubeConfigOptions::default();
    let client = kube::Config::from_custom_kubeconfig(demo.kubeconfig(), &options)
        .await
        .map_err(Error::DemoCluster)?;
    let cluster = Cluster::new(client, "demo")?;
    let root = CertificateDer::from_pem_slice(demo.ca_pem().as_bytes()).into_iter();
    let roots = Roots::load(&config, &cluster.ca)?.with_configured(&root.collect::<Vec<_>>());

    let running = start(config, Some(cluster), roots, Part::default())?;
    let records = watch::channel(running.records.clone()).1;
    let web = web(records, &typed.web)?;
    tokio::join!(
        serve::serve(listeners, web, guard, stop.clone()),
        stop.run_until_cancelled(tell(&running, &urls)).map(|_| ()),
    );
    running.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Prints what was found once everything was looked at.
async fn tell(running: &Running, urls: &[String]) {
    println!(
        "Looking at an embedded cluster; one of its hosts hangs, so this takes some seconds.\n"
    );
    running.records.progress.first_pass().await;
    print!(
        "{}",
        print::render(
            running.records.store.rows(),
            &running.records.store.stored(),
            &Manner::table(clock::now())
        )
    );
    println!(
        "\nMetrics are at {}; Ctrl-C ends the demo.",
        urls.join(" and ")
    );
}
