//! Why a node refuses a message that is consistent by itself.

use serde::Serialize;

use crate::types::{Incarnation, NodeId};

/// Why a node refuses a message. Either the message is addressed to another receiver, or it
/// contradicts the node's state. A refused message gets no response and changes neither log nor vote;
/// a higher term in it may have been taken over before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MessageRefusal {
    /// It comes from another cluster.
    #[error("it belongs to another cluster")]
    WrongCluster,
    /// It belongs to another group.
    #[error("it belongs to another group")]
    WrongGroup,
    /// It is addressed to another node.
    #[error("it is addressed to node {0}")]
    WrongReceiver(NodeId),
    /// It is addressed to another incarnation of this node.
    #[error("it is addressed to incarnation {0} of this node")]
    WrongIncarnation(Incarnation),
    /// A later incarnation of its sender is known.
    #[error("its sender is incarnation {sender}, superseded by incarnation {current}")]
    SupersededSender {
        /// The incarnation of the sender.
        sender: Incarnation,
        /// The later one.
        current: Incarnation,
    },
    /// The membership admits an earlier incarnation of its sender: the sender has lost its data and
    /// must be replaced ([`MembershipChange::Replace`](crate::MembershipChange::Replace)) before it
    /// takes part again.
    #[error(
        "its sender is incarnation {sender}, which is not admitted: the membership names \
         incarnation {admitted}, whose data it has lost"
    )]
    SenderNotAdmitted {
        /// The incarnation of the sender.
        sender: Incarnation,
        /// The incarnation that the membership names.
        admitted: Incarnation,
    },
    /// It requests a vote, and its sender is no voter of the configuration in force.
    #[error("its sender is not a voter of membership {version}")]
    CandidateNotAVoter {
        /// The index of the configuration in force.
        version: crate::types::LogIndex,
    },
    /// It names this node, or node 0, as its sender.
    #[error("its sender is this node or node 0")]
    InvalidSender,
    /// It is an append, or a request to campaign, of a second leader in one term.
    #[error("its sender claims to lead a term that another node leads")]
    SecondLeader,
    /// Its entries conflict with committed ones.
    #[error("it conflicts with a committed entry")]
    ConflictsWithCommitted,
    /// It responds to a request that this node did not send.
    #[error("it responds to a request that was never sent")]
    UnexpectedResponse,
}
