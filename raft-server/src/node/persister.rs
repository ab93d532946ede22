//! Writes the log: one sync for everything that waits.

use std::sync::Arc;
use std::time::Instant;

use raft_core::Persist;
use raft_core::ports::LogStore;

use super::error::StopReason;
use super::mailbox::Mailbox;
use super::status::Counters;
use super::work_queue::WorkQueue;

/// The thread that owns the log store.
pub(super) struct Persister {
    pub(super) store: Box<dyn LogStore>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) counters: Arc<Counters>,
}

impl Persister {
    /// Persists batch after batch until the queue ends or the store fails. After a failure what
    /// the disk holds is unknown: the node stops and nothing is ever persisted again.
    pub(super) fn run(mut self, queue: &WorkQueue<Persist>) {
        let mut batch = Vec::new();
        while queue.take(&mut batch) {
            let started = Instant::now();
            if let Err(error) = self.store.persist(&batch) {
                queue.close();
                self.mailbox.fail(StopReason::Storage(Arc::new(error)));
                return;
            }
            self.counters.persist_time.record(started.elapsed());
            self.counters.persists.add(batch.len() as u64);
            let durable = batch.last().map(|persist| persist.id);
            self.mailbox.post(|arrivals| arrivals.persisted = durable);
            batch.clear();
        }
    }
}
