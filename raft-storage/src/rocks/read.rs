//! Reading records.

use std::sync::Arc;

use raft_core::ports::{LogReader, StoreError};
use raft_core::{Entry, LogId, LogIndex};
use rocksdb::{DBRawIterator, ReadOptions};
use serde::de::DeserializeOwned;

use super::record::Record;
use super::{Shared, keys};

/// Reads durable entries concurrently with the writer. Keeps the directory locked, like the store.
#[derive(Debug)]
pub(super) struct RocksLogReader {
    pub(super) shared: Arc<Shared>,
}

impl LogReader for RocksLogReader {
    fn read(
        &mut self,
        from: LogIndex,
        last: LogIndex,
        bytes_max: u64,
    ) -> Result<Vec<Entry>, StoreError> {
        self.shared.check_usable()?;
        self.shared.read(from, last, bytes_max)
    }
}

impl Shared {
    fn read(
        &self,
        from: LogIndex,
        last: LogIndex,
        bytes_max: u64,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut records = self.records_from(from);
        // The base is increased before entries are removed. Read after the iterator has fixed its
        // snapshot, it distinguishes a compaction or a reset from a gap.
        if from <= self.base_index() {
            return Ok(Vec::new());
        }
        let mut entries = Vec::new();
        let mut expected = from;
        let mut weight_bytes = 0_u64;
        while let Some(record) = records.current()? {
            if record.last() < from {
                // The log ends before `from`, unless a record follows.
                records.advance();
                continue;
            }
            if record.first() > expected {
                return Err(gap(expected, record.first()));
            }
            for frame in record.frames() {
                let frame = frame?;
                if frame.index() < expected {
                    continue;
                }
                if frame.index() > last {
                    return Ok(entries);
                }
                let entry = frame.check()?.entry()?;
                weight_bytes = weight_bytes.saturating_add(entry.weight_bytes());
                entries.push(entry);
                if weight_bytes >= bytes_max {
                    return Ok(entries);
                }
            }
            expected = record.last().next();
            records.advance();
        }
        Ok(entries)
    }

    /// The first index and the new value of the record that contains both `from` and the entry
    /// before it; `None` if no record does.
    pub(super) fn head_of_record_before(
        &self,
        from: LogIndex,
    ) -> Result<Option<(LogIndex, Vec<u8>)>, StoreError> {
        let records = self.records_from(from);
        let Some(record) = records.current()? else { return Ok(None) };
        if record.first() >= from || record.last() < from {
            return Ok(None);
        }
        Ok(record.head_before(from)?.map(|head| (record.first(), head)))
    }

    /// The term and index of the entry with this index; `None` if no record contains it.
    pub(super) fn id_at(&self, index: LogIndex) -> Result<Option<LogId>, StoreError> {
        let records = self.records_from(index);
        let Some(record) = records.current()? else { return Ok(None) };
        if index < record.first() || index > record.last() {
            return Ok(None);
        }
        let offset = usize::try_from(index.distance_from(record.first())).unwrap_or(usize::MAX);
        let frame = record.frames().nth(offset).transpose()?;
        frame.map(|frame| Ok(frame.check()?.id)).transpose()
    }

    /// The records beginning with the one that contains `index`, or with an earlier one if none
    /// does. The iterator reads a snapshot of this moment.
    pub(super) fn records_from(&self, index: LogIndex) -> Records<'_> {
        let options = ReadOptions::default();
        let mut iterator = self.db.raw_iterator_cf_opt(self.log_family(), options);
        iterator.seek_for_prev(keys::log_key(index));
        if !iterator.valid() && iterator.status().is_ok() {
            iterator.seek_to_first();
        }
        Records { shared: self, iterator }
    }

    /// Reads one of the small records.
    pub(super) fn small_record<T: DeserializeOwned>(
        &self,
        key: &[u8],
    ) -> Result<Option<T>, StoreError> {
        let value = self.db.get_pinned(key).map_err(|error| {
            self.failed(&format!("reading the record `{}`", key.escape_ascii()), error)
        })?;
        value.map(|bytes| keys::decode(key, &bytes)).transpose()
    }
}

/// Iterates over records in ascending order.
pub(super) struct Records<'a> {
    shared: &'a Shared,
    iterator: DBRawIterator<'a>,
}

impl Records<'_> {
    /// The current record; `None` after the last.
    pub(super) fn current(&self) -> Result<Option<Record<'_>>, StoreError> {
        let Some((key, value)) = self.iterator.item() else {
            let end = self.iterator.status();
            return match end {
                Ok(()) => Ok(None),
                Err(error) => Err(self.shared.failed("reading the log", error)),
            };
        };
        Record::parse(keys::index_of(key)?, value).map(Some)
    }

    /// Moves to the next record.
    pub(super) fn advance(&mut self) {
        if self.iterator.valid() {
            self.iterator.next();
        }
    }
}

/// The error for missing entries.
pub(super) fn gap(missing: LogIndex, found: LogIndex) -> StoreError {
    StoreError::Corrupt {
        what: "the log".to_owned(),
        detail: format!(
            "entry {missing} is missing, the next one is {found}; empty the data directory and \
             join as a new incarnation"
        ),
    }
}
