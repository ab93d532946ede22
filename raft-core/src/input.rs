//! Inputs: what a host reports to a node.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::entry::Entry;
use crate::membership::MembershipRequest;
use crate::message::Message;
use crate::types::{FetchId, LogId, LogIndex, NodeId, PersistId, RequestId};

/// What happens to a node. The sequence of (time, input) pairs determines all effects.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// Time has passed. Due at [`Node::deadline`](crate::Node::deadline); an earlier one is
    /// harmless.
    Tick,
    /// A message has arrived. The transport has authenticated its sender as `message.from`.
    Message(Message),
    /// Append these commands to the log, in this order. A batch costs one persist and, within the
    /// limits of an append, one message for each follower. Every proposal ends in exactly one way: with an
    /// [`Effect::Respond`](crate::Effect::Respond), or as the `request` of a
    /// [`CommittedEntry`](crate::CommittedEntry).
    Propose(Vec<Proposal>),
    /// Confirm that these requests may read the state machine (thesis §6.4). A batch shares one
    /// confirmation. At a follower, [`Settings::follower_reads`](crate::Settings::follower_reads)
    /// decides what happens. Each request ends with an [`Effect::Respond`](crate::Effect::Respond),
    /// unless the node halts before it has applied the read index.
    Read {
        /// Identify the reads in their responses.
        requests: Vec<RequestId>,
        /// How they are confirmed.
        consistency: ReadConsistency,
    },
    /// Change the membership. The request ends with an [`Effect::Respond`](crate::Effect::Respond).
    /// One change is made at a time, and none before the leader has committed in its term.
    ChangeMembership(MembershipRequest),
    /// Start an election now, as if the election timeout had passed. No effect at a leader, at a
    /// member without a vote, and while the disk is stalled.
    Campaign,
    /// Give up leadership or candidacy and follow in the same term.
    StepDown,
    /// Transfer the leadership to another voter (thesis §3.10). The leader refuses proposals until
    /// the transfer ends: the other node leads, or an election timeout has passed. The request ends
    /// with an [`Effect::Respond`](crate::Effect::Respond). A graceful shutdown of a leader
    /// transfers first and stops when the request has ended.
    TransferLeadership {
        /// Identifies the request in its response.
        id: RequestId,
        /// The voter that is to lead; `None` for the one with the longest durable log of those with
        /// recent contact.
        to: Option<NodeId>,
    },
    /// This persist and all earlier ones are durable.
    Persisted(PersistId),
    /// The result of an [`Effect::FetchEntries`](crate::Effect::FetchEntries).
    EntriesFetched(EntriesFetched),
    /// The state machine has applied every entry up to this index, or has been restored to it
    /// ([`Effect::RestoreSnapshot`](crate::Effect::RestoreSnapshot)). A host with a durable state
    /// machine reports its applied index before any other input.
    Applied(LogIndex),
    /// The effect of every entry up to this index, which is applied, is durable in the state
    /// machine or in a snapshot of this node: after a crash it does not depend on the log. The log
    /// is compacted up to here and never further.
    DurablyApplied(LogIndex),
    /// Compact the log now, whatever [`CompactionPolicy`](crate::CompactionPolicy) keeps behind the
    /// durably applied index. Entries that followers need are kept within their budgets.
    Compact,
    /// A snapshot of this node's state machine is durable, or the one that was requested with
    /// [`Effect::TakeSnapshot`](crate::Effect::TakeSnapshot) is not possible now. A host may also
    /// take snapshots on its own, and reports after a start the one that it holds.
    SnapshotTaken(SnapshotTaken),
    /// A transfer that was requested with [`Effect::SendSnapshot`](crate::Effect::SendSnapshot) has
    /// ended.
    SnapshotSent(SnapshotSent),
    /// The state machine failed at an entry. All entries before it are applied.
    ApplyFailed(ApplyFailure),
    /// The transport has lost its connection to this peer: messages sent to it may be lost.
    PeerUnreachable(NodeId),
}

/// How a read is confirmed. The first two kinds are linearizable; a leased read is so as long as the
/// clocks keep to the bound of [`LeaseSettings`](crate::LeaseSettings).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ReadConsistency {
    /// With a round of messages to a quorum that begins after the read arrived (thesis §6.4). Does
    /// not depend on clocks.
    Linearizable,
    /// By the lease of the leader, without messages (thesis §6.4.1). Without a lease, and at a
    /// follower, like [`ReadConsistency::Linearizable`].
    Leased,
    /// By any node, from its own state, if that state contains every write that was acknowledged
    /// at least `staleness_max` before the read arrived. Needs no messages and no leader then, and
    /// ends with [`Outcome::LocalReadReady`](crate::Outcome::LocalReadReady).
    ///
    /// A node knows that of its state for as long as it has applied a read index whose confirmation
    /// was requested within `staleness_max`: this depends on the clock of this node alone, and not
    /// on the delay of messages. If its state may be older, the read waits for a confirmation like
    /// [`ReadConsistency::Linearizable`]. It is refused with
    /// [`Refusal::TooStale`](crate::Refusal::TooStale) if there is none in time, or if the node
    /// cannot request one. A confirmation is also requested, while reads are served, once the state
    /// may be older than half of `staleness_max`.
    Local {
        /// How old the state may be.
        staleness_max: Duration,
    },
}

/// One command for the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proposal {
    /// Identifies the proposal in the response and in the committed entry.
    pub id: RequestId,
    /// The command, opaque to the node.
    pub command: Bytes,
}

/// Entries read from the log store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EntriesFetched {
    /// The number of the fetch.
    pub id: FetchId,
    /// The first index of the fetch.
    pub from: LogIndex,
    /// Contiguous entries from `from` on, possibly fewer than requested. Empty after a failure: the
    /// node fetches again after the next append or heartbeat.
    pub entries: Vec<Entry>,
}

/// The result of a request for a snapshot of the own state machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SnapshotTaken {
    /// A snapshot with this last entry is durable. It stays readable until the node has compacted
    /// its log past it, or a later one is reported.
    Durable {
        /// The last entry that it covers: one that this node has applied.
        last: LogId,
    },
    /// There is none; the node requests another one after a pause, if a follower needs it.
    Failed,
}

/// The end of a transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotSent {
    /// The receiver.
    pub to: NodeId,
    /// The last entry of the snapshot.
    pub last: LogId,
    /// How it ended.
    pub outcome: SendOutcome,
}

/// How a transfer of a snapshot ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendOutcome {
    /// The receiver's host has the complete data and has passed the message to its node, which
    /// responds once the snapshot is installed.
    Delivered,
    /// The transfer failed. The node requests another one after a pause, if it is still needed.
    Failed,
}

/// A failure of the state machine at one entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApplyFailure {
    /// The entry that failed.
    pub index: LogIndex,
    /// The error of the state machine.
    pub reason: String,
}
