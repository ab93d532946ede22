//! Verifies a captured state without a database.

use raft_core::ports::{SnapshotSource, StorageFailure};
use raft_core::{ClusterId, GroupId, LogId};

use super::super::database::Family;
use super::super::types::Revision;
use super::error::RestoreError;
use super::reader::Reader;
use super::restore::check_record;

/// What a captured state of the key-value store contains.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct CapturedSummary {
    /// The cluster in which it was captured.
    pub cluster: ClusterId,
    /// The Raft group in that cluster.
    pub group: GroupId,
    /// The last entry that it covers.
    pub applied: LogId,
    /// The revision of the store.
    pub revision: Revision,
    /// The number of keys.
    pub keys: u64,
    /// The number of superseded versions.
    pub superseded: u64,
    /// The number of sessions.
    pub sessions: u64,
}

impl CapturedSummary {
    /// Reads a captured state to its end and verifies every record.
    ///
    /// # Errors
    /// When it cannot be read, or is no state that this release can restore.
    pub fn read(source: &mut dyn SnapshotSource) -> Result<Self, StorageFailure> {
        Self::verified(source).map_err(|error| StorageFailure { reason: error.to_string() })
    }

    fn verified(source: &mut dyn SnapshotSource) -> Result<Self, RestoreError> {
        let mut reader = Reader::new(source);
        let header = reader.header()?;
        let (mut keys, mut superseded, mut sessions) = (0, 0, 0);
        let mut visit = |family, key: &[u8], value: &[u8]| {
            check_record(family, key, value).map_err(|damaged| damaged.to_string())?;
            let count = match family {
                Family::Current => &mut keys,
                Family::History => &mut superseded,
                Family::Sessions => &mut sessions,
            };
            *count += 1;
            Ok(())
        };
        while reader.frame(&mut visit)? {}
        Ok(Self {
            cluster: header.cluster,
            group: header.group,
            applied: header.state.applied,
            revision: header.state.revision,
            keys,
            superseded,
            sessions,
        })
    }
}
