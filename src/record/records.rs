//! Records: all that one run of the stages keeps for those who read it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::{Own, Progress, Store};
use crate::schedule::Question;

/// What is recorded. Copies share it.
#[derive(Clone, Debug)]
pub struct Records {
    /// Every row's last verdict.
    pub store: Arc<Store>,
    /// The exporter's metrics about itself.
    pub own: Arc<Own>,
    /// Whether what is known is the whole picture yet.
    pub progress: Arc<Progress>,
    /// Between two regular probes of a door.
    pub interval: Duration,
    /// Where the schedule that fills all this takes questions.
    pub questions: mpsc::Sender<Question>,
}
