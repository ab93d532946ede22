//! Logs grow alike.

use raft_core::{Entry, LogIndex, NodeId, Persist, RoleKind, Term};

use super::{Checker, EntryDigest, ObservedNode, Rule, offset_of};

/// Every (index, term) that was ever appended anywhere: what it carries and what came before it.
/// As long as both are the same everywhere, logs that share an entry share everything before it.
#[derive(Clone, Debug, Default)]
pub(super) struct EntryRegistry {
    /// By index; nearly always there is one term to an index.
    slots: Vec<Slot>,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    first: Option<KnownEntry>,
    more: Vec<KnownEntry>,
}

#[derive(Clone, Copy, Debug)]
struct KnownEntry {
    digest: EntryDigest,
    term_before: Term,
    node: NodeId,
    record: u64,
}

impl EntryRegistry {
    /// Returns what is known of this index and term, having noted it if nothing was.
    fn record(&mut self, index: LogIndex, new: KnownEntry) -> KnownEntry {
        let Some(at) = offset_of(index) else { return new };
        if self.slots.len() <= at {
            self.slots.resize_with(at + 1, Slot::default);
        }
        let Some(slot) = self.slots.get_mut(at) else { return new };
        match &slot.first {
            None => {
                slot.first = Some(new);
                new
            }
            Some(known) if known.digest.term == new.digest.term => *known,
            Some(_) => match slot.more.iter().find(|known| known.digest.term == new.digest.term) {
                Some(known) => *known,
                None => {
                    slot.more.push(new);
                    new
                }
            },
        }
    }
}

impl Checker {
    pub(super) fn check_append(&mut self, at: usize, entry: &Entry, record: u64) {
        let Some(node) = self.nodes.get_mut(at) else { return };
        let index = entry.index();
        let id = node_id(at);
        if index.get() != node.log.len() as u64 + 1 {
            let earlier = (format!("the log of {id:?} ends at {}", node.log.len()), record);
            let later = (format!("{id:?} writes entry {index} next"), record);
            self.violate(Rule::LogMatching, earlier, later);
            return;
        }
        let digest = EntryDigest::of(entry);
        let term_before = node.log.last().map_or(Term(0), |last| last.term);
        node.log.push(digest);
        let new = KnownEntry { digest, term_before, node: id, record };
        let known = self.registry.record(index, new);
        if known.digest != digest || known.term_before != term_before {
            let describe = |known: &KnownEntry| {
                let KnownEntry { digest, term_before, node, .. } = known;
                format!(
                    "{node:?} has entry {index} of term {} (content {:016x}) after one of term {term_before}",
                    digest.term, digest.payload
                )
            };
            self.violate(
                Rule::LogMatching,
                (describe(&known), known.record),
                (describe(&new), record),
            );
        }
    }

    pub(super) fn check_truncation(&mut self, at: usize, change: &Persist, record: u64) {
        let Some(from) = change.truncate_from else { return };
        let Some(node) = self.nodes.get_mut(at) else { return };
        let id = node_id(at);
        let keep = offset_of(from).unwrap_or(0);
        let leads = node.role == Some(RoleKind::Leader)
            && change.hard_state.is_none_or(|hard_state| hard_state.term == node.term);
        let first_gone = ObservedNode::at(&node.log, from);
        node.log.truncate(keep);
        if leads {
            let earlier = (format!("{id:?} leads term {}", node.term), record);
            let later = (format!("{id:?} removes its own entries from {from:?} on"), record);
            self.violate(Rule::LeaderAppendOnly, earlier, later);
            return;
        }
        if let (Some(gone), Some(entry)) = (first_gone, self.committed.at(from))
            && gone == entry.digest
        {
            let earlier =
                (format!("entry {from:?} of term {} is committed", gone.term), entry.record);
            let later = (format!("{id:?} removes it from its log"), record);
            self.violate(Rule::CommittedKept, earlier, later);
        }
    }
}

pub(super) const fn node_id(at: usize) -> NodeId {
    NodeId(at as u64 + 1)
}
