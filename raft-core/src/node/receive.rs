//! Messages: checked, sorted by term, handed to the role they concern.

use super::Node;
use crate::event::{Event, RoleCause};
use crate::message::validate::InvalidMessage;
use crate::message::{
    AppendEntries, Body, Message, PreVote, PreVoteResponse, RequestVote, RequestVoteResponse,
};
use crate::outbox::Promise;
use crate::role::{Role, Transition};
use crate::types::{Incarnation, NodeId, Term};

impl Node {
    pub(super) fn on_message(&mut self, message: Message) -> Option<Transition> {
        let kind = message.body.kind();
        let Message { from, from_incarnation, term, .. } = message;
        let checked = message
            .validate(&self.core.config.identity)
            .and_then(|()| self.check_incarnation(from, from_incarnation));
        if let Err(reason) = checked {
            self.refuse_message(from, kind, reason);
            return None;
        }
        match message.body {
            Body::PreVote(ask) => self.on_pre_vote(from, term, ask),
            Body::PreVoteResponse(answer) => self.on_pre_vote_response(from, term, answer),
            Body::RequestVote(ask) => self.on_request_vote(from, term, ask),
            Body::RequestVoteResponse(answer) => self.on_request_vote_response(from, term, answer),
            Body::AppendEntries(append) => self.on_append_entries(from, term, append),
            Body::AppendEntriesResponse(answer) => self.with_term_of_response(term, |node| {
                let Role::Leader(leader) = &mut node.role else { return None };
                let taken = leader.on_append_response(&mut node.core, from, answer);
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
        match self.core.incarnations.get(&from) {
            Some(&known) if known > incarnation => Err(InvalidMessage::SupersededSender(known)),
            Some(&known) if known == incarnation => Ok(()),
            known => {
                let replaced = known.is_some();
                // Only members are remembered: strangers must not grow the map.
                if self.core.membership().contains(from) {
                    self.core.incarnations.insert(from, incarnation);
                }
                if replaced && let Role::Leader(leader) = &mut self.role {
                    leader.on_new_incarnation(&self.core, from);
                }
                Ok(())
            }
        }
    }

    /// Follows into a later term. The change of role happens at once, so that what comes next is
    /// handled by a follower of that term.
    fn follow_into(&mut self, term: Term) {
        self.core.enter_term(term);
        let cause = RoleCause::HigherTerm;
        if matches!(self.role, Role::Follower(_)) {
            // Keeps the election deadline: hearing of a term is not hearing from its leader.
            return;
        }
        let next = self.role.enter(&mut self.core, Transition::Follower { leader: None, cause });
        assert!(next.is_none(), "a follower asks for nothing");
    }

    /// "Would you vote for me?" (thesis §9.6). Nothing changes here but, possibly, the term.
    fn on_pre_vote(&mut self, from: NodeId, term: Term, ask: PreVote) -> Option<Transition> {
        let protected = self.role.protects_leader(&self.core);
        if term > self.core.term() && !protected {
            // Nobody leads and the asker has been further: without this, a node with a higher
            // term and a shorter log and one with a lower term and a longer log block each other.
            self.follow_into(term);
        }
        // A vote of this node would not become durable while its disk is stalled.
        let granted = !protected
            && !self.core.storage_is_stalled()
            && ask.campaign_term > self.core.term()
            && self.core.is_up_to_date(ask.last_log);
        // A refusal carries this node's term: one that was left behind learns of it.
        let answer = PreVoteResponse { campaign_term: ask.campaign_term, granted };
        let answer = Body::PreVoteResponse(answer);
        self.core.send_when_durable(from, answer, Promise::HardState);
        None
    }

    fn on_pre_vote_response(
        &mut self,
        from: NodeId,
        term: Term,
        answer: PreVoteResponse,
    ) -> Option<Transition> {
        if term > self.core.term() {
            self.follow_into(term);
            return None;
        }
        // An answer from an earlier term still tells what its sender would do.
        match &mut self.role {
            Role::PreCandidate(candidate) => {
                candidate.on_pre_vote_response(&self.core, from, answer)
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
        ask: RequestVote,
    ) -> Option<Transition> {
        if term > self.core.term() {
            if self.role.protects_leader(&self.core) && !ask.leadership_transfer {
                // Neither term nor vote: a healthy leader is not disturbed (thesis §4.2.3).
                return None;
            }
            self.follow_into(term);
        }
        let voted_for = self.core.voted_for();
        let may_vote = match voted_for {
            Some(voted) => voted == from,
            None => self.core.leader.is_none(),
        };
        let granted = term == self.core.term() && may_vote && self.core.is_up_to_date(ask.last_log);
        let mut next = None;
        if granted {
            self.core.vote_for(from);
            match &mut self.role {
                Role::Follower(follower) => follower.on_vote_given(&mut self.core),
                Role::PreCandidate(_) => {
                    let cause = RoleCause::VoteGranted;
                    next = Some(Transition::Follower { leader: None, cause });
                }
                // Both voted for themselves in this term.
                Role::Candidate(_) | Role::Leader(_) => {}
            }
        }
        let answer = Body::RequestVoteResponse(RequestVoteResponse { granted });
        self.core.send_when_durable(from, answer, Promise::HardState);
        next
    }

    fn on_request_vote_response(
        &mut self,
        from: NodeId,
        term: Term,
        answer: RequestVoteResponse,
    ) -> Option<Transition> {
        self.with_term_of_response(term, |node| match &mut node.role {
            Role::Candidate(candidate) => {
                candidate.on_request_vote_response(&node.core, from, answer)
            }
            Role::PreCandidate(candidate) => {
                candidate.on_late_vote_response(&node.core, from, answer)
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
        if term < self.core.term() {
            // A deposed leader: the answer's term tells it so, its outcome means nothing.
            self.core.answer_stale_append(from, &append);
            return None;
        }
        if term > self.core.term() {
            self.follow_into(term);
        }
        match &self.role {
            Role::Follower(_) => {}
            Role::PreCandidate(_) | Role::Candidate(_) => {
                let cause = RoleCause::LeaderDiscovered;
                let follow = Transition::Follower { leader: Some(from), cause };
                let next = self.role.enter(&mut self.core, follow);
                assert!(next.is_none(), "a follower asks for nothing");
            }
            Role::Leader(_) => {
                self.refuse_message(from, "append_entries", InvalidMessage::SecondLeader);
                return None;
            }
        }
        match self.core.leader {
            Some(leader) if leader != from => {
                self.refuse_message(from, "append_entries", InvalidMessage::SecondLeader);
                return None;
            }
            Some(_) => {}
            None => {
                self.core.leader = Some(from);
                self.core.event(Event::LeaderDiscovered { leader: from, term });
            }
        }
        if let Role::Follower(follower) = &mut self.role {
            follower.on_leader_heard(&mut self.core);
        }
        self.core.retry_failed_apply();
        self.core.retry_failed_fetch();
        if let Err(reason) = self.core.accept_append(from, append) {
            self.refuse_message(from, "append_entries", reason);
        }
        None
    }

    /// Answers of an older term mean nothing any more; one of a later term ends this one.
    fn with_term_of_response(
        &mut self,
        term: Term,
        handle: impl FnOnce(&mut Self) -> Option<Transition>,
    ) -> Option<Transition> {
        if term < self.core.term() {
            return None;
        }
        if term > self.core.term() {
            self.follow_into(term);
            return None;
        }
        handle(self)
    }
}
