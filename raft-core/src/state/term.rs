//! The current term and what is valid in it alone: the vote and the leader. The commit index is
//! here too, since it is persisted with them.

use crate::ports::HardState;
use crate::types::{LogIndex, NodeId, Term};

/// The hard state, and what a node knows of its current term.
#[derive(Clone, Debug)]
pub(crate) struct TermState {
    hard_state: HardState,
    /// Whether term or vote differ from those in the last persist that was emitted.
    changed: bool,
    /// The leader of this term, if known.
    leader: Option<NodeId>,
    /// The highest commit index that a valid append of this term has carried, possibly past the
    /// log. For the status alone: nothing is committed by it. It is reset with each term, so that a
    /// wrong value of one leader lasts no longer.
    leader_commit: LogIndex,
}

impl TermState {
    /// The state that was recovered: durable, and without a known leader.
    pub(crate) const fn recovered(hard_state: HardState) -> Self {
        Self { hard_state, changed: false, leader: None, leader_commit: LogIndex::ZERO }
    }

    /// The term, the vote and the commit index.
    pub(crate) const fn hard_state(&self) -> HardState {
        self.hard_state
    }

    /// Whether term or vote differ from those in the last persist that was emitted.
    pub(crate) const fn has_changed(&self) -> bool {
        self.changed
    }

    /// A persist with the current term and vote is emitted.
    pub(crate) const fn on_emitted(&mut self) {
        self.changed = false;
    }

    /// Enters a later term, in which the node has not voted and knows no leader.
    pub(crate) fn enter(&mut self, term: Term) {
        assert!(term > self.hard_state.term, "the term never falls");
        self.hard_state.term = term;
        self.hard_state.voted_for = None;
        self.changed = true;
        self.leader = None;
        self.leader_commit = LogIndex::ZERO;
    }

    /// Votes in the current term, once.
    pub(crate) fn vote_for(&mut self, candidate: NodeId) {
        let earlier = self.hard_state.voted_for;
        assert!(
            earlier.is_none_or(|voted| voted == candidate),
            "a node votes for one candidate in a term"
        );
        if earlier.is_none() {
            self.hard_state.voted_for = Some(candidate);
            self.changed = true;
        }
    }

    /// The log is committed up to `index`. Does not cause a persist: the next one carries it.
    pub(crate) fn commit_to(&mut self, index: LogIndex) {
        self.hard_state.commit = self.hard_state.commit.max(index);
    }

    /// The leader of this term, if known.
    pub(crate) const fn leader(&self) -> Option<NodeId> {
        self.leader
    }

    /// Sets the leader of this term; `None` if it is not known.
    pub(crate) const fn set_leader(&mut self, leader: Option<NodeId>) {
        self.leader = leader;
    }

    /// The highest commit index that is known of in this term; at least the node's own.
    pub(crate) fn commit_index_seen(&self) -> LogIndex {
        self.hard_state.commit.max(self.leader_commit)
    }

    /// A valid append of this term carried this commit index.
    pub(crate) fn on_leader_commit(&mut self, commit: LogIndex) {
        self.leader_commit = self.leader_commit.max(commit);
    }
}
