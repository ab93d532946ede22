//! The thread that reads captured states into the snapshot store.

use std::fmt;

use raft_core::ports::{SnapshotError, StorageFailure};
use raft_core::{LogId, LogIndex, Membership, SnapshotTaken};

use super::super::work_queue::WorkQueue;
use super::capture::Captured;
use super::host::Snapshots;
use super::options::TooLittleSpace;
use super::report::SnapshotReport;

/// Bytes that are read from a captured state at a time.
const READ_BYTES: usize = 256 << 10;
/// Bytes after which the free space is checked again.
const CHECKED_BYTES: u64 = 64 << 20;

/// Work for the thread.
#[derive(Debug)]
pub(in crate::node) enum SnapshotTask {
    /// Make a snapshot of this captured state, with the configuration in force at its last entry.
    Write(Captured, (LogIndex, Membership)),
    /// Remove the snapshots with an earlier last entry: the log is compacted past them.
    RemoveBefore(LogIndex),
}

/// Why a captured state is no snapshot.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error("the captured state cannot be read: {0}")]
    Source(#[from] StorageFailure),
    #[error(transparent)]
    Store(#[from] SnapshotError),
    #[error(transparent)]
    Space(#[from] TooLittleSpace),
    #[error("the node shuts down")]
    Stopped,
}

/// Runs until the queue is closed. A snapshot that is being written then is abandoned.
pub(in crate::node) fn run(snapshots: &Snapshots, queue: &WorkQueue<SnapshotTask>) {
    let mut batch = Vec::new();
    while queue.take(&mut batch) {
        for task in batch.drain(..) {
            match task {
                SnapshotTask::Write(captured, membership) => {
                    let taken = snapshots.write(captured, membership, || queue.is_closed());
                    snapshots.report(SnapshotReport::Taken(taken));
                }
                SnapshotTask::RemoveBefore(index) => snapshots.remove_before(index),
            }
        }
    }
}

impl Snapshots {
    fn write(
        &self,
        captured: Captured,
        membership: (LogIndex, Membership),
        stops: impl Fn() -> bool,
    ) -> SnapshotTaken {
        let last = captured.last;
        match self.copy(captured, membership, stops) {
            Ok(size_bytes) => {
                tracing::info!(%last, size_bytes, "snapshot taken");
                self.counters.snapshots_taken.add(1);
                // The newest one serves followers, and a restart.
                self.remove_before(last.index);
                SnapshotTaken::Durable { last }
            }
            Err(error) => {
                self.on_capture_failed(last, &error);
                SnapshotTaken::Failed
            }
        }
    }

    /// Copies a captured state into the store. Returns its size in bytes.
    fn copy(
        &self,
        captured: Captured,
        membership: (LogIndex, Membership),
        stops: impl Fn() -> bool,
    ) -> Result<u64, WriteError> {
        let Captured { last, mut source, purpose: _ } = captured;
        let mut writer = self.store().create(last, membership)?;
        let mut buffer = vec![0; READ_BYTES];
        let mut checked = None;
        loop {
            if stops() {
                return Err(WriteError::Stopped);
            }
            if checked.is_none_or(|checked| writer.offset() - checked >= CHECKED_BYTES) {
                self.options.check_space(CHECKED_BYTES)?;
                checked = Some(writer.offset());
            }
            match source.read(&mut buffer)? {
                0 => return Ok(writer.finish()?.size_bytes),
                length => writer.write(&buffer[..length])?,
            }
        }
    }

    /// Logs and counts a capture that failed.
    pub(in crate::node) fn on_capture_failed(&self, last: LogId, reason: &dyn fmt::Display) {
        self.counters.snapshots_failed.add(1);
        tracing::warn!(%last, %reason, "no snapshot taken");
    }

    /// Removes old snapshots. One that stays takes space and does no other harm.
    pub(super) fn remove_before(&self, index: LogIndex) {
        if let Err(error) = self.store().remove_before(index) {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(%index, error, "old snapshots cannot be removed");
        }
    }
}
