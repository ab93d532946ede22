//! Following: keeping the log as the leader says, and noticing when no leader is left.

use super::Transition;
use crate::event::RoleCause;
use crate::message::validate::InvalidMessage;
use crate::message::{AppendEntries, AppendEntriesResponse, AppendOutcome, Body};
use crate::outbox::DependsOn;
use crate::state::NodeState;
use crate::types::{LogId, NodeId, Round, Timestamp};

/// Answers; never asks (Raft §5.1).
#[derive(Clone, Debug)]
pub(crate) struct Follower {
    pub(crate) election_deadline: Timestamp,
    /// When the leader of this term was last heard from.
    last_contact: Option<Timestamp>,
}

impl Follower {
    pub(crate) fn new(state: &mut NodeState) -> Self {
        Self { election_deadline: state.draw_election_deadline(), last_contact: None }
    }

    /// The leader showed itself: it has another election timeout.
    pub(crate) fn on_leader_contact(&mut self, state: &mut NodeState) {
        self.last_contact = Some(state.now);
        self.election_deadline = state.draw_election_deadline();
    }

    /// A vote was given: the candidate has an election timeout to make something of it.
    pub(crate) fn on_vote_given(&mut self, state: &mut NodeState) {
        self.election_deadline = state.draw_election_deadline();
    }

    /// The node's term and vote became durable. Its response to a candidate leaves only now, so
    /// that the candidate's election timeout begins now.
    pub(crate) fn on_hard_state_durable(&mut self, state: &mut NodeState) {
        if state.leader.is_none() && state.voted_for().is_some() {
            self.election_deadline = state.draw_election_deadline();
        }
    }

    /// Whether a leader showed itself within the shortest election timeout.
    pub(crate) fn has_recent_contact(&self, state: &NodeState) -> bool {
        state.leader.is_some()
            && self
                .last_contact
                .is_some_and(|contact| state.now.since(contact) < state.config.election_timeout_min)
    }

    pub(crate) fn on_tick(&mut self, state: &mut NodeState) -> Option<Transition> {
        if state.now < self.election_deadline {
            return None;
        }
        // Before its last vote is durable the node can neither answer for it nor cast another: the
        // election timeout begins again when it is.
        let may_campaign = state.membership().is_voter(state.id())
            && state.hard_state_is_durable()
            && !state.storage_is_stalled();
        if !may_campaign {
            self.election_deadline = state.draw_election_deadline();
            return None;
        }
        Some(state.campaign(RoleCause::ElectionTimeout))
    }
}

impl NodeState {
    /// The change of role that starts an election.
    pub(crate) const fn campaign(&self, cause: RoleCause) -> Transition {
        if self.config.pre_vote {
            Transition::PreCandidate { cause }
        } else {
            Transition::Candidate { cause }
        }
    }

    /// The next campaign after one that ended without a result, unless the disk is stalled.
    pub(crate) fn campaign_again(&self) -> Transition {
        if self.storage_is_stalled() {
            Transition::Follower { leader: None, cause: RoleCause::StorageStalled }
        } else {
            self.campaign(RoleCause::ElectionTimeout)
        }
    }

    /// Takes an append of the leader of this term into the log and answers it (Raft §5.3).
    ///
    /// # Errors
    /// When the append contradicts what is committed here: it has no effect and no answer.
    pub(crate) fn accept_append(
        &mut self,
        leader: NodeId,
        append: AppendEntries,
    ) -> Result<(), InvalidMessage> {
        let AppendEntries { prev, mut entries, commit, round } = append;
        let base = self.log.terms().base();
        let last_new = prev.index + entries.len() as u64;
        if prev.index < base.index {
            // What was compacted is committed, so it agrees; only what follows is looked at.
            entries.retain(|entry| entry.index() > base.index);
        } else if !self.log.terms().contains(prev) {
            self.leader_commit = self.leader_commit.max(commit);
            self.reject_append(leader, prev, round);
            return Ok(());
        }
        let known = entries.iter().take_while(|e| self.log.terms().contains(e.id)).count();
        if let Some(first_new) = entries.get(known) {
            let from = first_new.index();
            if from <= self.commit_index() {
                return Err(InvalidMessage::ConflictsWithCommitted);
            }
            if self.log.term_at(from.previous()).is_none_or(|before| before > first_new.term()) {
                return Err(InvalidMessage::EntriesNotContiguous);
            }
            if from <= self.log.last().index {
                self.truncate_from(from);
            }
        }
        self.leader_commit = self.leader_commit.max(commit);
        let appends_anything = known < entries.len();
        for entry in entries.drain(known..) {
            self.append(entry);
        }
        // A delayed append may end before what is committed or even before what is here.
        self.commit_to(commit.min(last_new).min(self.log.last().index));
        let (match_index, depends_on) = if appends_anything {
            (last_new, DependsOn::HardStateAndLog)
        } else {
            // Says at once what is durable already, so that a sign of life never waits for the
            // disk; what is still on its way there is promised by the answer to its own append.
            let agreed = last_new.max(base.index.min(self.commit_index()));
            (agreed.min(self.log.persisted()), DependsOn::HardState)
        };
        let outcome = AppendOutcome::Matched { match_index };
        let response = Body::AppendEntriesResponse(AppendEntriesResponse { round, outcome });
        self.send_when_durable(leader, response, depends_on);
        Ok(())
    }

    fn reject_append(&mut self, leader: NodeId, prev: LogId, round: Round) {
        let outcome = AppendOutcome::Rejected {
            prev_index: prev.index,
            last_index: self.log.last().index,
            hint: self.log.terms().highest_at_most(prev.index, prev.term),
        };
        let response = Body::AppendEntriesResponse(AppendEntriesResponse { round, outcome });
        self.send_when_durable(leader, response, DependsOn::HardState);
    }

    /// Tells a deposed leader, by the term of the answer, that it is one. The answer carries no
    /// round: its receiver may lead the answer's term by now, and rounds of two terms that share a
    /// number must not be taken for each other.
    pub(crate) fn respond_to_stale_append(&mut self, from: NodeId, append: &AppendEntries) {
        self.reject_append(from, append.prev, Round::NONE);
    }

    /// Whether a log that ends like this is at least as up to date as ours (Raft §5.4.1).
    pub(crate) fn is_up_to_date(&self, last_log: LogId) -> bool {
        last_log >= self.log.last()
    }
}
