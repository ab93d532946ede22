//! The threads of a node, and the work that a cycle of the driver collects for them.

use bytes::Bytes;
use raft_core::{CommittedEntry, FetchEntries, LogId, Persist, RequestId};

use super::applier::ApplierTask;
use super::persister::LogTask;
use super::snapshots::capture::CapturePurpose;
use super::snapshots::writer::SnapshotTask;
use super::worker::Worker;

/// The threads of a node. Work is collected over a cycle and passed on by [`Threads::submit`], with
/// at most one wake-up for each thread.
#[derive(Debug)]
pub(super) struct Threads {
    persister: Worker<LogTask>,
    log_reader: Worker<FetchEntries>,
    applier: Worker<ApplierTask>,
    /// `None` in a node without a snapshot store.
    snapshot_writer: Option<Worker<SnapshotTask>>,
    log_tasks: Vec<LogTask>,
    fetches: Vec<FetchEntries>,
    tasks: Vec<ApplierTask>,
    snapshot_tasks: Vec<SnapshotTask>,
}

impl Threads {
    pub(super) const fn new(
        persister: Worker<LogTask>,
        log_reader: Worker<FetchEntries>,
        applier: Worker<ApplierTask>,
        snapshot_writer: Option<Worker<SnapshotTask>>,
    ) -> Self {
        Self {
            persister,
            log_reader,
            applier,
            snapshot_writer,
            log_tasks: Vec::new(),
            fetches: Vec::new(),
            tasks: Vec::new(),
            snapshot_tasks: Vec::new(),
        }
    }

    pub(super) fn persist(&mut self, persist: Persist) {
        self.log_tasks.push(LogTask::Persist(persist));
    }

    /// Removes the entries of the log up to this one.
    pub(super) fn compact(&mut self, up_to: LogId) {
        self.log_tasks.push(LogTask::Compact(up_to));
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

    /// Restores the state machine to a snapshot.
    pub(super) fn restore(&mut self, last: LogId) {
        self.tasks.push(ApplierTask::Restore(last));
    }

    /// Captures the state machine.
    pub(super) fn capture(&mut self, purpose: CapturePurpose) {
        self.tasks.push(ApplierTask::Capture(purpose));
    }

    /// Work on the snapshot store.
    pub(super) fn snapshot(&mut self, task: SnapshotTask) {
        self.snapshot_tasks.push(task);
    }

    pub(super) fn query(&mut self, id: RequestId, query: Bytes) {
        self.tasks.push(ApplierTask::Query(id, query));
    }

    /// Passes the collected work to the threads.
    pub(super) fn submit(&mut self) {
        self.persister.push_all(&mut self.log_tasks);
        self.log_reader.push_all(&mut self.fetches);
        self.applier.push_all(&mut self.tasks);
        if let Some(writer) = &self.snapshot_writer {
            writer.push_all(&mut self.snapshot_tasks);
        }
    }

    /// Waits until the threads have finished the work that was submitted, and have ended.
    pub(super) async fn finish(&mut self) {
        self.persister.finish().await;
        self.log_reader.finish().await;
        self.applier.finish().await;
        if let Some(writer) = &mut self.snapshot_writer {
            writer.finish().await;
        }
    }
}
