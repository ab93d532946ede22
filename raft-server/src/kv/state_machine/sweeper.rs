//! Frees the space of compacted versions on a thread of its own.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread::JoinHandle;

use super::database::Database;

/// A thread that sweeps the history after each compaction. Reads below a compact revision are
/// refused before the sweep begins, so nothing depends on its progress.
#[derive(Debug)]
pub(super) struct Sweeper {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sweeper {
    pub(super) fn start(database: Arc<Database>) -> std::io::Result<Self> {
        // One request may be queued. Further ones are not needed: a sweep reads the newest
        // compact revision.
        let (wake, requests) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("kv-sweeper".to_owned())
            .spawn(move || sweep(&database, &requests))?;
        Ok(Self { wake: Some(wake), thread: Some(thread) })
    }

    /// Requests a sweep for the last written compaction.
    pub(super) fn sweep(&self) {
        let Some(wake) = &self.wake else { return };
        match wake.try_send(()) {
            Ok(()) | Err(TrySendError::Full(())) => {}
            Err(TrySendError::Disconnected(())) => {
                tracing::error!(
                    "the sweeper has stopped; the space of compacted versions is not freed"
                );
            }
        }
    }

    /// Stops the thread. A sweep in progress is aborted.
    pub(super) fn stop(&mut self, database: &Database) {
        self.wake = None;
        let Some(thread) = self.thread.take() else { return };
        if !thread.is_finished() {
            database.cancel_background_work();
        }
        if thread.join().is_err() {
            tracing::error!("the sweeper panicked");
        }
    }
}

fn sweep(database: &Database, requests: &Receiver<()>) {
    for () in requests {
        match database.sweep() {
            Ok(compact_revision) => tracing::debug!(%compact_revision, "swept the history"),
            Err(error) => tracing::warn!(%error, "sweeping the history failed"),
        }
    }
}
