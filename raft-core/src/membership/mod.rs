//! Who takes part, and with what say.

use alloc::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::quorum;
use crate::types::{LogIndex, NodeId};

/// The most members that a configuration may name, learners included.
pub const MEMBERS_MAX: usize = 64;

/// A configuration of the cluster (thesis §4). While `outgoing` is not empty it is a joint one:
/// elections and commitment need a majority of `voters` *and* a majority of `outgoing`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Membership {
    /// Those who vote and count towards commitment.
    pub voters: BTreeSet<NodeId>,
    /// The voters of the configuration that is being left (joint consensus, thesis §4.3).
    pub outgoing: BTreeSet<NodeId>,
    /// Those who receive the log and have no say (thesis §4.2.1).
    pub learners: BTreeSet<NodeId>,
}

/// Why a configuration cannot be one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MembershipError {
    /// A cluster without voters can decide nothing.
    #[error("a membership needs at least one voter")]
    NoVoters,
    /// Too many members.
    #[error("a membership may name at most {MEMBERS_MAX} members, this one names {0}")]
    TooMany(usize),
    /// Somebody is a voter and a learner at once.
    #[error("node {0} is named both as a voter and as a learner")]
    VoterAndLearner(NodeId),
    /// Zero names nobody.
    #[error("node id 0 is not a name")]
    ZeroNodeId,
}

impl Membership {
    /// A configuration in which all these vote.
    pub fn of_voters(voters: impl IntoIterator<Item = NodeId>) -> Self {
        Self { voters: voters.into_iter().collect(), ..Self::default() }
    }

    /// Whether the node votes, in the incoming or the outgoing configuration.
    #[must_use]
    pub fn is_voter(&self, node: NodeId) -> bool {
        self.voters.contains(&node) || self.outgoing.contains(&node)
    }

    /// Whether the node takes part at all.
    #[must_use]
    pub fn contains(&self, node: NodeId) -> bool {
        self.is_voter(node) || self.learners.contains(&node)
    }

    /// Every member once, in ascending order.
    #[must_use]
    pub fn members(&self) -> BTreeSet<NodeId> {
        self.voters.iter().chain(&self.outgoing).chain(&self.learners).copied().collect()
    }

    /// How many names it holds, counted with repetition.
    #[must_use]
    pub fn size(&self) -> usize {
        self.voters.len() + self.outgoing.len() + self.learners.len()
    }

    /// Whether those for which `agrees` holds are a quorum.
    pub fn is_quorum(&self, mut agrees: impl FnMut(NodeId) -> bool) -> bool {
        quorum::majority_agrees(&self.voters, &mut agrees)
            && (self.outgoing.is_empty() || quorum::majority_agrees(&self.outgoing, &mut agrees))
    }

    /// The highest index that a quorum holds, given what each voter holds.
    pub fn quorum_index(&self, mut held: impl FnMut(NodeId) -> LogIndex) -> LogIndex {
        let incoming = quorum::majority_index(&self.voters, &mut held);
        if self.outgoing.is_empty() {
            incoming
        } else {
            incoming.min(quorum::majority_index(&self.outgoing, &mut held))
        }
    }

    /// Says whether this can be a configuration.
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
