//! A log store in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raft_core::ports::{LogReader, LogReset, LogStore, StoreError};
use raft_core::{
    BrokenMark, Entry, HardState, LogId, LogIndex, Membership, Payload, Persist, Recovered,
};

use crate::outline::LogOutline;

/// Keeps the log in memory with the semantics of a store on disk: every change passed to
/// [`LogStore::persist`] is complete and present after [`MemLogStore::restarted`].
///
/// To simulate a crash that loses writes, a test delays the call of `persist` until the simulated
/// write completes: a change that was not passed to `persist` was never durable.
///
/// A clone is an independent copy, for forks of a simulation.
#[derive(Debug, Default)]
pub struct MemLogStore {
    disk: Arc<Mutex<Disk>>,
    /// The error after which the store refuses all calls.
    poisoned: Option<String>,
}

/// The data that survives a simulated restart.
#[derive(Clone, Debug, Default)]
struct Disk {
    outline: LogOutline,
    /// Contiguous from the index after the base.
    entries: VecDeque<Entry>,
    /// The newest membership at or before the base.
    base_membership: Option<(LogIndex, Membership)>,
    broken: Option<BrokenMark>,
}

impl MemLogStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A store on the same memory, as after a restart of the process. The previous store must not
    /// be used any more.
    #[must_use]
    pub fn restarted(&self) -> Self {
        Self { disk: Arc::clone(&self.disk), poisoned: None }
    }

    /// The hard state as it is stored.
    #[must_use]
    pub fn hard_state(&self) -> HardState {
        self.disk().outline.hard_state
    }

    /// The last entry, or the base of an empty log.
    #[must_use]
    pub fn last(&self) -> LogId {
        self.disk().outline.terms.last()
    }

    /// The log id before the first entry.
    #[must_use]
    pub fn base(&self) -> LogId {
        self.disk().outline.terms.base()
    }

    /// All entries after the base. Payloads are shared, not copied.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.disk().entries.iter().cloned().collect()
    }

    /// The broken mark, if there is one.
    #[must_use]
    pub fn broken(&self) -> Option<BrokenMark> {
        self.disk().broken.clone()
    }

    /// Removes the broken mark, as an operator does, and returns it.
    pub fn mark_fixed(&mut self) -> Option<BrokenMark> {
        self.disk().broken.take()
    }

    /// Sets the hard state without the checks of [`LogStore::persist`], for tests that need a
    /// certain initial state, such as a node with an old term.
    pub fn force_hard_state(&mut self, hard_state: HardState) {
        self.disk().outline.hard_state = hard_state;
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        lock(&self.disk)
    }

    fn check_usable(&self) -> Result<(), StoreError> {
        self.poisoned.clone().map_or(Ok(()), |reason| Err(StoreError::Poisoned(reason)))
    }
}

impl Clone for MemLogStore {
    fn clone(&self) -> Self {
        let disk = self.disk().clone();
        Self { disk: Arc::new(Mutex::new(disk)), poisoned: self.poisoned.clone() }
    }
}

impl LogStore for MemLogStore {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        self.check_usable()?;
        let disk = self.disk();
        let kept = disk.entries.iter().filter_map(membership_of);
        Ok(Recovered {
            hard_state: disk.outline.hard_state,
            base: disk.outline.terms.base(),
            terms: disk.outline.terms.clone(),
            memberships: disk.base_membership.iter().cloned().chain(kept).collect(),
            broken: disk.broken.clone(),
        })
    }

    fn persist(&mut self, changes: &[Persist]) -> Result<(), StoreError> {
        self.check_usable()?;
        let outcome = self.disk().write(changes);
        if let Err(error) = &outcome {
            self.poisoned = Some(error.to_string());
        }
        outcome
    }

    fn compact(&mut self, up_to: LogId) -> Result<(), StoreError> {
        self.check_usable()?;
        self.disk().compact(up_to)
    }

    fn reader(&self) -> Box<dyn LogReader> {
        Box::new(MemLogReader { disk: Arc::clone(&self.disk) })
    }
}

impl Disk {
    fn write(&mut self, changes: &[Persist]) -> Result<(), StoreError> {
        let mut outline = self.outline.clone();
        changes.iter().try_for_each(|change| outline.admit(change))?;
        for change in changes {
            if let Some(reset) = &change.reset {
                self.reset(reset);
            }
            if let Some(from) = change.truncate_from {
                let keep = self.entries.partition_point(|entry| entry.index() < from);
                self.entries.truncate(keep);
            }
            self.entries.extend(change.entries.iter().cloned());
            if let Some(broken) = &change.broken {
                self.broken = Some(broken.clone());
            }
        }
        self.outline = outline;
        Ok(())
    }

    /// Executes a validated reset. The outline may still be that of the log before it.
    fn reset(&mut self, reset: &LogReset) {
        let LogReset { base, membership, keeps_later_entries } = reset;
        if *keeps_later_entries {
            self.entries.retain(|entry| entry.index() > base.index);
        } else {
            self.entries.clear();
        }
        self.base_membership = Some(membership.clone());
    }

    fn compact(&mut self, up_to: LogId) -> Result<(), StoreError> {
        if !self.outline.may_compact(up_to)? {
            return Ok(());
        }
        let count = self.offset_of(up_to.index.next());
        let dropped = self.entries.drain(..count);
        if let Some(newest) = dropped.rev().find_map(|entry| membership_of(&entry)) {
            self.base_membership = Some(newest);
        }
        self.outline.terms.compact(up_to.index);
        Ok(())
    }

    /// The position in `entries` of an index after the base.
    fn offset_of(&self, index: LogIndex) -> usize {
        let distance = index.previous().distance_from(self.outline.terms.base().index);
        usize::try_from(distance)
            .map_or(self.entries.len(), |offset| offset.min(self.entries.len()))
    }
}

/// Reads a [`MemLogStore`] from another thread.
#[derive(Debug)]
struct MemLogReader {
    disk: Arc<Mutex<Disk>>,
}

impl LogReader for MemLogReader {
    fn read(
        &mut self,
        from: LogIndex,
        last: LogIndex,
        bytes_max: u64,
    ) -> Result<Vec<Entry>, StoreError> {
        let disk = lock(&self.disk);
        if from <= disk.outline.terms.base().index {
            return Ok(Vec::new());
        }
        let mut entries = Vec::new();
        let mut weight_bytes = 0_u64;
        for entry in disk.entries.range(disk.offset_of(from)..) {
            if entry.index() > last {
                break;
            }
            weight_bytes = weight_bytes.saturating_add(entry.weight_bytes());
            entries.push(entry.clone());
            if weight_bytes >= bytes_max {
                break;
            }
        }
        Ok(entries)
    }
}

/// Changes are applied as a whole, so the data is consistent after a panic under the lock.
fn lock(disk: &Mutex<Disk>) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

fn membership_of(entry: &Entry) -> Option<(LogIndex, Membership)> {
    match &entry.payload {
        Payload::Membership(membership) => Some((entry.index(), Membership::clone(membership))),
        Payload::Empty | Payload::Command(_) => None,
    }
}
