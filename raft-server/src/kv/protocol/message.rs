//! What clients ask and nodes answer, after the hello. Postcard encodes it in the order in which
//! it stands here: a change of that order is a new [`PROTOCOL_VERSION`](super::PROTOCOL_VERSION).

use raft_core::{ClusterId, LogId, LogIndex, NodeId, Term};
use serde::{Deserialize, Serialize};

use crate::kv::state_machine::{Command, Output, QueryResult, RangeRequest, Revision};
use crate::space::{NoSpace, SpaceReport};

/// One request. Several may be under way on a connection; they are answered in any order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the client, returned with the answer.
    pub id: u64,
    /// What is attempts.
    pub body: RequestBody,
}

/// What is attempts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RequestBody {
    /// Change the store.
    Command(Command),
    /// Read the store.
    Range {
        /// What to read.
        request: RangeRequest,
        /// How fresh it must be.
        consistency: Consistency,
    },
    /// Tell of the node that is attempts.
    Status,
    /// Tell who takes part, as far as the node that is asked knows.
    Members,
    /// Show that the node is alive. On a stream of its own it is answered at once, even while the
    /// node reads no further requests.
    Ping,
}

/// How fresh a read must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Consistency {
    /// It sees every write that was acknowledged before it was attempts. Only the leader answers.
    #[default]
    Linearizable,
    /// Whatever the node that is asked has applied: any node answers, at once, possibly with an
    /// old state.
    Serializable,
}

/// The answer to one request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Response {
    /// Which request.
    pub id: u64,
    /// What came of it.
    pub body: ResponseBody,
}

/// What came of a request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ResponseBody {
    /// The command is committed and applied.
    Output(Output),
    /// The read is answered.
    Range(QueryResult),
    /// The node tells of itself.
    Status(Box<StatusReport>),
    /// Who takes part.
    Members(Vec<MemberReport>),
    /// The answer to a ping.
    Pong,
    /// Nothing was done and nothing will be: asking again is safe.
    Refused(Refusal),
    /// The command may or may not take effect.
    Unknown {
        /// Who might lead now.
        leader: Option<LeaderHint>,
    },
    /// The command is committed, but the state machine of the node that was asked failed at it.
    Failed {
        /// What it said.
        reason: String,
    },
}

/// Where the leader probably is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LeaderHint {
    /// Which node.
    pub node: NodeId,
    /// Its address for clients, if the node that was asked knows it.
    pub address: Option<String>,
}

/// Why a request was refused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// Another node leads: ask that one.
    #[error("not the leader; node {} leads", leader.node)]
    NotLeader {
        /// Who and where.
        leader: LeaderHint,
    },
    /// Nobody is known to lead: ask again shortly, here or elsewhere.
    #[error("no leader is known; try again shortly")]
    NoLeader,
    /// The leader is new and cannot say yet what is committed: ask again shortly.
    #[error("the leader has not committed in its term yet; try again shortly")]
    NotReady,
    /// Too much is under way.
    #[error("too many requests are under way; try again in {retry_after_ms} ms")]
    Busy {
        /// How long to wait; drawn anew for each refusal, so that not everybody returns at once.
        retry_after_ms: u32,
    },
    /// The node is stopping or has stopped: ask another one.
    #[error("the node has stopped")]
    Stopped,
    /// The request exceeds a limit, or makes no sense. Asking again will not help.
    #[error("{reason}")]
    Invalid {
        /// What is wrong and what to do.
        reason: String,
    },
    /// The node cannot read its store.
    #[error("the node cannot read its store: {reason}")]
    Unreadable {
        /// What went wrong.
        reason: String,
    },
    /// The leader has too little disk space for this command. Asking again helps only after keys
    /// are deleted and compacted, or space is added.
    #[error(transparent)]
    NoSpace(NoSpace),
}

/// What a node tells of itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StatusReport {
    /// The release that it runs.
    pub release: String,
    /// Its cluster.
    pub cluster: ClusterId,
    /// Which node it is.
    pub node: NodeId,
    /// Its role.
    pub role: Role,
    /// Its term.
    pub term: Term,
    /// Who leads in that term, if it knows.
    pub leader: Option<NodeId>,
    /// The first entry that its log keeps.
    pub first_index: LogIndex,
    /// The last entry of its log.
    pub last_log: LogId,
    /// How far it knows the log to be committed.
    pub commit_index: LogIndex,
    /// How far it has applied the log.
    pub applied_index: LogIndex,
    /// The store's revision there.
    pub revision: Option<Revision>,
    /// At a leader, how far the others are.
    pub followers: Vec<FollowerReport>,
    /// What keeps it from working, if something does.
    pub problem: Option<String>,
    /// The free space of its disk, if it watches that.
    pub space: Option<SpaceReport>,
}

/// The four roles, as they cross the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Role {
    /// Follows a leader, or waits for one.
    Follower,
    /// Asks whether an election would be won.
    PreCandidate,
    /// Asks for votes.
    Candidate,
    /// Leads.
    Leader,
}

/// How far a follower is, as the leader knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FollowerReport {
    /// Which node.
    pub node: NodeId,
    /// What is known to be in its log.
    pub match_index: LogIndex,
}

/// One member of the cluster.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MemberReport {
    /// Which node.
    pub node: NodeId,
    /// Whether it votes.
    pub voter: bool,
    /// Whether it leads.
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
