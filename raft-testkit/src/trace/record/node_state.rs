//! The state of a node after a record.

use raft_core::{LogId, LogIndex, NodeId, RoleKind, Status, Term};
use serde::{Deserialize, Serialize};

/// The state of a node after a record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NodeState {
    /// Whether it runs.
    pub liveness: Liveness,
    /// Its side of a partition.
    pub side: Side,
    /// Its role.
    pub role: Role,
    /// Its term.
    pub term: Term,
    /// The candidate it voted for in that term.
    pub voted_for: Option<NodeId>,
    /// The leader of that term; `None` if the node knows none.
    pub leader: Option<NodeId>,
    /// The target of the transfer of leadership in progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer_target: Option<NodeId>,
    /// When its lease ends or ended, by its own clock, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_end: Option<u64>,
    /// The index before its first entry.
    pub base: LogIndex,
    /// Its last entry, durable or not.
    pub last: LogId,
    /// The index of its last durable entry.
    pub persisted: LogIndex,
    /// Its commit index.
    pub commit: LogIndex,
    /// Its applied index.
    pub applied: LogIndex,
    /// The entry that its state machine failed to apply, until it is applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply_failed_at: Option<LogIndex>,
}

/// A role of Raft, and pre-candidate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Responds to leaders and candidates.
    Follower,
    /// Runs a pre-vote.
    PreCandidate,
    /// Runs an election.
    Candidate,
    /// Replicates its log.
    Leader,
}

/// Whether a node runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Liveness {
    /// It runs.
    #[default]
    Up,
    /// The test blocks it: it sends and handles nothing.
    Blocked,
    /// It crashed.
    Down,
    /// It stopped because of an error.
    Halted,
}

/// A side of a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// With a majority, or there is no partition.
    #[default]
    Majority,
    /// In a minority.
    Minority,
}

impl From<RoleKind> for Role {
    fn from(role: RoleKind) -> Self {
        match role {
            RoleKind::Follower => Self::Follower,
            RoleKind::PreCandidate => Self::PreCandidate,
            RoleKind::Candidate => Self::Candidate,
            RoleKind::Leader => Self::Leader,
        }
    }
}

impl NodeState {
    /// Combines the status of a node with what only the cluster knows.
    #[must_use]
    pub const fn of(status: &Status, role: Role, liveness: Liveness, side: Side) -> Self {
        Self {
            liveness,
            side,
            role,
            term: status.term,
            voted_for: status.voted_for,
            leader: status.leader,
            transfer_target: status.transfer_target,
            lease_end: match status.lease_end {
                Some(end) => Some(end.0),
                None => None,
            },
            base: status.first_index.previous(),
            last: status.last_log,
            persisted: status.persisted_index,
            commit: status.commit_index,
            applied: status.applied_index,
            apply_failed_at: status.apply_failed_at,
        }
    }
}
