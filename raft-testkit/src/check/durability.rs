//! Checks of votes, and of messages that depend on persisted state.

use raft_core::{AppendOutcome, Body, HardState, LogIndex, Message, NodeId, Rpc, Term};

use super::checker::Checker;
use super::observed::{ObservedNode, node_id, vote_text};
use super::rule::Rule;
use crate::network::slot_of;

impl Checker {
    /// A term and vote became durable.
    pub(super) fn check_durable_vote(&mut self, at: usize, new: HardState, record: u64) {
        let Some(node) = self.nodes.get_mut(at) else { return };
        let old = node.hard_state;
        node.hard_state = new;
        let id = node_id(at);
        if new.term < old.term {
            let earlier = (format!("{id:?} has made term {} durable", old.term), record);
            let later = (format!("{id:?} makes term {} durable", new.term), record);
            self.record_violation(Rule::TermMonotonic, earlier, later);
        } else if new.term == old.term && old.voted_for.is_some() && new.voted_for != old.voted_for
        {
            let earlier =
                (format!("{id:?} has {} in term {}", vote_text(old.voted_for), old.term), record);
            let later = (
                format!("{id:?} makes {} durable in term {}", vote_text(new.voted_for), new.term),
                record,
            );
            self.record_violation(Rule::OneVote, earlier, later);
        }
    }

    /// The core emitted a message: the host may send it from now on.
    pub(crate) fn on_send(&mut self, message: &Message, record: u64) {
        self.confirmations.on_send(message);
        self.check_consistent(message, record);
        match message.body() {
            Body::RequestVote(request) => {
                self.check_vote(message, message.from, record);
                if request.leadership_transfer {
                    self.check_transfer_flag(message.from, message.term(), record);
                }
            }
            Body::InstallSnapshot(install) => {
                let membership = (install.membership_index, &install.membership);
                self.check_membership(message.from, install.last, membership, record);
            }
            Body::TimeoutNow(request) => self.check_timeout_now(message, *request, record),
            Body::RequestVoteResponse(response) if response.granted => {
                self.check_vote(message, message.to, record);
            }
            Body::AppendEntriesResponse(response) => {
                self.check_term_durable(
                    message.from,
                    message.term(),
                    "responds to an append",
                    record,
                );
                if let AppendOutcome::Matched { match_index } = response.outcome {
                    self.check_match(message.from, match_index, record);
                }
            }
            Body::PreVote(_)
            | Body::PreVoteResponse(_)
            | Body::RequestVoteResponse(_)
            | Body::AppendEntries(_)
            | Body::TimeoutNowResponse(_)
            | Body::ReadIndex(_)
            | Body::ReadIndexResponse(_) => {}
        }
    }

    /// The message is one that its receiver accepts from the wire.
    fn check_consistent(&mut self, message: &Message, record: u64) {
        if let Err(why) = Rpc::new(message.term(), message.body().clone()) {
            let earlier = (format!("a receiver refuses a message if {why}"), record);
            let later =
                (format!("{:?} sends such a message: {:?}", message.from, message.body()), record);
            self.record_violation(Rule::ConsistentMessages, earlier, later);
        }
    }

    /// The message votes for a candidate in its term: a vote request for its sender, a response for
    /// its receiver.
    fn check_vote(&mut self, message: &Message, candidate: NodeId, record: u64) {
        let (from, term) = (message.from, message.term());
        let given = *self
            .votes
            .entry((from, message.from_incarnation, term))
            .or_insert((candidate, record));
        if given.0 != candidate {
            let earlier = (format!("{from:?} voted for {:?} in term {term}", given.0), given.1);
            let later = (format!("{from:?} votes for {candidate:?}"), record);
            self.record_violation(Rule::OneVote, earlier, later);
            return;
        }
        let Some(node) = self.nodes.get(slot_of(from)) else { return };
        let HardState { term: durable, voted_for, .. } = node.hard_state;
        if durable != term || voted_for != Some(candidate) {
            let earlier = (
                format!("{from:?} has term {durable} and {} on its disk", vote_text(voted_for)),
                record,
            );
            let later =
                (format!("{from:?} sends its vote of term {term} for {candidate:?}"), record);
            self.record_violation(Rule::PersistBeforeSend, earlier, later);
        }
    }

    fn check_term_durable(&mut self, from: NodeId, term: Term, what: &str, record: u64) {
        let Some(node) = self.nodes.get(slot_of(from)) else { return };
        let durable = node.hard_state.term;
        if durable < term {
            let earlier = (format!("{from:?} has term {durable} on its disk"), record);
            let later = (format!("{from:?} {what} in term {term}"), record);
            self.record_violation(Rule::PersistBeforeSend, earlier, later);
        }
    }

    fn check_match(&mut self, from: NodeId, match_index: LogIndex, record: u64) {
        if match_index == LogIndex::ZERO {
            return;
        }
        let Some(node) = self.nodes.get(slot_of(from)) else { return };
        let durable = ObservedNode::at(&node.durable, match_index);
        if durable.is_none() || durable != ObservedNode::at(&node.log, match_index) {
            let earlier = (format!("{from:?} has {} durable entries", node.durable.len()), record);
            let later = (format!("{from:?} acknowledges the entries up to {match_index}"), record);
            self.record_violation(Rule::PersistBeforeSend, earlier, later);
        }
    }
}
