//! Compaction: removing a prefix of the log.

use std::sync::atomic::Ordering;

use raft_core::ports::StoreError;
use raft_core::{LogId, LogIndex, Membership};
use serde::{Deserialize, Serialize};

use super::{Log, Shared, keys, persist};

/// What is stored about the compacted prefix.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct BaseRecord {
    /// The last compacted entry.
    pub(super) base: LogId,
    /// The newest membership at or before it.
    pub(super) membership: Option<(LogIndex, Membership)>,
}

/// Makes an entry of the log its base.
///
/// Only whole files are dropped, which leaves no tombstones for readers to skip. Compacted entries
/// in a file with remaining entries stay until the base has passed that file.
pub(super) fn compact(shared: &Shared, log: &mut Log, up_to: LogId) -> Result<(), StoreError> {
    let newest = log.memberships.partition_point(|&(index, _)| index <= up_to.index);
    let record = BaseRecord { base: up_to, membership: log.memberships[..newest].last().cloned() };
    shared.base.store(up_to.index.get(), Ordering::Release);
    // Synced, because dropping the files below cannot be undone.
    let written =
        shared.db.put_opt(keys::BASE, keys::encode(keys::BASE, &record), &persist::synced());
    written.map_err(|error| shared.failed("writing the new base of the log", error))?;
    log.memberships.drain(..newest.saturating_sub(1));
    log.outline.terms.compact(up_to.index);
    drop_files(shared, up_to.index)
}

/// Drops the files that contain only records before the one with the base. The record with the base
/// stays: the recovery verifies the base against it, and its presence hides older, overwritten
/// records.
fn drop_files(shared: &Shared, base: LogIndex) -> Result<(), StoreError> {
    let records = shared.records_from(base);
    let Some(record) = records.current()? else { return Ok(()) };
    // The upper bound is included.
    let Some(last) = record.first().get().checked_sub(1) else { return Ok(()) };
    let (from, to) = (keys::log_key(LogIndex::ZERO), keys::log_key(LogIndex(last)));
    let dropped = shared.db.delete_file_in_range_cf(shared.log_family(), from, to);
    dropped.map_err(|error| shared.failed("dropping compacted files", error))
}
