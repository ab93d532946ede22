//! A log store that a test controls.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use raft_core::LogId;
use raft_core::ports::{LogReader, LogStore, StoreError};
use raft_core::{Persist, Recovered};
use raft_storage::{MemLogStore, MemSnapshotStore};
use tokio::sync::watch;

/// A log in memory that fails, panics or hangs where a test requests it, and snapshots. It outlives
/// the node.
#[derive(Default)]
pub(super) struct Disk {
    pub(super) log: MemLogStore,
    pub(super) snapshots: MemSnapshotStore,
    pub(super) fails: AtomicBool,
    pub(super) panics: AtomicBool,
    hangs: Mutex<bool>,
    resumed: Condvar,
    /// The number of log stores that use it.
    pub(super) open: watch::Sender<usize>,
}

/// Writes to the disk do not return until this is dropped.
pub(super) struct HangGuard<'a>(&'a Disk);

impl Drop for HangGuard<'_> {
    fn drop(&mut self) {
        *self.0.hangs.lock().expect("no panic under this lock") = false;
        self.0.resumed.notify_all();
    }
}

impl Disk {
    pub(super) fn hang(&self) -> HangGuard<'_> {
        *self.hangs.lock().expect("no panic under this lock") = true;
        HangGuard(self)
    }

    /// A disk with this log that has lost its snapshots.
    pub(super) fn without_snapshots(&self) -> Self {
        Self { log: self.log.restarted(), ..Self::default() }
    }

    /// Waits until no log store uses it.
    pub(super) async fn is_closed(&self) {
        self.open.subscribe().wait_for(|&open| open == 0).await.expect("the sender exists");
    }
}

/// The log store of one node on a [`Disk`].
pub(super) struct DiskStore {
    disk: Arc<Disk>,
    log: MemLogStore,
}

impl DiskStore {
    pub(super) fn open(disk: &Arc<Disk>) -> Self {
        disk.open.send_modify(|open| *open += 1);
        Self { disk: Arc::clone(disk), log: disk.log.restarted() }
    }

    fn inject_faults(&self) -> Result<(), StoreError> {
        assert!(!self.disk.panics.load(Ordering::SeqCst), "injected panic");
        if self.disk.fails.load(Ordering::SeqCst) {
            let source = Box::new(std::io::Error::other("injected failure"));
            return Err(StoreError::Io { operation: "writing the log".to_owned(), source });
        }
        Ok(())
    }
}

impl LogStore for DiskStore {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        self.inject_faults()?;
        self.log.recover()
    }

    fn persist(&mut self, changes: &[Persist]) -> Result<(), StoreError> {
        let hangs = self.disk.hangs.lock().expect("no panic under this lock");
        let resumed = self.disk.resumed.wait_while(hangs, |hangs| *hangs);
        drop(resumed.expect("no panic under this lock"));
        self.inject_faults()?;
        self.log.persist(changes)
    }

    fn compact(&mut self, up_to: LogId) -> Result<(), StoreError> {
        self.log.compact(up_to)
    }

    fn reader(&self) -> Box<dyn LogReader> {
        self.log.reader()
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        self.disk.open.send_modify(|open| *open -= 1);
    }
}
