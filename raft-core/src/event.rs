//! What happened inside, for logs, metrics and traces. Nothing depends on anyone listening.

use alloc::string::String;

use crate::message::MessageRefusal;
use crate::types::{LogId, LogIndex, NodeId, Term};

/// Something that happened inside a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The node took a role, possibly the one it had, in a new campaign.
    RoleChanged {
        /// The role it has now.
        role: RoleKind,
        /// Its term.
        term: Term,
        /// Why.
        cause: RoleCause,
    },
    /// A follower learned who leads.
    LeaderDiscovered {
        /// The leader.
        leader: NodeId,
        /// Its term.
        term: Term,
    },
    /// A suffix of the log that conflicts with the leader's was removed (Raft §5.3).
    Truncated {
        /// The first entry that went.
        from: LogIndex,
        /// The last entry that went.
        last: LogId,
    },
    /// A message was refused before it had any effect.
    MessageRefused {
        /// The sender it names.
        from: NodeId,
        /// Its kind.
        kind: &'static str,
        /// What is wrong with it.
        reason: MessageRefusal,
    },
    /// The state machine failed at an entry.
    ApplyFailed {
        /// The entry.
        index: LogIndex,
        /// What the state machine said.
        reason: String,
    },
    /// A failed entry is handed to the state machine again.
    ApplyRetried {
        /// The entry.
        index: LogIndex,
    },
}

/// The four roles.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RoleKind {
    /// Answers; never asks (Raft §5.1).
    Follower,
    /// Asks whether an election would be won (thesis §9.6).
    PreCandidate,
    /// Asks for votes (Raft §5.2).
    Candidate,
    /// Replicates its log.
    Leader,
}

/// Why a role changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RoleCause {
    /// The node came up.
    Started,
    /// No leader was heard from for an election timeout.
    ElectionTimeout,
    /// The shell asked for it.
    Requested,
    /// A quorum would vote.
    PreVoteWon,
    /// A quorum voted.
    ElectionWon,
    /// A quorum refused.
    ElectionLost,
    /// It voted for another node while asking around for itself.
    VoteGranted,
    /// A message carried a higher term.
    HigherTerm,
    /// The leader of this term showed itself.
    LeaderDiscovered,
    /// A leader heard from no quorum for an election timeout (check-quorum, thesis §6.2).
    QuorumLost,
    /// The node's own disk made no progress for
    /// [`Config::storage_stall_timeout`](crate::Config::storage_stall_timeout).
    StorageStalled,
    /// A test put the node there.
    Forced,
}
