//! Several changes of one persist merged into one.

use raft_core::ports::LogReset;
use raft_core::{BrokenMark, Entry, HardState, LogIndex, Persist};

use super::base::BaseRecord;

/// Several changes merged into one. Entries that a later change removes are not written.
#[derive(Debug, Default)]
pub(super) struct Change<'a> {
    /// The new base, with its membership.
    pub(super) base: Option<BaseRecord>,
    /// The first durable entry to remove. Zero removes every record, also those before the base.
    pub(super) truncate_from: Option<LogIndex>,
    /// Contiguous. They begin after the last remaining entry, or at the new base if that is one of
    /// them: the record with the base stays on disk.
    pub(super) entries: Vec<&'a Entry>,
    pub(super) hard_state: Option<HardState>,
    pub(super) broken: Option<&'a BrokenMark>,
}

impl<'a> Change<'a> {
    /// Merges validated changes to a log that ends at `durable_last`.
    pub(super) fn merge(changes: &'a [Persist], durable_last: LogIndex) -> Self {
        let mut merged = Self::default();
        for change in changes {
            if let Some(reset) = &change.reset {
                merged.reset(reset);
            }
            if let Some(from) = change.truncate_from {
                merged.truncate(from, durable_last);
            }
            merged.entries.extend(&change.entries);
            merged.hard_state = change.hard_state.or(merged.hard_state);
            merged.broken = change.broken.as_ref().or(merged.broken);
        }
        merged
    }

    fn reset(&mut self, reset: &LogReset) {
        let LogReset { base, membership, keeps_later_entries } = reset;
        if *keeps_later_entries {
            self.entries.retain(|entry| entry.index() >= base.index);
        } else {
            self.entries.clear();
            self.truncate_from = Some(LogIndex::ZERO);
        }
        self.base = Some(BaseRecord { base: *base, membership: Some(membership.clone()) });
    }

    fn truncate(&mut self, from: LogIndex, durable_last: LogIndex) {
        let keep = self.entries.partition_point(|entry| entry.index() < from);
        self.entries.truncate(keep);
        let reaches_disk = from <= self.truncate_from.unwrap_or(durable_last);
        if reaches_disk {
            self.truncate_from = Some(from);
        }
    }

    /// The entry to write at the base of a log whose records are all removed. Only its term and
    /// index count: the recovery compares them with the base.
    pub(super) fn entry_at_base(&self) -> Option<Entry> {
        let base = self.base.as_ref()?.base;
        let removes_all = self.truncate_from == Some(LogIndex::ZERO);
        let is_written = self.entries.first().is_some_and(|entry| entry.id == base);
        let is_missing = removes_all && !is_written && base.index > LogIndex::ZERO;
        is_missing.then(|| Entry::empty(base))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.base.is_none()
            && self.truncate_from.is_none()
            && self.entries.is_empty()
            && self.hard_state.is_none()
            && self.broken.is_none()
    }

    /// About the bytes of all entries.
    pub(super) fn entries_bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.weight_bytes()).sum()
    }

    pub(super) fn bytes_expected(&self) -> usize {
        const SMALL_RECORDS_BYTES: usize = 256;
        let entries = usize::try_from(self.entries_bytes()).unwrap_or(0);
        entries.saturating_add(SMALL_RECORDS_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use raft_core::{LogId, Membership, NodeId, PersistId, Term};

    use super::*;

    fn change(truncate_from: Option<u64>, ids: &[(u64, u64)]) -> Persist {
        let entry = |&(term, index)| Entry::empty(LogId::new(Term(term), LogIndex(index)));
        Persist {
            id: PersistId(1),
            hard_state: None,
            reset: None,
            truncate_from: truncate_from.map(LogIndex),
            entries: ids.iter().map(entry).collect(),
            broken: None,
        }
    }

    fn merged(changes: &[Persist]) -> (Option<u64>, Vec<(u64, u64)>) {
        let merged = Change::merge(changes, LogIndex(5));
        let ids = merged.entries.iter().map(|entry| (entry.term().get(), entry.index().get()));
        (merged.truncate_from.map(LogIndex::get), ids.collect())
    }

    #[test]
    fn a_truncation_within_the_changes_never_reaches_the_disk() {
        let changes = [change(None, &[(1, 6), (1, 7)]), change(Some(7), &[(2, 7), (2, 8)])];
        assert_eq!(merged(&changes), (None, vec![(1, 6), (2, 7), (2, 8)]));
        let changes = [change(None, &[(1, 6)]), change(Some(6), &[(2, 6)])];
        assert_eq!(merged(&changes), (None, vec![(2, 6)]));
    }

    #[test]
    fn the_deepest_truncation_counts() {
        let changes = [
            change(Some(4), &[(2, 4), (2, 5), (2, 6)]),
            change(Some(6), &[(3, 6)]),
            change(Some(3), &[(4, 3)]),
            change(Some(4), &[(5, 4)]),
        ];
        assert_eq!(merged(&changes[..2]), (Some(4), vec![(2, 4), (2, 5), (3, 6)]));
        assert_eq!(merged(&changes), (Some(3), vec![(4, 3), (5, 4)]));
    }

    /// Appends entries after a reset to (term, index).
    fn reset(base: (u64, u64), keeps_later_entries: bool, ids: &[(u64, u64)]) -> Persist {
        let base = LogId::new(Term(base.0), LogIndex(base.1));
        let membership = (LogIndex(0), Membership::of_voters([NodeId(1)]));
        Persist {
            reset: Some(LogReset { base, membership, keeps_later_entries }),
            ..change(None, ids)
        }
    }

    fn entry_at_base(changes: &[Persist]) -> Option<u64> {
        Change::merge(changes, LogIndex(5)).entry_at_base().map(|entry| entry.index().get())
    }

    #[test]
    fn a_reset_that_keeps_no_entry_removes_all_and_writes_an_entry_at_the_base() {
        let changes = [
            change(Some(4), &[(2, 4), (2, 5), (2, 6)]),
            reset((3, 5), false, &[(3, 6), (3, 7)]),
            change(Some(7), &[(4, 7)]),
        ];
        assert_eq!(merged(&changes), (Some(0), vec![(3, 6), (4, 7)]));
        assert_eq!(entry_at_base(&changes), Some(5));
        let bootstrap = [reset((0, 0), false, &[(1, 1)])];
        assert_eq!(
            (merged(&bootstrap), entry_at_base(&bootstrap)),
            ((Some(0), vec![(1, 1)]), None)
        );
    }

    #[test]
    fn the_entry_at_the_base_is_written_if_the_same_persist_appends_it() {
        let changes = [change(None, &[(1, 6), (1, 7), (1, 8)]), reset((1, 7), true, &[(2, 9)])];
        assert_eq!(merged(&changes), (None, vec![(1, 7), (1, 8), (2, 9)]));
        assert_eq!(entry_at_base(&changes), None);
        let changes = [reset((3, 9), false, &[(3, 10), (3, 11)]), reset((3, 10), true, &[])];
        assert_eq!(merged(&changes), (Some(0), vec![(3, 10), (3, 11)]));
        assert_eq!(entry_at_base(&changes), None);
    }

    #[test]
    fn a_reset_to_a_durable_entry_keeps_the_records() {
        let changes = [reset((1, 3), true, &[]), change(Some(4), &[(2, 4)])];
        assert_eq!(merged(&changes), (Some(4), vec![(2, 4)]));
        assert_eq!(entry_at_base(&changes), None);
    }
}
