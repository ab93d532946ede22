//! Compaction: removing a prefix of the log.

use std::sync::atomic::Ordering;

use raft_core::ports::StoreError;
use raft_core::{LogId, LogIndex};

use super::base::BaseRecord;
use super::{Log, Shared, keys, persist};

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
    shared.drop_files_before(up_to.index)
}

impl Shared {
    /// Drops the files that contain only records before the one with the base. The record with the
    /// base stays: the recovery verifies the base against it, and its presence hides older,
    /// overwritten records.
    pub(super) fn drop_files_before(&self, base: LogIndex) -> Result<(), StoreError> {
        let records = self.records_from(base);
        let Some(record) = records.current()? else { return Ok(()) };
        // The upper bound is included.
        let Some(last) = record.first().get().checked_sub(1) else { return Ok(()) };
        let (from, to) = (keys::log_key(LogIndex::ZERO), keys::log_key(LogIndex(last)));
        let dropped = self.db.delete_file_in_range_cf(self.log_family(), from, to);
        dropped.map_err(|error| self.failed("dropping compacted files", error))
    }
}
