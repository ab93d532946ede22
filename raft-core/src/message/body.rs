//! The requests and responses of Raft.

use serde::{Deserialize, Serialize};

use super::log_slice::LogSlice;
use crate::entry::Entry;
use crate::membership::Membership;
use crate::types::{LogId, LogIndex, ReadIndexId, Round, Term};

/// A request or a response of Raft, without its term.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// Requests a pre-vote; changes nothing at the receiver (thesis §9.6).
    PreVote(PreVote),
    /// The response to a pre-vote.
    PreVoteResponse(PreVoteResponse),
    /// Requests a vote in the message's term (Raft §5.2).
    RequestVote(RequestVote),
    /// The response to a vote request.
    RequestVoteResponse(RequestVoteResponse),
    /// Entries to append; a heartbeat carries none (Raft §5.3).
    AppendEntries(AppendEntries),
    /// The response to an append or to a snapshot.
    AppendEntriesResponse(AppendEntriesResponse),
    /// Requests the receiver to campaign at once: the leader transfers its leadership (thesis
    /// §3.10).
    TimeoutNow(TimeoutNow),
    /// The response of a node that does not campaign. One that campaigns sends vote requests.
    TimeoutNowResponse(TimeoutNowResponse),
    /// Requests the read index, for reads at a follower (thesis §6.4).
    ReadIndex(ReadIndex),
    /// The response to a request for the read index.
    ReadIndexResponse(ReadIndexResponse),
    /// A snapshot that replaces the receiver's log up to its last entry (Raft §7).
    InstallSnapshot(InstallSnapshot),
}

/// Requests a pre-vote: whether the receiver would vote for the sender in `campaign_term`. The
/// message's own term is the sender's current one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PreVote {
    /// The term in which the sender would campaign.
    pub campaign_term: Term,
    /// The sender's last entry.
    pub last_log: LogId,
}

/// The response to a pre-vote. Its message carries the receiver's own term, so that a candidate
/// with an older term learns the newer one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PreVoteResponse {
    /// The `campaign_term` of the request; identifies responses to earlier requests.
    pub campaign_term: Term,
    /// Whether the receiver would vote for the candidate.
    pub granted: bool,
}

/// Requests a vote in the message's term.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RequestVote {
    /// The candidate's last entry (Raft §5.4.1).
    pub last_log: LogId,
    /// Whether the leader started this election itself: receivers then vote even if they have
    /// recent contact with that leader (thesis §4.2.3).
    pub leadership_transfer: bool,
}

/// The response to a vote request, in the message's term.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RequestVoteResponse {
    /// Whether the vote is granted.
    pub granted: bool,
}

/// Carries entries and the leader's commit index; resets the receiver's election timeout.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AppendEntries {
    /// The new entries and the position they follow. A heartbeat has no entries, and its `prev` is
    /// the leader's last entry.
    pub slice: LogSlice,
    /// The leader's commit index.
    pub commit: LogIndex,
    /// Returned in the response, which it matches to the request (read confirmation, thesis §6.4).
    pub round: Round,
}

/// A snapshot of the state machine that the receiver holds, complete, verified and durable. Resets
/// the receiver's election timeout as an append does.
///
/// The data of a snapshot does not pass through the core. A host passes this message to its node
/// only after it has received and checked the data and made it durable. A snapshot is identified by
/// its last entry: two snapshots with the same one have the same content.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InstallSnapshot {
    /// The last entry that the snapshot covers.
    pub last: LogId,
    /// The index of the configuration in force at that entry, which is not after it.
    pub membership_index: LogIndex,
    /// That configuration.
    pub membership: Membership,
    /// Returned in the response, which is an [`AppendEntriesResponse`].
    pub round: Round,
}

/// The response to an append or to a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AppendEntriesResponse {
    /// The round of the request; [`Round::NONE`] if the request was of an older term than this
    /// response.
    pub round: Round,
    /// The result of the consistency check.
    pub outcome: AppendOutcome,
}

/// The result of the consistency check of an append at the follower (Raft §5.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum AppendOutcome {
    /// The follower's log agrees with the leader's up to `match_index`.
    Matched {
        /// The last index that agrees and is durable at the follower.
        match_index: LogIndex,
    },
    /// The follower's log has no entry equal to the append's `prev`.
    Rejected {
        /// The index of that `prev`.
        prev_index: LogIndex,
        /// The follower's last index.
        last_index: LogIndex,
        /// The follower's highest entry at or below `prev_index` whose term is at most the term of
        /// `prev`. The logs agree at no higher index (Raft §5.3, the last paragraphs).
        hint: LogId,
    },
}

/// Requests the target of a transfer to campaign, without a pre-vote, in the term after the
/// message's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TimeoutNow {
    /// The leader's last entry. A target whose log does not end with it ignores the request: it
    /// would lose the election, or the request is late and the leader accepts commands again.
    pub last_log: LogId,
}

/// Declines to campaign, in the message's term.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TimeoutNowResponse {
    /// Why the target does not campaign.
    pub reason: DeclineReason,
}

/// Why the target of a transfer does not campaign.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum DeclineReason {
    /// It is no voter in the configuration in force at the target.
    #[error("it is no voter by its own log")]
    NotVoter,
    /// Its disk makes no progress, so that its vote for itself would not become durable.
    #[error("its disk is stalled")]
    StorageStalled,
}

/// Requests the commit index of the leader of the message's term, confirmed after the request
/// arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReadIndex {
    /// Returned in the response.
    pub id: ReadIndexId,
}

/// The response to a request for the read index.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReadIndexResponse {
    /// The number of the request.
    pub id: ReadIndexId,
    /// A commit index that covers every write which was acknowledged before the request arrived.
    /// `None` if the leader has not committed in its term yet.
    pub read_index: Option<LogIndex>,
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
            Self::TimeoutNow(_) => "timeout_now",
            Self::TimeoutNowResponse(_) => "timeout_now_response",
            Self::ReadIndex(_) => "read_index",
            Self::ReadIndexResponse(_) => "read_index_response",
            Self::InstallSnapshot(_) => "install_snapshot",
        }
    }
}

impl AppendEntries {
    /// The entry just before the new ones.
    #[must_use]
    pub const fn prev(&self) -> LogId {
        self.slice.prev()
    }

    /// The new entries, contiguous from `prev().index + 1`.
    #[must_use]
    pub const fn entries(&self) -> &[Entry] {
        self.slice.entries()
    }
}
