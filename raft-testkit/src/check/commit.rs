//! Checks of the commit index and of committed entries.

use raft_core::{LogIndex, NodeId, RoleKind, Status};

use super::checker::Checker;
use super::committed::CommittedEntry;
use super::observed::{EntryDigest, ObservedNode, node_id};
use super::rule::Rule;

impl Checker {
    /// The commit index of a node changed; `leads` if the node led its term before or after.
    pub(super) fn on_commit_moved(&mut self, at: usize, status: &Status, leads: bool, record: u64) {
        let Some(node) = self.nodes.get_mut(at) else { return };
        let (before, now) = (node.commit, status.commit_index);
        node.commit = now;
        if now < before {
            let earlier = (format!("{:?} had committed {before}", status.node), record);
            let later = (format!("{:?} has committed {now}", status.node), record);
            self.record_violation(Rule::CommitMonotonic, earlier, later);
            return;
        }
        self.check_commit_term(at, status, leads, record);
        for index in before.get() + 1..=now.get() {
            self.check_committed(at, LogIndex(index), before, status, record);
        }
    }

    /// The commit index of a leader advances to an entry of its own term, that of any other node to
    /// an entry that a leader has committed.
    fn check_commit_term(&mut self, at: usize, status: &Status, leads: bool, record: u64) {
        let (id, term, commit) = (status.node, status.term, status.commit_index);
        if leads {
            let held = self.nodes.get(at).and_then(|node| ObservedNode::at(&node.log, commit));
            if let Some(digest) = held.filter(|digest| digest.term != term) {
                let earlier =
                    (format!("entry {commit} of {id:?} is of term {}", digest.term), record);
                let later = (format!("{id:?} commits it as the leader of term {term}"), record);
                self.record_violation(Rule::CommitInOwnTerm, earlier, later);
            }
        } else if self.committed.at(commit).is_none() {
            let earlier = (format!("no leader has committed entry {commit}"), record);
            let later = (format!("{id:?} commits it as {:?} of term {term}", status.role), record);
            self.record_violation(Rule::CommitInOwnTerm, earlier, later);
        }
    }

    fn check_committed(
        &mut self,
        at: usize,
        index: LogIndex,
        before: LogIndex,
        status: &Status,
        record: u64,
    ) {
        let Some(held) = self.nodes.get(at).and_then(|node| ObservedNode::at(&node.log, index))
        else {
            let earlier = (format!("{:?} has committed {index}", status.node), record);
            let later = (format!("its log ends at {}", status.last_log), record);
            self.record_violation(Rule::StateMachineSafety, earlier, later);
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
                self.record_violation(Rule::StateMachineSafety, earlier, later);
            }
            None => self.on_first_commit(at, (index, held), before, status, record),
        }
    }

    /// An entry is committed by the first node, whose commit index was `before`.
    fn on_first_commit(
        &mut self,
        at: usize,
        (index, digest): (LogIndex, EntryDigest),
        before: LogIndex,
        status: &Status,
        record: u64,
    ) {
        let in_term = status.term;
        self.committed.entries.push(CommittedEntry { digest, in_term, record });
        let nodes = &self.nodes;
        let memberships = nodes.get(at).map(|node| &node.memberships);
        let Some(membership) =
            memberships.and_then(|log| log.committing(before, status.commit_index))
        else {
            return;
        };
        let holds_durably = |id: NodeId| {
            let log = self.durable_log_of(membership, id);
            log.is_some_and(|log| ObservedNode::at(log, index) == Some(digest))
        };
        if !membership.is_quorum(holds_durably) {
            let holders: Vec<String> = membership
                .members()
                .into_iter()
                .filter(|&id| holds_durably(id))
                .map(|id| format!("{id:?}"))
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
            self.record_violation(Rule::CommitOnQuorum, earlier, later);
            return;
        }
        // A leader of a later term that exists already must have the entry, too.
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
            self.record_violation(Rule::LeaderCompleteness, earlier, later);
        }
    }
}
