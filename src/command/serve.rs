//! `serve`: the exporter.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    Environment, Error, descriptors, events, find_cluster, journal, load_config, reload, shutdown,
    systemd,
};
use crate::cli::{Listen, Serve, Sharding, Web as WebFlags};
use crate::config::{Config, ProbeEndpoint};
use crate::discover::Cluster;
use crate::judge::Roots;
use crate::record::{Change, Records};
use crate::run::{self, Running};
use crate::schedule::{Part, Shard};
use crate::serve::{self, Endpoint, Guard, Web};

/// Changes that may wait to be logged: a second's worth where a thousand doors break at once.
const CHANGES: usize = 4096;

/// Runs until it is told to end.
pub(super) async fn serve(typed: Serve, environment: &Environment) -> Result<ExitCode, Error> {
    let part = part(typed.shard)?;
    if typed.config_check {
        let config = load_config(&typed.config)?;
        Roots::load(&config, &[] as &[&[u8]])?;
        guard(&typed.web, CancellationToken::new()).await?;
        println!("The configuration is right.");
        return Ok(ExitCode::SUCCESS);
    }
    let plan = plan(&typed, environment).await?;
    let stop = CancellationToken::new();
    shutdown::on_signals(stop.clone()).map_err(Error::Signals)?;
    let (reload, wishes) = reload::wishes().map_err(Error::Signals)?;
    let guard = guard(&typed.web, stop.clone()).await?;
    let listeners = listen(&typed.web).await?;
    info!(
        version = env!("CARGO_PKG_VERSION"),
        cluster = plan.context(),
        "started",
    );
    let changes = broadcast::Sender::new(CHANGES);
    let told = changes.subscribe();
    // Without a word on it, only who is on this machine may ask.
    let local =
        (listeners.iter()).all(|one| one.local_addr().is_ok_and(|at| at.ip().is_loopback()));
    let endpoint = watch::Sender::new(plan.endpoint(local)?);
    let writer = plan.events();
    let running = plan.start(part.clone(), changes.clone())?;
    if let Some(socket) = &environment.notify_socket
        && let Err(error) = systemd::ready(socket)
    {
        warn!(%error, "could not tell systemd that the exporter serves");
    }
    let (served, records) = watch::channel(running.records.clone());
    let summarised = records.clone();
    let mut web = web(records, &typed.web)?.with_endpoint(endpoint.subscribe());
    if typed.enable_lifecycle {
        web = web.with_reload(reload);
    }
    let client = watch::Sender::new(writer);
    let (publish, publishing) = events::publisher(client.subscribe());
    let begin = async || {
        let plan = self::plan(&typed, environment).await?;
        let (next, writer) = (plan.endpoint(local)?, plan.events());
        let running = plan.start(part.clone(), changes.clone())?;
        endpoint.send_replace(next);
        client.send_replace(writer);
        Ok(running)
    };
    let (running, (), _, _) = tokio::join!(
        reload::follow(
            running,
            wishes,
            served,
            changes.clone(),
            begin,
            stop.clone()
        ),
        serve::serve(listeners, web, guard, stop.clone()),
        stop.run_until_cancelled(journal::keep(told, summarised, &typed.web, publish)),
        stop.run_until_cancelled(publishing),
    );
    running.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// What the files say now of what to do.
struct Plan {
    config: Config,
    cluster: Option<Cluster>,
    roots: Roots,
}

async fn plan(typed: &Serve, environment: &Environment) -> Result<Plan, Error> {
    let mut config = load_config(&typed.config)?;
    config.namespaces = typed.cluster.namespaces(config.namespaces);
    descriptors::bound(&mut config);
    let cluster = find_cluster(&typed.cluster, environment, &config).await?;
    let roots = Roots::load(&config, cluster.as_ref().map_or(&[], |cluster| &cluster.ca))?;
    Ok(Plan {
        config,
        cluster,
        roots,
    })
}

impl Plan {
    /// How the kubeconfig calls the cluster.
    fn context(&self) -> Option<&str> {
        self.cluster.as_ref().map(|cluster| &*cluster.context)
    }

    /// What answers `/probe`: nothing where it is not configured, unless everybody who asks is on this machine.
    fn endpoint(&self, local: bool) -> Result<Option<Arc<Endpoint>>, Error> {
        let unsaid = ProbeEndpoint::default();
        let asked = self.config.probe_endpoint.as_ref();
        let Some(asked) = asked.or_else(|| local.then_some(&unsaid)) else {
            return Ok(None);
        };
        let endpoint = Endpoint::new(&self.config, asked, self.roots.clone())?;
        Ok(Some(Arc::new(endpoint)))
    }

    /// Who writes Events, where they are to be written.
    fn events(&self) -> Option<kube::Client> {
        let cluster = self.cluster.as_ref();
        let cluster = cluster.filter(|_| self.config.events.enabled);
        cluster.map(|cluster| cluster.client.clone())
    }

    fn start(self, part: Part, changes: broadcast::Sender<Change>) -> Result<Running, Error> {
        Ok(run::start(
            self.config,
            self.cluster,
            self.roots,
            part,
            changes,
        )?)
    }
}

/// What this instance looks at, of all that is discovered.
fn part(Sharding { count, ordinal }: Sharding) -> Result<Part, Error> {
    let ordinal = match ordinal {
        Some(ordinal) => ordinal,
        None if count == NonZero::<u32>::MIN => 0,
        None => return Err(Error::Unnumbered(count)),
    };
    let shard = Shard::new(ordinal, count).ok_or(Error::Shard(ordinal, count))?;
    Ok(Part { host: None, shard })
}

/// Serves the latest of `records` as the flags say.
pub(super) fn web(records: watch::Receiver<Records>, flags: &WebFlags) -> Result<Web, Error> {
    Ok(Web::new(records, &flags.telemetry_path)?
        .with_inventory(flags.inventory)
        .below(flags.prefix()))
}

/// Who may come in, followed until `stop`.
pub(super) async fn guard(flags: &WebFlags, stop: CancellationToken) -> Result<Guard, Error> {
    Ok(match &flags.web_config_file {
        Some(path) => Guard::load(path, stop).await?,
        None => Guard::open()?,
    })
}

/// Listens at every address that was asked for, or at what systemd hands over.
pub(super) async fn listen(flags: &WebFlags) -> Result<Vec<TcpListener>, Error> {
    let listeners = if flags.systemd_socket {
        systemd::sockets().map_err(Error::Sockets)?
    } else {
        bind_all(&flags.listen_addresses).await?
    };
    for address in listeners.iter().filter_map(|one| one.local_addr().ok()) {
        info!(%address, "listening");
    }
    Ok(listeners)
}

async fn bind_all(addresses: &[Listen]) -> Result<Vec<TcpListener>, Error> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses {
        let listener = bind(address).await;
        listeners.push(listener.map_err(|error| Error::Listen(address.clone(), error))?);
    }
    Ok(listeners)
}

/// Without a host, both families at once; IPv4 alone where the machine has no IPv6.
async fn bind(address: &Listen) -> io::Result<TcpListener> {
    match address.host.as_deref() {
        Some(host) => TcpListener::bind((host, address.port)).await,
        None => match TcpListener::bind((Ipv6Addr::UNSPECIFIED, address.port)).await {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port)).await
            }
            bound => bound,
        },
    }
}
