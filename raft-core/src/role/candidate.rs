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
    /// The votes of the current term, if this node was a candidate in it just before. Voters with
    /// a slow disk answer late; as long as no later term has begun, their votes still elect.
    votes: Option<Tally>,
}

impl PreCandidate {
    pub(crate) fn begin(core: &mut Core, votes: Option<Tally>) -> (Self, Option<Transition>) {
        let mut tally = Tally::default();
        tally.record(core.id(), true);
        let ask = PreVote { campaign_term: core.term().next(), last_log: core.log.last() };
        for peer in voters_besides_me(core) {
            core.send(peer, Body::PreVote(ask));
        }
        let candidate = Self { election_deadline: core.draw_election_deadline(), tally, votes };
        let next = candidate.outcome(core);
        (candidate, next)
    }

    pub(crate) const fn take_votes(&mut self) -> Option<Tally> {
        self.votes.take()
    }

    pub(crate) fn on_tick(&self, core: &Core) -> Option<Transition> {
        (core.now >= self.election_deadline).then(|| core.campaign_again())
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

    /// A voter answered the vote request that this node sent as a candidate of the current term.
    pub(crate) fn on_late_vote_response(
        &mut self,
        core: &Core,
        from: NodeId,
        answer: RequestVoteResponse,
    ) -> Option<Transition> {
        let votes = self.votes.as_mut()?;
        votes.record(from, answer.granted);
        votes.won(core.membership(), core.term()).map(Transition::Leader)
    }

    /// Something became durable.
    pub(crate) fn on_persisted(&mut self, core: &Core) -> Option<Transition> {
        let votes = self.votes.as_mut()?;
        if own_vote_is_durable(core) {
            votes.record(core.id(), true);
        }
        votes.won(core.membership(), core.term()).map(Transition::Leader)
    }

    fn outcome(&self, core: &Core) -> Option<Transition> {
        if core.storage_is_stalled() {
            Some(Transition::Follower { leader: None, cause: RoleCause::StorageStalled })
        } else if self.tally.is_granted(core.membership()) {
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
    /// Until the node's own vote is durable: when it gives up. From then on: when it campaigns
    /// again.
    pub(crate) election_deadline: Timestamp,
    began: Timestamp,
    own_vote: OwnVote,
    votes: Tally,
}

/// Whether a candidate's vote for itself counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum OwnVote {
    /// On its way to the disk; vote requests wait for it too.
    Persisting,
    Durable,
}

impl Candidate {
    pub(crate) fn begin(core: &mut Core) -> Self {
        let ask = RequestVote { last_log: core.log.last(), leadership_transfer: false };
        for peer in voters_besides_me(core) {
            // The request itself says that this node voted for itself: durable first.
            core.send_when_durable(peer, Body::RequestVote(ask), Promise::HardState);
        }
        Self {
            election_deadline: core.now.after(core.config.stall_timeout()),
            began: core.now,
            own_vote: OwnVote::Persisting,
            votes: Tally::default(),
        }
    }

    pub(crate) fn take_votes(&mut self) -> Tally {
        core::mem::take(&mut self.votes)
    }

    pub(crate) fn on_tick(&self, core: &Core) -> Option<Transition> {
        if core.now < self.election_deadline {
            return None;
        }
        Some(match self.own_vote {
            OwnVote::Durable => core.campaign_again(),
            OwnVote::Persisting => {
                Transition::Follower { leader: None, cause: RoleCause::StorageStalled }
            }
        })
    }

    /// Something became durable: the node's own vote counts once it is. The vote requests leave
    /// now and not earlier, so the election timeout begins now; a voter is given as long again as
    /// this node's disk took, since it has to make its vote durable too.
    pub(crate) fn on_persisted(&mut self, core: &mut Core) -> Option<Transition> {
        if self.own_vote == OwnVote::Persisting && own_vote_is_durable(core) {
            self.own_vote = OwnVote::Durable;
            let voter_persist = core.now.since(self.began);
            self.election_deadline = core.draw_election_deadline().after(voter_persist);
            self.votes.record(core.id(), true);
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
        self.votes.record(from, answer.granted);
        self.outcome(core)
    }

    fn outcome(&self, core: &Core) -> Option<Transition> {
        if let Some(proof) = self.votes.won(core.membership(), core.term()) {
            Some(Transition::Leader(proof))
        } else if self.votes.is_lost(core.membership()) {
            Some(Transition::Follower { leader: None, cause: RoleCause::ElectionLost })
        } else {
            None
        }
    }
}

fn own_vote_is_durable(core: &Core) -> bool {
    core.hard_state_is_durable() && core.voted_for() == Some(core.id())
}

fn voters_besides_me(core: &Core) -> alloc::vec::Vec<NodeId> {
    let membership = core.membership();
    core.peers().into_iter().filter(|&peer| membership.is_voter(peer)).collect()
}
