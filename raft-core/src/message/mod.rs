//! What nodes say to each other.

pub(crate) mod validate;

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::entry::Entry;
use crate::types::{ClusterId, GroupId, Incarnation, LogId, LogIndex, NodeId, Round, Term};

/// One message in its envelope.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The cluster of the sender; others refuse it.
    pub cluster: ClusterId,
    /// The Raft group.
    pub group: GroupId,
    /// Who sends.
    pub from: NodeId,
    /// Which life of the sender's disk.
    pub from_incarnation: Incarnation,
    /// Who shall receive.
    pub to: NodeId,
    /// Which life of the receiver's disk it is meant for; `None` while the sender never heard of it.
    pub to_incarnation: Option<Incarnation>,
    /// The sender's current term.
    pub term: Term,
    /// What is said.
    pub body: Body,
}

/// The remote procedure calls of Raft, requests and answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// "Would you vote for me in `campaign_term`?" Changes nothing at the receiver (thesis §9.6).
    PreVote(PreVote),
    /// The answer to a pre-vote.
    PreVoteResponse(PreVoteResponse),
    /// "Vote for me in this message's term" (Raft §5.2).
    RequestVote(RequestVote),
    /// The answer to a vote request.
    RequestVoteResponse(RequestVoteResponse),
    /// Entries to append; none of them makes it a heartbeat (Raft §5.3).
    AppendEntries(AppendEntries),
    /// The answer to an append.
    AppendEntriesResponse(AppendEntriesResponse),
}

/// Asks whether an election would be won. The message's own term is the sender's current one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PreVote {
    /// The term that the sender would campaign in.
    pub campaign_term: Term,
    /// The sender's last entry.
    pub last_log: LogId,
}

/// Answers a pre-vote. Its message carries the voter's own term, so that a node left behind learns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PreVoteResponse {
    /// The term that was asked about: a late answer to an older question is told by it.
    pub campaign_term: Term,
    /// Whether the voter would vote.
    pub granted: bool,
}

/// Asks for a vote in the message's term.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RequestVote {
    /// The candidate's last entry (Raft §5.4.1).
    pub last_log: LogId,
    /// Set when the leader itself asked for this election: receivers do not protect that leader
    /// (thesis §4.2.3).
    pub leadership_transfer: bool,
}

/// Answers a vote request in the message's term.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RequestVoteResponse {
    /// Whether the vote was given.
    pub granted: bool,
}

/// Carries entries, the commit index and the leader's sign of life.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AppendEntries {
    /// The entry just before the new ones; for a heartbeat, the leader's last entry.
    pub prev: LogId,
    /// The new entries, contiguous from `prev.index + 1`.
    pub entries: Vec<Entry>,
    /// How far the leader has committed.
    pub commit: LogIndex,
    /// Returned in the answer: tells which exchange it belongs to (read confirmation, thesis §6.4).
    pub round: Round,
}

/// Answers an append.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AppendEntriesResponse {
    /// The round of the append; [`Round::NONE`] if the append was of an older term than this
    /// response.
    pub round: Round,
    /// How it went.
    pub outcome: AppendOutcome,
}

/// How an append went at the follower.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum AppendOutcome {
    /// The follower's log agrees with the leader's up to here, durably.
    Matched {
        /// The last index that agrees and is durable at the follower.
        match_index: LogIndex,
    },
    /// The follower has no entry like `prev`.
    Rejected {
        /// The `prev.index` that did not fit.
        prev_index: LogIndex,
        /// The follower's last index.
        last_index: LogIndex,
        /// The follower's highest entry at or below `prev_index` whose term is at most `prev.term`:
        /// the leader need look no higher (Raft §5.3, the last paragraphs).
        hint: LogId,
    },
}

impl Body {
    /// A stable short name, for logs, metrics and traces.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::PreVote(_) => "pre_vote",
            Self::PreVoteResponse(_) => "pre_vote_response",
            Self::RequestVote(_) => "request_vote",
            Self::RequestVoteResponse(_) => "request_vote_response",
            Self::AppendEntries(_) => "append_entries",
            Self::AppendEntriesResponse(_) => "append_entries_response",
        }
    }
}
