//! The way of an entry: durable, committed, applied, removed.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use serde::Serialize;

use super::words::{Nodes, Span};
use crate::types::{LogIndex, NodeId};

/// What the disk of the node waits for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DiskFinding {
    /// The disk has not completed a write.
    Busy {
        /// How long it has made no progress.
        waiting: Duration,
        /// From this time on it counts as stalled: the node neither leads nor campaigns.
        stalled_after: Duration,
        /// The last entry that is durable.
        persisted_index: LogIndex,
        /// The last entry.
        last_index: LogIndex,
    },
}

/// Why entries are not committed, or proposals refused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CommitFinding {
    /// Entries of the leader are not committed.
    Uncommitted {
        /// The last committed entry.
        commit_index: LogIndex,
        /// The last entry.
        last_index: LogIndex,
        /// The voters that hold the next entry durably.
        held_by: Vec<NodeId>,
        /// The voters that lack it; findings about the disk and the followers state why.
        lacking: Vec<NodeId>,
    },
    /// The leader has not committed an entry of its own term: reads and changes of the membership
    /// are refused until it has (Raft §8).
    NotCommittedInTerm {
        /// The last committed entry.
        commit_index: LogIndex,
    },
    /// A follower knows of committed entries that it lacks.
    CommittedElsewhere {
        /// The last entry that is known here to be committed.
        commit_index: LogIndex,
        /// The commit index that the leader has sent.
        leader_commit_index: LogIndex,
    },
    /// The leadership is being transferred: proposals and changes of the membership are refused.
    TransferInProgress {
        /// The target.
        to: NodeId,
    },
    /// Proposals are refused as busy: too many bytes are not applied.
    ProposalsAtLimit {
        /// The bytes of commands that are proposed and not applied.
        unapplied_bytes: u64,
        /// The limit.
        unapplied_bytes_max: u64,
    },
}

/// Why committed entries are not applied.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ApplyFinding {
    /// Committed entries are not applied.
    Unapplied {
        /// The last entry that is applied.
        applied_index: LogIndex,
        /// The last committed entry.
        commit_index: LogIndex,
        /// Why.
        obstacle: ApplyObstacle,
    },
}

/// Why committed entries are not applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ApplyObstacle {
    /// They are not durable here.
    NotDurable {
        /// The last entry that is durable.
        persisted_index: LogIndex,
    },
    /// The state machine has them and has not reported that they are applied.
    StateMachine {
        /// The last entry that it has.
        dispatched_index: LogIndex,
        /// The time since it last reported an entry, or received the first of these.
        waiting: Duration,
    },
    /// The state machine failed at an entry.
    Failed {
        /// The entry.
        index: LogIndex,
        /// The time until it is retried; `None` if it is not.
        retry_in: Option<Duration>,
    },
    /// The reset of the log to a snapshot is not durable.
    ResetNotDurable,
    /// The state machine is being restored to a snapshot.
    Restoring {
        /// The last entry of the snapshot.
        last: LogIndex,
    },
    /// They are being read from the store.
    Fetching,
    /// The store did not return them; the read is repeated.
    FetchFailed,
}

/// What holds compaction back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CompactionFinding {
    /// The log is longer than the policy permits.
    Held {
        /// The last entry that is removed.
        base: LogIndex,
        /// The last entry that is applied.
        applied_index: LogIndex,
        /// Why no more is removed.
        obstacle: CompactionObstacle,
    },
}

/// Why the log is not compacted as far as the policy permits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CompactionObstacle {
    /// The state machine has not made the effect of more entries durable.
    NotDurablyApplied {
        /// The last entry whose effect is durable.
        durably_applied_index: LogIndex,
    },
    /// A follower needs the entries.
    Follower {
        /// The follower.
        node: NodeId,
        /// It needs the entries after this one.
        after: LogIndex,
        /// The bytes that are kept for it.
        bytes: u64,
        /// The limit: with more it gets a snapshot.
        bytes_max: u64,
    },
    /// The log has no configuration before the entries to remove.
    NoMembership,
}

impl fmt::Display for DiskFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy { waiting, stalled_after, persisted_index, last_index } => {
                write!(f, "the disk of this node has been writing for {}, ", Span(*waiting))?;
                write!(f, "entry {persisted_index} of {last_index} is durable")?;
                if *stalled_after == Duration::MAX {
                    Ok(())
                } else if waiting >= stalled_after {
                    f.write_str("; it is stalled, so that the node neither leads nor campaigns")
                } else {
                    write!(f, "; it counts as stalled after {}", Span(*stalled_after))
                }
            }
        }
    }
}

impl fmt::Display for CommitFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uncommitted { commit_index, last_index, held_by, lacking } => {
                let next = commit_index.next();
                write!(f, "entries {next} to {last_index} are not committed: entry {next} is ")?;
                write!(f, "durable at {}, not at {}", Nodes(held_by), Nodes(lacking))
            }
            Self::NotCommittedInTerm { commit_index } => write!(
                f,
                "entry {commit_index} is committed, and none of this term: reads and changes of \
                 the membership are refused until one is"
            ),
            Self::CommittedElsewhere { commit_index, leader_commit_index } => write!(
                f,
                "entry {leader_commit_index} is committed; this node has {commit_index} of them"
            ),
            Self::TransferInProgress { to } => write!(
                f,
                "the leadership is being transferred to node {to}: proposals are refused until then"
            ),
            Self::ProposalsAtLimit { unapplied_bytes, unapplied_bytes_max } => write!(
                f,
                "proposals are refused as busy: {unapplied_bytes} of {unapplied_bytes_max} bytes \
                 are not applied"
            ),
        }
    }
}

impl fmt::Display for ApplyFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unapplied { applied_index, commit_index, obstacle } => {
                write!(f, "{applied_index} of {commit_index} committed entries are applied: ")?;
                write!(f, "{obstacle}")
            }
        }
    }
}

impl fmt::Display for ApplyObstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDurable { persisted_index } => {
                write!(f, "this node's disk holds entries up to {persisted_index}")
            }
            Self::StateMachine { dispatched_index, waiting } => write!(
                f,
                "the state machine has entries up to {dispatched_index} and made no progress for {}",
                Span(*waiting)
            ),
            Self::Failed { index, retry_in: Some(retry_in) } => write!(
                f,
                "the state machine failed at entry {index}, which is retried in {}",
                Span(*retry_in)
            ),
            Self::Failed { index, retry_in: None } => {
                write!(f, "the state machine failed at entry {index}, which is not retried")
            }
            Self::ResetNotDurable => {
                f.write_str("the log is reset to a snapshot, which is not durable yet")
            }
            Self::Restoring { last } => {
                write!(f, "the state machine is being restored to the snapshot of entry {last}")
            }
            Self::Fetching => f.write_str("the entries are being read from the store"),
            Self::FetchFailed => {
                f.write_str("the store did not return the entries; the read is repeated")
            }
        }
    }
}

impl fmt::Display for CompactionFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { base, applied_index, obstacle } => {
                write!(f, "entries after {base} are kept, {applied_index} is applied: {obstacle}")
            }
        }
    }
}

impl fmt::Display for CompactionObstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDurablyApplied { durably_applied_index } => write!(
                f,
                "the state machine is durable up to {durably_applied_index}; without a flush or a \
                 snapshot no more is removed"
            ),
            Self::Follower { node, after, bytes, bytes_max } => write!(
                f,
                "node {node} needs those after {after}; they weigh {bytes} bytes, and beyond \
                 {bytes_max} it gets a snapshot"
            ),
            Self::NoMembership => f.write_str("the log has no earlier membership"),
        }
    }
}
