//! The thread that writes the log.

use std::sync::Arc;
use std::time::Instant;

use raft_core::ports::{LogStore, StoreError};
use raft_core::{Entry, LogId, Persist};

use super::counters::{Counters, LogWrite};
use super::error::StopReason;
use super::mailbox::Mailbox;
use super::work_queue::WorkQueue;

/// Work for the persister.
#[allow(clippy::large_enum_variant, reason = "nearly every task is a persist")]
#[derive(Debug)]
pub(super) enum LogTask {
    /// Make this change durable.
    Persist(Persist),
    /// Remove the entries up to this one.
    Compact(LogId),
}

/// Owns the log store on its thread.
pub(super) struct Persister {
    pub(super) store: Box<dyn LogStore>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) counters: Arc<Counters>,
}

impl Persister {
    /// Executes everything in the queue, until the queue is closed or the store fails. After a
    /// failure the content of the disk is unknown: the node stops, and nothing more is persisted.
    pub(super) fn run(mut self, queue: &WorkQueue<LogTask>) {
        let (mut batch, mut persists) = (Vec::new(), Vec::new());
        while queue.take(&mut batch) {
            let mut compact_to = None;
            for task in batch.drain(..) {
                match task {
                    LogTask::Persist(persist) => persists.push(persist),
                    LogTask::Compact(up_to) => compact_to = Some(up_to),
                }
            }
            if let Err(error) = self.execute(&mut persists, compact_to) {
                queue.close();
                self.mailbox.fail(StopReason::Storage(Arc::new(error)));
                return;
            }
        }
    }

    /// Makes all changes durable with one call and one sync, reports that, and then compacts.
    /// Messages wait for the changes and nothing waits for a compaction. It may follow later
    /// changes: none of them removes a compacted entry, unless it resets the log past it.
    fn execute(
        &mut self,
        persists: &mut Vec<Persist>,
        compact_to: Option<LogId>,
    ) -> Result<(), StoreError> {
        if let Some(durable) = persists.last().map(|persist| persist.id) {
            let started = Instant::now();
            let entries = persists.iter().flat_map(|persist| &persist.entries);
            let bytes = entries.map(Entry::weight_bytes).sum();
            let changes = persists.len() as u64;
            self.counters.set_log_write(Some(LogWrite { began: started, changes, bytes }));
            self.store.persist(persists)?;
            self.counters.set_log_write(None);
            self.counters.persist_time.record(started.elapsed());
            self.counters.persists.add(persists.len() as u64);
            self.mailbox.post(|arrivals| arrivals.persisted = Some(durable));
            persists.clear();
        }
        compact_to.map_or(Ok(()), |up_to| self.store.compact(up_to))
    }
}
