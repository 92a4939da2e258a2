//! Polling: for sources whose answer cannot be watched, or is not worth a watch.

use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use tokio::time::{sleep, timeout};

use super::watch::failed;
use super::{Cluster, Context, Declared, Health, Update};

/// Between two readings.
const READ_EVERY: Duration = Duration::from_mins(10);

/// Between a reading that failed and the next: the API server may only be restarting.
const READ_AGAIN: Duration = Duration::from_secs(30);

/// How long a reading may take.
const READ_TIMEOUT: Duration = Duration::from_mins(2);

/// What could not be done, as `list namespaces`, and why.
pub(super) type Refused = (&'static str, &'static str, kube::Error);

/// One reading: the complete set of objects.
pub(super) type Read = fn(Cluster, Context) -> BoxFuture<'static, Result<Vec<Declared>, Refused>>;

/// What each reading comes to, at once and then again and again.
pub(super) fn poll(context: &Context, cluster: &Cluster, read: Read) -> BoxStream<'static, Update> {
    let start = (context.clone(), cluster.clone(), Duration::ZERO);
    let readings = stream::unfold(start, move |(context, cluster, wait)| async move {
        sleep(wait).await;
        let reading = read(cluster.clone(), context.clone());
        let (updates, next) = match timeout(READ_TIMEOUT, reading).await {
            Ok(Ok(objects)) => {
                let synced = Health::Synced((context.clock)());
                let updates = vec![Update::Listed(objects), Update::Health(synced)];
                (updates, READ_EVERY)
            }
            Ok(Err((verb, what, error))) => {
                let failed = failed(verb, what, error);
                (vec![Update::Health(failed)], READ_AGAIN)
            }
            Err(_) => {
                let failed = Health::Failed {
                    reason: "unreachable",
                    detail: format!("no answer in {} s", READ_TIMEOUT.as_secs()),
                };
                (vec![Update::Health(failed)], READ_AGAIN)
            }
        };
        Some((stream::iter(updates), (context, cluster, next)))
    });
    readings.flatten().boxed()
}
