//! What the role of a node explains.

use alloc::vec::Vec;

use super::current::Role;
use super::votes::VoteCount;
use crate::explain::{Finding, LeaderFinding};
use crate::state::NodeState;
use crate::types::Timestamp;

impl Role {
    /// What the node waits for in this role.
    pub(crate) fn explain(&self, state: &NodeState, now: Timestamp, findings: &mut Vec<Finding>) {
        match self {
            Self::Follower(follower) => follower.explain(state, now, findings),
            Self::PreCandidate(candidate) => {
                state.explain_missing_leader(now, findings);
                findings.push(undecided(state, candidate.pre_votes(), true));
            }
            Self::Candidate(candidate) => {
                state.explain_missing_leader(now, findings);
                findings.push(undecided(state, candidate.counted_votes(), false));
            }
            Self::Leader(leader) => leader.explain(state, now, findings),
        }
        if self.as_leader().is_none() {
            state.explain_compaction(findings, core::iter::empty());
        }
    }
}

fn undecided(state: &NodeState, votes: &VoteCount, is_pre_vote: bool) -> Finding {
    let membership = state.membership();
    let with = |response| {
        let voters = membership.voters.union(&membership.outgoing).copied();
        voters.filter(|&voter| votes.response(voter) == response).collect()
    };
    LeaderFinding::CampaignUndecided {
        is_pre_vote,
        granted: with(Some(true)),
        refused: with(Some(false)),
        pending: with(None),
    }
    .into()
}
