//! The threads of a node, and the work that a cycle of the driver collects for them.

use bytes::Bytes;
use raft_core::{CommittedEntry, FetchEntries, Persist, RequestId};

use super::applier::ApplierTask;
use super::worker::Worker;

/// The threads of a node. Work is collected over a cycle and passed on by [`Threads::submit`], with
/// at most one wake-up for each thread.
#[derive(Debug)]
pub(super) struct Threads {
    persister: Worker<Persist>,
    log_reader: Worker<FetchEntries>,
    applier: Worker<ApplierTask>,
    persists: Vec<Persist>,
    fetches: Vec<FetchEntries>,
    tasks: Vec<ApplierTask>,
}

impl Threads {
    pub(super) const fn new(
        persister: Worker<Persist>,
        log_reader: Worker<FetchEntries>,
        applier: Worker<ApplierTask>,
    ) -> Self {
        Self {
            persister,
            log_reader,
            applier,
            persists: Vec::new(),
            fetches: Vec::new(),
            tasks: Vec::new(),
        }
    }

    pub(super) fn persist(&mut self, persist: Persist) {
        self.persists.push(persist);
    }

    pub(super) fn fetch(&mut self, fetch: FetchEntries) {
        self.fetches.push(fetch);
    }

    pub(super) fn apply(&mut self, entries: Vec<CommittedEntry>) {
        self.tasks.push(ApplierTask::Apply(entries));
    }

    /// Ends the state in which the applier discards entries after a failure.
    pub(super) fn resume_apply(&mut self) {
        self.tasks.push(ApplierTask::Resume);
    }

    pub(super) fn query(&mut self, id: RequestId, query: Bytes) {
        self.tasks.push(ApplierTask::Query(id, query));
    }

    /// Passes the collected work to the threads.
    pub(super) fn submit(&mut self) {
        self.persister.push_all(&mut self.persists);
        self.log_reader.push_all(&mut self.fetches);
        self.applier.push_all(&mut self.tasks);
    }

    /// Waits until the threads have finished the work that was submitted, and have ended.
    pub(super) async fn finish(&mut self) {
        self.persister.finish().await;
        self.log_reader.finish().await;
        self.applier.finish().await;
    }
}
