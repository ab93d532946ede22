//! Counting votes.

use alloc::collections::BTreeMap;

use crate::membership::Membership;
use crate::types::{NodeId, Term};

/// Who answered what in one campaign. Each node counts once; only voters count.
#[derive(Clone, Debug, Default)]
pub(crate) struct VoteCount {
    responses: BTreeMap<NodeId, bool>,
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
    /// Takes a voter's answer. The first one stands: a voter does not change its mind in a term.
    pub(crate) fn record(&mut self, voter: NodeId, granted: bool) {
        self.responses.entry(voter).or_insert(granted);
    }

    /// Whether a quorum granted.
    pub(crate) fn is_granted(&self, membership: &Membership) -> bool {
        membership.is_quorum(|voter| self.responses.get(&voter) == Some(&true))
    }

    /// Whether so many refused that no quorum can grant any more.
    pub(crate) fn is_lost(&self, membership: &Membership) -> bool {
        !membership.is_quorum(|voter| self.responses.get(&voter) != Some(&false))
    }

    /// The proof, if a quorum voted for this node in `term`.
    pub(crate) fn won(&self, membership: &Membership, term: Term) -> Option<QuorumOfVotes> {
        self.is_granted(membership).then_some(QuorumOfVotes { term })
    }
}
