//! What a node can be told.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::entry::Entry;
use crate::message::Message;
use crate::types::{FetchId, LogIndex, NodeId, PersistId, RequestId};

/// Everything that can happen to a node. The sequence of (time, input) is its whole history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// Time has passed; useful at [`Node::deadline`](crate::Node::deadline), harmless earlier.
    Tick,
    /// A message arrived.
    Message(Message),
    /// Clients want these commands in the log, in this order. A batch costs one append a follower
    /// and one persist, however long it is.
    Propose(Vec<Proposal>),
    /// Clients want to read what is committed now (thesis §6.4). A batch shares one confirmation.
    Read(Vec<RequestId>),
    /// Start an election now, as if the election timeout had passed. Without effect at a leader, a
    /// member without a vote, and a node whose disk is stalled.
    Campaign,
    /// Give up leadership or candidacy and become a follower in the same term.
    StepDown,
    /// This persist, and every one with a smaller number, is durable.
    Persisted(PersistId),
    /// The answer to [`Effect::FetchEntries`](crate::Effect::FetchEntries).
    EntriesFetched(EntriesFetched),
    /// The state machine has applied every entry up to here.
    Applied(LogIndex),
    /// The state machine failed at an entry; everything before it is applied.
    ApplyFailed(ApplyFailure),
    /// The transport cannot reach a peer at present: what was sent to it may be lost.
    PeerUnreachable(NodeId),
}

/// One command for the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proposal {
    /// Returned with the outcome.
    pub id: RequestId,
    /// What the state machine will see.
    pub command: Bytes,
}

/// Entries read back from the log store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EntriesFetched {
    /// The request that is answered.
    pub id: FetchId,
    /// The first index that was asked for.
    pub from: LogIndex,
    /// Contiguous entries from `from` on; fewer than requested is fine. None means that the store
    /// could not deliver: the core requests them again with a later heartbeat.
    pub entries: Vec<Entry>,
}

/// A state machine's failure at one entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApplyFailure {
    /// The entry that failed.
    pub index: LogIndex,
    /// What the state machine said.
    pub reason: String,
}
