//! The sizes of the log's entries, also of those that are no longer in memory.

use alloc::collections::VecDeque;

use crate::types::LogIndex;

/// Entries between two marks, and bytes between them: a policy that keeps megabytes needs no more.
const BLOCK_ENTRIES: u64 = 1024;
const BLOCK_BYTES: u64 = 64 * 1024;

/// The weight that each recovered entry counts with: a store returns no sizes when it is opened.
/// The policy limited the true sizes before the restart, and new entries count as they are, so the
/// estimate affects only when the recovered entries are compacted.
const RECOVERED_ENTRY_BYTES: u64 = 512;

/// Sums of [`Entry::weight_bytes`](crate::Entry::weight_bytes) along the log, at marks. Between two
/// marks every entry counts with the same weight.
#[derive(Clone, Debug)]
pub(super) struct Sizes {
    /// (index, bytes of all entries up to it since some start), ascending. The first is the base of
    /// the log, the last its last entry. Never empty.
    marks: VecDeque<(LogIndex, u64)>,
}

impl Sizes {
    /// The sizes of an empty log.
    pub(super) fn starting_after(base: LogIndex) -> Self {
        Self { marks: VecDeque::from([(base, 0)]) }
    }

    /// The estimated sizes of a recovered log.
    pub(super) fn recovered(base: LogIndex, last: LogIndex) -> Self {
        let mut sizes = Self::starting_after(base);
        if last > base {
            let bytes = last.distance_from(base).saturating_mul(RECOVERED_ENTRY_BYTES);
            sizes.marks.push_back((last, bytes));
        }
        sizes
    }

    /// The next entry is appended.
    #[inline]
    pub(super) fn push(&mut self, weight_bytes: u64) {
        let (last, total) = self.last_mark();
        let (next, bytes) = (last.next(), total.saturating_add(weight_bytes));
        let block_start = self.marks.len().checked_sub(2).and_then(|at| self.marks.get(at));
        let extends_block = block_start.is_some_and(|&(start, start_total)| {
            last.distance_from(start) < BLOCK_ENTRIES && total - start_total < BLOCK_BYTES
        });
        match self.marks.back_mut() {
            Some(mark) if extends_block => *mark = (next, bytes),
            Some(_) | None => self.marks.push_back((next, bytes)),
        }
    }

    /// Drops `from` and everything after it.
    pub(super) fn truncate_from(&mut self, from: LogIndex) {
        let kept = from.previous();
        let total = self.total_at(kept);
        while self.marks.len() > 1 && self.marks.back().is_some_and(|&(index, _)| index > kept) {
            self.marks.pop_back();
        }
        if self.last_mark().0 < kept {
            self.marks.push_back((kept, total));
        }
    }

    /// Drops everything up to and including `up_to`, which becomes the base.
    pub(super) fn compact(&mut self, up_to: LogIndex) {
        let total = self.total_at(up_to);
        while self.marks.front().is_some_and(|&(index, _)| index <= up_to) {
            self.marks.pop_front();
        }
        self.marks.push_front((up_to, total));
    }

    /// The bytes of the entries in `(after, last]`.
    pub(super) fn bytes_between(&self, after: LogIndex, last: LogIndex) -> u64 {
        self.total_at(last).saturating_sub(self.total_at(after))
    }

    /// The lowest index such that the entries after it up to `last` take at most `bytes_max`.
    pub(super) fn first_within(&self, last: LogIndex, bytes_max: u64) -> LogIndex {
        let base = self.marks.front().map_or(LogIndex::ZERO, |&(index, _)| index);
        let (mut low, mut high) = (base, last.max(base));
        while low < high {
            let middle = low + high.distance_from(low) / 2;
            if self.bytes_between(middle, last) <= bytes_max {
                high = middle;
            } else {
                low = middle.next();
            }
        }
        low
    }

    fn last_mark(&self) -> (LogIndex, u64) {
        *self.marks.back().expect("there is always the mark of the base")
    }

    /// The bytes of all entries up to an index since the start, interpolated between two marks.
    fn total_at(&self, index: LogIndex) -> u64 {
        let after = self.marks.partition_point(|&(mark, _)| mark <= index);
        let Some(&(start, start_total)) = after.checked_sub(1).and_then(|at| self.marks.get(at))
        else {
            return self.marks.front().map_or(0, |&(_, total)| total);
        };
        let Some(&(end, end_total)) = self.marks.get(after) else { return start_total };
        let share = u128::from(end_total - start_total) * u128::from(index.distance_from(start))
            / u128::from(end.distance_from(start));
        start_total + u64::try_from(share).expect("a part of a 64-bit sum")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(weights: &[u64]) -> Sizes {
        let mut sizes = Sizes::starting_after(LogIndex(10));
        for &weight in weights {
            sizes.push(weight);
        }
        sizes
    }

    #[test]
    fn bytes_are_exact_at_marks_and_interpolated_between_them() {
        let sizes = sizes(&[BLOCK_BYTES, 3 * BLOCK_BYTES, 100, 300]);
        assert_eq!(sizes.bytes_between(LogIndex(10), LogIndex(11)), BLOCK_BYTES);
        assert_eq!(sizes.bytes_between(LogIndex(11), LogIndex(12)), 3 * BLOCK_BYTES);
        assert_eq!(sizes.bytes_between(LogIndex(12), LogIndex(14)), 400);
        assert_eq!(sizes.bytes_between(LogIndex(12), LogIndex(13)), 200, "half of the block");
    }

    #[test]
    fn compaction_and_truncation_keep_the_sums_of_the_other_entries() {
        let mut sizes = sizes(&[BLOCK_BYTES, BLOCK_BYTES, 100, 100, 100]);
        sizes.compact(LogIndex(13));
        assert_eq!(sizes.bytes_between(LogIndex(13), LogIndex(15)), 200);
        sizes.truncate_from(LogIndex(15));
        assert_eq!(sizes.bytes_between(LogIndex(13), LogIndex(20)), 100);
        sizes.push(7);
        assert_eq!(sizes.bytes_between(LogIndex(13), LogIndex(15)), 107);
        sizes.compact(LogIndex(15));
        sizes.push(9);
        assert_eq!(sizes.bytes_between(LogIndex(0), LogIndex(16)), 9);
    }

    #[test]
    fn the_first_index_within_a_budget_is_found() {
        let sizes = sizes(&[BLOCK_BYTES, BLOCK_BYTES, BLOCK_BYTES, BLOCK_BYTES]);
        let first = |blocks| sizes.first_within(LogIndex(14), blocks * BLOCK_BYTES).get();
        assert_eq!([first(0), first(1), first(3), first(9)], [14, 13, 11, 10]);
        assert_eq!(sizes.first_within(LogIndex(12), BLOCK_BYTES), LogIndex(11));
    }

    #[test]
    fn small_entries_share_marks() {
        let sizes = sizes(&[10; 5000]);
        assert!(sizes.marks.len() <= 8, "{} marks", sizes.marks.len());
        assert_eq!(sizes.bytes_between(LogIndex(10), LogIndex(5010)), 50_000);
    }

    #[test]
    fn recovered_entries_count_with_an_estimate() {
        let sizes = Sizes::recovered(LogIndex(10), LogIndex(14));
        let half = sizes.bytes_between(LogIndex(12), LogIndex(14));
        assert_eq!(half, 2 * RECOVERED_ENTRY_BYTES);
        let empty = Sizes::recovered(LogIndex(10), LogIndex(10));
        assert_eq!(empty.bytes_between(LogIndex(0), LogIndex(10)), 0);
    }
}
