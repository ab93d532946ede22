//! Frees the space of compacted versions beside everything else.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread::JoinHandle;

use super::database::Database;

/// A thread that sweeps the history after each compaction. Reads below a compact revision are
/// refused long before it gets there, so nothing depends on how far it is.
#[derive(Debug)]
pub(super) struct Sweeper {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sweeper {
    pub(super) fn start(database: Arc<Database>) -> std::io::Result<Self> {
        // One order may wait. Further ones are not needed: it will see the newest revision.
        let (wake, orders) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("kv-sweeper".to_owned())
            .spawn(move || sweep(&database, &orders))?;
        Ok(Self { wake: Some(wake), thread: Some(thread) })
    }

    /// Asks to free what the last written compaction has made superfluous.
    pub(super) fn sweep(&self) {
        let Some(wake) = &self.wake else { return };
        match wake.try_send(()) {
            Ok(()) | Err(TrySendError::Full(())) => {}
            Err(TrySendError::Disconnected(())) => {
                tracing::error!("the sweeper is gone; compacted versions keep their space");
            }
        }
    }

    /// Ends the thread. A sweep under way is cut short.
    pub(super) fn stop(&mut self, database: &Database) {
        self.wake = None;
        let Some(thread) = self.thread.take() else { return };
        if !thread.is_finished() {
            database.cancel_background_work();
        }
        if thread.join().is_err() {
            tracing::error!("the sweeper ended in a panic");
        }
    }
}

fn sweep(database: &Database, orders: &Receiver<()>) {
    for () in orders {
        match database.sweep() {
            Ok(compact_revision) => tracing::debug!(%compact_revision, "swept the history"),
            Err(error) => tracing::warn!(%error, "sweeping the history failed"),
        }
    }
}
