//! The checker: what it has observed, and how it is notified.

use std::collections::HashMap;

use raft_core::{HardState, LogIndex, Membership, NodeId, Persist, RoleKind, Status, Term};

use super::committed::CommittedEntries;
use super::confirmations::ReadConfirmations;
use super::known_entries::EntryRegistry;
use super::observed::{EntryDigest, ObservedNode, node_id, offset_of};
use super::rule::Rule;
use super::violation::{Observation, Violation};

/// Watches a cluster.
#[derive(Clone, Debug)]
pub(crate) struct Checker {
    pub(super) nodes: Vec<ObservedNode>,
    pub(super) membership: Membership,
    pub(super) registry: EntryRegistry,
    /// The leader of each term, and the record at which it was observed first.
    pub(super) leaders: HashMap<Term, (NodeId, u64)>,
    pub(super) committed: CommittedEntries,
    /// The candidate that each node has given its vote to, a term.
    pub(super) votes: HashMap<(NodeId, Term), (NodeId, u64)>,
    /// The highest index that a client has seen the effect of, and when.
    pub(super) client_seen: (LogIndex, u64),
    pub(super) confirmations: ReadConfirmations,
    pub(super) violation: Option<Violation>,
}

impl Checker {
    pub(crate) fn new(size: usize, membership: Membership) -> Self {
        Self {
            nodes: vec![ObservedNode::default(); size],
            membership,
            registry: EntryRegistry::default(),
            leaders: HashMap::new(),
            committed: CommittedEntries::default(),
            votes: HashMap::new(),
            client_seen: (LogIndex::ZERO, 0),
            confirmations: ReadConfirmations::new(size),
            violation: None,
        }
    }

    pub(crate) const fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Keeps the first violation: what follows from it is noise.
    pub(super) fn violate(&mut self, rule: Rule, earlier: (String, u64), later: (String, u64)) {
        if self.violation.is_none() {
            let witness = |(text, record)| Observation { text, record };
            self.violation =
                Some(Violation { rule, earlier: witness(earlier), later: witness(later) });
        }
    }

    /// The node handed a change to its disk.
    pub(crate) fn on_persist(&mut self, at: usize, change: &Persist, record: u64) {
        self.check_truncation(at, change, record);
        for entry in &change.entries {
            self.check_append(at, entry, record);
        }
    }

    /// The change is durable.
    pub(crate) fn on_durable(&mut self, at: usize, change: &Persist, record: u64) {
        if let Some(hard_state) = change.hard_state {
            self.check_durable_vote(at, hard_state, record);
        }
        let Some(node) = self.nodes.get_mut(at) else { return };
        if let Some(from) = change.truncate_from {
            node.durable.truncate(offset_of(from).unwrap_or(0));
        }
        node.durable.extend(change.entries.iter().map(EntryDigest::of));
    }

    /// The node is as this says after an event.
    pub(crate) fn observe(&mut self, at: usize, status: &Status, record: u64) {
        let Some(node) = self.nodes.get_mut(at) else { return };
        if status.term != node.term {
            if status.term < node.term {
                let earlier = (format!("{:?} was in term {}", status.node, node.term), record);
                let later = (format!("{:?} is in term {}", status.node, status.term), record);
                self.violate(Rule::TermMonotonic, earlier, later);
                return;
            }
            node.term = status.term;
            node.role = None;
        }
        if node.role != Some(status.role) {
            node.role = Some(status.role);
            if status.role == RoleKind::Leader {
                self.on_leader(at, status, record);
            }
        }
        let Some(node) = self.nodes.get(at) else { return };
        if status.commit_index != node.commit {
            self.on_commit_moved(at, status, record);
        }
    }

    /// The node's process is gone: what was not durable is forgotten.
    pub(crate) fn on_crash(&mut self, at: usize) {
        if let Some(node) = self.nodes.get_mut(at) {
            node.log.clone_from(&node.durable);
            node.term = node.hard_state.term;
            node.role = None;
            node.commit = LogIndex::ZERO;
            node.applied = LogIndex::ZERO;
        }
        self.confirmations.forget_reads_of(node_id(at));
    }

    /// The node came back and says what it holds.
    pub(crate) fn on_restart(
        &mut self,
        at: usize,
        status: &Status,
        applied: LogIndex,
        record: u64,
    ) {
        let Some(node) = self.nodes.get_mut(at) else { return };
        node.applied = applied;
        let kept = node.durable.len() as u64;
        let hard_state = node.hard_state;
        let same = status.last_log.index.get() == kept
            && status.last_log.term == node.durable.last().map_or(Term(0), |digest| digest.term)
            && status.term == hard_state.term
            && status.voted_for == hard_state.voted_for;
        if !same {
            let had = format!(
                "{:?} had {kept} durable entries, term {} and vote {:?}",
                status.node, hard_state.term, hard_state.voted_for
            );
            let has = format!(
                "{:?} came back with last entry {}, term {} and vote {:?}",
                status.node, status.last_log, status.term, status.voted_for
            );
            self.violate(Rule::DurableKept, (had, record), (has, record));
            return;
        }
        self.observe(at, status, record);
    }

    /// A test set the node's term and vote by hand: what was known of them no longer binds.
    pub(crate) fn on_staged(&mut self, at: usize, id: NodeId, hard_state: HardState) {
        if let Some(node) = self.nodes.get_mut(at) {
            node.hard_state = hard_state;
            node.term = hard_state.term;
            self.votes.retain(|&(voter, term), _| voter != id || term < hard_state.term);
        }
    }
}
