use std::sync::{Arc, Mutex, PoisonError};

use raft_core::ports::{LogReader, LogStore, StoreError};
use raft_core::{
    BrokenMark, Entry, HardState, LogId, LogIndex, LogReset, Membership, Payload, Persist,
    Recovered, TermRuns,
};

/// A log store in a vector. Stores made by [`VecStore::reopen`] share their data.
#[derive(Debug, Default)]
pub struct VecStore {
    pages: Arc<Mutex<Pages>>,
    /// A persist failed; all calls fail until the store is opened again.
    stopped: bool,
}

#[derive(Clone, Debug, Default)]
struct Pages {
    base: LogId,
    entries: Vec<Entry>,
    hard_state: HardState,
    base_membership: Option<(LogIndex, Membership)>,
    broken: Option<BrokenMark>,
}

impl VecStore {
    fn check_usable(&self) -> Result<(), StoreError> {
        if self.stopped { Err(StoreError::Poisoned("a persist failed".to_owned())) } else { Ok(()) }
    }

    /// Opens the same data again, as a restarted process does.
    pub fn reopen(&self) -> Self {
        Self { pages: Arc::clone(&self.pages), stopped: false }
    }
}

impl Clone for VecStore {
    /// A copy with its own data, for `Cluster::fork`.
    fn clone(&self) -> Self {
        let pages = with(&self.pages, |pages| pages.clone());
        Self { pages: Arc::new(Mutex::new(pages)), stopped: self.stopped }
    }
}

impl LogStore for VecStore {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        self.check_usable()?;
        with(&self.pages, |pages| {
            let memberships = pages.entries.iter().filter_map(membership_of);
            Ok(Recovered {
                hard_state: pages.hard_state,
                base: pages.base,
                terms: pages.terms(),
                memberships: pages.base_membership.iter().cloned().chain(memberships).collect(),
                broken: pages.broken.clone(),
            })
        })
    }

    fn persist(&mut self, changes: &[Persist]) -> Result<(), StoreError> {
        self.check_usable()?;
        let outcome = with(&self.pages, |pages| {
            // Atomic: the changes are applied to a copy.
            let mut copy = pages.clone();
            changes.iter().try_for_each(|change| copy.make(change))?;
            *pages = copy;
            Ok(())
        });
        self.stopped = outcome.is_err();
        outcome
    }

    fn compact(&mut self, up_to: LogId) -> Result<(), StoreError> {
        self.check_usable()?;
        with(&self.pages, |pages| {
            if up_to == pages.base || up_to.index < pages.base.index {
                return Ok(());
            }
            if !pages.terms().contains(up_to) {
                return Err(StoreError::Invalid(format!("there is no entry {up_to}")));
            }
            let removed = pages.entries.drain(..pages.offset(up_to.index.next()));
            if let Some(membership) = removed.rev().find_map(|entry| membership_of(&entry)) {
                pages.base_membership = Some(membership);
            }
            pages.base = up_to;
            Ok(())
        })
    }

    fn reader(&self) -> Box<dyn LogReader> {
        Box::new(VecReader { pages: Arc::clone(&self.pages) })
    }
}

struct VecReader {
    pages: Arc<Mutex<Pages>>,
}

impl LogReader for VecReader {
    fn read(
        &mut self,
        from: LogIndex,
        last: LogIndex,
        bytes_max: u64,
    ) -> Result<Vec<Entry>, StoreError> {
        with(&self.pages, |pages| {
            let mut weight = 0;
            let mut run = Vec::new();
            let kept = if from > pages.base.index { pages.offset(from) } else { usize::MAX };
            for entry in pages.entries.iter().skip(kept).take_while(|e| e.index() <= last) {
                weight += entry.weight_bytes();
                run.push(entry.clone());
                if weight >= bytes_max {
                    break;
                }
            }
            Ok(run)
        })
    }
}

impl Pages {
    fn terms(&self) -> TermRuns {
        let mut terms = TermRuns::starting_after(self.base);
        for entry in &self.entries {
            terms.push(entry.id).expect("entries follow each other");
        }
        terms
    }

    /// The position of an index after the base.
    fn offset(&self, index: LogIndex) -> usize {
        let offset = index.previous().distance_from(self.base.index);
        usize::try_from(offset).unwrap_or(usize::MAX).min(self.entries.len())
    }

    fn last(&self) -> LogId {
        self.entries.last().map_or(self.base, |entry| entry.id)
    }

    fn reset(&mut self, reset: &LogReset) -> Result<(), StoreError> {
        let LogReset { base, membership, keeps_later_entries } = reset;
        let continues = if *keeps_later_entries {
            self.terms().contains(*base)
        } else {
            base.index >= self.hard_state.commit
        };
        if base.index < self.base.index || membership.0 > base.index || !continues {
            return Err(StoreError::Invalid(format!("cannot reset the log to {base}")));
        }
        if *keeps_later_entries {
            self.entries.retain(|entry| entry.index() > base.index);
        } else {
            self.entries.clear();
        }
        self.base = *base;
        self.base_membership = Some(membership.clone());
        Ok(())
    }

    fn make(&mut self, change: &Persist) -> Result<(), StoreError> {
        let invalid = |what: &str| Err(StoreError::Invalid(what.to_owned()));
        if let Some(reset) = &change.reset {
            self.reset(reset)?;
        }
        if let Some(from) = change.truncate_from {
            let replaced = change.entries.first().is_some_and(|entry| entry.index() == from);
            let inside = from > self.base.index && from <= self.last().index.next();
            if !replaced || !inside {
                return invalid("a truncation without what replaces it");
            }
            self.entries.truncate(self.offset(from));
        }
        for entry in &change.entries {
            let last = self.last();
            if entry.index() != last.index.next() || entry.term() < last.term {
                return invalid("an entry that does not follow the last");
            }
            self.entries.push(entry.clone());
        }
        if let Some(new) = change.hard_state {
            let old = self.hard_state;
            let second_vote = old.voted_for.is_some() && new.voted_for != old.voted_for;
            if new.term < old.term || (new.term == old.term && second_vote) {
                return invalid("a term that falls, or a second vote");
            }
            self.hard_state = new;
        }
        if change.broken.is_some() {
            self.broken.clone_from(&change.broken);
        }
        Ok(())
    }
}

fn with<R>(pages: &Mutex<Pages>, work: impl FnOnce(&mut Pages) -> R) -> R {
    work(&mut pages.lock().unwrap_or_else(PoisonError::into_inner))
}

fn membership_of(entry: &Entry) -> Option<(LogIndex, Membership)> {
    match &entry.payload {
        Payload::Membership(membership) => Some((entry.index(), Membership::clone(membership))),
        Payload::Empty | Payload::Command(_) => None,
    }
}
