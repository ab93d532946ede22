//! What is committed stays, is the same everywhere, and is applied in order.

use raft_core::{Entry, LogIndex, RoleKind, Status, Term};

use super::log::node_id;
use super::{Checker, EntryDigest, ObservedNode, Rule, offset_of};

/// Every entry that some node held to be committed, by index.
#[derive(Clone, Debug, Default)]
pub(super) struct CommittedEntries {
    entries: Vec<CommittedEntry>,
    /// The digest of the state machine's output at an index, and who gave it.
    outputs: Vec<Option<(u64, usize, u64)>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct CommittedEntry {
    pub(super) digest: EntryDigest,
    /// The term of the node that first held it to be committed.
    pub(super) in_term: Term,
    pub(super) record: u64,
}

impl CommittedEntries {
    pub(super) fn at(&self, index: LogIndex) -> Option<CommittedEntry> {
        self.entries.get(offset_of(index)?).copied()
    }

    /// The last entry that was committed in a term before this one.
    pub(super) fn last_before(&self, term: Term) -> Option<(LogIndex, CommittedEntry)> {
        let at = self.entries.iter().rposition(|entry| entry.in_term < term)?;
        Some((LogIndex(at as u64 + 1), *self.entries.get(at)?))
    }
}

impl Checker {
    pub(super) fn on_commit_moved(&mut self, at: usize, status: &Status, record: u64) {
        let Some(node) = self.nodes.get_mut(at) else { return };
        let (before, now) = (node.commit, status.commit_index);
        node.commit = now;
        if now < before {
            let earlier = (format!("{:?} had committed {before}", status.node), record);
            let later = (format!("{:?} has committed {now}", status.node), record);
            self.violate(Rule::CommitMonotonic, earlier, later);
            return;
        }
        self.check_commit_term(at, status, record);
        for index in before.get() + 1..=now.get() {
            self.check_committed(at, LogIndex(index), status, record);
        }
    }

    /// The node's commit index advanced: as a leader to an entry of its own term, as any other node
    /// to what was committed before.
    fn check_commit_term(&mut self, at: usize, status: &Status, record: u64) {
        let (id, term, commit) = (status.node, status.term, status.commit_index);
        if status.role == RoleKind::Leader {
            let held = self.nodes.get(at).and_then(|node| ObservedNode::at(&node.log, commit));
            if let Some(digest) = held.filter(|digest| digest.term != term) {
                let earlier =
                    (format!("entry {commit} of {id:?} is of term {}", digest.term), record);
                let later = (format!("{id:?} commits it as the leader of term {term}"), record);
                self.violate(Rule::CommitInOwnTerm, earlier, later);
            }
        } else if self.committed.at(commit).is_none() {
            let earlier = (format!("no leader has committed entry {commit}"), record);
            let later = (format!("{id:?} commits it as {:?} of term {term}", status.role), record);
            self.violate(Rule::CommitInOwnTerm, earlier, later);
        }
    }

    fn check_committed(&mut self, at: usize, index: LogIndex, status: &Status, record: u64) {
        let Some(held) = self.nodes.get(at).and_then(|node| ObservedNode::at(&node.log, index))
        else {
            let earlier = (format!("{:?} has committed {index}", status.node), record);
            let later = (format!("its log ends at {}", status.last_log), record);
            self.violate(Rule::StateMachineSafety, earlier, later);
            return;
        };
        match self.committed.at(index) {
            Some(known) if known.digest == held => {}
            Some(known) => {
                let earlier = (
                    format!("entry {index} was committed with term {}", known.digest.term),
                    known.record,
                );
                let later = (
                    format!("{:?} commits entry {index} with term {}", status.node, held.term),
                    record,
                );
                self.violate(Rule::StateMachineSafety, earlier, later);
            }
            None => self.on_first_commit(index, held, status, record),
        }
    }

    /// A node is the first to hold an entry to be committed.
    fn on_first_commit(
        &mut self,
        index: LogIndex,
        digest: EntryDigest,
        status: &Status,
        record: u64,
    ) {
        let in_term = status.term;
        self.committed.entries.push(CommittedEntry { digest, in_term, record });
        let nodes = &self.nodes;
        let holds_durably = |id: raft_core::NodeId| {
            nodes
                .get(crate::network::slot_of(id))
                .is_some_and(|node| ObservedNode::at(&node.durable, index) == Some(digest))
        };
        if !self.membership.is_quorum(holds_durably) {
            let holders: Vec<String> = self
                .membership
                .members()
                .into_iter()
                .filter(|&id| holds_durably(id))
                .map(|id| format!("n{id:?}"))
                .collect();
            let earlier = (
                format!(
                    "entry {index} of term {} is durable on [{}] only",
                    digest.term,
                    holders.join(" ")
                ),
                record,
            );
            let later = (format!("{:?} commits it in term {in_term}", status.node), record);
            self.violate(Rule::CommitOnQuorum, earlier, later);
            return;
        }
        // A leader of a later term that is there already must have it as well.
        let lacking = nodes.iter().enumerate().find(|(_, node)| {
            node.role == Some(RoleKind::Leader)
                && node.term > in_term
                && ObservedNode::at(&node.log, index) != Some(digest)
        });
        if let Some((other, node)) = lacking {
            let earlier =
                (format!("{:?} leads term {} without it", node_id(other), node.term), record);
            let later = (
                format!(
                    "{:?} commits entry {index} of term {} in term {in_term}",
                    status.node, digest.term
                ),
                record,
            );
            self.violate(Rule::LeaderCompleteness, earlier, later);
        }
    }

    /// The node hands an entry to its state machine.
    pub(crate) fn on_apply(&mut self, at: usize, entry: &Entry, record: u64) {
        let Some(node) = self.nodes.get_mut(at) else { return };
        let (id, index) = (node_id(at), entry.index());
        let expected = node.applied.next();
        let durable = ObservedNode::at(&node.durable, index) == Some(EntryDigest::of(entry));
        node.applied = index;
        if index != expected {
            let earlier = (format!("{id:?} has applied up to {}", expected.previous()), record);
            let later = (format!("{id:?} applies entry {index} next"), record);
            self.violate(Rule::AppliedInOrder, earlier, later);
            return;
        }
        if !durable {
            let earlier = (
                format!("entry {index} of term {} is not durable on {id:?}", entry.term()),
                record,
            );
            let later = (format!("{id:?} applies it"), record);
            self.violate(Rule::AppliedInOrder, earlier, later);
            return;
        }
        match self.committed.at(index) {
            Some(known) if known.digest == EntryDigest::of(entry) => {}
            Some(known) => {
                let earlier = (
                    format!("entry {index} was committed with term {}", known.digest.term),
                    known.record,
                );
                let later = (format!("{id:?} applies it with term {}", entry.term()), record);
                self.violate(Rule::StateMachineSafety, earlier, later);
            }
            None => {
                let earlier = (format!("entry {index} is committed nowhere"), record);
                let later = (format!("{id:?} applies it with term {}", entry.term()), record);
                self.violate(Rule::StateMachineSafety, earlier, later);
            }
        }
    }

    /// The state machine answered a command.
    pub(crate) fn on_output(&mut self, at: usize, index: LogIndex, output: &[u8], record: u64) {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let Some(place) = offset_of(index) else { return };
        let outputs = &mut self.committed.outputs;
        if outputs.len() <= place {
            outputs.resize(place + 1, None);
        }
        let mut hasher = DefaultHasher::new();
        output.hash(&mut hasher);
        let digest = hasher.finish();
        let Some(slot) = outputs.get_mut(place) else { return };
        match *slot {
            None => *slot = Some((digest, at, record)),
            Some((known, _, _)) if known == digest => {}
            Some((_, other, then)) => {
                let earlier =
                    (format!("{:?} gave one output for entry {index}", node_id(other)), then);
                let later = (format!("{:?} gave another for it", node_id(at)), record);
                self.violate(Rule::SameOutputs, earlier, later);
            }
        }
    }

    /// What a read that begins now must see.
    pub(crate) const fn client_seen(&self) -> (LogIndex, u64) {
        self.client_seen
    }

    /// A read may be answered; `floor` is what was seen when it began.
    pub(crate) fn on_read_ready(
        &mut self,
        at: usize,
        floor: (LogIndex, u64),
        read_index: LogIndex,
        record: u64,
    ) {
        let (must_see, then) = floor;
        let applied = self.nodes.get(at).map_or(LogIndex::ZERO, |node| node.applied);
        self.client_seen = self.client_seen.max((read_index, record));
        if read_index < must_see || applied < read_index {
            let earlier = (format!("a client has seen the effect of entry {must_see}"), then);
            let later = (
                format!(
                    "{:?} answers a later read as of entry {read_index}, having applied {applied}",
                    node_id(at)
                ),
                record,
            );
            self.violate(Rule::ReadsAreCurrent, earlier, later);
        }
    }

    /// A client is told that its command was applied at this index.
    pub(crate) fn on_acknowledged(&mut self, at: usize, entry: &Entry, record: u64) {
        let digest = EntryDigest::of(entry);
        self.client_seen = self.client_seen.max((entry.index(), record));
        let known = self.committed.at(entry.index());
        if known.is_none_or(|known| known.digest != digest) {
            let earlier =
                (format!("entry {} is committed otherwise or not at all", entry.index()), record);
            let later = (format!("{:?} tells its client that it took effect", node_id(at)), record);
            self.violate(Rule::AcknowledgedKept, earlier, later);
        }
    }
}
