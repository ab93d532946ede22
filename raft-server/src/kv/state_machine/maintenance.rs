//! Background work on a database: freeing the space of compacted versions, and syncing.

use std::sync::{Arc, OnceLock};

use super::background::Background;
use super::database::Database;

/// The threads that work on one database. Reads below a compact revision are refused before a
/// sweep begins, and the durable applied index rises after a sync, so nothing else depends on their
/// progress.
#[derive(Debug)]
pub(super) struct Maintenance {
    sweeper: Background,
    syncer: Background,
    sync_failure: Arc<OnceLock<String>>,
}

impl Maintenance {
    pub(super) fn start(database: &Arc<Database>) -> std::io::Result<Self> {
        let swept = Arc::clone(database);
        let sweeper = Background::start("kv-sweeper", move || match swept.sweep() {
            Ok(compact_revision) => tracing::debug!(%compact_revision, "swept the history"),
            Err(error) => tracing::warn!(%error, "sweeping the history failed"),
        })?;
        let synced = Arc::clone(database);
        let sync_failure = Arc::new(OnceLock::new());
        let failure = Arc::clone(&sync_failure);
        let syncer = Background::start("kv-syncer", move || {
            // After a failed sync a second one could succeed without writing the same bytes.
            if failure.get().is_none()
                && let Err(error) = synced.sync()
            {
                let _ = failure.set(error.to_string());
            }
        })?;
        Ok(Self { sweeper, syncer, sync_failure })
    }

    /// Requests a sweep for the last written compaction.
    pub(super) fn sweep(&self) {
        self.sweeper.request();
    }

    /// Requests a sync of everything written so far.
    pub(super) fn sync(&self) {
        self.syncer.request();
    }

    /// The error of a sync, if one has failed.
    pub(super) fn sync_failure(&self) -> Option<&str> {
        self.sync_failure.get().map(String::as_str)
    }

    /// Stops the threads. A sweep in progress is aborted.
    pub(super) fn stop(&mut self, database: &Database) {
        self.syncer.close();
        if self.sweeper.close() {
            database.cancel_background_work();
        }
        self.sweeper.join();
        self.syncer.join();
    }
}
