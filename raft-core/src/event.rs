//! Events for logs, metrics and traces. A host may ignore them.

use alloc::string::String;

use serde::Serialize;

use crate::config::ConfigError;
use crate::input::SendOutcome;
use crate::membership::Membership;
use crate::message::{DeclineReason, MessageRefusal};
use crate::types::{LogId, LogIndex, NodeId, Term};

/// An event inside a node.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The node entered a role, possibly the same one again, for a new campaign.
    RoleChanged {
        /// The new role.
        role: RoleKind,
        /// Its term.
        term: Term,
        /// The cause.
        cause: RoleCause,
    },
    /// The node entered a later term, as a candidate or because a message carried it. The leader of
    /// the term is not known yet.
    TermEntered {
        /// The term.
        term: Term,
    },
    /// A follower received from the leader of its term for the first time.
    LeaderDiscovered {
        /// The leader.
        leader: NodeId,
        /// Its term.
        term: Term,
    },
    /// A suffix of the log that conflicts with the leader's was removed (Raft §5.3).
    Truncated {
        /// The first removed entry.
        from: LogIndex,
        /// The last removed entry.
        last: LogId,
    },
    /// The log was compacted (Raft §7).
    Compacted {
        /// The last entry that was removed.
        base: LogId,
    },
    /// A leader begins to send a snapshot.
    SnapshotSending {
        /// The follower.
        to: NodeId,
        /// The last entry of the snapshot.
        last: LogId,
    },
    /// The transfer of a snapshot has ended.
    SnapshotSent {
        /// The follower.
        to: NodeId,
        /// The last entry of the snapshot.
        last: LogId,
        /// How it ended.
        outcome: SendOutcome,
    },
    /// A follower replaced its log up to an entry by a snapshot of the leader.
    SnapshotInstalled {
        /// The last entry of the snapshot.
        last: LogId,
        /// The entry that the log ended with before.
        replaced: LogId,
        /// Whether the log held the last entry of the snapshot, and keeps the entries after it.
        keeps_later_entries: bool,
    },
    /// A follower received a snapshot and does not need it: it has committed as much.
    SnapshotDiscarded {
        /// The last entry of the snapshot.
        last: LogId,
    },
    /// Another configuration is in force: it was appended, or the ones after it were truncated.
    MembershipInForce {
        /// Its version: the index of its entry.
        version: LogIndex,
        /// The configuration.
        membership: Membership,
    },
    /// The settings of the cluster break a rule together with this node's own or its transport. The
    /// cluster's are in force ([`ClusterSettings`](crate::ClusterSettings)); change the node's, or
    /// the cluster's.
    SettingsContradicted {
        /// The version of the configuration: the index of its entry.
        version: LogIndex,
        /// The rule.
        rule: ConfigError,
    },
    /// A follower acknowledges less than before, in the same term and incarnation: it has lost
    /// entries that were durable. Operators must replace it.
    AcknowledgementFell {
        /// The follower.
        follower: NodeId,
        /// The index that it had acknowledged.
        from: LogIndex,
        /// The index of its last entry now.
        to: LogIndex,
    },
    /// A follower has not responded to the leader for an election timeout. Reported once, until it
    /// responds again.
    FollowerSilent {
        /// The follower.
        follower: NodeId,
        /// The last entry that it has acknowledged.
        match_index: LogIndex,
    },
    /// A follower that was silent responds again.
    FollowerResponds {
        /// The follower.
        follower: NodeId,
    },
    /// A message was refused. Neither the log nor the vote changed.
    MessageRefused {
        /// The sender named in the message.
        from: NodeId,
        /// The kind of the message ([`Body::kind`](crate::Body::kind)).
        kind: &'static str,
        /// Why it was refused.
        reason: MessageRefusal,
    },
    /// The state machine failed at an entry.
    ApplyFailed {
        /// The entry.
        index: LogIndex,
        /// The error of the state machine.
        reason: String,
    },
    /// A failed entry is applied again.
    ApplyRetried {
        /// The entry.
        index: LogIndex,
    },
    /// The leader began to transfer its leadership.
    TransferStarted {
        /// The target.
        to: NodeId,
    },
    /// The target of a transfer leads.
    TransferCompleted {
        /// The target.
        leader: NodeId,
        /// The term that it leads.
        term: Term,
    },
    /// A transfer ended, and its target does not lead.
    TransferFailed {
        /// The target.
        to: NodeId,
        /// Why.
        failure: TransferFailure,
    },
}

/// The four roles.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleKind {
    /// Responds to requests of other nodes and sends none (Raft §5.1).
    Follower,
    /// Requests pre-votes (thesis §9.6).
    PreCandidate,
    /// Requests votes (Raft §5.2).
    Candidate,
    /// Replicates its log to the followers (Raft §5.3).
    Leader,
}

/// Why a role changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RoleCause {
    /// The node started.
    Started,
    /// The node had no contact with a leader for an election timeout.
    ElectionTimeout,
    /// The host requested it.
    Requested,
    /// The leader requested it, to transfer its leadership (thesis §3.10).
    TransferRequested,
    /// A quorum granted a pre-vote.
    PreVoteWon,
    /// A quorum granted its vote.
    ElectionWon,
    /// So many voters refused that no quorum remains.
    ElectionLost,
    /// The node granted its vote to another one while it was a pre-candidate.
    VoteGranted,
    /// A message carried a higher term.
    HigherTerm,
    /// An append of the leader of this term arrived.
    LeaderDiscovered,
    /// The leader had no contact with a quorum for an election timeout (check-quorum, thesis §6.2).
    QuorumLost,
    /// The node's own disk made no progress for
    /// [`Settings::storage_stall_timeout`](crate::Settings::storage_stall_timeout).
    StorageStalled,
    /// The configuration without a vote of this leader is committed (thesis §4.2.2).
    Removed,
    /// A test set the role.
    Forced,
}

/// Why the target of a transfer does not lead. A retry is safe.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferFailure {
    /// The target did not lead within an election timeout. This node leads on and accepts proposals
    /// again.
    #[error("the target did not take over within an election timeout")]
    TimedOut,
    /// The target declined. This node leads on and accepts proposals again.
    #[error("the target declined: {0}")]
    Declined(DeclineReason),
    /// The target is no longer a voter. This node leads on and accepts proposals again.
    #[error("the target is no longer a voter")]
    NotVoter,
    /// This node lost its leadership, and the target did not win it.
    #[error("the leadership was lost, and the target did not win it")]
    LeadershipLost {
        /// The leader that was elected instead, if it is known; this node included.
        leader: Option<NodeId>,
    },
}
