//! Why a change of the membership is refused.

use serde::{Deserialize, Serialize};

use super::configuration::MembershipError;
use crate::types::{Incarnation, LogIndex, NodeId};

/// Why a change of the membership is refused, and what to do next. Nothing was appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum MembershipRefusal {
    /// One change is made at a time: retry when the change in progress has ended.
    #[error(
        "another change is in progress: membership {version} is not final and committed yet; \
         try again when it is"
    )]
    ChangeInProgress {
        /// The index of the configuration in force.
        version: LogIndex,
    },
    /// The membership is not the expected one: read it and decide again.
    #[error("the membership is at version {version}, not {expected}; read it and decide again")]
    VersionDiffers {
        /// The expected version.
        expected: LogIndex,
        /// The index of the configuration in force.
        version: LogIndex,
    },
    /// The change results in the configuration in force.
    #[error("membership {version} is as requested already")]
    AlreadyInForce {
        /// The index of the configuration in force.
        version: LogIndex,
    },
    /// The node is a member already: promote, demote, replace or update it.
    #[error("node {0} is a member already; promote, demote, replace or update it instead")]
    AlreadyAMember(NodeId),
    /// The node is not a member: add it as a learner first.
    #[error("node {0} is not a member; add it as a learner first")]
    NotAMember(NodeId),
    /// The node is not a learner, so it cannot be promoted.
    #[error("node {0} is not a learner")]
    NotALearner(NodeId),
    /// The node is not a voter, so it cannot be demoted.
    #[error("node {0} is not a voter")]
    NotAVoter(NodeId),
    /// The learner lags: as a voter it would count in quorums before it can hold new entries.
    /// Retry later, or with [`PromoteWhen::CaughtUp`](super::PromoteWhen::CaughtUp).
    #[error(
        "learner {node} has acknowledged entry {match_index} of {last_index} and needs longer than \
         an election timeout to catch up; try again later, or request a promotion that waits"
    )]
    Lagging {
        /// The learner.
        node: NodeId,
        /// The last entry that it has acknowledged.
        match_index: LogIndex,
        /// The leader's last entry.
        last_index: LogIndex,
    },
    /// A voter keeps its incarnation: its successor has neither its vote nor its entries. Replace
    /// it, and promote it again.
    #[error("node {0} is a voter: replace it to admit another incarnation, and promote it again")]
    IncarnationOfVoter(NodeId),
    /// A member is replaced only by a later incarnation.
    #[error("node {node} is admitted as incarnation {admitted}; a replacement needs a later one")]
    IncarnationNotLater {
        /// The member.
        node: NodeId,
        /// The incarnation that is pinned.
        admitted: Incarnation,
    },
    /// A leader does not replace itself: it has its data.
    #[error("node {0} leads and has its data; another leader replaces it if that is lost")]
    ReplacesLeader(NodeId),
    /// The requested configuration is invalid.
    #[error(transparent)]
    Invalid(#[from] MembershipError),
}
