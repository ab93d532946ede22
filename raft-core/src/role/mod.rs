//! The roles, and the one place where a node changes from one to another.

mod candidate;
mod follower;
mod leader;
mod votes;

pub(crate) use candidate::{Candidate, PreCandidate};
pub(crate) use follower::Follower;
pub(crate) use leader::Leader;
pub(crate) use votes::{QuorumOfVotes, VoteCount};

use crate::event::{Event, RoleCause, RoleKind};
use crate::state::NodeState;
use crate::types::{NodeId, Timestamp};

/// What a node is at present, with the data that only this role needs.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    Follower(Follower),
    PreCandidate(PreCandidate),
    Candidate(Candidate),
    Leader(Leader),
}

/// A change of role, decided inside a role and carried out by [`Role::enter`].
#[derive(Debug)]
pub(crate) enum Transition {
    /// Follow in the current term.
    Follower { leader: Option<NodeId>, cause: RoleCause },
    /// Ask whether an election would be won.
    PreCandidate { cause: RoleCause },
    /// Enter the next term and ask for votes.
    Candidate { cause: RoleCause },
    /// Lead the current term; the proof is a quorum of its votes.
    Leader(QuorumOfVotes),
}

impl Role {
    pub(crate) const fn kind(&self) -> RoleKind {
        match self {
            Self::Follower(_) => RoleKind::Follower,
            Self::PreCandidate(_) => RoleKind::PreCandidate,
            Self::Candidate(_) => RoleKind::Candidate,
            Self::Leader(_) => RoleKind::Leader,
        }
    }

    /// When a tick is next useful.
    pub(crate) fn deadline(&self) -> Timestamp {
        match self {
            Self::Follower(follower) => follower.election_deadline,
            Self::PreCandidate(candidate) => candidate.election_deadline,
            Self::Candidate(candidate) => candidate.election_deadline,
            Self::Leader(leader) => leader.deadline(),
        }
    }

    /// Leaves this role for another. May ask for a further change: a cluster of one elects itself
    /// without a message.
    pub(crate) fn enter(
        &mut self,
        state: &mut NodeState,
        transition: Transition,
    ) -> Option<Transition> {
        let was_leader = matches!(self, Self::Leader(_));
        let (role, cause, next) = match transition {
            Transition::Follower { leader, cause } => {
                state.leader = leader;
                state.outbox.discard_vote_requests();
                (Self::Follower(Follower::new(state)), cause, None)
            }
            Transition::PreCandidate { cause } => {
                state.leader = None;
                let (candidate, next) = PreCandidate::begin(state, self.take_votes());
                (Self::PreCandidate(candidate), cause, next)
            }
            Transition::Candidate { cause } => {
                let term = state.term().next();
                state.enter_term(term);
                state.vote_for(state.id());
                (Self::Candidate(Candidate::begin(state)), cause, None)
            }
            Transition::Leader(proof) => {
                state.leader = Some(state.id());
                (Self::Leader(Leader::begin(state, &proof)), RoleCause::ElectionWon, None)
            }
        };
        if was_leader {
            state.end_uncommitted_requests();
            if cause == RoleCause::StorageStalled {
                state.end_requests_that_wait_for_storage();
            }
        }
        let left = core::mem::replace(self, role);
        if let Self::Leader(leader) = left {
            leader.refuse_unconfirmed_reads(state);
        }
        state.event(Event::RoleChanged { role: self.kind(), term: state.term(), cause });
        next
    }

    /// The votes of the current term that this node has as a candidate, if it is or was one.
    fn take_votes(&mut self) -> Option<VoteCount> {
        match self {
            Self::PreCandidate(candidate) => candidate.take_votes(),
            Self::Candidate(candidate) => Some(candidate.take_votes()),
            Self::Follower(_) | Self::Leader(_) => None,
        }
    }

    /// Whether this node knows of a leader that must not be disturbed (thesis §4.2.3).
    pub(crate) fn protects_leader(&self, state: &NodeState) -> bool {
        if !state.config.check_quorum {
            return false;
        }
        match self {
            Self::Leader(_) => true,
            Self::Follower(follower) => follower.has_recent_contact(state),
            Self::PreCandidate(_) | Self::Candidate(_) => false,
        }
    }
}
