//! Cluster configurations: the members and their votes.

use alloc::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::quorum::{self, MEMBERS_MAX};
use crate::types::{LogIndex, NodeId};

/// A configuration of the cluster (thesis §4). While `outgoing` is not empty it is a joint
/// configuration: elections and commitment need a majority of `voters` *and* one of `outgoing`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Membership {
    /// Members that vote and count towards commitment.
    pub voters: BTreeSet<NodeId>,
    /// The voters of the outgoing configuration of a change in progress (joint consensus, thesis
    /// §4.3).
    pub outgoing: BTreeSet<NodeId>,
    /// Members that receive the log and do not vote (thesis §4.2.1).
    pub learners: BTreeSet<NodeId>,
}

/// Why a configuration is invalid.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MembershipError {
    /// It has no voter.
    #[error("a membership needs at least one voter")]
    NoVoters,
    /// It has too many members.
    #[error("a membership may name at most {MEMBERS_MAX} members, this one names {0}")]
    TooMany(usize),
    /// A node is a voter and a learner at once.
    #[error("node {0} is named both as a voter and as a learner")]
    VoterAndLearner(NodeId),
    /// It names node 0.
    #[error("0 is not a node id")]
    ZeroNodeId,
}

impl Membership {
    /// A configuration with these voters and no learners. It is not checked: see
    /// [`Membership::check`].
    pub fn of_voters(voters: impl IntoIterator<Item = NodeId>) -> Self {
        Self { voters: voters.into_iter().collect(), ..Self::default() }
    }

    /// Whether the node votes, in the incoming or the outgoing configuration.
    #[must_use]
    pub fn is_voter(&self, node: NodeId) -> bool {
        self.voters.contains(&node) || self.outgoing.contains(&node)
    }

    /// Whether the node is a voter or a learner.
    #[must_use]
    pub fn contains(&self, node: NodeId) -> bool {
        self.is_voter(node) || self.learners.contains(&node)
    }

    /// Every member once, in ascending order.
    #[must_use]
    pub fn members(&self) -> BTreeSet<NodeId> {
        self.voters.iter().chain(&self.outgoing).chain(&self.learners).copied().collect()
    }

    /// The number of node ids that it names, counted with repetition.
    #[must_use]
    pub fn size(&self) -> usize {
        self.voters.len() + self.outgoing.len() + self.learners.len()
    }

    /// Whether the voters for which `agrees` holds are a quorum.
    pub fn is_quorum(&self, mut agrees: impl FnMut(NodeId) -> bool) -> bool {
        quorum::majority_agrees(&self.voters, &mut agrees)
            && (self.outgoing.is_empty() || quorum::majority_agrees(&self.outgoing, &mut agrees))
    }

    /// The highest index that a quorum holds; `held` returns the index of each voter.
    pub fn quorum_index(&self, mut held: impl FnMut(NodeId) -> LogIndex) -> LogIndex {
        let incoming = quorum::majority_index(&self.voters, &mut held);
        if self.outgoing.is_empty() {
            incoming
        } else {
            incoming.min(quorum::majority_index(&self.outgoing, &mut held))
        }
    }

    /// Checks the rules of a configuration.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(&self) -> Result<(), MembershipError> {
        if self.voters.is_empty() {
            return Err(MembershipError::NoVoters);
        }
        if self.size() > 2 * MEMBERS_MAX || self.members().len() > MEMBERS_MAX {
            return Err(MembershipError::TooMany(self.size()));
        }
        if self.members().contains(&NodeId(0)) {
            return Err(MembershipError::ZeroNodeId);
        }
        match self.voters.iter().find(|node| self.learners.contains(node)) {
            Some(&both) => Err(MembershipError::VoterAndLearner(both)),
            None => Ok(()),
        }
    }
}
