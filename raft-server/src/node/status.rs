//! What a node tells of itself: its state, its queues, its counters.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use raft_core::{NodeId, RoleKind, Term};

use super::error::StopReason;

/// Who leads, as one node sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leadership {
    /// The node's term.
    pub term: Term,
    /// The node's role.
    pub role: RoleKind,
    /// The leader of that term, if the node knows it; itself if it leads.
    pub leader: Option<NodeId>,
}

/// A node's state at one moment.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// What the core says.
    pub raft: raft_core::Status,
    /// How full the queues are.
    pub queues: QueueDepths,
    /// What has happened since the node started.
    pub counters: NodeCounters,
    /// Why the node has stopped, once it has.
    pub stopped: Option<StopReason>,
}

/// How many things wait where.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QueueDepths {
    /// Messages from peers that the core has not seen yet.
    pub inbox: usize,
    /// Proposals that the core has not seen yet.
    pub proposals: usize,
    /// Reads that the core has not seen yet.
    pub reads: usize,
    /// Requests of every kind that the driver has taken and nobody has answered yet.
    pub waiting: usize,
}

/// Counts since the start of the node; they never fall.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NodeCounters {
    /// Proposals taken from callers, whatever became of them.
    pub proposals: u64,
    /// Proposals that ended in anything but the state machine's output.
    pub proposals_failed: u64,
    /// Reads taken from callers, local ones included.
    pub reads: u64,
    /// Reads that were not answered.
    pub reads_failed: u64,
    /// Calls of [`LogStore::persist`](raft_core::ports::LogStore::persist), each with one sync.
    pub persist_batches: u64,
    /// Changes made durable by those calls.
    pub persists: u64,
    /// How long those calls took.
    pub persist_time: DurationHistogram,
    /// Batches handed to the state machine.
    pub apply_batches: u64,
    /// Entries applied, those without a command included.
    pub applied_entries: u64,
    /// Entries at which the state machine failed.
    pub apply_failures: u64,
    /// Time spent in the state machine on behalf of entries.
    pub apply_time: Duration,
    /// Messages from peers taken into the inbox.
    pub messages_received: u64,
    /// Messages handed to the transport.
    pub messages_sent: u64,
    /// Messages dropped because the inbox was full.
    pub inbox_dropped: u64,
    /// Messages that the core refused as invalid.
    pub messages_refused: u64,
    /// How often another leader, or none, came to be known.
    pub leader_changes: u64,
    /// How often this node gave up leadership or a candidacy because its disk made no progress.
    pub storage_stalls: u64,
}

/// Upper bounds of the buckets of a [`DurationHistogram`].
pub const DURATION_BUCKETS: [Duration; 14] = {
    let mut bounds = [Duration::ZERO; 14];
    let mut bucket = 0;
    while bucket < bounds.len() {
        bounds[bucket] = Duration::from_micros(50 << bucket);
        bucket += 1;
    }
    bounds
};

/// How long something took, how often.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DurationHistogram {
    /// How many observations fell at or below each bound of [`DURATION_BUCKETS`] and above the
    /// one before; the last counts what was longer than every bound.
    pub buckets: [u64; DURATION_BUCKETS.len() + 1],
    /// The sum of all observations.
    pub sum: Duration,
    /// The number of observations.
    pub count: u64,
}

/// The counters as the node's threads raise them.
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
    pub(super) leader_changes: Count,
    pub(super) storage_stalls: Count,
    /// Not a count: the number of requests that the driver holds.
    pub(super) waiting: Count,
}

impl Counters {
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
            leader_changes: self.leader_changes.get(),
            storage_stalls: self.storage_stalls.get(),
        }
    }
}

/// One number, written by one thread at a time and read by anyone; nothing is ordered by it.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A [`DurationHistogram`] in the making.
#[derive(Debug, Default)]
pub(super) struct DurationRecorder {
    buckets: [Count; DURATION_BUCKETS.len() + 1],
    sum_nanos: Count,
}

impl DurationRecorder {
    pub(super) fn record(&self, duration: Duration) {
        self.buckets[DURATION_BUCKETS.partition_point(|bound| *bound < duration)].add(1);
        self.sum_nanos.add(nanos(duration));
    }

    fn values(&self) -> DurationHistogram {
        let buckets = std::array::from_fn(|bucket| self.buckets[bucket].get());
        DurationHistogram {
            buckets,
            sum: Duration::from_nanos(self.sum_nanos.get()),
            count: buckets.iter().sum(),
        }
    }
}

/// A duration in nanoseconds; one of 584 years or more counts as that.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_falls_into_the_first_bucket_that_bounds_it() {
        let recorder = DurationRecorder::default();
        recorder.record(DURATION_BUCKETS[0]);
        recorder.record(DURATION_BUCKETS[0] + Duration::from_nanos(1));
        recorder.record(Duration::from_secs(3600));
        let values = recorder.values();
        assert_eq!(values.buckets[..2], [1, 1]);
        assert_eq!(values.buckets[DURATION_BUCKETS.len()], 1);
        assert_eq!(values.count, 3);
        assert!(values.sum > Duration::from_secs(3600));
    }
}
