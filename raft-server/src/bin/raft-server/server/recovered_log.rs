//! A log whose contents were read before the node starts.

use raft_core::ports::{LogReader, LogStore, StoreError};
use raft_core::{LogId, Membership, Persist, Recovered};
use raft_storage::RocksLogStore;

/// A log whose contents were read to check the configuration against them. The node receives the
/// same contents: a store is read once.
#[derive(Debug)]
pub(super) struct RecoveredLog {
    store: RocksLogStore,
    /// `None` once the node has received it.
    recovered: Option<Recovered>,
}

impl RecoveredLog {
    /// Reads the contents of a log.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(super) fn read(mut store: RocksLogStore) -> Result<Self, StoreError> {
        let recovered = Some(store.recover()?);
        Ok(Self { store, recovered })
    }

    /// The configuration in force, if there is one.
    pub(super) fn membership(&self) -> Option<&Membership> {
        let (_, membership) = self.recovered.as_ref()?.memberships.last()?;
        Some(membership)
    }

    /// Makes the log, of a node that has never started, that of a member of a new cluster.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn bootstrap(&mut self, membership: Membership) -> Result<(), StoreError> {
        self.store.persist(&[Persist::bootstrap(membership.clone())])?;
        if let Some(recovered) = &mut self.recovered {
            recovered.memberships = vec![(LogId::ORIGIN.index, membership)];
        }
        Ok(())
    }
}

impl LogStore for RecoveredLog {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        let twice = || StoreError::Invalid("a log is recovered once".to_owned());
        self.recovered.take().ok_or_else(twice)
    }

    fn persist(&mut self, changes: &[Persist]) -> Result<(), StoreError> {
        self.store.persist(changes)
    }

    fn compact(&mut self, up_to: LogId) -> Result<(), StoreError> {
        self.store.compact(up_to)
    }

    fn reader(&self) -> Box<dyn LogReader> {
        self.store.reader()
    }
}
