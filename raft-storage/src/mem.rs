//! A log store in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raft_core::ports::{LogReader, LogStore, StoreError};
use raft_core::{
    BrokenMark, Entry, HardState, LogId, LogIndex, Membership, Payload, Persist, Recovered,
};

use crate::shape::Shape;

/// Keeps the log in memory, with the promises of a store on disk: what [`LogStore::persist`] was
/// given is there after [`MemLogStore::restarted`], whole changes only.
///
/// A test that wants a crash to lose writes holds the changes back and hands them over when the
/// pretended disk is done: what was never handed over was never durable.
///
/// A clone is a copy with a life of its own, as a fork of a simulated world needs it.
#[derive(Debug, Default)]
pub struct MemLogStore {
    disk: Arc<Mutex<Disk>>,
    /// Why the store refuses to go on.
    poisoned: Option<String>,
}

/// What outlives the process that a store pretends to live in.
#[derive(Clone, Debug, Default)]
struct Disk {
    shape: Shape,
    /// Contiguous, from just after the base of the shape.
    entries: VecDeque<Entry>,
    /// The newest configuration at or before the base.
    base_membership: Option<(LogIndex, Membership)>,
    broken: Option<BrokenMark>,
}

impl MemLogStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A store on the same memory, as after a restart of the process. The old one must not be
    /// used any more.
    #[must_use]
    pub fn restarted(&self) -> Self {
        Self { disk: Arc::clone(&self.disk), poisoned: None }
    }

    /// The hard state as it is stored.
    #[must_use]
    pub fn hard_state(&self) -> HardState {
        self.disk().shape.hard_state
    }

    /// The last entry, or the base of an empty log.
    #[must_use]
    pub fn last(&self) -> LogId {
        self.disk().shape.terms.last()
    }

    /// The entry before the first that is kept.
    #[must_use]
    pub fn base(&self) -> LogId {
        self.disk().shape.terms.base()
    }

    /// Every kept entry. Payloads are shared, not copied.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.disk().entries.iter().cloned().collect()
    }

    /// The broken mark, if there is one.
    #[must_use]
    pub fn broken(&self) -> Option<BrokenMark> {
        self.disk().broken.clone()
    }

    /// Takes the broken mark away, as an operator does; returns what it said.
    pub fn mark_fixed(&mut self) -> Option<BrokenMark> {
        self.disk().broken.take()
    }

    /// Puts a hard state in place without the checks of [`LogStore::persist`]: a lever for tests
    /// that set a stage, such as a node whose term lies behind.
    pub fn stage_hard_state(&mut self, hard_state: HardState) {
        self.disk().shape.hard_state = hard_state;
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
            hard_state: disk.shape.hard_state,
            base: disk.shape.terms.base(),
            terms: disk.shape.terms.clone(),
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
        let mut shape = self.shape.clone();
        changes.iter().try_for_each(|change| shape.admit(change))?;
        for change in changes {
            if let Some(from) = change.truncate_from {
                self.entries.truncate(self.offset_of(from));
            }
            self.entries.extend(change.entries.iter().cloned());
            if let Some(broken) = &change.broken {
                self.broken = Some(broken.clone());
            }
        }
        self.shape = shape;
        Ok(())
    }

    fn compact(&mut self, up_to: LogId) -> Result<(), StoreError> {
        if !self.shape.may_compact(up_to)? {
            return Ok(());
        }
        let count = self.offset_of(up_to.index.next());
        let dropped = self.entries.drain(..count);
        if let Some(newest) = dropped.rev().find_map(|entry| membership_of(&entry)) {
            self.base_membership = Some(newest);
        }
        self.shape.terms.compact(up_to.index);
        Ok(())
    }

    /// Where an index after the base stands in `entries`, or would stand.
    fn offset_of(&self, index: LogIndex) -> usize {
        let distance = index.previous().distance_from(self.shape.terms.base().index);
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
        if from <= disk.shape.terms.base().index {
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

/// A panic while the lock was held leaves whole changes behind, so the data may be used further.
fn lock(disk: &Mutex<Disk>) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

fn membership_of(entry: &Entry) -> Option<(LogIndex, Membership)> {
    match &entry.payload {
        Payload::Membership(membership) => Some((entry.index(), membership.clone())),
        Payload::Empty | Payload::Command(_) => None,
    }
}
