//! Persisting changes: merged, packed into records, written in one batch with one sync.

use std::sync::atomic::Ordering;

use raft_core::ports::StoreError;
use raft_core::{Entry, LogIndex, Payload, Persist};
use rocksdb::{WriteBatch, WriteOptions};

use super::change::Change;
use super::record::RecordWriter;
use super::summary::SummaryRecord;
use super::{Log, RocksOptions, Shared, keys};

/// Options of writes that wait for the sync.
pub(super) fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

/// Makes all of the changes durable, or none.
pub(super) fn persist(
    shared: &Shared,
    log: &mut Log,
    changes: &[Persist],
    options: &RocksOptions,
) -> Result<(), StoreError> {
    let durable_last = log.outline.terms.last().index;
    changes.iter().try_for_each(|change| log.outline.admit(change))?;
    let change = Change::merge(changes, durable_last);
    if change.is_empty() {
        return Ok(());
    }
    let mut batch = WriteBatch::with_capacity_bytes(change.bytes_expected());
    if let Some(from) = change.truncate_from {
        truncate(shared, &mut batch, from, durable_last)?;
    }
    let at_base = change.entry_at_base();
    let entries = at_base.iter().chain(change.entries.iter().copied());
    append(shared, &mut batch, entries, options.record_bytes_max, &mut log.writer)?;
    update_memberships(log, &change);
    summarize(&mut batch, log, &change, options);
    if let Some(base) = &change.base {
        batch.put(keys::BASE, keys::encode(keys::BASE, base));
        // Before the batch removes entries: a reader that misses them then finds the new base.
        shared.base.store(base.base.index.get(), Ordering::Release);
    }
    if let Some(hard_state) = &change.hard_state {
        batch.put(keys::HARD_STATE, keys::encode(keys::HARD_STATE, hard_state));
    }
    if let Some(broken) = change.broken {
        batch.put(keys::BROKEN, keys::encode(keys::BROKEN, broken));
    }
    let written = shared.db.write_opt(batch, &synced());
    written.map_err(|error| shared.failed("writing to the log", error))?;
    match &change.base {
        Some(base) => shared.drop_files_before(base.base.index),
        None => Ok(()),
    }
}

/// Removes the entries from `from` to `last`. The record that contains `from` keeps its head.
fn truncate(
    shared: &Shared,
    batch: &mut WriteBatch,
    from: LogIndex,
    last: LogIndex,
) -> Result<(), StoreError> {
    let family = shared.log_family();
    if let Some((first, head)) = shared.head_of_record_before(from)? {
        batch.put_cf(family, keys::log_key(first), head);
    }
    batch.delete_range_cf(family, keys::log_key(from), keys::log_key(last.next()));
    Ok(())
}

fn append<'a>(
    shared: &Shared,
    batch: &mut WriteBatch,
    entries: impl Iterator<Item = &'a Entry>,
    record_bytes_max: usize,
    writer: &mut RecordWriter,
) -> Result<(), StoreError> {
    let family = shared.log_family();
    let mut put = |writer: &mut RecordWriter| {
        if let Some((first, record)) = writer.finish() {
            batch.put_cf(family, keys::log_key(first), record);
        }
    };
    for entry in entries {
        writer.push(entry)?;
        if writer.len_bytes() >= record_bytes_max {
            put(writer);
        }
    }
    put(writer);
    Ok(())
}

/// Writes a summary of the changed log, if the last one no longer applies or covers too little.
fn summarize(batch: &mut WriteBatch, log: &mut Log, change: &Change<'_>, options: &RocksOptions) {
    log.unsummarized_bytes += change.entries_bytes();
    let removes_entries = change.truncate_from.is_some() || change.base.is_some();
    if removes_entries || log.unsummarized_bytes >= options.write_buffer_bytes as u64 / 4 {
        batch.put(keys::SUMMARY, keys::encode(keys::SUMMARY, &SummaryRecord::of(log)));
        log.unsummarized_bytes = 0;
    }
}

fn update_memberships(log: &mut Log, change: &Change<'_>) {
    if let Some(from) = change.truncate_from {
        log.memberships.retain(|&(index, _)| index < from);
    }
    let mut base = LogIndex::ZERO;
    if let Some(record) = &change.base {
        base = record.base.index;
        log.memberships.retain(|&(index, _)| index > base);
        log.memberships.splice(..0, record.membership.clone());
    }
    for entry in change.entries.iter().filter(|entry| entry.index() > base) {
        match &entry.payload {
            Payload::Membership(membership) => {
                log.memberships.push((entry.index(), raft_core::Membership::clone(membership)));
            }
            Payload::Empty | Payload::Command(_) => {}
        }
    }
}
