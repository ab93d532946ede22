//! Requests as callers submit them, each with the channel for its outcome.
//!
//! A caller that no longer waits has dropped its end of the channel. Sending to it has no effect,
//! so results of `send` are ignored throughout.

use bytes::Bytes;
use raft_core::{Input, LogIndex, MembershipChange, NodeId, ReadConsistency};
use tokio::sync::oneshot;

use super::consistency::{Consistency, Freshness, ReadOutput};
use super::error::{ChangeMembershipError, ProposeError, ReadError, TransferError};

/// Sends the outcome of a proposal to its caller.
pub(super) type ProposalSender = oneshot::Sender<Result<Bytes, ProposeError>>;
/// Sends the outcome of a read to its caller.
pub(super) type ReadSender<T> = oneshot::Sender<Result<T, ReadError>>;

/// Sends the outcome of a transfer of the leadership to its caller.
pub(super) type TransferSender = oneshot::Sender<Result<NodeId, TransferError>>;

/// Sends the outcome of a change of the membership to its caller: the version of the final one.
pub(super) type MembershipChangeSender = oneshot::Sender<Result<LogIndex, ChangeMembershipError>>;

/// A command to replicate.
#[derive(Debug)]
pub(super) struct QueuedProposal {
    pub(super) command: Bytes,
    pub(super) outcome: ProposalSender,
}

/// A read.
#[derive(Debug)]
pub(super) enum QueuedRead {
    /// Wait until the state is fresh enough; the caller reads it itself.
    Barrier { consistency: ReadConsistency, outcome: ReadSender<Freshness> },
    /// Query the state machine once its state is fresh enough.
    Query { query: Bytes, consistency: Consistency, outcome: ReadSender<ReadOutput> },
}

/// A transfer of the leadership.
#[derive(Debug)]
pub(super) struct QueuedTransfer {
    /// The target; `None` for one that the leader chooses.
    pub(super) to: Option<NodeId>,
    pub(super) outcome: TransferSender,
}

/// A change of the membership.
#[derive(Debug)]
pub(super) struct QueuedMembershipChange {
    pub(super) change: MembershipChange,
    /// The version that the membership must have.
    pub(super) if_version: Option<LogIndex>,
    pub(super) outcome: MembershipChangeSender,
}

/// An input that an operator requests.
#[derive(Debug)]
pub(super) struct AdminCommand {
    pub(super) input: Input,
    /// Notified when the core has taken the input.
    pub(super) taken: oneshot::Sender<()>,
}

impl QueuedRead {
    /// Whether the caller no longer waits.
    pub(super) fn is_cancelled(&self) -> bool {
        match self {
            Self::Barrier { outcome, .. } => outcome.is_closed(),
            Self::Query { outcome, .. } => outcome.is_closed(),
        }
    }

    /// The length of its query.
    pub(super) fn query_bytes(&self) -> u64 {
        match self {
            Self::Barrier { .. } => 0,
            Self::Query { query, .. } => query.len() as u64,
        }
    }

    /// Sends an error to the caller.
    pub(super) fn fail(self, error: ReadError) {
        match self {
            Self::Barrier { outcome, .. } => drop(outcome.send(Err(error))),
            Self::Query { outcome, .. } => drop(outcome.send(Err(error))),
        }
    }
}
