//! Counting votes.

use alloc::collections::BTreeMap;

use crate::membership::Membership;
use crate::types::{NodeId, Term};

/// The responses of one campaign. Each node counts once; only voters count.
#[derive(Clone, Debug, Default)]
pub(crate) struct VoteCount {
    granted: BTreeMap<NodeId, bool>,
}

/// Proof that a quorum voted for this node in this term. Only [`VoteCount::won`] makes one.
#[derive(Debug)]
pub(crate) struct QuorumOfVotes {
    term: Term,
}

impl QuorumOfVotes {
    /// The term that was won.
    pub(crate) const fn term(&self) -> Term {
        self.term
    }
}

impl VoteCount {
    /// Records the response of a voter. The first one counts: a vote is final in its term.
    pub(crate) fn record(&mut self, voter: NodeId, granted: bool) {
        self.granted.entry(voter).or_insert(granted);
    }

    /// The response of a voter, if it is known.
    pub(crate) fn response(&self, voter: NodeId) -> Option<bool> {
        self.granted.get(&voter).copied()
    }

    /// Whether a quorum granted.
    pub(crate) fn is_granted(&self, membership: &Membership) -> bool {
        membership.is_quorum(|voter| self.granted.get(&voter) == Some(&true))
    }

    /// Whether so many voters refused that no quorum can grant.
    pub(crate) fn is_lost(&self, membership: &Membership) -> bool {
        !membership.is_quorum(|voter| self.granted.get(&voter) != Some(&false))
    }

    /// The proof, if a quorum voted for this node in `term`.
    pub(crate) fn won(&self, membership: &Membership, term: Term) -> Option<QuorumOfVotes> {
        self.is_granted(membership).then_some(QuorumOfVotes { term })
    }
}
