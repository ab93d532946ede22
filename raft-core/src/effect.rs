//! Effects: what a node requests from its host.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::entry::Entry;
use crate::event::{Event, TransferFailure};
use crate::membership::MembershipRefusal;
use crate::message::Message;
use crate::ports::Persist;
use crate::types::{FetchId, LogId, LogIndex, NodeId, RequestId};

/// A request of a node to its host. The host executes the effects of one variant in the order in
/// which they were emitted. Effects of different variants may be executed in any order and at the
/// same time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Make this change durable, then report it with [`Input::Persisted`](crate::Input::Persisted).
    /// Several changes may be made durable with one sync; a report of the last one covers them all.
    /// If the store fails, the host stops the node; it does not retry.
    Persist(Persist),
    /// Send this message. It may be lost, but must not be altered.
    Send(Message),
    /// Read entries from the log store, then report them with
    /// [`Input::EntriesFetched`](crate::Input::EntriesFetched). All requested entries are durable.
    /// Every fetch is reported exactly once, also a failed one. At most one fetch for the state
    /// machine and one for each follower are pending at any time.
    FetchEntries(FetchEntries),
    /// Apply these entries to the state machine in this order, then report with
    /// [`Input::Applied`](crate::Input::Applied) or
    /// [`Input::ApplyFailed`](crate::Input::ApplyFailed). After a failure the host drops the
    /// `Apply` effects that it has not executed yet, up to the next `RestoreSnapshot`: the node
    /// emits their entries again, or the snapshot covers them.
    Apply(Vec<CommittedEntry>),
    /// Replace the state of the state machine by the snapshot with this last entry, which this host
    /// holds, then report that index with [`Input::Applied`](crate::Input::Applied). The reset of
    /// the log to that entry is durable. `Apply` and `RestoreSnapshot` form one sequence: the host
    /// executes them in the order in which they were emitted. If the restore fails, the host stops
    /// the node.
    ///
    /// The host keeps the snapshot until its state machine has durably applied that entry: after a
    /// restart the log no longer holds the entries before it.
    RestoreSnapshot(LogId),
    /// Remove the entries up to this one from the log store
    /// ([`LogStore::compact`](crate::ports::LogStore::compact)). May be executed late or dropped.
    Compact(LogId),
    /// Capture the state machine as it is after the `Apply` and `RestoreSnapshot` effects that are
    /// executed so far, make the snapshot durable, then report it with
    /// [`Input::SnapshotTaken`](crate::Input::SnapshotTaken). A host that cannot take one now
    /// reports that. At most one request is pending at any time.
    TakeSnapshot,
    /// Send the data of a snapshot that this host has reported, and this message with it: the
    /// receiver's host passes the message to its node once the data is complete, verified and
    /// durable there. Then report the end of the transfer with
    /// [`Input::SnapshotSent`](crate::Input::SnapshotSent), exactly once, also after a failure. At
    /// most one transfer to each follower is in progress at any time. Meanwhile other messages to
    /// the follower are sent as usual.
    SendSnapshot(Message),
    /// Complete a request.
    Respond(Response),
    /// An event for logs, metrics and traces. May be ignored.
    Event(Event),
    /// Stop this node. From now on it refuses requests and ignores all other inputs. If a
    /// [`Persist`] with a broken mark was emitted in the same step, make it durable first.
    Halt(HaltReason),
}

/// The entries to read from the log store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FetchEntries {
    /// Its number, returned with the entries.
    pub id: FetchId,
    /// The first index.
    pub from: LogIndex,
    /// The last index.
    pub last: LogIndex,
    /// Stop after the entry that reaches this weight ([`Entry::weight_bytes`]); at least one entry
    /// is returned.
    pub bytes_max: u64,
}

/// A committed entry, to be applied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommittedEntry {
    /// The entry.
    pub entry: Entry,
    /// The proposal of this node that created the entry, if it is still pending. The host completes
    /// it with the output of the state machine, or with its error.
    pub request: Option<RequestId>,
}

/// The outcome of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Response {
    /// The request.
    pub id: RequestId,
    /// Its outcome.
    pub outcome: Outcome,
}

/// How a request ended. An applied proposal has no variant here: the host completes it with the
/// output of the state machine (see [`CommittedEntry::request`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Refused. The command is not in the log: a retry is safe.
    Refused(Refusal),
    /// Leadership was lost while the command was in the log and not committed, or the entry was
    /// replaced by a snapshot before this node applied it: it may or may not take effect. Before a retry the caller needs a session and serial that make duplicates
    /// detectable, or must read the state (thesis §6.3).
    Unknown {
        /// The new leader, if it is known.
        leader: Option<NodeId>,
    },
    /// The membership is changed: the final configuration is committed.
    MembershipChanged {
        /// Its version: the index of its entry.
        version: LogIndex,
    },
    /// The read may be executed on the state machine as it is now.
    ReadReady {
        /// The commit index when the read was confirmed. The state machine has applied it.
        read_index: LogIndex,
    },
    /// The read may be executed on the state machine as it is now, which contains every write that
    /// was acknowledged at least `staleness` before the read arrived.
    LocalReadReady {
        /// The last entry that the state machine has applied.
        applied_index: LogIndex,
        /// How old the state may be.
        staleness: Duration,
    },
    /// The leadership is transferred: this node leads a later term, and this one follows it.
    Transferred {
        /// The target of the transfer.
        leader: NodeId,
    },
    /// The transfer began, and its target does not lead.
    TransferFailed(TransferFailure),
}

/// Why a request was refused, and what to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// Another node leads: retry there.
    #[error("not the leader; node {leader} leads")]
    NotLeader {
        /// The leader of this node's term.
        leader: NodeId,
    },
    /// No leader is known: retry after a pause, at this or another node.
    #[error("no leader is known; try again shortly")]
    NoLeader,
    /// The node leads, but has not committed an entry of its own term yet, so that it does not know
    /// the commit index of the cluster (Raft §8): retry after a short pause.
    #[error("the leader has not committed in its term yet; try again shortly")]
    NotReady,
    /// The leader did not return a read index in time: retry, at this or another node.
    #[error("the leader did not confirm the read in time; try again")]
    NoReadIndex,
    /// The state of this node may be older than the read permits: retry after a pause, at another
    /// node, or with a higher bound.
    #[error("the state of this node may be too old for the read: {}", Age(*staleness))]
    TooStale {
        /// How old the state may be; `None` if the node does not know since it started.
        staleness: Option<Duration>,
    },
    /// Too many commands are not committed or not applied yet: retry after a pause, and send fewer.
    #[error("too many commands are in progress; slow down and try again")]
    Busy,
    /// The command exceeds [`Limits::command_bytes_max`](crate::Limits::command_bytes_max).
    #[error("a command of {bytes} bytes is larger than the limit of {bytes_max}")]
    TooLarge {
        /// The length of the command.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// The leader transfers its leadership: retry after a short pause, at this or the named node.
    /// Refuses proposals and further transfers.
    #[error("leadership is being transferred to node {to}; try again shortly")]
    TransferInProgress {
        /// The target of the transfer.
        to: NodeId,
    },
    /// The node cannot be the target of a transfer: it is no voter, or it is the leader itself.
    #[error("node {node} is not another voter: leadership cannot be transferred to it")]
    InvalidTarget {
        /// The node.
        node: NodeId,
    },
    /// Neither the requested target nor, if none was requested, any other voter has recent contact
    /// with the leader: retry after a pause.
    #[error("no voter that could take over has recent contact with the leader; try again shortly")]
    NoTarget,
    /// The membership cannot be changed as requested.
    #[error("{0}")]
    Membership(MembershipRefusal),
    /// The node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

/// The age of a state, for messages.
struct Age(Option<Duration>);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(age) => write!(f, "its age is up to {} ms", age.as_millis()),
            None => f.write_str("its age is not known"),
        }
    }
}

/// Why a node stopped itself.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HaltReason {
    /// The state machine failed at an entry, and the policy is
    /// [`ApplyFailurePolicy::Halt`](crate::ApplyFailurePolicy::Halt).
    #[error("the state machine failed at entry {index}: {reason}")]
    ApplyFailed {
        /// The entry.
        index: LogIndex,
        /// The error of the state machine.
        reason: alloc::string::String,
    },
}
