//! Persisting changes: merged, packed into records, written in one batch with one sync.

use raft_core::ports::StoreError;
use raft_core::{BrokenMark, Entry, HardState, LogIndex, Payload, Persist};
use rocksdb::{WriteBatch, WriteOptions};

use super::record::RecordWriter;
use super::{Log, Shared, keys};

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
    record_bytes_max: usize,
) -> Result<(), StoreError> {
    let durable_last = log.outline.terms.last().index;
    if changes.iter().any(|change| change.reset.is_some()) {
        return Err(StoreError::Invalid("this store cannot reset its log".to_owned()));
    }
    changes.iter().try_for_each(|change| log.outline.admit(change))?;
    let change = Change::merge(changes, durable_last);
    if change.is_empty() {
        return Ok(());
    }
    let mut batch = WriteBatch::with_capacity_bytes(change.bytes_expected());
    if let Some(from) = change.truncate_from {
        truncate(shared, &mut batch, from, durable_last)?;
    }
    append(shared, &mut batch, &change.entries, record_bytes_max, &mut log.writer)?;
    if let Some(hard_state) = &change.hard_state {
        batch.put(keys::HARD_STATE, keys::encode(keys::HARD_STATE, hard_state));
    }
    if let Some(broken) = change.broken {
        batch.put(keys::BROKEN, keys::encode(keys::BROKEN, broken));
    }
    let written = shared.db.write_opt(batch, &synced());
    written.map_err(|error| shared.failed("writing to the log", error))?;
    update_memberships(log, &change);
    Ok(())
}

/// Several changes merged into one. Entries that a later change truncates are not written.
#[derive(Debug, Default)]
struct Change<'a> {
    /// The first durable entry to remove.
    truncate_from: Option<LogIndex>,
    /// Contiguous, beginning after the last remaining entry.
    entries: Vec<&'a Entry>,
    hard_state: Option<HardState>,
    broken: Option<&'a BrokenMark>,
}

impl<'a> Change<'a> {
    /// Merges validated changes to a log that ends at `durable_last`.
    fn merge(changes: &'a [Persist], durable_last: LogIndex) -> Self {
        let mut merged = Self::default();
        for change in changes {
            if let Some(from) = change.truncate_from {
                merged.truncate(from, durable_last);
            }
            merged.entries.extend(&change.entries);
            merged.hard_state = change.hard_state.or(merged.hard_state);
            merged.broken = change.broken.as_ref().or(merged.broken);
        }
        merged
    }

    fn truncate(&mut self, from: LogIndex, durable_last: LogIndex) {
        let keep = self.entries.partition_point(|entry| entry.index() < from);
        self.entries.truncate(keep);
        let reaches_disk = from <= self.truncate_from.unwrap_or(durable_last);
        if reaches_disk {
            self.truncate_from = Some(from);
        }
    }

    const fn is_empty(&self) -> bool {
        self.truncate_from.is_none()
            && self.entries.is_empty()
            && self.hard_state.is_none()
            && self.broken.is_none()
    }

    fn bytes_expected(&self) -> usize {
        const SMALL_RECORDS_BYTES: usize = 256;
        let entries: u64 = self.entries.iter().map(|entry| entry.weight_bytes()).sum();
        usize::try_from(entries).unwrap_or(0).saturating_add(SMALL_RECORDS_BYTES)
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

fn append(
    shared: &Shared,
    batch: &mut WriteBatch,
    entries: &[&Entry],
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

fn update_memberships(log: &mut Log, change: &Change<'_>) {
    if let Some(from) = change.truncate_from {
        log.memberships.retain(|&(index, _)| index < from);
    }
    for entry in &change.entries {
        match &entry.payload {
            Payload::Membership(membership) => {
                log.memberships.push((entry.index(), membership.clone()));
            }
            Payload::Empty | Payload::Command(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use raft_core::{LogId, PersistId, Term};

    use super::*;

    fn change(truncate_from: Option<u64>, ids: &[(u64, u64)]) -> Persist {
        let entry = |&(term, index)| Entry::empty(LogId::new(Term(term), LogIndex(index)));
        Persist {
            id: PersistId(1),
            hard_state: None,
            reset: None,
            truncate_from: truncate_from.map(LogIndex),
            entries: ids.iter().map(entry).collect(),
            broken: None,
        }
    }

    fn merged(changes: &[Persist]) -> (Option<u64>, Vec<(u64, u64)>) {
        let merged = Change::merge(changes, LogIndex(5));
        let ids = merged.entries.iter().map(|entry| (entry.term().get(), entry.index().get()));
        (merged.truncate_from.map(LogIndex::get), ids.collect())
    }

    #[test]
    fn a_truncation_within_the_changes_never_reaches_the_disk() {
        let changes = [change(None, &[(1, 6), (1, 7)]), change(Some(7), &[(2, 7), (2, 8)])];
        assert_eq!(merged(&changes), (None, vec![(1, 6), (2, 7), (2, 8)]));
        let changes = [change(None, &[(1, 6)]), change(Some(6), &[(2, 6)])];
        assert_eq!(merged(&changes), (None, vec![(2, 6)]));
    }

    #[test]
    fn the_deepest_truncation_counts() {
        let changes = [
            change(Some(4), &[(2, 4), (2, 5), (2, 6)]),
            change(Some(6), &[(3, 6)]),
            change(Some(3), &[(4, 3)]),
            change(Some(4), &[(5, 4)]),
        ];
        assert_eq!(merged(&changes[..2]), (Some(4), vec![(2, 4), (2, 5), (3, 6)]));
        assert_eq!(merged(&changes), (Some(3), vec![(4, 3), (5, 4)]));
    }
}
