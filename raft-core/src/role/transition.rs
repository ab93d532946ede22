//! Changes of role.

use super::votes::QuorumOfVotes;
use crate::event::RoleCause;
use crate::state::NodeState;
use crate::types::NodeId;

/// A change of role, decided inside a role and carried out by [`Role::enter`](super::Role::enter).
#[derive(Debug)]
pub(crate) enum Transition {
    /// Follow in the current term.
    Follower { leader: Option<NodeId>, cause: RoleCause },
    /// Find out whether an election would be won.
    PreCandidate { cause: RoleCause },
    /// Enter the next term and request votes. With [`RoleCause::TransferRequested`] the requests of
    /// this campaign, and of no later one, carry the flag of a transfer.
    Candidate { cause: RoleCause },
    /// Lead the current term; the proof is a quorum of its votes.
    Leader(QuorumOfVotes),
}

impl Transition {
    /// Starts an election, with a pre-vote if the configuration has one.
    pub(crate) fn campaign(state: &NodeState, cause: RoleCause) -> Self {
        if state.config().pre_vote {
            Self::PreCandidate { cause }
        } else {
            Self::Candidate { cause }
        }
    }

    /// Starts the next election after one without a result, unless the disk is stalled or the node
    /// campaigns on request only.
    pub(crate) fn campaign_again(state: &NodeState) -> Self {
        if state.storage_is_stalled() {
            Self::Follower { leader: None, cause: RoleCause::StorageStalled }
        } else if state.waits_for_request() {
            Self::Follower { leader: None, cause: RoleCause::ElectionLost }
        } else {
            Self::campaign(state, RoleCause::ElectionTimeout)
        }
    }
}
