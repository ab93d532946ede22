//! Errors about snapshots.

use raft_core::ports::{SnapshotError, StorageFailure};

use super::options::TooLittleSpace;

/// Why a state could not be captured, or the log not be compacted. A retry is safe.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotRequestError {
    /// The node has no snapshot store: its log is not compacted.
    #[error("this node has no snapshot store")]
    NoStore,
    /// Too many requests wait.
    #[error("too many captures and compactions are in progress; try again shortly")]
    Busy,
    /// The state machine could not be captured, or the snapshot could not be written.
    #[error("no snapshot could be taken: {0}")]
    Failed(String),
    /// The node shuts down or has stopped.
    #[error("the node has stopped")]
    Stopped,
}

/// Why the state machine was not restored. The snapshot is kept: a restart restores it again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The snapshot store does not hold the snapshot.
    #[error("the snapshot store does not hold it")]
    Missing,
    /// The snapshot cannot be opened.
    #[error(transparent)]
    Store(#[from] SnapshotError),
    /// The disk has too little free space for the restored state.
    #[error(transparent)]
    Space(#[from] TooLittleSpace),
    /// The state machine failed, or the data is damaged.
    #[error(transparent)]
    StateMachine(#[from] StorageFailure),
}
