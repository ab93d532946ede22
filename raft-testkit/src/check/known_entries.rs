//! Every entry that any node has appended.

use raft_core::{LogIndex, NodeId, Term};

use super::observed::{EntryDigest, offset_of};

/// Every (index, term) that any node has appended, with its payload and the term of the entry
/// before it. As long as both are the same on all nodes, logs that share an entry are equal up to
/// it.
#[derive(Clone, Debug, Default)]
pub(super) struct EntryRegistry {
    /// By index. Most indexes have one term.
    slots: Vec<Slot>,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    first: Option<KnownEntry>,
    more: Vec<KnownEntry>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct KnownEntry {
    pub(super) digest: EntryDigest,
    pub(super) term_before: Term,
    pub(super) node: NodeId,
    pub(super) record: u64,
}

impl EntryRegistry {
    /// Returns the known entry of this index and term. If there is none, adds `new` and returns it.
    pub(super) fn record(&mut self, index: LogIndex, new: KnownEntry) -> KnownEntry {
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
