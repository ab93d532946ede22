//! Validation of changes against the log.

use raft_core::ports::{LogReset, StoreError};
use raft_core::{HardState, LogId, LogIndex, Persist, TermRuns};

/// The log without its payloads. Every change is validated here before it is written.
///
/// Guarantees: entries are contiguous from the base, terms never decrease along the log, the term
/// of the hard state never decreases, and a vote never changes within a term.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogOutline {
    /// The term of every index after the base.
    pub(crate) terms: TermRuns,
    /// The hard state as of the last admitted change.
    pub(crate) hard_state: HardState,
}

impl LogOutline {
    /// Applies a change, or returns the rule that it violates. After an error the value is partly
    /// updated and must be discarded.
    pub(crate) fn admit(&mut self, change: &Persist) -> Result<(), StoreError> {
        if let Some(reset) = &change.reset {
            self.reset(reset)?;
        }
        if let Some(from) = change.truncate_from {
            self.truncate(from, change)?;
        }
        for entry in &change.entries {
            self.terms.push(entry.id).map_err(|id| {
                StoreError::Invalid(format!("entry {id} cannot follow {}", self.terms.last()))
            })?;
        }
        match change.hard_state {
            Some(hard_state) => self.set_hard_state(hard_state),
            None => Ok(()),
        }
    }

    /// Whether the log may be compacted up to this entry. `Ok(false)`: it already is.
    pub(crate) fn may_compact(&self, up_to: LogId) -> Result<bool, StoreError> {
        let base = self.terms.base();
        if up_to.index < base.index || up_to == base {
            return Ok(false);
        }
        if self.terms.contains(up_to) {
            return Ok(true);
        }
        let last = self.terms.last();
        Err(StoreError::Invalid(format!(
            "cannot compact up to {up_to}: the log from {base} to {last} does not hold that entry"
        )))
    }

    fn reset(&mut self, reset: &LogReset) -> Result<(), StoreError> {
        let LogReset { base, membership: (membership_index, _), keeps_later_entries } = reset;
        let (old_base, last) = (self.terms.base(), self.terms.last());
        if base.index < old_base.index || *membership_index > base.index {
            return Err(StoreError::Invalid(format!(
                "cannot reset the log to {base} with a membership of index {membership_index}: its \
                 base is {old_base}"
            )));
        }
        if !keeps_later_entries {
            let commit = self.hard_state.commit;
            if base.index < commit {
                return Err(StoreError::Invalid(format!(
                    "cannot reset the log to {base} without later entries: the commit index is \
                     {commit}"
                )));
            }
            self.terms = TermRuns::starting_after(*base);
            return Ok(());
        }
        if !self.terms.contains(*base) {
            return Err(StoreError::Invalid(format!(
                "cannot keep the entries after {base}: the log from {old_base} to {last} does not \
                 hold that entry"
            )));
        }
        self.terms.compact(base.index);
        Ok(())
    }

    fn truncate(&mut self, from: LogIndex, change: &Persist) -> Result<(), StoreError> {
        let base = self.terms.base();
        let last = self.terms.last();
        if from <= base.index || from > last.index.next() {
            return Err(StoreError::Invalid(format!(
                "cannot truncate from {from}: the log reaches from {base} to {last}"
            )));
        }
        if change.entries.first().is_none_or(|entry| entry.index() != from) {
            return Err(StoreError::Invalid(format!(
                "a truncation from {from} comes without the entry that replaces it"
            )));
        }
        self.terms.truncate_from(from);
        Ok(())
    }

    fn set_hard_state(&mut self, new: HardState) -> Result<(), StoreError> {
        let old = self.hard_state;
        if new.term < old.term {
            return Err(StoreError::Invalid(format!(
                "the term would fall from {} to {}",
                old.term, new.term
            )));
        }
        let vote_moves = old.voted_for.is_some() && new.voted_for != old.voted_for;
        if new.term == old.term && vote_moves {
            return Err(StoreError::Invalid(format!("a second vote in term {}", new.term)));
        }
        self.hard_state = new;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use raft_core::{Entry, NodeId, PersistId, Term};

    use super::*;

    fn append(ids: &[(u64, u64)]) -> Persist {
        let id = |&(term, index)| LogId::new(Term(term), LogIndex(index));
        Persist {
            id: PersistId(1),
            hard_state: None,
            reset: None,
            truncate_from: None,
            entries: ids.iter().map(|pair| Entry::empty(id(pair))).collect(),
            broken: None,
        }
    }

    fn holding(ids: &[(u64, u64)]) -> LogOutline {
        let mut outline = LogOutline::default();
        outline.admit(&append(ids)).expect("a proper log");
        outline
    }

    #[test]
    fn gaps_and_falling_terms_are_refused() {
        let gap = holding(&[(1, 1)]).admit(&append(&[(1, 3)])).unwrap_err();
        assert!(gap.to_string().contains("entry 3@1 cannot follow 1@1"), "{gap}");
        let falls = holding(&[(2, 1)]).admit(&append(&[(1, 2)])).unwrap_err();
        assert!(falls.to_string().contains("entry 2@1 cannot follow 1@2"), "{falls}");
    }

    #[test]
    fn a_truncation_needs_its_replacement() {
        let mut change = append(&[]);
        change.truncate_from = Some(LogIndex(2));
        assert!(holding(&[(1, 1), (1, 2)]).admit(&change).is_err());
        change.entries = append(&[(2, 2)]).entries;
        holding(&[(1, 1), (1, 2)]).admit(&change).expect("replaces entry 2");
        change.truncate_from = Some(LogIndex(4));
        assert!(holding(&[(1, 1), (1, 2)]).admit(&change).is_err(), "past the end");
        change.truncate_from = Some(LogIndex(0));
        assert!(holding(&[(1, 1), (1, 2)]).admit(&change).is_err(), "before the beginning");
    }

    #[test]
    fn a_term_never_falls_and_a_vote_never_moves() {
        let mut outline = LogOutline::default();
        let mut set = |term, voted_for: Option<u64>| {
            let mut change = append(&[]);
            let voted_for = voted_for.map(NodeId);
            let commit = LogIndex(0);
            change.hard_state = Some(HardState { term: Term(term), voted_for, commit });
            outline.clone().admit(&change).map(|()| outline.admit(&change).unwrap())
        };
        set(2, None).expect("a new term");
        set(2, Some(1)).expect("the first vote");
        set(2, Some(1)).expect("the same vote");
        assert!(set(2, Some(3)).is_err(), "another vote in the same term");
        assert!(set(2, None).is_err(), "taking a vote back");
        assert!(set(1, None).is_err(), "an older term");
        set(3, Some(3)).expect("a vote in a new term");
    }

    #[test]
    fn only_entries_of_the_log_are_compacted() {
        let mut outline = holding(&[(1, 1), (2, 2)]);
        let id = |term, index| LogId::new(Term(term), LogIndex(index));
        assert!(outline.may_compact(id(2, 2)).unwrap());
        assert!(outline.may_compact(id(1, 2)).is_err(), "another entry");
        assert!(outline.may_compact(id(2, 3)).is_err(), "past the end");
        outline.terms.compact(LogIndex(1));
        assert!(!outline.may_compact(id(1, 1)).unwrap(), "done before");
    }
}
