//! The log as the node holds it: the term of every index, the recent entries, and which of them
//! are durable.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::sizes::Sizes;
use super::tail::Tail;
use super::term_runs::TermRuns;
use crate::entry::Entry;
use crate::ports::LogReset;
use crate::types::{LogId, LogIndex, PersistId, Term};

/// The log of one node.
///
/// `persisted <= emitted <= last`: entries are appended here first, emitted in a `Persist` at the
/// end of the step, and durable once that is reported.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    terms: TermRuns,
    tail: Tail,
    sizes: Sizes,
    /// The last index known to be durable.
    persisted: LogIndex,
    /// The last index that was emitted in a `Persist`.
    emitted: LogIndex,
    /// The first index that the store must truncate with the next `Persist`.
    truncate_from: Option<LogIndex>,
    /// The reset that the store must execute with the next `Persist`.
    reset: Option<LogReset>,
    /// Persists in flight, ascending: (number, last index that is durable once it completes).
    in_flight: VecDeque<(PersistId, LogIndex)>,
}

/// The part of the next `Persist` that concerns the log.
#[derive(Default)]
pub(crate) struct LogChange {
    pub(crate) reset: Option<LogReset>,
    pub(crate) truncate_from: Option<LogIndex>,
    pub(crate) entries: Vec<Entry>,
}

impl Log {
    /// The log of a store: every entry is durable, and none is in memory.
    pub(crate) fn recovered(terms: TermRuns) -> Self {
        let (base, last) = (terms.base().index, terms.last().index);
        Self {
            terms,
            tail: Tail::starting_at(last.next()),
            sizes: Sizes::recovered(base, last),
            persisted: last,
            emitted: last,
            truncate_from: None,
            reset: None,
            in_flight: VecDeque::new(),
        }
    }

    #[inline]
    pub(crate) const fn terms(&self) -> &TermRuns {
        &self.terms
    }

    /// The entry before the first that the log holds: the last one that is compacted.
    pub(crate) const fn base(&self) -> LogId {
        self.terms.base()
    }

    #[inline]
    pub(crate) fn last(&self) -> LogId {
        self.terms.last()
    }

    #[inline]
    pub(crate) fn term_at(&self, index: LogIndex) -> Option<Term> {
        self.terms.term_at(index)
    }

    #[inline]
    pub(crate) const fn persisted(&self) -> LogIndex {
        self.persisted
    }

    /// The first entry that is held in memory, or the next one to come.
    pub(crate) const fn tail_first(&self) -> LogIndex {
        self.tail.first()
    }

    /// The weight of the entries that are held in memory.
    pub(crate) const fn tail_bytes(&self) -> u64 {
        self.tail.bytes()
    }

    /// Appends the next entry.
    #[inline]
    pub(crate) fn append(&mut self, entry: Entry) {
        let pushed = self.terms.push(entry.id);
        assert!(pushed.is_ok(), "an entry continues the log it is appended to");
        self.sizes.push(entry.weight_bytes());
        self.tail.push(entry);
    }

    /// Drops a suffix. Its entries no longer count as durable, and the completion of a persist
    /// that carried them covers only the entries before them: otherwise it would make their
    /// replacements count as durable.
    pub(crate) fn truncate_from(&mut self, from: LogIndex) {
        let kept = from.previous();
        self.terms.truncate_from(from);
        self.tail.truncate_from(from);
        self.sizes.truncate_from(from);
        if from <= self.emitted {
            self.truncate_from = Some(self.truncate_from.map_or(from, |earlier| earlier.min(from)));
        }
        self.emitted = self.emitted.min(kept);
        self.limit_durable_to(kept);
    }

    /// Drops everything up to and including `up_to`, which becomes the base. The store drops it with
    /// an [`Effect::Compact`](crate::Effect::Compact).
    pub(crate) fn compact(&mut self, up_to: LogIndex) {
        assert!(up_to <= self.persisted, "only durable entries are compacted");
        self.terms.compact(up_to);
        self.tail.drop_to(up_to);
        self.sizes.compact(up_to);
    }

    /// Replaces the entries up to `reset.base` by a snapshot, and those after it by nothing, unless
    /// they are kept. This log and the one that it replaces agree up to `agrees_to`.
    ///
    /// Until the reset is durable, so are only entries that both logs have. The completion of an
    /// earlier persist covers no more than that: otherwise it would make the entries that follow
    /// the new base count as durable.
    pub(crate) fn reset(&mut self, reset: LogReset, agrees_to: LogIndex) {
        let last = self.last();
        assert!(
            self.emitted == last.index && self.truncate_from.is_none() && self.reset.is_none(),
            "a reset changes a log whose entries are emitted"
        );
        let base = reset.base;
        if reset.keeps_later_entries {
            assert!(self.terms.contains(base), "entries after the base are kept if it is there");
            self.terms.compact(base.index);
            self.tail.drop_to(base.index);
            self.sizes.compact(base.index);
        } else {
            self.terms = TermRuns::starting_after(base);
            self.tail = Tail::starting_at(base.index.next());
            self.sizes = Sizes::starting_after(base.index);
            self.emitted = base.index;
            self.limit_durable_to(agrees_to);
        }
        self.reset = Some(reset);
    }

    /// No entry after `kept` counts as durable, also not by the completion of an earlier persist.
    fn limit_durable_to(&mut self, kept: LogIndex) {
        self.persisted = self.persisted.min(kept);
        for (_, covers) in &mut self.in_flight {
            *covers = (*covers).min(kept);
        }
    }

    /// The changes since the last persist, if there are any; they are emitted with this one.
    pub(crate) fn emit_change(&mut self, id: PersistId) -> Option<LogChange> {
        let last = self.last().index;
        if self.reset.is_none() && self.truncate_from.is_none() && self.emitted == last {
            return None;
        }
        let from = self.emitted.next();
        let entries = self.tail.slice(from, last, usize::MAX, u64::MAX);
        assert!(
            entries.len() as u64 == last.distance_from(self.emitted),
            "entries stay in memory until they are emitted"
        );
        self.emitted = last;
        self.in_flight.push_back((id, last));
        let (reset, truncate_from) = (self.reset.take(), self.truncate_from.take());
        Some(LogChange { reset, truncate_from, entries })
    }

    /// Every persist up to this number is durable.
    pub(crate) fn on_persisted(&mut self, id: PersistId) {
        while let Some(&(number, covers)) = self.in_flight.front()
            && number <= id
        {
            self.persisted = self.persisted.max(covers);
            self.in_flight.pop_front();
        }
    }

    /// Recent entries within limits; `None` if `from` is no longer in memory.
    #[inline]
    pub(crate) fn slice(
        &self,
        from: LogIndex,
        last: LogIndex,
        entries_max: usize,
        bytes_max: u64,
    ) -> Option<Vec<Entry>> {
        (from >= self.tail.first()).then(|| self.tail.slice(from, last, entries_max, bytes_max))
    }

    /// The weight of the entries in `(after, last]`, approximately.
    pub(crate) fn bytes_between(&self, after: LogIndex, last: LogIndex) -> u64 {
        self.sizes.bytes_between(after, last)
    }

    /// The lowest index such that the entries after it up to `last` weigh at most `bytes_max`.
    pub(crate) fn first_within(&self, last: LogIndex, bytes_max: u64) -> LogIndex {
        self.sizes.first_within(last, bytes_max)
    }

    /// Drops durable entries from memory, oldest first, while there are more than `bytes_max`.
    pub(crate) fn shrink(&mut self, bytes_max: u64) {
        self.tail.shrink(self.persisted, bytes_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::membership::Membership;
    use crate::types::NodeId;

    fn entry(index: u64, term: u64) -> Entry {
        Entry::empty(LogId::new(Term(term), LogIndex(index)))
    }

    fn log_with(terms: &[u64]) -> Log {
        let mut log = Log::recovered(TermRuns::default());
        for (at, &term) in terms.iter().enumerate() {
            log.append(entry(at as u64 + 1, term));
        }
        log
    }

    #[test]
    fn late_completion_does_not_make_replaced_entries_durable() {
        let mut log = log_with(&[1, 1, 1]);
        log.emit_change(PersistId(1)).expect("three entries");
        log.truncate_from(LogIndex(2));
        log.append(entry(2, 2));
        log.append(entry(3, 2));
        let change = log.emit_change(PersistId(2)).expect("the replacement");
        assert_eq!(change.truncate_from, Some(LogIndex(2)));
        assert_eq!(change.entries.len(), 2);

        log.on_persisted(PersistId(1));
        assert_eq!(log.persisted(), LogIndex(1), "only the common prefix is durable");
        log.on_persisted(PersistId(2));
        assert_eq!(log.persisted(), LogIndex(3));
    }

    #[test]
    fn one_completion_may_cover_several_persists() {
        let mut log = log_with(&[1]);
        log.emit_change(PersistId(1)).expect("one entry");
        log.append(entry(2, 1));
        log.emit_change(PersistId(2)).expect("another entry");
        log.on_persisted(PersistId(2));
        assert_eq!(log.persisted(), LogIndex(2));
    }

    #[test]
    fn truncation_of_entries_that_were_never_emitted_needs_no_persist() {
        let mut log = log_with(&[1]);
        log.emit_change(PersistId(1)).expect("one entry");
        log.append(entry(2, 1));
        log.truncate_from(LogIndex(2));
        assert!(log.emit_change(PersistId(2)).is_none());
    }

    #[test]
    fn tail_keeps_entries_that_are_not_durable_whatever_the_limit() {
        let mut log = log_with(&[1, 1, 1]);
        log.emit_change(PersistId(1)).expect("three entries");
        log.shrink(0);
        assert_eq!(log.tail_first(), LogIndex(1));
        log.on_persisted(PersistId(1));
        log.shrink(entry(3, 1).weight_bytes() + 1);
        assert_eq!(log.tail_first(), LogIndex(3));
        assert!(log.slice(LogIndex(2), LogIndex(3), 9, 999).is_none());
    }

    fn reset_to(base: LogId, keeps_later_entries: bool) -> LogReset {
        let membership = (LogIndex::ZERO, Membership::of_voters([NodeId(1)]));
        LogReset { base, membership, keeps_later_entries }
    }

    #[test]
    fn late_completion_does_not_make_entries_after_a_reset_durable() {
        let mut log = log_with(&[1, 1, 1, 1, 1, 1]);
        log.emit_change(PersistId(1)).expect("six entries");
        let base = LogId::new(Term(2), LogIndex(4));
        log.reset(reset_to(base, false), LogIndex(2));
        assert_eq!((log.base(), log.last()), (base, base));
        assert_eq!(log.persisted(), LogIndex::ZERO);
        let change = log.emit_change(PersistId(2)).expect("the reset");
        assert_eq!(change.reset.map(|reset| reset.base), Some(base));
        log.append(entry(5, 2));
        log.append(entry(6, 2));
        log.emit_change(PersistId(3)).expect("two entries");

        log.on_persisted(PersistId(1));
        assert_eq!(log.persisted(), LogIndex(2), "only what both logs have is durable");
        log.on_persisted(PersistId(2));
        assert_eq!(log.persisted(), LogIndex(4));
        log.on_persisted(PersistId(3));
        assert_eq!(log.persisted(), LogIndex(6));
    }

    #[test]
    fn reset_to_an_entry_of_the_log_keeps_the_later_entries() {
        let mut log = log_with(&[1, 1, 1, 1]);
        log.emit_change(PersistId(1)).expect("four entries");
        let base = LogId::new(Term(1), LogIndex(2));
        log.reset(reset_to(base, true), LogIndex(1));
        assert_eq!((log.base(), log.last().index), (base, LogIndex(4)));
        assert_eq!(log.tail_first(), LogIndex(3));
        let change = log.emit_change(PersistId(2)).expect("the reset");
        assert!(change.entries.is_empty() && change.truncate_from.is_none());
        log.on_persisted(PersistId(1));
        assert_eq!(log.persisted(), LogIndex(4), "the entries that stay were written before");
    }

    #[test]
    fn later_reset_replaces_an_earlier_one_that_is_not_durable() {
        let mut log = log_with(&[1]);
        log.emit_change(PersistId(1)).expect("one entry");
        log.reset(reset_to(LogId::new(Term(2), LogIndex(5)), false), LogIndex::ZERO);
        log.emit_change(PersistId(2)).expect("the first reset");
        log.append(entry(6, 2));
        log.emit_change(PersistId(3)).expect("an entry");
        log.reset(reset_to(LogId::new(Term(3), LogIndex(9)), false), LogIndex(5));
        log.emit_change(PersistId(4)).expect("the second reset");
        log.on_persisted(PersistId(3));
        assert_eq!(log.persisted(), LogIndex(5), "entry 6 is replaced");
        log.on_persisted(PersistId(4));
        assert_eq!(log.persisted(), LogIndex(9));
    }

    #[test]
    fn compaction_drops_entries_from_memory_and_keeps_the_others() {
        let mut log = log_with(&[1, 1, 2]);
        log.emit_change(PersistId(1)).expect("three entries");
        log.on_persisted(PersistId(1));
        log.compact(LogIndex(2));
        assert_eq!((log.base(), log.tail_first()), (LogId::new(Term(1), LogIndex(2)), LogIndex(3)));
        assert!(log.slice(LogIndex(2), LogIndex(3), 9, 999).is_none());
        log.compact(LogIndex(3));
        log.append(entry(4, 2));
        assert_eq!(log.emit_change(PersistId(2)).expect("an entry").entries, [entry(4, 2)]);
        assert_eq!(log.tail_bytes(), entry(4, 2).weight_bytes());
    }
}
