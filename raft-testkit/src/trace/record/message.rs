//! Messages and entries as traces show them.

use raft_core::{
    AppendOutcome, Body, Entry, LogId, LogIndex, Message, NodeId, Payload, ReadIndexId, Round, Term,
};
use serde::{Deserialize, Serialize};

use super::membership::MembershipView;

/// A message, without the fields that have no meaning in a trace (cluster, group, incarnations).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MessageView {
    /// Its number in the trace. A duplicate has a number of its own.
    pub id: u64,
    /// The sender.
    pub from: NodeId,
    /// The receiver.
    pub to: NodeId,
    /// The term of the sender.
    pub term: Term,
    /// The body.
    pub body: BodyView,
}

/// The body of a message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum BodyView {
    /// A pre-vote request (thesis §9.6).
    PreVote {
        /// The term that the sender would campaign in.
        campaign_term: Term,
        /// The last entry of the sender.
        last_log: LogId,
    },
    /// The response to a pre-vote request.
    PreVoteResponse {
        /// The term in the request.
        campaign_term: Term,
        /// Whether the voter would vote for the sender of the request.
        granted: bool,
    },
    /// A vote request (Raft §5.2).
    RequestVote {
        /// The last entry of the candidate.
        last_log: LogId,
        /// Whether the leader started this election to transfer its leadership.
        leadership_transfer: bool,
    },
    /// The response to a vote request.
    RequestVoteResponse {
        /// Whether the vote is granted.
        granted: bool,
    },
    /// Entries, or a heartbeat (Raft §5.3).
    AppendEntries {
        /// The entry before the new ones.
        prev: LogId,
        /// The new entries; none in a heartbeat.
        entries: Vec<EntryView>,
        /// The commit index of the leader.
        commit: LogIndex,
        /// The round that the response returns.
        round: Round,
    },
    /// The response to an append whose `prev` the follower has.
    AppendMatched {
        /// The last index up to which the logs are equal.
        match_index: LogIndex,
        /// The round of the append.
        round: Round,
    },
    /// The response to an append whose `prev` the follower does not have.
    AppendRejected {
        /// The index of `prev`.
        prev_index: LogIndex,
        /// The last index of the follower.
        last_index: LogIndex,
        /// The entry from which the leader tries again.
        hint: LogId,
        /// The round of the append.
        round: Round,
    },
    /// The request to campaign at once, which transfers the leadership (thesis §3.10).
    TimeoutNow {
        /// The last entry of the leader.
        last_log: LogId,
    },
    /// The response of a node that does not campaign.
    TimeoutNowDeclined {
        /// The cause, in a few words.
        why: String,
    },
    /// The request of a follower for the read index (thesis §6.4).
    ReadIndex {
        /// The number of the request.
        id: ReadIndexId,
    },
    /// The response to a request for the read index.
    ReadIndexResponse {
        /// The number of the request.
        id: ReadIndexId,
        /// The read index; `None` if the leader has not committed in its term.
        read_index: Option<LogIndex>,
    },
    /// A snapshot, whose data is complete at the receiver (Raft §7).
    InstallSnapshot {
        /// The last entry of the snapshot.
        last: LogId,
        /// The index of the configuration in force there.
        membership_index: LogIndex,
        /// The round that the response returns.
        round: Round,
    },
}

/// An entry of a log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EntryView {
    /// Its index.
    pub index: LogIndex,
    /// Its term.
    pub term: Term,
    /// Its payload as text: a command, `(empty)` or `(membership ...)`.
    pub text: String,
}

impl EntryView {
    /// The view of an entry.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        let text = match &entry.payload {
            Payload::Empty => "(empty)".to_owned(),
            Payload::Command(command) => command_text(command),
            Payload::Membership(membership) => {
                format!("(membership {})", MembershipView::of(membership).full_text())
            }
        };
        Self { index: entry.index(), term: entry.term(), text }
    }
}

/// A command as text: the command itself if it is printable, else its bytes in hexadecimal.
#[must_use]
pub fn command_text(command: &[u8]) -> String {
    match std::str::from_utf8(command) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => command.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

impl MessageView {
    /// The view of a message with this number.
    #[must_use]
    pub fn of(id: u64, message: &Message) -> Self {
        let body = match message.body() {
            Body::PreVote(request) => BodyView::PreVote {
                campaign_term: request.campaign_term,
                last_log: request.last_log,
            },
            Body::PreVoteResponse(response) => BodyView::PreVoteResponse {
                campaign_term: response.campaign_term,
                granted: response.granted,
            },
            Body::RequestVote(request) => BodyView::RequestVote {
                last_log: request.last_log,
                leadership_transfer: request.leadership_transfer,
            },
            Body::RequestVoteResponse(response) => {
                BodyView::RequestVoteResponse { granted: response.granted }
            }
            Body::AppendEntries(append) => BodyView::AppendEntries {
                prev: append.prev(),
                entries: append.entries().iter().map(EntryView::of).collect(),
                commit: append.commit,
                round: append.round,
            },
            Body::AppendEntriesResponse(response) => match response.outcome {
                AppendOutcome::Matched { match_index } => {
                    BodyView::AppendMatched { match_index, round: response.round }
                }
                AppendOutcome::Rejected { prev_index, last_index, hint } => {
                    BodyView::AppendRejected { prev_index, last_index, hint, round: response.round }
                }
            },
            Body::TimeoutNow(request) => BodyView::TimeoutNow { last_log: request.last_log },
            Body::TimeoutNowResponse(response) => {
                BodyView::TimeoutNowDeclined { why: response.reason.to_string() }
            }
            Body::ReadIndex(request) => BodyView::ReadIndex { id: request.id },
            Body::ReadIndexResponse(response) => {
                BodyView::ReadIndexResponse { id: response.id, read_index: response.read_index }
            }
            Body::InstallSnapshot(install) => BodyView::InstallSnapshot {
                last: install.last,
                membership_index: install.membership_index,
                round: install.round,
            },
        };
        Self { id, from: message.from, to: message.to, term: message.term(), body }
    }
}
