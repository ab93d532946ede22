//! Why a captured state does not replace the database.

use raft_core::ports::StorageFailure;
use raft_core::{ClusterId, GroupId, LogId};

use super::super::error::{OpenError, ReadError};

/// Why a captured state does not replace the database. The database was not changed.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum RestoreError {
    #[error("reading the captured state failed: {0}")]
    Source(#[from] StorageFailure),
    #[error("this is not a captured state of a key-value store")]
    OtherKind,
    #[error(
        "the captured state has format {found}, but this release supports formats up to \
         {supported}: use the release that wrote it, or a later one"
    )]
    NewerFormat { found: u32, supported: u32 },
    #[error(
        "the captured state is of group {found_group} in cluster {found_cluster}, but this node is \
         in group {group} of cluster {cluster}"
    )]
    OtherCluster {
        found_cluster: ClusterId,
        found_group: GroupId,
        cluster: ClusterId,
        group: GroupId,
    },
    #[error("the captured state ends at entry {found}, but the snapshot ends at entry {expected}")]
    OtherEntry { found: LogId, expected: LogId },
    #[error("the captured state is truncated after {at} bytes")]
    Truncated { at: u64 },
    #[error("the captured state is damaged before byte {at}: {detail}")]
    Damaged { at: u64, detail: String },
    #[error(transparent)]
    Open(Box<OpenError>),
    #[error(transparent)]
    Database(#[from] ReadError),
}

impl From<OpenError> for RestoreError {
    fn from(error: OpenError) -> Self {
        Self::Open(Box::new(error))
    }
}
