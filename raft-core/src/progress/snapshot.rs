//! The replication of one follower by a snapshot.

use core::time::Duration;

use crate::types::{LogId, LogIndex, Round, Timestamp};

/// The pause after the first failure; it doubles with each further one.
const RETRY_DELAY_MIN: Duration = Duration::from_millis(100);
/// The longest pause.
const RETRY_DELAY_MAX: Duration = Duration::from_secs(10);

/// A follower that needs a snapshot (Raft §7).
#[derive(Clone, Copy, Debug)]
pub(crate) struct SnapshotReplication {
    pub(crate) stage: Stage,
    /// The pause after the next failure.
    retry_delay: Duration,
}

/// The stage of a replication by snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// For a snapshot to be taken, or for the end of an earlier transfer.
    Waiting,
    /// The host sends it.
    Sending { last: LogId },
    /// The host has delivered it, and the follower has not acknowledged it. A response to `round` or
    /// a later one comes from a follower that has handled it.
    Installing { last: LogId, round: Round },
    /// The last attempt failed.
    Failed { retry_at: Timestamp },
}

impl SnapshotReplication {
    /// Waits for a snapshot.
    pub(crate) const fn new() -> Self {
        Self { stage: Stage::Waiting, retry_delay: RETRY_DELAY_MIN }
    }

    /// The attempt failed: the next one follows after a pause.
    pub(crate) fn on_failed(&mut self, now: Timestamp) {
        self.stage = Stage::Failed { retry_at: now.after(self.retry_delay) };
        self.retry_delay = (self.retry_delay * 2).min(RETRY_DELAY_MAX);
    }

    /// The next attempt is made now, and the next pause is short again.
    pub(crate) fn end_pause(&mut self) {
        if let Stage::Failed { .. } = self.stage {
            *self = Self::new();
        }
    }

    /// The follower's log reaches `index`, which is before the base of the leader's log: if that
    /// includes the snapshot, it needs another one. Returns whether it does.
    pub(crate) fn restart_if_covered(&mut self, index: LogIndex) -> bool {
        let last = match self.stage {
            Stage::Sending { last } | Stage::Installing { last, .. } => last,
            Stage::Waiting | Stage::Failed { .. } => return false,
        };
        let covered = last.index <= index;
        if covered {
            *self = Self::new();
        }
        covered
    }

    /// Whether a response to this round is from a follower that has handled a delivered snapshot.
    /// If it rejects, it does not have the snapshot any more, for example after a crash.
    pub(crate) fn is_handled(&self, round: Round) -> bool {
        matches!(self.stage, Stage::Installing { round: delivered, .. } if round >= delivered)
    }

    /// Whether a snapshot is to be sent now. A pause ends here.
    pub(crate) fn is_due(&mut self, now: Timestamp) -> bool {
        match self.stage {
            Stage::Waiting => true,
            Stage::Sending { .. } | Stage::Installing { .. } => false,
            Stage::Failed { retry_at } => {
                let due = now >= retry_at;
                if due {
                    self.stage = Stage::Waiting;
                }
                due
            }
        }
    }
}
