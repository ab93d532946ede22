//! Counters of what a node has done.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::count::Count;
use super::histogram::{DurationHistogram, DurationRecorder};

/// Counts since the start of the node; they never fall.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct NodeCounters {
    /// Proposals that the driver took from its queue, whatever their outcome.
    pub proposals: u64,
    /// Proposals among them without an output: refused, failed, cancelled or of unknown outcome.
    pub proposals_failed: u64,
    /// Reads that the driver took from its queue, local ones included.
    pub reads: u64,
    /// Reads among them without a result: refused, failed or cancelled.
    pub reads_failed: u64,
    /// Calls of [`LogStore::persist`](raft_core::ports::LogStore::persist), each with one sync.
    pub persist_batches: u64,
    /// Changes made durable by those calls.
    pub persists: u64,
    /// Durations of those calls.
    pub persist_time: DurationHistogram,
    /// Flushes of the state machine.
    pub apply_batches: u64,
    /// Entries applied, those without a command included.
    pub applied_entries: u64,
    /// Entries at which the state machine failed.
    pub apply_failures: u64,
    /// Time that the state machine spent on entries.
    pub apply_time: Duration,
    /// Messages from peers that the driver took from its queue.
    pub messages_received: u64,
    /// Messages submitted to the transport.
    pub messages_sent: u64,
    /// Messages from peers that did not fit into the queue and were dropped.
    pub inbox_dropped: u64,
    /// Messages that the core refused as invalid.
    pub messages_refused: u64,
    /// How often a follower acknowledged less than before, at this node as the leader: it has lost
    /// entries that were durable.
    pub acknowledgements_fell: u64,
    /// Changes of the known leader, including changes to none.
    pub leader_changes: u64,
    /// Snapshots of the state machine that were taken.
    pub snapshots_taken: u64,
    /// Snapshots that could not be taken.
    pub snapshots_failed: u64,
    /// Snapshots that were delivered to followers.
    pub snapshots_sent: u64,
    /// Snapshots that were received completely.
    pub snapshots_received: u64,
    /// Restores of the state machine from a snapshot.
    pub snapshots_restored: u64,
    /// How often this node gave up leadership or a candidacy because its disk made no progress.
    pub storage_stalls: u64,
}

/// A write of the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogWrite {
    pub(super) began: Instant,
    pub(super) changes: u64,
    /// The weight of the entries.
    pub(super) bytes: u64,
}

/// The counters while the node runs.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) proposals: Count,
    pub(super) proposals_failed: Count,
    pub(super) reads: Count,
    pub(super) reads_failed: Count,
    pub(super) persists: Count,
    pub(super) persist_time: DurationRecorder,
    pub(super) apply_batches: Count,
    pub(super) applied_entries: Count,
    pub(super) apply_failures: Count,
    pub(super) apply_nanos: Count,
    pub(super) messages_received: Count,
    pub(super) messages_sent: Count,
    pub(super) inbox_dropped: Count,
    pub(super) messages_refused: Count,
    pub(super) acknowledgements_fell: Count,
    pub(super) leader_changes: Count,
    pub(super) storage_stalls: Count,
    pub(super) snapshots_taken: Count,
    pub(super) snapshots_failed: Count,
    pub(super) snapshots_sent: Count,
    pub(super) snapshots_received: Count,
    pub(super) snapshots_restored: Count,
    /// The write of the log that is in progress; no part of [`NodeCounters`].
    pub(super) log_write: Mutex<Option<LogWrite>>,
    /// The number of pending requests: it may fall, and is no part of [`NodeCounters`].
    pub(super) pending: Count,
}

impl Counters {
    /// A write of the log begins, or has ended.
    pub(super) fn set_log_write(&self, write: Option<LogWrite>) {
        *self.log_write.lock().unwrap_or_else(PoisonError::into_inner) = write;
    }

    /// The write of the log that is in progress.
    pub(super) fn log_write(&self) -> Option<LogWrite> {
        *self.log_write.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn values(&self) -> NodeCounters {
        let persist_time = self.persist_time.values();
        NodeCounters {
            proposals: self.proposals.get(),
            proposals_failed: self.proposals_failed.get(),
            reads: self.reads.get(),
            reads_failed: self.reads_failed.get(),
            persist_batches: persist_time.count,
            persists: self.persists.get(),
            persist_time,
            apply_batches: self.apply_batches.get(),
            applied_entries: self.applied_entries.get(),
            apply_failures: self.apply_failures.get(),
            apply_time: Duration::from_nanos(self.apply_nanos.get()),
            messages_received: self.messages_received.get(),
            messages_sent: self.messages_sent.get(),
            inbox_dropped: self.inbox_dropped.get(),
            messages_refused: self.messages_refused.get(),
            acknowledgements_fell: self.acknowledgements_fell.get(),
            leader_changes: self.leader_changes.get(),
            storage_stalls: self.storage_stalls.get(),
            snapshots_taken: self.snapshots_taken.get(),
            snapshots_failed: self.snapshots_failed.get(),
            snapshots_sent: self.snapshots_sent.get(),
            snapshots_received: self.snapshots_received.get(),
            snapshots_restored: self.snapshots_restored.get(),
        }
    }
}
