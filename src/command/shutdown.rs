//! Shutdown: the first signal asks the program to end, the second one ends it.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The exit code of a program that SIGINT ends, by the shells' convention.
const ABORTED: i32 = 130;

/// Cancels `stop` at the first SIGINT or SIGTERM; the second one ends the process at once.
pub(super) fn on_signals(stop: CancellationToken) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        let name = either(&mut interrupt, &mut terminate).await;
        info!(signal = name, "ending; a second signal ends at once");
        stop.cancel();
        let name = either(&mut interrupt, &mut terminate).await;
        warn!(signal = name, "ending at once");
        std::process::exit(ABORTED);
    });
    Ok(())
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
