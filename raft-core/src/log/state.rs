//! The log as the node holds it: the term of every index, the recent entries, and which of them
//! are durable.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::tail::Tail;
use super::term_runs::TermRuns;
use crate::entry::Entry;
use crate::types::{LogId, LogIndex, PersistId, Term};

/// The log of one node.
///
/// `persisted <= emitted <= last`: entries are appended here first, emitted in a `Persist` at the
/// end of the step, and durable once that is reported.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    terms: TermRuns,
    tail: Tail,
    /// The last index known to be durable.
    persisted: LogIndex,
    /// The last index that was emitted in a `Persist`.
    emitted: LogIndex,
    /// The first index that the store must truncate with the next `Persist`.
    truncate_from: Option<LogIndex>,
    /// Persists in flight, ascending: (number, last index that is durable once it completes).
    in_flight: VecDeque<(PersistId, LogIndex)>,
}

/// The part of the next `Persist` that concerns the log.
pub(crate) struct LogChange {
    pub(crate) truncate_from: Option<LogIndex>,
    pub(crate) entries: Vec<Entry>,
}

impl Log {
    /// The log of a store: every entry is durable, and none is in memory.
    pub(crate) const fn recovered(terms: TermRuns, last: LogIndex) -> Self {
        Self {
            terms,
            tail: Tail::starting_at(last.next()),
            persisted: last,
            emitted: last,
            truncate_from: None,
            in_flight: VecDeque::new(),
        }
    }

    #[inline]
    pub(crate) const fn terms(&self) -> &TermRuns {
        &self.terms
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
        self.tail.push(entry);
    }

    /// Drops a suffix. Its entries no longer count as durable, and the completion of a persist
    /// that carried them covers only the entries before them: otherwise it would make their
    /// replacements count as durable.
    pub(crate) fn truncate_from(&mut self, from: LogIndex) {
        let kept = from.previous();
        self.terms.truncate_from(from);
        self.tail.truncate_from(from);
        if from <= self.emitted {
            self.truncate_from = Some(self.truncate_from.map_or(from, |earlier| earlier.min(from)));
        }
        self.emitted = self.emitted.min(kept);
        self.persisted = self.persisted.min(kept);
        for (_, covers) in &mut self.in_flight {
            *covers = (*covers).min(kept);
        }
    }

    /// The changes since the last persist, if there are any; they are emitted with this one.
    pub(crate) fn emit_change(&mut self, id: PersistId) -> Option<LogChange> {
        let last = self.last().index;
        if self.truncate_from.is_none() && self.emitted == last {
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
        Some(LogChange { truncate_from: self.truncate_from.take(), entries })
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

    /// Drops durable entries from memory, oldest first, while there are more than `bytes_max`.
    pub(crate) fn shrink(&mut self, bytes_max: u64) {
        self.tail.shrink(self.persisted, bytes_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64, term: u64) -> Entry {
        Entry::empty(LogId::new(Term(term), LogIndex(index)))
    }

    fn log_with(terms: &[u64]) -> Log {
        let mut log = Log::recovered(TermRuns::default(), LogIndex::ZERO);
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
}
