//! Checks of applied entries and of their outputs.

use raft_core::{Entry, LogIndex};

use super::checker::Checker;
use super::observed::{EntryDigest, ObservedNode, node_id, offset_of};
use super::rule::Rule;

impl Checker {
    /// The state machine of a node applied an entry.
    pub(crate) fn on_apply(&mut self, at: usize, entry: &Entry, record: u64) {
        let Some(node) = self.nodes.get_mut(at) else { return };
        let (id, index) = (node_id(at), entry.index());
        let expected = node.applied.next();
        let durable = ObservedNode::at(&node.durable, index) == Some(EntryDigest::of(entry));
        node.applied = index;
        if index != expected {
            let earlier = (format!("{id:?} has applied up to {}", expected.previous()), record);
            let later = (format!("{id:?} applies entry {index} next"), record);
            self.record_violation(Rule::AppliedInOrder, earlier, later);
            return;
        }
        if !durable {
            let earlier = (
                format!("entry {index} of term {} is not durable on {id:?}", entry.term()),
                record,
            );
            let later = (format!("{id:?} applies it"), record);
            self.record_violation(Rule::AppliedInOrder, earlier, later);
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
                self.record_violation(Rule::StateMachineSafety, earlier, later);
            }
            None => {
                let earlier = (format!("entry {index} is not committed on any node"), record);
                let later = (format!("{id:?} applies it with term {}", entry.term()), record);
                self.record_violation(Rule::StateMachineSafety, earlier, later);
            }
        }
    }

    /// The state machine of a node returned an output.
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
                    (format!("{:?} returned an output for entry {index}", node_id(other)), then);
                let later = (format!("{:?} returned another output for it", node_id(at)), record);
                self.record_violation(Rule::SameOutputs, earlier, later);
            }
        }
    }
}
