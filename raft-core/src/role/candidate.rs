//! Elections: first the pre-vote, then the vote.

use alloc::vec::Vec;

use super::transition::Transition;
use super::votes::VoteCount;
use crate::event::RoleCause;
use crate::message::{Body, PreVote, PreVoteResponse, RequestVote, RequestVoteResponse};
use crate::state::{DependsOn, NodeState};
use crate::types::{NodeId, Timestamp};

/// Finds out, without a change of term, whether an election would be won (thesis §9.6).
#[derive(Clone, Debug)]
pub(crate) struct PreCandidate {
    election_deadline: Timestamp,
    pre_votes: VoteCount,
    /// The votes of the current term, if this node was a candidate in it just before. Responses of
    /// voters with a slow disk arrive late; their votes count as long as no later term has begun.
    votes: Option<VoteCount>,
}

impl PreCandidate {
    /// Requests pre-votes. `votes` are those of the current term, if this node requested any. In a
    /// cluster of one the pre-vote is won immediately.
    pub(crate) fn begin(
        state: &mut NodeState,
        votes: Option<VoteCount>,
    ) -> (Self, Option<Transition>) {
        let mut pre_votes = VoteCount::default();
        pre_votes.record(state.id(), true);
        let request = PreVote { campaign_term: state.term().next(), last_log: state.log().last() };
        for peer in other_voters(state) {
            state.send(peer, Body::PreVote(request));
        }
        let election_deadline = state.draw_election_deadline();
        let candidate = Self { election_deadline, pre_votes, votes };
        let next = candidate.outcome(state);
        (candidate, next)
    }

    /// When a tick is next useful.
    pub(crate) const fn deadline(&self) -> Timestamp {
        self.election_deadline
    }

    /// The pre-votes so far.
    pub(super) const fn pre_votes(&self) -> &VoteCount {
        &self.pre_votes
    }

    /// The votes of the current term, if this node was a candidate in it.
    pub(crate) fn votes(&self) -> Option<VoteCount> {
        self.votes.clone()
    }

    pub(crate) fn on_tick(&self, state: &NodeState) -> Option<Transition> {
        (state.now() >= self.election_deadline).then(|| Transition::campaign_again(state))
    }

    /// A voter responded. Responses for another term than the requested one are late ones.
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

    /// A voter responded to the vote request that this node sent as a candidate of the current
    /// term.
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

    /// A persist is durable: perhaps the one with the node's own vote.
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

/// Requests votes in a term of its own (Raft §5.2).
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// Until the node's own vote is durable: when it steps down. From then on: when it campaigns
    /// again.
    election_deadline: Timestamp,
    started_at: Timestamp,
    own_vote: OwnVote,
    votes: VoteCount,
}

/// Whether a candidate's vote for itself counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum OwnVote {
    /// It is being persisted; the vote requests depend on it and are held.
    Persisting,
    Durable,
}

impl Candidate {
    /// Requests votes once the node's own vote is durable.
    pub(crate) fn begin(state: &mut NodeState, cause: RoleCause) -> Self {
        let leadership_transfer = cause == RoleCause::TransferRequested;
        let request = RequestVote { last_log: state.log().last(), leadership_transfer };
        for peer in other_voters(state) {
            // A vote request implies that its sender has voted for itself in that term.
            state.send_when_durable(peer, Body::RequestVote(request), DependsOn::HardState);
        }
        Self {
            election_deadline: state.now().after(state.config().stall_timeout()),
            started_at: state.now(),
            own_vote: OwnVote::Persisting,
            votes: VoteCount::default(),
        }
    }

    /// When a tick is next useful.
    pub(crate) const fn deadline(&self) -> Timestamp {
        self.election_deadline
    }

    /// The votes so far.
    pub(super) const fn counted_votes(&self) -> &VoteCount {
        &self.votes
    }

    /// The votes of the current term.
    pub(crate) fn votes(&self) -> VoteCount {
        self.votes.clone()
    }

    pub(crate) fn on_tick(&self, state: &NodeState) -> Option<Transition> {
        if state.now() < self.election_deadline {
            return None;
        }
        Some(match self.own_vote {
            OwnVote::Durable => Transition::campaign_again(state),
            OwnVote::Persisting => {
                Transition::Follower { leader: None, cause: RoleCause::StorageStalled }
            }
        })
    }

    /// A persist is durable: the node's own vote counts once it is. The vote requests are sent now
    /// and not earlier, so the election timeout begins now. It is extended by the time that this
    /// node's disk took, since a voter has to persist its vote, too.
    pub(crate) fn on_persisted(&mut self, state: &mut NodeState) -> Option<Transition> {
        if self.own_vote == OwnVote::Persisting && own_vote_is_durable(state) {
            self.own_vote = OwnVote::Durable;
            let voter_persist = state.now().since(self.started_at);
            self.election_deadline = state.draw_election_deadline().after(voter_persist);
            self.votes.record(state.id(), true);
        }
        self.outcome(state)
    }

    /// A voter responded in this term.
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

fn other_voters(state: &NodeState) -> Vec<NodeId> {
    let membership = state.membership();
    state.peers().filter(|&peer| membership.is_voter(peer)).collect()
}
