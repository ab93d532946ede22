//! Every entry that any node has committed.

use raft_core::{LogIndex, Term};

use super::observed::{EntryDigest, offset_of};

/// Every entry that any node has committed, by index.
#[derive(Clone, Debug, Default)]
pub(super) struct CommittedEntries {
    pub(super) entries: Vec<CommittedEntry>,
    /// By index: the hash of the output, the position of the first node that returned it, and the
    /// record.
    pub(super) outputs: Vec<Option<(u64, usize, u64)>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct CommittedEntry {
    pub(super) digest: EntryDigest,
    /// The term of the node that committed it first.
    pub(super) in_term: Term,
    pub(super) record: u64,
}

impl CommittedEntries {
    pub(super) fn at(&self, index: LogIndex) -> Option<CommittedEntry> {
        self.entries.get(offset_of(index)?).copied()
    }

    /// The last entry that was committed in an earlier term than this one.
    pub(super) fn last_before(&self, term: Term) -> Option<(LogIndex, CommittedEntry)> {
        let at = self.entries.iter().rposition(|entry| entry.in_term < term)?;
        Some((LogIndex(at as u64 + 1), *self.entries.get(at)?))
    }
}
