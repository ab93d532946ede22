//! Every entry that any node has appended.

use raft_core::{LogIndex, NodeId, Term};

use super::observed::{EntryDigest, offset_of};

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
pub(super) struct KnownEntry {
    pub(super) digest: EntryDigest,
    pub(super) term_before: Term,
    pub(super) node: NodeId,
    pub(super) record: u64,
}

impl EntryRegistry {
    /// Returns what is known of this index and term, having noted it if nothing was.
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
