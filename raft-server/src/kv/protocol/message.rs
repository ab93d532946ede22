//! The messages after the hello exchange. Postcard encodes fields and variants in the order of
//! their declaration: a change of that order is a new
//! [`PROTOCOL_VERSION`](super::PROTOCOL_VERSION).

use std::fmt;

use bytes::Bytes;
use raft_core::{ClusterId, LogId, LogIndex, Membership, NodeId, Term};
use serde::{Deserialize, Serialize};

use super::membership::{MemberChange, MembershipReport};
use crate::kv::state_machine::blob;
use crate::kv::state_machine::{Command, Output, QueryResult, RangeRequest, Revision};
use crate::space::{NoSpace, SpaceReport};

/// A request. Several may be in flight on a connection; responses arrive in any order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the client; the response carries the same id.
    pub id: u64,
    /// The kind of request and its parameters.
    pub body: RequestBody,
}

/// A kind of request and its parameters.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RequestBody {
    /// Applies a command. Only the leader accepts it.
    Command(Command),
    /// Reads a range of keys.
    Range {
        /// The range.
        request: RangeRequest,
        /// How fresh the result must be.
        consistency: Consistency,
    },
    /// Requests the status of the node.
    Status,
    /// Requests the members of the cluster.
    Members,
    /// Requests a [`ResponseBody::Pong`]. On a stream of its own the node responds at once, even
    /// while it reads no requests.
    Ping,
    /// Transfers the leadership. Only the leader accepts it.
    Transfer {
        /// The voter that is to lead; `None` for one that the leader chooses.
        to: Option<NodeId>,
    },
    /// Requests what the node waits for, and why.
    Explain,
    /// Concerns the log and the snapshots of the responding node.
    Snapshot(SnapshotRequest),
    /// Requests the membership with its version.
    Membership,
    /// Changes the membership. Only the leader accepts it.
    ChangeMembership {
        /// The change.
        change: MemberChange,
        /// The version that the membership must have; `None` accepts every version.
        if_version: Option<LogIndex>,
    },
}

/// A request about the log and the snapshots of one node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SnapshotRequest {
    /// Compacts the log now, whatever the settings keep.
    CompactLog,
    /// Captures the state. It is kept for [`SnapshotRequest::Read`] until the end was read, or until
    /// no part was read for 30 seconds.
    Begin,
    /// Reads the next part of a captured state.
    Read {
        /// The number of the captured state.
        id: u64,
        /// Where the part begins: the end of the previous one.
        offset: u64,
    },
}

/// How fresh the result of a read must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Consistency {
    /// It contains every write that was acknowledged before the read was sent.
    #[default]
    Linearizable,
    /// It contains what the node has applied, which may be of any age. Any node serves it at once.
    Serializable,
    /// Linearizable as long as the clocks of the nodes keep to the bound of their configuration. A
    /// leader with a lease serves it without messages.
    Leased,
    /// It contains every write that was acknowledged at least this long before the read arrived at
    /// the node. Any node serves it that knows its state to be recent enough.
    Bounded {
        /// How old the state may be, in milliseconds.
        staleness_ms_max: u64,
    },
}

/// The response to one request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Response {
    /// The id of the request.
    pub id: u64,
    /// The result.
    pub body: ResponseBody,
    /// The leader, if the node that responds knows that it is another one: requests that only the
    /// leader completes take a shorter way there.
    pub leader: Option<LeaderHint>,
}

/// The result of a request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ResponseBody {
    /// The command is committed and applied.
    Output(Output),
    /// The result of a read.
    Range {
        /// The result.
        result: QueryResult,
        /// How old the state was at most when the read arrived, in milliseconds; zero if the read
        /// is linearizable. Absent if the read permitted any age.
        staleness_ms: Option<u64>,
    },
    /// The status of the node.
    Status(Box<StatusReport>),
    /// The members of the cluster.
    Members(Vec<MemberReport>),
    /// The response to a ping.
    Pong,
    /// The request had no effect and will have none: a retry is safe.
    Refused(Refusal),
    /// The command may or may not take effect.
    Unknown {
        /// The probable leader.
        leader: Option<LeaderHint>,
    },
    /// The command is committed, but the state machine of the responding node failed to apply it.
    Failed {
        /// The failure.
        reason: String,
    },
    /// Another node leads now, or the target led already.
    Transferred {
        /// The leader.
        leader: NodeId,
    },
    /// What the node waits for.
    Explanation(Box<ExplanationReport>),
    /// The response to a request about the log and the snapshots.
    Snapshot(SnapshotResponse),
    /// The membership, as the node knows it.
    Membership(MembershipReport),
    /// The membership is changed: its final configuration is committed.
    MembershipChanged {
        /// Its version.
        version: LogIndex,
    },
}

/// The response to a request about the log and the snapshots of one node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SnapshotResponse {
    /// The log is compacted.
    Compacted {
        /// The index of its first entry.
        first_index: LogIndex,
    },
    /// The state is captured.
    Begun {
        /// The number of the captured state.
        id: u64,
        /// The last entry that it covers.
        last: LogId,
        /// The configuration in force at that entry, and its index.
        membership: (LogIndex, Membership),
    },
    /// A part of a captured state.
    Part(#[serde(with = "blob")] Bytes),
    /// The captured state ends here.
    End {
        /// The CRC-32C of all parts.
        checksum: u32,
    },
    /// The request failed and may be repeated. A captured state that could not be read is dropped.
    Failed {
        /// The failure.
        reason: String,
    },
}

/// The probable leader.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LeaderHint {
    /// The node.
    pub node: NodeId,
    /// Its client address, if the responding node knows it.
    pub address: Option<String>,
}

/// Why a request was refused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// Another node leads: send the request there.
    #[error("not the leader; node {} leads", leader.node)]
    NotLeader {
        /// The leader.
        leader: LeaderHint,
    },
    /// No leader is known: retry shortly, at any node.
    #[error("no leader is known; try again shortly")]
    NoLeader,
    /// The leader has not committed an entry in its term yet: retry shortly.
    #[error("the leader has not committed in its term yet; try again shortly")]
    NotReady,
    /// Too many requests are in flight.
    #[error("too many requests are in flight; try again in {retry_after_ms} ms")]
    Busy {
        /// How long to wait before a retry, in milliseconds. Drawn for each refusal, so that
        /// clients do not retry at the same moment.
        retry_after_ms: u32,
    },
    /// The node is stopping or has stopped: retry at another one.
    #[error("the node has stopped")]
    Stopped,
    /// The request exceeds a limit or is malformed. A retry does not help.
    #[error("{reason}")]
    Invalid {
        /// What is wrong and what to do.
        reason: String,
    },
    /// The node cannot read its store.
    #[error("the node cannot read its store: {reason}")]
    Unreadable {
        /// The failure.
        reason: String,
    },
    /// The leader has too little disk space for this command. A retry helps only after keys are
    /// deleted and compacted, or space is added.
    #[error(transparent)]
    NoSpace(NoSpace),
    /// The leadership was not transferred to the requested node. A retry is safe.
    #[error("{reason}")]
    NotTransferred {
        /// Why not, and what to do.
        reason: String,
    },
    /// The state of the node may be older than the read permits: retry at another node.
    #[error("the state of the node may be too old for the read: {}", Age(*staleness_ms))]
    TooStale {
        /// How old it may be, in milliseconds; absent if the node does not know.
        staleness_ms: Option<u64>,
    },
    /// Another change of the membership is in progress: retry shortly.
    #[error("{reason}")]
    ChangeInProgress {
        /// The version that is in progress, as a text.
        reason: String,
    },
    /// The learner lags too far behind to become a voter: retry later.
    #[error("{reason}")]
    Lagging {
        /// The lag as a text.
        reason: String,
        /// The last entry that the learner has acknowledged.
        match_index: LogIndex,
        /// The last entry of the leader.
        last_index: LogIndex,
    },
    /// The membership cannot be changed as requested. A retry does not help.
    #[error("{reason}")]
    MembershipNotChanged {
        /// Why not, and what to do.
        reason: String,
    },
}

/// The age of a state, for messages.
struct Age(Option<u64>);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(millis) => write!(f, "its age is up to {millis} ms"),
            None => f.write_str("its age is not known"),
        }
    }
}

/// The status of a node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StatusReport {
    /// The release of the node.
    pub release: String,
    /// The cluster of the node.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
    /// Its role.
    pub role: Role,
    /// Its term.
    pub term: Term,
    /// The leader of that term, if the node knows it.
    pub leader: Option<NodeId>,
    /// The index of the first entry of its log.
    pub first_index: LogIndex,
    /// The id of the last entry of its log.
    pub last_log: LogId,
    /// The commit index that it knows.
    pub commit_index: LogIndex,
    /// The index of the last applied entry.
    pub applied_index: LogIndex,
    /// The revision of its store.
    pub revision: Option<Revision>,
    /// The progress of the other nodes; empty unless the node leads.
    pub followers: Vec<FollowerReport>,
    /// What prevents it from serving, if anything does.
    pub problem: Option<String>,
    /// The free space of its disk, if it monitors that.
    pub space: Option<SpaceReport>,
}

/// What a node waits for, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExplanationReport {
    /// The node.
    pub node: NodeId,
    /// Its role.
    pub role: Role,
    /// Its term.
    pub term: Term,
    /// The leader of that term, if the node knows it.
    pub leader: Option<NodeId>,
    /// What it waits for; empty if it waits for nothing.
    pub findings: Vec<FindingReport>,
}

/// One thing that a node waits for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FindingReport {
    /// What it is about: one word, such as `leader`, `commit` or `disk`.
    pub topic: String,
    /// What it is, with the numbers that show why.
    pub text: String,
}

/// The role of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Role {
    /// Accepts entries from a leader, or waits for one.
    Follower,
    /// Requests pre-votes (thesis §9.6).
    PreCandidate,
    /// Requests votes.
    Candidate,
    /// Accepts commands and replicates them.
    Leader,
}

/// The progress of a follower, as the leader knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FollowerReport {
    /// The follower.
    pub node: NodeId,
    /// The last entry that is known to be in its log.
    pub match_index: LogIndex,
}

/// One member of the cluster.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MemberReport {
    /// The member.
    pub node: NodeId,
    /// Whether it is a voter.
    pub voter: bool,
    /// Whether it is the leader.
    pub leader: bool,
    /// Its address for other nodes, if known.
    pub peer_address: Option<String>,
    /// Its address for clients, if known.
    pub client_address: Option<String>,
}

impl From<raft_core::RoleKind> for Role {
    fn from(role: raft_core::RoleKind) -> Self {
        match role {
            raft_core::RoleKind::Follower => Self::Follower,
            raft_core::RoleKind::PreCandidate => Self::PreCandidate,
            raft_core::RoleKind::Candidate => Self::Candidate,
            raft_core::RoleKind::Leader => Self::Leader,
        }
    }
}
