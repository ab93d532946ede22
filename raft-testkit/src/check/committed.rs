//! Every entry that any node has committed.

use raft_core::{LogIndex, Term};

use super::observed::{EntryDigest, offset_of};

/// Every entry that some node held to be committed, by index.
#[derive(Clone, Debug, Default)]
pub(super) struct CommittedEntries {
    pub(super) entries: Vec<CommittedEntry>,
    /// The digest of the state machine's output at an index, and who gave it.
    pub(super) outputs: Vec<Option<(u64, usize, u64)>>,
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
