//! The snapshot store.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::state_machine::SnapshotSource;
use crate::membership::Membership;
use crate::types::{LogId, LogIndex};

/// Describes a complete snapshot (Raft §7). Its last entry identifies it: snapshots with the same
/// last entry represent the same state, but their bytes may differ between nodes and releases.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SnapshotMetadata {
    /// The last entry that the snapshot covers.
    pub last: LogId,
    /// The configuration in force at that entry, and its index, which is not after the entry.
    pub membership: (LogIndex, Membership),
    /// The length of the data.
    pub size_bytes: u64,
    /// CRC-32C of the data.
    pub checksum: u32,
}

/// Why an operation on snapshots failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The disk failed. The node may continue: its log is not affected.
    #[error("{operation} failed")]
    Io {
        /// The operation and its object.
        operation: String,
        /// The error of the disk.
        source: Box<dyn core::error::Error + Send + Sync>,
    },
    /// The data is not the data that was written or sent.
    #[error("{what} is damaged: {detail}")]
    Corrupt {
        /// The snapshot, or a part of it.
        what: String,
        /// The contradiction.
        detail: String,
    },
    /// Another writer for this snapshot exists.
    #[error("the snapshot up to entry {0} is being written already")]
    Busy(LogId),
    /// A request that breaks the contract of [`SnapshotStore`].
    #[error("invalid request to the snapshot store: {0}")]
    Invalid(String),
}

/// Stores the snapshots of one node: those of its own state machine, and those that a leader sends.
///
/// A snapshot is complete or absent: it appears when its writer finishes, and is durable then. A
/// store may hold several. It removes none by itself, because only the host knows which one the log
/// begins after, and whether the state machine has made its state durable.
///
/// Any thread calls the store, and calls may overlap. A snapshot has one writer at a time; several
/// snapshots may be written and read at the same time. Writers and readers may outlive the store.
/// Memory is bounded for each writer and reader, whatever the size of the snapshot.
pub trait SnapshotStore: Send + Sync + 'static {
    /// The complete snapshots, ascending by their last entry.
    fn list(&self) -> Vec<SnapshotMetadata>;

    /// The complete snapshot with the highest last entry.
    fn latest(&self) -> Option<SnapshotMetadata> {
        self.list().pop()
    }

    /// Begins to write a snapshot of the own state machine, captured at `last`. It is removed if
    /// its writer does not finish.
    ///
    /// # Errors
    /// [`SnapshotError::Busy`] while another writer for the same `last` exists; others when the
    /// disk fails or the index of the membership is after `last`.
    fn create(
        &self,
        last: LogId,
        membership: (LogIndex, Membership),
    ) -> Result<Box<dyn SnapshotWriter>, SnapshotError>;

    /// Begins or resumes to receive a snapshot that another node describes like this. If an earlier
    /// writer for the same metadata was dropped before its end, in this process or before a
    /// restart, [`SnapshotWriter::offset`] states where to continue: the data before is verified.
    ///
    /// Data received of other snapshots, whose writers are dropped, is removed. A snapshot with the
    /// same `last` that is complete remains until this one replaces it.
    ///
    /// # Errors
    /// As for [`SnapshotStore::create`].
    fn receive(
        &self,
        metadata: &SnapshotMetadata,
    ) -> Result<Box<dyn SnapshotWriter>, SnapshotError>;

    /// Opens the complete snapshot with this last entry; `None` if there is none. A reader pins its
    /// snapshot: it stays readable after its removal, and takes space until the reader is dropped.
    ///
    /// # Errors
    /// When the disk fails or the snapshot is damaged.
    fn open(&self, last: LogId) -> Result<Option<Box<dyn SnapshotReader>>, SnapshotError>;

    /// Removes the complete snapshot with this last entry, if there is one. Durable on return.
    ///
    /// # Errors
    /// When the disk fails. The snapshot may exist again after a restart.
    fn remove(&self, last: LogId) -> Result<(), SnapshotError>;

    /// Removes every complete snapshot whose last entry has a lower index.
    ///
    /// # Errors
    /// As for [`SnapshotStore::remove`].
    fn remove_before(&self, index: LogIndex) -> Result<(), SnapshotError> {
        let older = self.list().into_iter().map(|snapshot| snapshot.last);
        older.filter(|last| last.index < index).try_for_each(|last| self.remove(last))
    }
}

/// Writes one snapshot. One thread at a time uses it.
///
/// After an error the writer fails every call: drop it, and begin again.
pub trait SnapshotWriter: Send {
    /// The number of bytes written so far. Not zero in a new writer that resumes a reception.
    fn offset(&self) -> u64;

    /// Appends data. It need not be durable on return.
    ///
    /// # Errors
    /// When the disk fails, or the snapshot becomes larger than the sender described it.
    fn write(&mut self, bytes: &[u8]) -> Result<(), SnapshotError>;

    /// Makes the snapshot durable and publishes it: on return [`SnapshotStore::list`] contains it,
    /// also after a restart. The size and the checksum of a received snapshot are compared with the
    /// metadata of its sender before that; if they differ, the data is removed.
    ///
    /// # Errors
    /// [`SnapshotError::Corrupt`] if size or checksum differ. After an error of the disk it is
    /// unknown whether the snapshot exists after a restart; if it does, it is complete.
    fn finish(self: Box<Self>) -> Result<SnapshotMetadata, SnapshotError>;
}

/// Reads one complete snapshot. The bytes that [`SnapshotSource::read`] returns are verified.
pub trait SnapshotReader: SnapshotSource {
    /// The snapshot.
    fn metadata(&self) -> &SnapshotMetadata;

    /// Continues at this offset: for a receiver that resumes.
    ///
    /// # Errors
    /// When the offset is after the end of the data, or the disk fails.
    fn seek(&mut self, offset: u64) -> Result<(), SnapshotError>;
}
