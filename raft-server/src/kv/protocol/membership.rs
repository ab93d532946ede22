//! The membership in the client protocol.

use raft_core::{Incarnation, LogIndex, NodeId};
use serde::{Deserialize, Serialize};

/// A change of the membership. The members are those of
/// [`raft_core::MembershipChange`], which describes each change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum MemberChange {
    /// Adds a node that receives the log and does not vote.
    Add {
        /// The node, which is not a member.
        node: NodeId,
        /// Where the other nodes reach it.
        peer_address: String,
        /// Where clients reach it.
        client_address: String,
        /// Its incarnation. `None` admits the first one that the leader receives a message from.
        incarnation: Option<Incarnation>,
    },
    /// Makes a learner a voter. Refused while it lags.
    Promote {
        /// The learner.
        node: NodeId,
    },
    /// Makes a voter a learner.
    Demote {
        /// The voter.
        node: NodeId,
    },
    /// Removes a member.
    Remove {
        /// The member.
        node: NodeId,
    },
    /// Admits a later incarnation of a member that has lost its data, as a learner.
    Replace {
        /// The member.
        node: NodeId,
        /// The new incarnation.
        incarnation: Incarnation,
    },
    /// Sets the addresses of a member.
    Update {
        /// The member.
        node: NodeId,
        /// Where the other nodes reach it.
        peer_address: String,
        /// Where clients reach it.
        client_address: String,
    },
}

/// The membership, as one node knows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MembershipReport {
    /// The version of the configuration in force.
    pub version: LogIndex,
    /// Whether that configuration is known to be committed, and not joint: then another change may
    /// begin.
    pub is_final: bool,
    /// The last entry of the responding node.
    pub last_index: LogIndex,
    /// The members, ascending.
    pub members: Vec<MembershipMember>,
}

/// One member.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MembershipMember {
    /// The member.
    pub node: NodeId,
    /// Its part.
    pub role: MemberRole,
    /// Whether it is the leader.
    pub leader: bool,
    /// The incarnation that is admitted, once it is pinned.
    pub incarnation: Option<Incarnation>,
    /// Its address for other nodes, if known.
    pub peer_address: Option<String>,
    /// Its address for clients, if known.
    pub client_address: Option<String>,
    /// The last entry that it has acknowledged, if the responding node leads.
    pub match_index: Option<LogIndex>,
}

/// The part of a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum MemberRole {
    /// It votes.
    Voter,
    /// It votes until the change in progress ends.
    Outgoing,
    /// It receives the log and does not vote.
    Learner,
}

impl MemberRole {
    /// The name as programs and tables show it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Voter => "voter",
            Self::Outgoing => "outgoing voter",
            Self::Learner => "learner",
        }
    }
}
