//! The thread that writes the log.

use std::sync::Arc;
use std::time::Instant;

use raft_core::Persist;
use raft_core::ports::LogStore;

use super::counters::Counters;
use super::error::StopReason;
use super::mailbox::Mailbox;
use super::work_queue::WorkQueue;

/// Owns the log store on its thread.
pub(super) struct Persister {
    pub(super) store: Box<dyn LogStore>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) counters: Arc<Counters>,
}

impl Persister {
    /// Persists everything in the queue with one call and one sync, until the queue is closed or
    /// the store fails. After a failure the content of the disk is unknown: the node stops, and
    /// nothing more is persisted.
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
