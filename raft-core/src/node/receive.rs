//! Messages: checked, sorted by term, handed to the role they concern.

use super::Node;
use crate::event::{Event, RoleCause};
use crate::message::validate::InvalidMessage;
use crate::message::{
    AppendEntries, Body, Message, PreVote, PreVoteResponse, RequestVote, RequestVoteResponse,
};
use crate::outbox::DependsOn;
use crate::role::{Role, Transition};
use crate::types::{Incarnation, NodeId, Term};

impl Node {
    pub(super) fn on_message(&mut self, message: Message) -> Option<Transition> {
        let kind = message.body.kind();
        let Message { from, from_incarnation, term, .. } = message;
        let checked = message
            .validate(&self.state.config.identity)
            .and_then(|()| self.check_incarnation(from, from_incarnation));
        if let Err(reason) = checked {
            self.refuse_message(from, kind, reason);
            return None;
        }
        match message.body {
            Body::PreVote(request) => self.on_pre_vote(from, term, request),
            Body::PreVoteResponse(response) => self.on_pre_vote_response(from, term, response),
            Body::RequestVote(request) => self.on_request_vote(from, term, request),
            Body::RequestVoteResponse(response) => {
                self.on_request_vote_response(from, term, response)
            }
            Body::AppendEntries(append) => self.on_append_entries(from, term, append),
            Body::AppendEntriesResponse(response) => self.if_current_term(term, |node| {
                let Role::Leader(leader) = &mut node.role else { return None };
                let taken = leader.on_append_response(&mut node.state, from, response);
                if let Err(reason) = taken {
                    node.refuse_message(from, kind, reason);
                }
                None
            }),
        }
    }

    /// A peer's disk has lives; only the latest speaks (etcd and openraft were broken by answers
    /// that outlived a replaced node).
    fn check_incarnation(
        &mut self,
        from: NodeId,
        incarnation: Incarnation,
    ) -> Result<(), InvalidMessage> {
        match self.state.incarnations.get(&from) {
            Some(&known) if known > incarnation => Err(InvalidMessage::SupersededSender(known)),
            Some(&known) if known == incarnation => Ok(()),
            known => {
                let replaced = known.is_some();
                // Only members are remembered: strangers must not grow the map.
                if self.state.membership().contains(from) {
                    self.state.incarnations.insert(from, incarnation);
                }
                if replaced && let Role::Leader(leader) = &mut self.role {
                    leader.on_new_incarnation(&self.state, from);
                }
                Ok(())
            }
        }
    }

    /// Follows into a later term. The change of role happens at once, so that what comes next is
    /// handled by a follower of that term.
    fn adopt_term(&mut self, term: Term) {
        self.state.enter_term(term);
        let cause = RoleCause::HigherTerm;
        if matches!(self.role, Role::Follower(_)) {
            // Keeps the election deadline: hearing of a term is not hearing from its leader.
            return;
        }
        let next = self.role.enter(&mut self.state, Transition::Follower { leader: None, cause });
        assert!(next.is_none(), "a follower asks for nothing");
    }

    /// "Would you vote for me?" (thesis §9.6). Nothing changes here but, possibly, the term.
    fn on_pre_vote(&mut self, from: NodeId, term: Term, request: PreVote) -> Option<Transition> {
        let protected = self.role.protects_leader(&self.state);
        if term > self.state.term() && !protected {
            // Nobody leads and the asker has been further: without this, a node with a higher
            // term and a shorter log and one with a lower term and a longer log block each other.
            self.adopt_term(term);
        }
        // A vote of this node would not become durable while its disk is stalled.
        let granted = !protected
            && !self.state.storage_is_stalled()
            && request.campaign_term > self.state.term()
            && self.state.is_up_to_date(request.last_log);
        // A refusal carries this node's term: one that was left behind learns of it.
        let response = PreVoteResponse { campaign_term: request.campaign_term, granted };
        let response = Body::PreVoteResponse(response);
        self.state.send_when_durable(from, response, DependsOn::HardState);
        None
    }

    fn on_pre_vote_response(
        &mut self,
        from: NodeId,
        term: Term,
        response: PreVoteResponse,
    ) -> Option<Transition> {
        if term > self.state.term() {
            self.adopt_term(term);
            return None;
        }
        // An answer from an earlier term still tells what its sender would do.
        match &mut self.role {
            Role::PreCandidate(candidate) => {
                candidate.on_pre_vote_response(&self.state, from, response)
            }
            // A grant that comes late, after the election it asked about (openraft's
            // PR 1839): it must not start another.
            Role::Follower(_) | Role::Candidate(_) | Role::Leader(_) => None,
        }
    }

    fn on_request_vote(
        &mut self,
        from: NodeId,
        term: Term,
        request: RequestVote,
    ) -> Option<Transition> {
        if term > self.state.term() {
            if self.role.protects_leader(&self.state) && !request.leadership_transfer {
                // Neither term nor vote: a healthy leader is not disturbed (thesis §4.2.3).
                return None;
            }
            self.adopt_term(term);
        }
        let voted_for = self.state.voted_for();
        let may_vote = match voted_for {
            Some(voted) => voted == from,
            None => self.state.leader.is_none(),
        };
        let granted =
            term == self.state.term() && may_vote && self.state.is_up_to_date(request.last_log);
        let mut next = None;
        if granted {
            self.state.vote_for(from);
            match &mut self.role {
                Role::Follower(follower) => follower.on_vote_given(&mut self.state),
                Role::PreCandidate(_) => {
                    let cause = RoleCause::VoteGranted;
                    next = Some(Transition::Follower { leader: None, cause });
                }
                // Both voted for themselves in this term.
                Role::Candidate(_) | Role::Leader(_) => {}
            }
        }
        let response = Body::RequestVoteResponse(RequestVoteResponse { granted });
        self.state.send_when_durable(from, response, DependsOn::HardState);
        next
    }

    fn on_request_vote_response(
        &mut self,
        from: NodeId,
        term: Term,
        response: RequestVoteResponse,
    ) -> Option<Transition> {
        self.if_current_term(term, |node| match &mut node.role {
            Role::Candidate(candidate) => {
                candidate.on_request_vote_response(&node.state, from, response)
            }
            Role::PreCandidate(candidate) => {
                candidate.on_late_vote_response(&node.state, from, response)
            }
            Role::Follower(_) | Role::Leader(_) => None,
        })
    }

    fn on_append_entries(
        &mut self,
        from: NodeId,
        term: Term,
        append: AppendEntries,
    ) -> Option<Transition> {
        if term < self.state.term() {
            // A deposed leader: the answer's term tells it so, its outcome means nothing.
            self.state.respond_to_stale_append(from, &append);
            return None;
        }
        if term > self.state.term() {
            self.adopt_term(term);
        }
        match &self.role {
            Role::Follower(_) => {}
            Role::PreCandidate(_) | Role::Candidate(_) => {
                let cause = RoleCause::LeaderDiscovered;
                let follow = Transition::Follower { leader: Some(from), cause };
                let next = self.role.enter(&mut self.state, follow);
                assert!(next.is_none(), "a follower asks for nothing");
            }
            Role::Leader(_) => {
                self.refuse_message(from, "append_entries", InvalidMessage::SecondLeader);
                return None;
            }
        }
        match self.state.leader {
            Some(leader) if leader != from => {
                self.refuse_message(from, "append_entries", InvalidMessage::SecondLeader);
                return None;
            }
            Some(_) => {}
            None => {
                self.state.leader = Some(from);
                self.state.event(Event::LeaderDiscovered { leader: from, term });
            }
        }
        if let Role::Follower(follower) = &mut self.role {
            follower.on_leader_contact(&mut self.state);
        }
        self.state.retry_failed_apply();
        self.state.retry_failed_fetch();
        if let Err(reason) = self.state.accept_append(from, append) {
            self.refuse_message(from, "append_entries", reason);
        }
        None
    }

    /// Answers of an older term mean nothing any more; one of a later term ends this one.
    fn if_current_term(
        &mut self,
        term: Term,
        handle: impl FnOnce(&mut Self) -> Option<Transition>,
    ) -> Option<Transition> {
        if term < self.state.term() {
            return None;
        }
        if term > self.state.term() {
            self.adopt_term(term);
            return None;
        }
        handle(self)
    }
}
