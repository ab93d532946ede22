//! Seeking leadership: first by asking whether it could be won, then by asking for votes.

use super::{Transition, VoteCount};
use crate::event::RoleCause;
use crate::message::{Body, PreVote, PreVoteResponse, RequestVote, RequestVoteResponse};
use crate::outbox::DependsOn;
use crate::state::NodeState;
use crate::types::{NodeId, Timestamp};

/// Asks, without touching any term, whether an election would be won (thesis §9.6).
#[derive(Clone, Debug)]
pub(crate) struct PreCandidate {
    pub(crate) election_deadline: Timestamp,
    pre_votes: VoteCount,
    /// The votes of the current term, if this node was a candidate in it just before. Voters with
    /// a slow disk answer late; as long as no later term has begun, their votes still elect.
    votes: Option<VoteCount>,
}

impl PreCandidate {
    pub(crate) fn begin(
        state: &mut NodeState,
        votes: Option<VoteCount>,
    ) -> (Self, Option<Transition>) {
        let mut pre_votes = VoteCount::default();
        pre_votes.record(state.id(), true);
        let request = PreVote { campaign_term: state.term().next(), last_log: state.log.last() };
        for peer in other_voters(state) {
            state.send(peer, Body::PreVote(request));
        }
        let candidate =
            Self { election_deadline: state.draw_election_deadline(), pre_votes, votes };
        let next = candidate.outcome(state);
        (candidate, next)
    }

    pub(crate) const fn take_votes(&mut self) -> Option<VoteCount> {
        self.votes.take()
    }

    pub(crate) fn on_tick(&self, state: &NodeState) -> Option<Transition> {
        (state.now >= self.election_deadline).then(|| state.campaign_again())
    }

    /// A voter answered. Answers about another term than the one asked for are late ones.
    pub(crate) fn on_pre_vote_response(
        &mut self,
        state: &NodeState,
        from: NodeId,
        response: PreVoteResponse,
    ) -> Option<Transition> {
        if response.campaign_term != state.term().next() {
            return None;
        }
        self.pre_votes.record(from, response.granted);
        self.outcome(state)
    }

    /// A voter answered the vote request that this node sent as a candidate of the current term.
    pub(crate) fn on_late_vote_response(
        &mut self,
        state: &NodeState,
        from: NodeId,
        response: RequestVoteResponse,
    ) -> Option<Transition> {
        let votes = self.votes.as_mut()?;
        votes.record(from, response.granted);
        votes.won(state.membership(), state.term()).map(Transition::Leader)
    }

    /// Something became durable.
    pub(crate) fn on_persisted(&mut self, state: &NodeState) -> Option<Transition> {
        let votes = self.votes.as_mut()?;
        if own_vote_is_durable(state) {
            votes.record(state.id(), true);
        }
        votes.won(state.membership(), state.term()).map(Transition::Leader)
    }

    fn outcome(&self, state: &NodeState) -> Option<Transition> {
        if state.storage_is_stalled() {
            Some(Transition::Follower { leader: None, cause: RoleCause::StorageStalled })
        } else if self.pre_votes.is_granted(state.membership()) {
            Some(Transition::Candidate { cause: RoleCause::PreVoteWon })
        } else if self.pre_votes.is_lost(state.membership()) {
            Some(Transition::Follower { leader: None, cause: RoleCause::ElectionLost })
        } else {
            None
        }
    }
}

/// Asks for votes in a term of its own (Raft §5.2).
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// Until the node's own vote is durable: when it gives up. From then on: when it campaigns
    /// again.
    pub(crate) election_deadline: Timestamp,
    started_at: Timestamp,
    own_vote: OwnVote,
    votes: VoteCount,
}

/// Whether a candidate's vote for itself counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum OwnVote {
    /// On its way to the disk; vote requests wait for it too.
    Persisting,
    Durable,
}

impl Candidate {
    pub(crate) fn begin(state: &mut NodeState) -> Self {
        let request = RequestVote { last_log: state.log.last(), leadership_transfer: false };
        for peer in other_voters(state) {
            // The request itself says that this node voted for itself: durable first.
            state.send_when_durable(peer, Body::RequestVote(request), DependsOn::HardState);
        }
        Self {
            election_deadline: state.now.after(state.config.stall_timeout()),
            started_at: state.now,
            own_vote: OwnVote::Persisting,
            votes: VoteCount::default(),
        }
    }

    pub(crate) fn take_votes(&mut self) -> VoteCount {
        core::mem::take(&mut self.votes)
    }

    pub(crate) fn on_tick(&self, state: &NodeState) -> Option<Transition> {
        if state.now < self.election_deadline {
            return None;
        }
        Some(match self.own_vote {
            OwnVote::Durable => state.campaign_again(),
            OwnVote::Persisting => {
                Transition::Follower { leader: None, cause: RoleCause::StorageStalled }
            }
        })
    }

    /// Something became durable: the node's own vote counts once it is. The vote requests leave
    /// now and not earlier, so the election timeout begins now; a voter is given as long again as
    /// this node's disk took, since it has to make its vote durable too.
    pub(crate) fn on_persisted(&mut self, state: &mut NodeState) -> Option<Transition> {
        if self.own_vote == OwnVote::Persisting && own_vote_is_durable(state) {
            self.own_vote = OwnVote::Durable;
            let voter_persist = state.now.since(self.started_at);
            self.election_deadline = state.draw_election_deadline().after(voter_persist);
            self.votes.record(state.id(), true);
        }
        self.outcome(state)
    }

    /// A voter answered in this term.
    pub(crate) fn on_request_vote_response(
        &mut self,
        state: &NodeState,
        from: NodeId,
        response: RequestVoteResponse,
    ) -> Option<Transition> {
        self.votes.record(from, response.granted);
        self.outcome(state)
    }

    fn outcome(&self, state: &NodeState) -> Option<Transition> {
        if let Some(proof) = self.votes.won(state.membership(), state.term()) {
            Some(Transition::Leader(proof))
        } else if self.votes.is_lost(state.membership()) {
            Some(Transition::Follower { leader: None, cause: RoleCause::ElectionLost })
        } else {
            None
        }
    }
}

fn own_vote_is_durable(state: &NodeState) -> bool {
    state.hard_state_is_durable() && state.voted_for() == Some(state.id())
}

fn other_voters(state: &NodeState) -> alloc::vec::Vec<NodeId> {
    let membership = state.membership();
    state.peers().into_iter().filter(|&peer| membership.is_voter(peer)).collect()
}
