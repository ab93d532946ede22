//! Seeking leadership: first by asking whether it could be won, then by asking for votes.

use super::{Tally, Transition};
use crate::core::Core;
use crate::event::RoleCause;
use crate::message::{Body, PreVote, PreVoteResponse, RequestVote, RequestVoteResponse};
use crate::outbox::Promise;
use crate::types::{NodeId, Timestamp};

/// Asks, without touching any term, whether an election would be won (thesis §9.6).
#[derive(Clone, Debug)]
pub(crate) struct PreCandidate {
    pub(crate) election_deadline: Timestamp,
    tally: Tally,
}

impl PreCandidate {
    pub(crate) fn begin(core: &mut Core) -> (Self, Option<Transition>) {
        let mut tally = Tally::default();
        tally.record(core.id(), true);
        let ask = PreVote { campaign_term: core.term().next(), last_log: core.log.last() };
        for peer in voters_besides_me(core) {
            core.send(peer, Body::PreVote(ask));
        }
        let candidate = Self { election_deadline: core.draw_election_deadline(), tally };
        let next = candidate.outcome(core);
        (candidate, next)
    }

    /// A voter answered. Answers about another term than the one asked for are late ones.
    pub(crate) fn on_pre_vote_response(
        &mut self,
        core: &Core,
        from: NodeId,
        answer: PreVoteResponse,
    ) -> Option<Transition> {
        if answer.campaign_term != core.term().next() {
            return None;
        }
        self.tally.record(from, answer.granted);
        self.outcome(core)
    }

    fn outcome(&self, core: &Core) -> Option<Transition> {
        if self.tally.is_granted(core.membership()) {
            Some(Transition::Candidate { cause: RoleCause::PreVoteWon })
        } else if self.tally.is_lost(core.membership()) {
            Some(Transition::Follower { leader: None, cause: RoleCause::ElectionLost })
        } else {
            None
        }
    }
}

/// Asks for votes in a term of its own (Raft §5.2).
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) election_deadline: Timestamp,
    tally: Tally,
}

impl Candidate {
    pub(crate) fn begin(core: &mut Core) -> Self {
        let ask = RequestVote { last_log: core.log.last(), leadership_transfer: false };
        for peer in voters_besides_me(core) {
            // The request itself says that this node voted for itself: durable first.
            core.send_when_durable(peer, Body::RequestVote(ask), Promise::HardState);
        }
        Self { election_deadline: core.draw_election_deadline(), tally: Tally::default() }
    }

    /// Something became durable: the node's own vote counts once it is.
    pub(crate) fn on_persisted(&mut self, core: &Core) -> Option<Transition> {
        if core.outbox.hard_state_is_durable() && core.voted_for() == Some(core.id()) {
            self.tally.record(core.id(), true);
        }
        self.outcome(core)
    }

    /// A voter answered in this term.
    pub(crate) fn on_request_vote_response(
        &mut self,
        core: &Core,
        from: NodeId,
        answer: RequestVoteResponse,
    ) -> Option<Transition> {
        self.tally.record(from, answer.granted);
        self.outcome(core)
    }

    fn outcome(&self, core: &Core) -> Option<Transition> {
        if let Some(proof) = self.tally.won(core.membership(), core.term()) {
            Some(Transition::Leader(proof))
        } else if self.tally.is_lost(core.membership()) {
            Some(Transition::Follower { leader: None, cause: RoleCause::ElectionLost })
        } else {
            None
        }
    }
}

fn voters_besides_me(core: &Core) -> alloc::vec::Vec<NodeId> {
    let membership = core.membership();
    core.peers().into_iter().filter(|&peer| membership.is_voter(peer)).collect()
}
