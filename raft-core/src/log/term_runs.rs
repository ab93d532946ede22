//! The terms of a whole log as runs: terms never fall along the log.

use alloc::vec::Vec;

use crate::types::{LogId, LogIndex, Term};

/// The term of every index in `(base, last]`, as runs of equal terms.
///
/// Guarantees: runs ascend strictly in first index and in term; the first run begins right after
/// the base; an empty log has no runs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TermRuns {
    /// The entry before the first that is covered.
    base: LogId,
    /// (first index, term) of each run.
    runs: Vec<(LogIndex, Term)>,
    /// The last covered index; `base.index` if none is.
    last: LogIndex,
}

impl TermRuns {
    /// Covers nothing yet; the next index is `base.index + 1`.
    #[must_use]
    pub const fn starting_after(base: LogId) -> Self {
        Self { base, runs: Vec::new(), last: base.index }
    }

    /// The entry before the first that is covered.
    #[must_use]
    pub const fn base(&self) -> LogId {
        self.base
    }

    /// The last covered entry, or the base.
    #[must_use]
    #[inline]
    pub fn last(&self) -> LogId {
        match self.runs.last() {
            Some(&(_, term)) => LogId::new(term, self.last),
            None => self.base,
        }
    }

    /// Adds the next index.
    ///
    /// # Errors
    /// Returns `id` if it does not continue the log or its term is lower than the last.
    #[inline]
    pub fn push(&mut self, id: LogId) -> Result<(), LogId> {
        if id.index == self.last.next() { self.push_up_to(id) } else { Err(id) }
    }

    /// Adds every index after the last up to this one, all with its term.
    ///
    /// # Errors
    /// Returns `id` if its index is not after the last or its term is lower than the last.
    #[inline]
    pub fn push_up_to(&mut self, id: LogId) -> Result<(), LogId> {
        if id.index <= self.last || id.term < self.last().term {
            return Err(id);
        }
        if self.runs.last().is_none_or(|&(_, term)| term != id.term) {
            self.runs.push((self.last.next(), id.term));
        }
        self.last = id.index;
        Ok(())
    }

    /// The last entry of each run, ascending. [`TermRuns::push_up_to`] with each of them, after the
    /// same base, gives an equal value.
    pub fn ends(&self) -> impl Iterator<Item = LogId> {
        let after = self.runs.iter().skip(1).map(|&(first, _)| first.previous());
        let ends = after.chain([self.last]);
        self.runs.iter().zip(ends).map(|(&(_, term), end)| LogId::new(term, end))
    }

    /// The term at an index: of the base, of a covered entry, or `None`.
    #[must_use]
    pub fn term_at(&self, index: LogIndex) -> Option<Term> {
        if index == self.base.index {
            return Some(self.base.term);
        }
        if index < self.base.index || index > self.last {
            return None;
        }
        // Nearly always the index is in the newest run.
        let run = match self.runs.last() {
            Some(run) if run.0 <= index => run,
            _ => &self.runs[self.runs.partition_point(|&(first, _)| first <= index) - 1],
        };
        Some(run.1)
    }

    /// Whether the entry with this term and index is covered, or is the base.
    #[must_use]
    pub fn contains(&self, id: LogId) -> bool {
        self.term_at(id.index) == Some(id.term)
    }

    /// Drops `from` and everything after it.
    pub fn truncate_from(&mut self, from: LogIndex) {
        let from = from.max(self.base.index.next());
        if from > self.last {
            return;
        }
        self.runs.truncate(self.runs.partition_point(|&(first, _)| first < from));
        self.last = from.previous();
    }

    /// Drops everything up to and including `up_to`, which becomes the base.
    pub fn compact(&mut self, up_to: LogIndex) {
        let up_to = up_to.min(self.last);
        let Some(term) = self.term_at(up_to) else { return };
        let keep = self.runs.partition_point(|&(first, _)| first <= up_to);
        self.runs.drain(..keep);
        if up_to < self.last && self.runs.first().is_none_or(|&(first, _)| first > up_to.next()) {
            self.runs.insert(0, (up_to.next(), term));
        }
        self.base = LogId::new(term, up_to);
    }

    /// The highest entry at or below `index` whose term is at most `term`; the base at the lowest.
    #[must_use]
    pub fn highest_at_most(&self, index: LogIndex, term: Term) -> LogId {
        let index = index.min(self.last);
        let candidates = self.runs.partition_point(|&(first, run)| first <= index && run <= term);
        let Some(&(_, run_term)) = candidates.checked_sub(1).and_then(|at| self.runs.get(at))
        else {
            return self.base;
        };
        let end = self.runs.get(candidates).map_or(self.last, |&(first, _)| first.previous());
        LogId::new(run_term, end.min(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(terms: &[u64]) -> TermRuns {
        let mut runs = TermRuns::default();
        for (at, &term) in terms.iter().enumerate() {
            let id = LogId::new(Term(term), LogIndex(at as u64 + 1));
            runs.push(id).expect("ascending");
        }
        runs
    }

    #[test]
    fn the_ends_of_all_runs_give_the_same_terms() {
        for terms in [&[][..], &[4], &[1, 1, 2, 2, 5], &[3, 3, 3]] {
            let mut original = runs(terms);
            for compacted in 0..=terms.len() as u64 {
                original.compact(LogIndex(compacted));
                let mut rebuilt = TermRuns::starting_after(original.base());
                original.ends().for_each(|end| rebuilt.push_up_to(end).expect("ascending"));
                assert_eq!(rebuilt, original);
            }
        }
        let mut runs = runs(&[1, 2]);
        assert!(runs.push_up_to(LogId::new(Term(2), LogIndex(2))).is_err(), "not after the last");
        assert!(runs.push_up_to(LogId::new(Term(1), LogIndex(9))).is_err(), "a lower term");
    }

    #[test]
    fn terms_are_found_in_every_run() {
        let runs = runs(&[1, 1, 2, 2, 5]);
        let terms: Vec<_> = (0..=6).map(|i| runs.term_at(LogIndex(i)).map(Term::get)).collect();
        assert_eq!(terms, [Some(0), Some(1), Some(1), Some(2), Some(2), Some(5), None]);
    }

    #[test]
    fn truncating_and_appending_keeps_the_runs_ascending() {
        let mut runs = runs(&[1, 1, 2, 2, 5]);
        runs.truncate_from(LogIndex(4));
        assert_eq!(runs.last(), LogId::new(Term(2), LogIndex(3)));
        assert!(runs.push(LogId::new(Term(1), LogIndex(4))).is_err(), "a term never falls");
        assert!(runs.push(LogId::new(Term(3), LogIndex(5))).is_err(), "no gaps");
        runs.push(LogId::new(Term(7), LogIndex(4))).expect("continues");
        assert_eq!(runs.last(), LogId::new(Term(7), LogIndex(4)));
    }

    #[test]
    fn compacting_inside_a_run_keeps_the_rest_of_the_run() {
        let mut runs = runs(&[1, 1, 1, 2, 2]);
        runs.compact(LogIndex(2));
        assert_eq!(runs.base(), LogId::new(Term(1), LogIndex(2)));
        assert_eq!(runs.term_at(LogIndex(1)), None);
        assert_eq!(runs.term_at(LogIndex(3)), Some(Term(1)));
        runs.compact(LogIndex(3));
        assert_eq!(runs.term_at(LogIndex(4)), Some(Term(2)));
        runs.compact(LogIndex(5));
        assert_eq!(runs.last(), LogId::new(Term(2), LogIndex(5)));
        assert_eq!(runs.last(), runs.base());
    }

    #[test]
    fn highest_entry_of_at_most_a_term_is_found() {
        let runs = runs(&[1, 1, 3, 3, 5]);
        let find = |index, term| runs.highest_at_most(LogIndex(index), Term(term)).index.get();
        assert_eq!(find(5, 5), 5);
        assert_eq!(find(5, 4), 4);
        assert_eq!(find(9, 9), 5);
        assert_eq!(find(3, 3), 3);
        assert_eq!(find(5, 2), 2);
        assert_eq!(find(1, 2), 1);
        assert_eq!(find(5, 0), 0);
    }
}
