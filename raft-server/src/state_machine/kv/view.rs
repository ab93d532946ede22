//! A consistent state of the store, and how it is read: now or as of a past revision.

use std::ops::ControlFlow;

use bytes::Bytes;
use rocksdb::{DB, DBPinnableSlice, ReadOptions, Snapshot};

use super::cursor::Cursor;
use super::database::{Database, Family};
use super::error::ReadError;
use super::layout::{self, Version};
use super::staged::Records;
use super::{KeyRange, KeyValue, Projection, RangeRequest, RangeResult, Revision};

/// Keys that a range returns if the request sets no limit.
pub const RANGE_KEYS_DEFAULT: u64 = 1_000;
/// The most keys that a range returns, whatever its limit.
pub const RANGE_KEYS_MAX: u64 = 10_000;
/// Keys and values that a range returns, in bytes; the first key goes in any case.
pub const RANGE_BYTES_MAX: u64 = 2 << 20;

/// What a key takes up in an answer beside its bytes and its value's.
pub(super) const KEY_OVERHEAD_BYTES: u64 = 32;

/// A state of the store: what is on disk (as of a snapshot), and what is staged above it.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) database: &'a Database,
    pub(super) snapshot: Option<&'a Snapshot<'a>>,
    pub(super) current: &'a Records,
    pub(super) history: &'a Records,
}

/// A record of `current`, wherever it is.
pub(super) enum CurrentRecord<'a> {
    Disk(DBPinnableSlice<'a>),
    Staged(&'a [u8]),
}

impl CurrentRecord<'_> {
    pub(super) fn version(&self) -> Result<Version<'_>, ReadError> {
        let bytes = match self {
            Self::Disk(slice) => &slice[..],
            Self::Staged(bytes) => bytes,
        };
        Ok(Version::decode_current(bytes)?)
    }
}

impl<'a> View<'a> {
    /// The newest version of one key.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<CurrentRecord<'a>>, ReadError> {
        match self.current.get(key) {
            Some(Some(record)) => return Ok(Some(CurrentRecord::Staged(record))),
            Some(None) => return Ok(None),
            None => {}
        }
        Ok(get_on_disk(self.database, self.snapshot, key)?.map(CurrentRecord::Disk))
    }

    /// Reads a range as of `revision`, or the newest state. The caller has made sure that the
    /// revision exists and is not compacted.
    pub(super) fn range(
        &self,
        request: &RangeRequest,
        revision: Option<Revision>,
    ) -> Result<RangeResult, ReadError> {
        let mut collector = Collector::new(request);
        if let (KeyRange::Key(key), None) = (&request.range, revision) {
            if let Some(record) = self.get(key)? {
                collector.add(key, &record.version()?);
            }
            return Ok(collector.result);
        }
        self.visit(&request.range, revision, &mut |key, version| {
            collector.add(key, version);
            ControlFlow::Continue(())
        })?;
        Ok(collector.result)
    }

    /// Shows every key of a range as of `revision`, or as it is now, in the order of the keys.
    pub(super) fn visit(
        &self,
        range: &KeyRange,
        revision: Option<Revision>,
        see: &mut dyn FnMut(&[u8], &Version<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let end = range.end();
        if end.as_ref().is_some_and(|end| end <= range.start()) {
            return Ok(());
        }
        match revision {
            None => self.visit_newest(range.start(), end.as_deref(), see),
            Some(revision) => self.visit_past(range.start(), end.as_deref(), revision, see),
        }
    }

    fn visit_newest(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        see: &mut dyn FnMut(&[u8], &Version<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let mut cursor = self.cursor(Family::Current, end);
        cursor.seek(start)?;
        while let Some((key, record)) = cursor.record() {
            if see(key, &Version::decode_current(record)?).is_break() {
                break;
            }
            cursor.next()?;
        }
        Ok(())
    }

    /// A key that is older than `revision` now is as it was then; of the others, the version of
    /// that time is in the history. No key is in both.
    fn visit_past(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        revision: Revision,
        see: &mut dyn FnMut(&[u8], &Version<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let history_end = end.map(layout::history_start);
        let mut current = self.cursor(Family::Current, end);
        let mut past = Past {
            cursor: self.cursor(Family::History, history_end.as_deref()),
            revision,
            key: Vec::new(),
        };
        current.seek(start)?;
        past.cursor.seek(&layout::history_start(start))?;
        past.settle()?;
        loop {
            let now = match current.record() {
                Some((key, record)) => Some((key, Version::decode_current(record)?)),
                None => None,
            };
            let then = past.version()?;
            let is_past = match (&now, &then) {
                (None, None) => break,
                (Some(_), None) => false,
                (None, Some(_)) => true,
                (Some((now, _)), Some((then, _))) => then <= now,
            };
            let flow = match (is_past, now, then) {
                (true, _, Some((key, version))) => see(key, &version),
                (false, Some((key, version)), _) if version.modified <= revision => {
                    see(key, &version)
                }
                _ => ControlFlow::Continue(()),
            };
            if is_past {
                past.next()?;
            } else {
                current.next()?;
            }
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// A cursor over one column family, before `end`.
    pub(super) fn cursor<'b>(&'b self, family: Family, end: Option<&'b [u8]>) -> Cursor<'b> {
        let records = match family {
            Family::Current => self.current,
            Family::History => self.history,
            Family::Sessions => &super::staged::NOTHING,
        };
        let mut options = read_options(self.snapshot);
        if let Some(end) = end {
            options.set_iterate_upper_bound(end);
        }
        let db: &DB = self.database.db();
        let disk = db.raw_iterator_cf_opt(self.database.family(family), options);
        Cursor::new(disk, records, end)
    }
}

/// The newest version of one key on disk, as of a snapshot.
pub(super) fn get_on_disk<'a>(
    database: &'a Database,
    snapshot: Option<&Snapshot<'_>>,
    key: &[u8],
) -> Result<Option<DBPinnableSlice<'a>>, ReadError> {
    let family = database.family(Family::Current);
    let slice = match snapshot {
        Some(_) => database.db().get_pinned_cf_opt(family, key, &read_options(snapshot)),
        None => database.db().get_pinned_cf(family, key),
    };
    slice.map_err(|source| ReadError::io("reading a key", source))
}

fn read_options(snapshot: Option<&Snapshot<'_>>) -> ReadOptions {
    let mut options = ReadOptions::default();
    if let Some(snapshot) = snapshot {
        options.set_snapshot(snapshot);
    }
    options
}

/// Walks through the history and stops at versions that were alive at one revision.
struct Past<'a> {
    cursor: Cursor<'a>,
    revision: Revision,
    /// The user key under the cursor.
    key: Vec<u8>,
}

impl Past<'_> {
    /// Goes from a record that may not count to the next that does.
    fn settle(&mut self) -> Result<(), ReadError> {
        while let Some((key, record)) = self.cursor.record() {
            let modified = layout::split_history_key(key, &mut self.key)?;
            if modified > self.revision {
                self.cursor.advance_to(&layout::history_key(&self.key, self.revision))?;
                continue;
            }
            let (_, superseded) = Version::decode_history(modified, record)?;
            if superseded > self.revision {
                break;
            }
            self.next_key()?;
        }
        Ok(())
    }

    fn next(&mut self) -> Result<(), ReadError> {
        self.next_key()?;
        self.settle()
    }

    /// Older versions of the same key ended before this one began.
    fn next_key(&mut self) -> Result<(), ReadError> {
        self.cursor.advance_to(&layout::history_end(&self.key))
    }

    /// The key and version under the cursor.
    fn version(&mut self) -> Result<Option<(&[u8], Version<'_>)>, ReadError> {
        let Some((key, record)) = self.cursor.record() else { return Ok(None) };
        let modified = layout::split_history_key(key, &mut self.key)?;
        let (version, _) = Version::decode_history(modified, record)?;
        Ok(Some((&self.key, version)))
    }
}

/// Gathers a range's result within its limits.
struct Collector {
    result: RangeResult,
    projection: Projection,
    limit: u64,
    bytes: u64,
}

impl Collector {
    fn new(request: &RangeRequest) -> Self {
        Self {
            result: RangeResult::default(),
            projection: request.projection,
            limit: request.limit.unwrap_or(RANGE_KEYS_DEFAULT).min(RANGE_KEYS_MAX),
            bytes: 0,
        }
    }

    fn add(&mut self, key: &[u8], version: &Version<'_>) {
        self.result.count += 1;
        let value = match self.projection {
            Projection::KeysAndValues => version.value,
            Projection::KeysOnly => &[],
            Projection::CountOnly => return,
        };
        if self.result.more {
            return;
        }
        let taken = self.result.kvs.len() as u64;
        let bytes = self.bytes + weight(key, value);
        if taken >= self.limit || (taken > 0 && bytes > RANGE_BYTES_MAX) {
            self.result.more = true;
            return;
        }
        self.bytes = bytes;
        self.result.kvs.push(key_value(key, &Version { value, ..*version }));
    }
}

/// What a key takes up in an answer.
pub(super) const fn weight(key: &[u8], value: &[u8]) -> u64 {
    key.len() as u64 + value.len() as u64 + KEY_OVERHEAD_BYTES
}

/// The form in which a version leaves the store.
pub(super) fn key_value(key: &[u8], version: &Version<'_>) -> KeyValue {
    KeyValue {
        key: Bytes::copy_from_slice(key),
        value: Bytes::copy_from_slice(version.value),
        create_revision: version.created,
        mod_revision: version.modified,
        version: version.version,
    }
}
