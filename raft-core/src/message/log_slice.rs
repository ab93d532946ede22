//! A run of log entries with what it guarantees.

use alloc::vec::Vec;

use super::invalid::{InvalidMessage, index_in_range};
use crate::entry::{Entry, Payload};
use crate::types::{LogId, LogIndex};

/// The entries of an append and the position they follow (Raft figure 2, `prevLogIndex`,
/// `prevLogTerm` and `entries[]`). May be empty.
///
/// Guarantees:
///
/// 1. Contiguous: the entry at offset `i` has the index `prev.index + 1 + i`.
/// 2. Terms never fall: neither from `prev` to the first entry nor from one entry to the next.
/// 3. Every configuration in it passes [`Membership::check`](crate::Membership::check).
///
/// [`LogSlice::new`] establishes them for entries from outside; code that holds a `LogSlice` relies
/// on them. The entries' terms are compared with the sender's term by
/// [`Rpc::new`](super::Rpc::new).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogSlice {
    prev: LogId,
    entries: Vec<Entry>,
}

impl LogSlice {
    /// Checks that the entries continue the log after `prev`. Copies nothing.
    ///
    /// # Errors
    /// The first guarantee that the entries break, or an index out of range.
    pub fn new(prev: LogId, entries: Vec<Entry>) -> Result<Self, InvalidMessage> {
        index_in_range(prev.index)?;
        let mut last = prev;
        for entry in &entries {
            if entry.id.index != last.index.next() || entry.id.term < last.term {
                return Err(InvalidMessage::EntriesNotContiguous);
            }
            if let Payload::Membership(membership) = &entry.payload {
                membership.check().map_err(|_| InvalidMessage::InvalidMembership)?;
            }
            last = entry.id;
        }
        Ok(Self { prev, entries })
    }

    /// A slice without entries, as in a heartbeat.
    #[must_use]
    pub const fn empty(prev: LogId) -> Self {
        Self { prev, entries: Vec::new() }
    }

    /// A slice of this node's own log, which has the guarantees.
    ///
    /// # Panics
    /// If the entries do not begin after `prev`, or leave a gap.
    pub(crate) fn of_own_log(prev: LogId, entries: Vec<Entry>) -> Self {
        let first = entries.first().map(Entry::index);
        assert!(first.is_none_or(|first| first == prev.index.next()), "entries follow prev");
        let slice = Self { prev, entries };
        let last = slice.entries.last().map(Entry::index);
        assert!(last.is_none_or(|last| last == slice.last_index()), "entries are contiguous");
        slice
    }

    /// Entries without the guarantees, to test what refuses them.
    #[cfg(test)]
    pub(crate) const fn unchecked(prev: LogId, entries: Vec<Entry>) -> Self {
        Self { prev, entries }
    }

    /// The entry just before the first.
    #[must_use]
    pub const fn prev(&self) -> LogId {
        self.prev
    }

    /// The entries, in order.
    #[must_use]
    pub const fn entries(&self) -> &[Entry] {
        self.entries.as_slice()
    }

    /// The last entry, or `prev` if there are none.
    #[must_use]
    pub fn last(&self) -> LogId {
        self.entries.last().map_or(self.prev, |entry| entry.id)
    }

    /// The index of the last entry, or of `prev` if there are none.
    #[must_use]
    pub fn last_index(&self) -> LogIndex {
        self.prev.index + self.entries.len() as u64
    }

    /// Takes the entries out.
    #[must_use]
    pub fn into_entries(self) -> Vec<Entry> {
        self.entries
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::membership::Membership;
    use crate::types::Term;

    fn id(index: u64, term: u64) -> LogId {
        LogId::new(Term(term), LogIndex(index))
    }

    #[test]
    fn entries_continue_prev_without_gaps_and_terms_never_fall() {
        let slice = |entries: &[(u64, u64)]| {
            let entries = entries.iter().map(|&(index, term)| Entry::empty(id(index, term)));
            LogSlice::new(id(3, 5), entries.collect())
        };
        let contiguous = slice(&[(4, 5), (5, 7), (6, 7)]).expect("contiguous");
        assert_eq!((contiguous.last(), contiguous.last_index()), (id(6, 7), LogIndex(6)));
        assert_eq!(slice(&[]).expect("a heartbeat").last(), id(3, 5));
        for wrong in [&[(5, 5)][..], &[(3, 5)], &[(4, 5), (6, 5)], &[(4, 4)], &[(4, 6), (5, 5)]] {
            assert_eq!(slice(wrong), Err(InvalidMessage::EntriesNotContiguous), "{wrong:?}");
        }
    }

    #[test]
    fn configurations_in_a_slice_are_valid() {
        let entry = Entry::membership(id(1, 1), Membership::default());
        let slice = LogSlice::new(LogId::ORIGIN, vec![entry]);
        assert_eq!(slice, Err(InvalidMessage::InvalidMembership));
    }

    #[test]
    fn no_index_wraps() {
        let far = id(u64::MAX, 1);
        assert_eq!(LogSlice::new(far, Vec::new()), Err(InvalidMessage::NumberTooLarge));
    }
}
