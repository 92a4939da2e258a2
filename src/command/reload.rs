//! Reload: the configuration is read again without a restart, at SIGHUP or a client's wish.
//!
//! The stages begin anew by it. Until they know as much as those before them, which stop at once,
//! what those knew is served on, with its age. What is wrong leaves everything as it was.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::{Error, chain};
use crate::clock;
use crate::record::{Change, Records};
use crate::run::Running;
use crate::serve::{Reload, Wish};

/// Where to wish for a reload, and where the wishes come out: those of SIGHUP too.
pub(super) fn wishes() -> io::Result<(Reload, mpsc::Receiver<Wish>)> {
    let mut hangup = signal(SignalKind::hangup())?;
    let (sender, wishes) = mpsc::channel(1);
    let reload = sender.clone();
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            // Where one waits already, it is granted after this signal: that is enough.
            drop(sender.try_send(oneshot::channel().0));
        }
    });
    Ok((reload, wishes))
}

/// Grants wishes until `stop`, keeps in `served` what is to be served, and tells `changes` what is gone by a
/// takeover; gives what runs then.
pub(super) async fn follow(
    mut running: Running,
    mut wishes: mpsc::Receiver<Wish>,
    served: watch::Sender<Records>,
    changes: broadcast::Sender<Change>,
    begin: impl AsyncFn() -> Result<Running, Error>,
    stop: CancellationToken,
) -> Running {
    let mut settling = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return running,
            () = running.records.progress.ready(), if settling => {
                let before = served.send_replace(running.records.clone());
                for change in before.store.gone_in(&running.records.store) {
                    // It fails where nobody listens.
                    drop(changes.send(change));
                }
                settling = false;
            }
            Some(wish) = wishes.recv() => {
                let outcome = begin().await.map_err(|error| chain(&error));
                let last = Arc::clone(&served.borrow().own);
                let told = match outcome {
                    Ok(next) => {
                        last.configured(clock::now());
                        std::mem::replace(&mut running, next).stop().await;
                        settling = true;
                        info!("reloaded; what was known before is served until as much is known again");
                        Ok(())
                    }
                    Err(problem) => {
                        last.misconfigured();
                        running.records.own.misconfigured();
                        error!(%problem, "the configuration could not be reloaded; the one before stays in force");
                        Err(problem)
                    }
                };
                // Who asked may have left.
                drop(wish.send(told));
            }
        }
    }
}
