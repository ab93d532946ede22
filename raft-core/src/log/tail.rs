//! The recent entries, kept in memory within a limit.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::entry::Entry;
use crate::types::LogIndex;

/// A contiguous run of the log's newest entries; payloads are shared by reference count.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    entries: VecDeque<Entry>,
    /// The index of the first entry, or of the next one.
    first: LogIndex,
    bytes: u64,
}

impl Tail {
    /// No entries; the next one is `first`.
    pub(super) const fn starting_at(first: LogIndex) -> Self {
        Self { entries: VecDeque::new(), first, bytes: 0 }
    }

    /// The first index that is held, or that of the next entry.
    pub(super) const fn first(&self) -> LogIndex {
        self.first
    }

    /// The weight of the entries that are held.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    #[inline]
    pub(super) fn push(&mut self, entry: Entry) {
        let next = self.first + self.entries.len() as u64;
        assert!(entry.index() == next, "the tail holds contiguous entries");
        self.bytes += entry.weight_bytes();
        self.entries.push_back(entry);
    }

    /// Drops `from` and everything after it.
    pub(super) fn truncate_from(&mut self, from: LogIndex) {
        while self.entries.back().is_some_and(|entry| entry.index() >= from) {
            if let Some(entry) = self.entries.pop_back() {
                self.bytes -= entry.weight_bytes();
            }
        }
        if self.entries.is_empty() {
            self.first = self.first.min(from);
        }
    }

    /// Drops the oldest entries, at most up to `up_to`, while all weigh more than `bytes_max`.
    pub(super) fn shrink(&mut self, up_to: LogIndex, bytes_max: u64) {
        while self.bytes > bytes_max
            && let Some(entry) = self.entries.front()
            && entry.index() <= up_to
        {
            self.bytes -= entry.weight_bytes();
            self.first = entry.index().next();
            self.entries.pop_front();
        }
    }

    /// Drops every entry up to `up_to`; the next one that is pushed follows `up_to` or the last.
    pub(super) fn drop_to(&mut self, up_to: LogIndex) {
        self.shrink(up_to, 0);
        if self.entries.is_empty() {
            self.first = self.first.max(up_to.next());
        }
    }

    /// Clones of the entries from `from` to `last` within both limits; at least one if any is held.
    pub(super) fn slice(
        &self,
        from: LogIndex,
        last: LogIndex,
        entries_max: usize,
        bytes_max: u64,
    ) -> Vec<Entry> {
        assert!(from >= self.first, "only entries in the tail are requested");
        let skip = usize::try_from(from.distance_from(self.first)).unwrap_or(usize::MAX);
        let wanted = usize::try_from(last.next().distance_from(from)).unwrap_or(usize::MAX);
        let upper = self.entries.len().saturating_sub(skip).min(wanted).min(entries_max);
        let mut slice = Vec::with_capacity(upper);
        let mut bytes = 0;
        for entry in self.entries.iter().skip(skip).take(upper) {
            bytes += entry.weight_bytes();
            if bytes > bytes_max && !slice.is_empty() {
                break;
            }
            slice.push(entry.clone());
        }
        slice
    }
}
