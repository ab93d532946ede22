//! What a node wants done.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::entry::Entry;
use crate::event::Event;
use crate::message::Message;
use crate::ports::Persist;
use crate::types::{FetchId, LogIndex, NodeId, RequestId};

/// One thing for the shell to do. Effects of one kind are carried out in the order in which they
/// were emitted; between kinds there is no order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Make this durable, then say [`Input::Persisted`](crate::Input::Persisted). Several may be
    /// made durable together with one sync; then only the last number needs to be reported.
    Persist(Persist),
    /// Send this; it may be lost.
    Send(Message),
    /// Read entries back from the log store, then say
    /// [`Input::EntriesFetched`](crate::Input::EntriesFetched). Every entry asked for is durable.
    /// Each request is answered once; at most one for the state machine and one for each follower
    /// are unanswered at any time.
    FetchEntries(FetchEntries),
    /// Hand these to the state machine, then say [`Input::Applied`](crate::Input::Applied) or
    /// [`Input::ApplyFailed`](crate::Input::ApplyFailed). After a failure, the `Apply` effects
    /// that are still queued behind it are dropped: the core emits them again when it retries.
    Apply(Vec<CommittedEntry>),
    /// A request has ended here.
    Respond(Response),
    /// Something worth a log line or a metric.
    Event(Event),
    /// Stop this node: it ignores every input from now on. The reason is durable only if a
    /// [`Persist`] with a broken mark came with it.
    Halt(HaltReason),
}

/// Which entries to read back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FetchEntries {
    /// Its number, returned with the entries.
    pub id: FetchId,
    /// The first index.
    pub from: LogIndex,
    /// The last index.
    pub last: LogIndex,
    /// Stop after the entry that reaches this weight; at least one entry is delivered.
    pub bytes_max: u64,
}

/// A committed entry on its way to the state machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommittedEntry {
    /// The entry.
    pub entry: Entry,
    /// The request that proposed it, if that was made at this node and its caller still waits:
    /// the shell answers it with the state machine's output, or with the state machine's error.
    pub request: Option<RequestId>,
}

/// How a request ended, as far as the core decides it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Response {
    /// Which request.
    pub id: RequestId,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a request ended. A proposal that was applied has no variant here: its caller is answered
/// with the state machine's output (see [`CommittedEntry::request`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was refused and is not in the log: asking again is safe.
    Refused(Refusal),
    /// Leadership was lost on the way: the command may or may not take effect. Ask again with
    /// the same session and serial, or read first.
    Unknown {
        /// Who might lead now.
        leader: Option<NodeId>,
    },
    /// A read may be answered from the state machine as it is now.
    ReadReady {
        /// What was committed when the read was confirmed; applied here by now.
        read_index: LogIndex,
    },
}

/// Why a request was refused, and what to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// Another node leads: ask that one.
    #[error("not the leader; node {leader} leads")]
    NotLeader {
        /// The leader of this node's term.
        leader: NodeId,
    },
    /// Nobody is known to lead: ask again after a while, here or elsewhere.
    #[error("no leader is known; try again shortly")]
    NoLeader,
    /// Leads, but has not committed an entry of its own term yet, so that it cannot know what is
    /// committed (Raft §8): ask again shortly.
    #[error("the leader has not committed in its term yet; try again shortly")]
    NotReady,
    /// Too many commands wait to be committed or applied at the leader: slow down.
    #[error("too many commands are under way; slow down and try again")]
    Busy,
    /// The command is larger than a log entry may be.
    #[error("a command of {bytes} bytes is larger than the {bytes_max} that fit in an entry")]
    TooLarge {
        /// What it weighs.
        bytes: u64,
        /// What is allowed.
        bytes_max: u64,
    },
    /// The node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

/// Why a node stopped itself.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HaltReason {
    /// The state machine failed at an entry and commands are not idempotent.
    #[error("the state machine failed at entry {index}: {reason}")]
    ApplyFailed {
        /// The entry.
        index: LogIndex,
        /// What the state machine said.
        reason: alloc::string::String,
    },
}
