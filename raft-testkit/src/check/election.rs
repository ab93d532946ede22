//! Checks of a new leader.

use raft_core::Status;

use super::checker::Checker;
use super::observed::ObservedNode;
use super::rule::Rule;

impl Checker {
    pub(super) fn on_leader(&mut self, at: usize, status: &Status, record: u64) {
        let known = *self.leaders.entry(status.term).or_insert((status.node, record));
        if known.0 != status.node {
            let earlier = (format!("{:?} leads term {}", known.0, status.term), known.1);
            let later = (format!("{:?} leads term {} as well", status.node, status.term), record);
            self.record_violation(Rule::ElectionSafety, earlier, later);
            return;
        }
        // Logs match entry by entry: if the last committed entry is there, all of them are.
        let Some((index, entry)) = self.committed.last_before(status.term) else { return };
        let Some(node) = self.nodes.get(at) else { return };
        let held = ObservedNode::at(&node.log, index);
        if held != Some(entry.digest) {
            let earlier = (
                format!(
                    "entry {index} of term {} was committed in term {}",
                    entry.digest.term, entry.in_term
                ),
                entry.record,
            );
            let holds = held.map_or_else(
                || "no entry".to_owned(),
                |digest| format!("an entry of term {}", digest.term),
            );
            let later = (
                format!(
                    "{:?} leads term {} with {holds} at index {index}",
                    status.node, status.term
                ),
                record,
            );
            self.record_violation(Rule::LeaderCompleteness, earlier, later);
        }
    }
}
