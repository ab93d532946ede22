//! Checks of snapshots, resets and compaction.

use raft_core::ports::LogReset;
use raft_core::{Entry, HardState, LogId, LogIndex, Membership, NodeId, RoleKind};

use super::checker::Checker;
use super::observed::{EntryDigest, ObservedNode, node_id, offset_of};
use super::rule::Rule;
use crate::snapshot::Snapshot;

impl Checker {
    /// A node submitted a reset of its log to its disk.
    pub(super) fn check_reset(
        &mut self,
        at: usize,
        reset: &LogReset,
        hard_state: Option<HardState>,
        record: u64,
    ) {
        let LogReset { base, keeps_later_entries, .. } = *reset;
        let id = node_id(at);
        let Some(prefix) = self.committed_prefix(base) else {
            let earlier = (format!("entry {base} is not committed"), record);
            let later = (format!("{id:?} replaces its log by a snapshot up to it"), record);
            self.record_violation(Rule::SnapshotOfCommitted, earlier, later);
            return;
        };
        let (index, membership) = &reset.membership;
        self.check_membership(id, base, (*index, membership), record);
        let next = base.index.next();
        let Some(node) = self.nodes.get_mut(at) else { return };
        let leads = node.role == Some(RoleKind::Leader)
            && hard_state.is_none_or(|hard_state| hard_state.term == node.term);
        let removed = ObservedNode::at(&node.log, next).filter(|_| !keeps_later_entries);
        let kept_conflict = keeps_later_entries
            && ObservedNode::at(&node.log, base.index) != prefix.last().copied();
        if !keeps_later_entries {
            node.log = prefix;
        }
        node.memberships.reset(base.index, reset);
        if leads {
            let earlier = (format!("{id:?} leads term {}", node.term), record);
            let later = (format!("{id:?} replaces its own log by a snapshot up to {base}"), record);
            self.record_violation(Rule::LeaderAppendOnly, earlier, later);
        } else if kept_conflict {
            let earlier = (format!("the log of {id:?} does not have entry {base}"), record);
            let later = (format!("{id:?} keeps the entries after it"), record);
            self.record_violation(Rule::LogMatching, earlier, later);
        } else if let (Some(removed), Some(entry)) = (removed, self.committed.at(next))
            && removed == entry.digest
        {
            let earlier =
                (format!("entry {next} of term {} is committed", removed.term), entry.record);
            let later = (format!("{id:?} removes it with a snapshot up to {base}"), record);
            self.record_violation(Rule::CommittedKept, earlier, later);
        }
    }

    /// A reset became durable.
    pub(super) fn on_durable_reset(&mut self, at: usize, reset: &LogReset) {
        let prefix = self.committed_prefix(reset.base);
        let (Some(node), Some(prefix)) = (self.nodes.get_mut(at), prefix) else { return };
        if !reset.keeps_later_entries {
            node.durable = prefix;
        }
        node.durable_memberships.reset(reset.base.index, reset);
        node.durable_base = node.durable_base.max(reset.base.index);
    }

    /// A node compacts its log.
    pub(crate) fn on_compact(&mut self, at: usize, up_to: LogIndex, record: u64) {
        let Some(node) = self.nodes.get(at) else { return };
        if up_to > node.durably_applied {
            let earlier =
                (format!("{:?} has durably applied {}", node_id(at), node.durably_applied), record);
            let later = (format!("{:?} removes the entries up to {up_to}", node_id(at)), record);
            self.record_violation(Rule::CompactedAfterApply, earlier, later);
        }
    }

    /// The effect of the entries up to `index` is durable in a snapshot or in the state machine of a
    /// node.
    pub(crate) fn on_durably_applied(&mut self, at: usize, index: LogIndex) {
        if let Some(node) = self.nodes.get_mut(at) {
            node.durably_applied = node.durably_applied.max(index);
        }
    }

    /// A snapshot was taken, or a state machine is restored to it.
    pub(crate) fn on_snapshot(&mut self, at: usize, snapshot: &Snapshot, record: u64) {
        let last = snapshot.last;
        let Some(prefix) = self.committed_prefix(last) else {
            let earlier = (format!("entry {last} is not committed"), record);
            let later = (format!("{:?} has a snapshot up to it", node_id(at)), record);
            self.record_violation(Rule::SnapshotOfCommitted, earlier, later);
            return;
        };
        let Some(commands) = &snapshot.commands else { return };
        let held = commands.iter().map(|(id, command)| {
            (id.index, EntryDigest::of(&Entry::command(*id, command.clone())))
        });
        let committed = (1..).map(LogIndex).zip(prefix).filter(|(_, digest)| digest.is_command);
        if !held.eq(committed) {
            let earlier = (format!("the entries up to {last} are committed"), record);
            let later = (format!("the snapshot of {:?} has other commands", node_id(at)), record);
            self.record_violation(Rule::SnapshotOfCommitted, earlier, later);
        }
    }

    /// The state machine of a node is restored to a snapshot.
    pub(crate) fn on_restore(&mut self, at: usize, last: LogId, record: u64) {
        let Some(node) = self.nodes.get_mut(at) else { return };
        let (base, applied) = (node.durable_base, node.applied);
        node.applied = last.index;
        if base < last.index || last.index < applied {
            let earlier = (
                format!("{:?} has applied {applied}; its durable base is {base}", node_id(at)),
                record,
            );
            let later = (format!("its state machine is restored to {last}"), record);
            self.record_violation(Rule::RestoredAfterReset, earlier, later);
        }
    }

    /// The configuration of a snapshot is the one in force at its last entry.
    pub(super) fn check_membership(
        &mut self,
        id: NodeId,
        last: LogId,
        found: (LogIndex, &Membership),
        record: u64,
    ) {
        let base = last.index;
        let committed = |index| self.committed.at(index).map(|entry| entry.digest.term);
        let in_force = self.memberships.range(..=(base, raft_core::Term(u64::MAX))).rev();
        let in_force = in_force
            .map(|(&(index, term), membership)| (index, term, membership))
            .find(|&(index, term, _)| committed(index) == Some(term))
            .map_or((LogIndex::ZERO, &self.membership), |(index, _, found)| (index, found));
        let (index, _) = in_force;
        if in_force != found {
            let earlier =
                (format!("the configuration of entry {index} is in force at {base}"), record);
            let later = (format!("the snapshot of {id:?} has that of entry {}", found.0), record);
            self.record_violation(Rule::SnapshotOfCommitted, earlier, later);
        }
    }

    /// The committed entries up to this one; `None` if it is not committed.
    fn committed_prefix(&self, last: LogId) -> Option<Vec<EntryDigest>> {
        let known = self.committed.at(last.index)?;
        let end = offset_of(last.index)?;
        let entries = self.committed.entries.get(..=end)?;
        (known.digest.term == last.term).then(|| entries.iter().map(|entry| entry.digest).collect())
    }
}
