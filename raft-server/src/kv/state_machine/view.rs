//! A consistent state of the store, and how it is read: now or as of a past revision.

use std::ops::ControlFlow;

use bytes::Bytes;
use rocksdb::{DB, DBPinnableSlice, ReadOptions, Snapshot};

use super::budget::Budget;
use super::cursor::Cursor;
use super::database::{Database, Family};
use super::error::{OperationError, ReadError};
use super::key::{KeyRange, KeyValue};
use super::layout::{self, Version};
use super::query::{Projection, RangeRequest, RangeResult};
use super::rules::{RangeBounds, Rules};
use super::staged::{EMPTY, Records};
use super::types::Revision;

/// A state of the store: what is on disk (as of a snapshot), and what is staged above it.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) database: &'a Database,
    pub(super) snapshot: Option<&'a Snapshot<'a>>,
    pub(super) current: &'a Records,
    pub(super) history: &'a Records,
    /// Versions that were superseded at this revision or before may be missing on disk.
    pub(super) compact_revision: Revision,
}

/// Receives the keys of a range in ascending order.
pub(super) trait RangeVisitor {
    /// Called for every key or version that the scan examines, whether or not [`Self::visit`]
    /// follows. The number of calls depends on the replicated state alone. An error ends the scan.
    fn examine(&mut self) -> Result<(), OperationError>;

    /// Called for every key of the range with its version at the revision of the scan.
    fn visit(
        &mut self,
        key: &[u8],
        version: &Version<'_>,
    ) -> Result<ControlFlow<()>, OperationError>;
}

/// A record of `current`, on disk or staged.
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

    /// Reads a range as of the request's revision, or the newest state. The caller checks
    /// that the revision exists and is not compacted. `budget` is the budget of the command that
    /// contains the range; reads outside the log have none.
    pub(super) fn range(
        &self,
        request: &RangeRequest,
        budget: Option<&mut Budget>,
    ) -> Result<RangeResult, OperationError> {
        let mut collector = Collector::new(request, budget);
        self.scan(&request.range, request.revision, &mut collector)?;
        Ok(collector.finish())
    }

    /// Passes the keys of a range as of `revision`, or of the newest state, to the visitor until it
    /// returns `Break`.
    pub(super) fn scan(
        &self,
        range: &KeyRange,
        revision: Option<Revision>,
        visitor: &mut dyn RangeVisitor,
    ) -> Result<(), OperationError> {
        if let (KeyRange::Key(key), None) = (range, revision) {
            visitor.examine()?;
            if let Some(record) = self.get(key)? {
                let _ = visitor.visit(key, &record.version()?)?;
            }
            return Ok(());
        }
        let end = range.end();
        if end.as_ref().is_some_and(|end| end <= range.start()) {
            return Ok(());
        }
        match revision {
            None => self.scan_newest(range.start(), end.as_deref(), visitor),
            Some(revision) => self.scan_past(range.start(), end.as_deref(), revision, visitor),
        }
    }

    fn scan_newest(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        visitor: &mut dyn RangeVisitor,
    ) -> Result<(), OperationError> {
        let mut cursor = self.cursor(Family::Current, end);
        cursor.seek(start)?;
        while let Some((key, record)) = cursor.record() {
            visitor.examine()?;
            if visitor.visit(key, &decode_current(record)?)?.is_break() {
                break;
            }
            cursor.next()?;
        }
        Ok(())
    }

    /// A key whose newest version is not above `revision` has that version at `revision`; the
    /// version of every other key is in the history. No key is in both.
    fn scan_past(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        revision: Revision,
        visitor: &mut dyn RangeVisitor,
    ) -> Result<(), OperationError> {
        let history_end = end.map(layout::history_start);
        let mut current = self.cursor(Family::Current, end);
        let mut past = Past {
            cursor: self.cursor(Family::History, history_end.as_deref()),
            revision,
            compact_revision: self.compact_revision,
            key: Vec::new(),
        };
        current.seek(start)?;
        past.cursor.seek(&layout::history_start(start))?;
        past.settle(visitor)?;
        loop {
            let now = match current.record() {
                Some((key, record)) => Some((key, decode_current(record)?)),
                None => None,
            };
            let then = past.version()?;
            let is_past = match (&now, &then) {
                (None, None) => break,
                (Some(_), None) => false,
                (None, Some(_)) => true,
                (Some((now, _)), Some((then, _))) => then <= now,
            };
            visitor.examine()?;
            let flow = match (is_past, now, then) {
                (true, _, Some((key, version))) => visitor.visit(key, &version)?,
                (false, Some((key, version)), _) if version.modified <= revision => {
                    visitor.visit(key, &version)?
                }
                _ => ControlFlow::Continue(()),
            };
            if flow.is_break() {
                break;
            }
            if is_past {
                past.next(visitor)?;
            } else {
                current.next()?;
            }
        }
        Ok(())
    }

    /// A cursor over one column family, before `end`.
    pub(super) fn cursor<'b>(&'b self, family: Family, end: Option<&'b [u8]>) -> Cursor<'b> {
        let records = match family {
            Family::Current => self.current,
            Family::History => self.history,
            Family::Sessions => &EMPTY,
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

/// The result of a range of one key whose record the caller has read.
pub(super) fn one_key(
    request: &RangeRequest,
    key: &[u8],
    record: Option<CurrentRecord<'_>>,
) -> Result<RangeResult, OperationError> {
    let mut collector = Collector::new(request, None);
    if let Some(record) = record {
        let _ = collector.visit(key, &record.version()?)?;
    }
    Ok(collector.finish())
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

/// A cursor over the history that stops at versions that existed at one revision.
struct Past<'a> {
    cursor: Cursor<'a>,
    revision: Revision,
    /// Never above `revision`.
    compact_revision: Revision,
    /// The user key under the cursor.
    key: Vec<u8>,
}

impl Past<'_> {
    /// Moves forward to the next record that existed at `revision`, unless the cursor is at one.
    /// Calls [`RangeVisitor::examine`] for each version that is skipped, except for versions that
    /// were superseded at the compact revision or before: nodes remove those from their disks at
    /// different times. The record at which the cursor stops is the same with and without them.
    fn settle(&mut self, visitor: &mut dyn RangeVisitor) -> Result<(), OperationError> {
        while let Some((key, record)) = self.cursor.record() {
            let modified = split_history_key(key, &mut self.key)?;
            if modified > self.revision {
                visitor.examine()?;
                self.cursor.advance_to(&layout::history_key(&self.key, self.revision))?;
                continue;
            }
            let (_, superseded) = decode_history(modified, record)?;
            if superseded > self.revision {
                break;
            }
            if superseded > self.compact_revision {
                visitor.examine()?;
            }
            self.next_key()?;
        }
        Ok(())
    }

    fn next(&mut self, visitor: &mut dyn RangeVisitor) -> Result<(), OperationError> {
        self.next_key()?;
        self.settle(visitor)
    }

    /// Moves past every version of the key. Older versions of the same key were superseded before
    /// this one was created.
    fn next_key(&mut self) -> Result<(), ReadError> {
        self.cursor.advance_to(&layout::history_end(&self.key))
    }

    /// The key and version under the cursor.
    fn version(&mut self) -> Result<Option<(&[u8], Version<'_>)>, ReadError> {
        let Some((key, record)) = self.cursor.record() else { return Ok(None) };
        let modified = split_history_key(key, &mut self.key)?;
        let (version, _) = decode_history(modified, record)?;
        Ok(Some((&self.key, version)))
    }
}

/// Collects the result of a range within its bounds.
struct Collector<'a> {
    result: RangeResult,
    projection: Projection,
    limit: u64,
    bounds: RangeBounds,
    bytes: u64,
    count: u64,
    budget: Option<&'a mut Budget>,
}

impl<'a> Collector<'a> {
    fn new(request: &RangeRequest, budget: Option<&'a mut Budget>) -> Self {
        let rules = budget.as_ref().map_or(&Rules::CURRENT, |budget| budget.rules());
        let bounds = rules.range;
        Self {
            result: RangeResult::default(),
            projection: request.projection,
            limit: request.limit.unwrap_or(bounds.keys_default).min(bounds.keys_max),
            bounds,
            bytes: 0,
            count: 0,
            budget,
        }
    }

    fn finish(self) -> RangeResult {
        let count = (!self.result.more).then_some(self.count);
        RangeResult { count, ..self.result }
    }
}

impl RangeVisitor for Collector<'_> {
    fn examine(&mut self) -> Result<(), OperationError> {
        match &mut self.budget {
            Some(budget) => Ok(budget.charge_key()?),
            None => Ok(()),
        }
    }

    fn visit(
        &mut self,
        key: &[u8],
        version: &Version<'_>,
    ) -> Result<ControlFlow<()>, OperationError> {
        let value = match self.projection {
            Projection::KeysAndValues => version.value,
            Projection::KeysOnly => &[],
            Projection::CountOnly => {
                self.count += 1;
                return Ok(ControlFlow::Continue(()));
            }
        };
        let bytes = self.bytes + Rules::weight(key, value);
        if self.count >= self.limit || (self.count > 0 && bytes > self.bounds.bytes_max) {
            self.result.more = true;
            return Ok(ControlFlow::Break(()));
        }
        if let Some(budget) = &mut self.budget {
            budget.charge_output(key, value)?;
        }
        self.count += 1;
        self.bytes = bytes;
        self.result.kvs.push(key_value(key, &Version { value, ..*version }));
        Ok(ControlFlow::Continue(()))
    }
}

fn decode_current(record: &[u8]) -> Result<Version<'_>, ReadError> {
    Ok(Version::decode_current(record)?)
}

fn decode_history(modified: Revision, record: &[u8]) -> Result<(Version<'_>, Revision), ReadError> {
    Ok(Version::decode_history(modified, record)?)
}

fn split_history_key(record_key: &[u8], key: &mut Vec<u8>) -> Result<Revision, ReadError> {
    Ok(layout::split_history_key(record_key, key)?)
}

/// A version as it is returned to callers.
pub(super) fn key_value(key: &[u8], version: &Version<'_>) -> KeyValue {
    KeyValue {
        key: Bytes::copy_from_slice(key),
        value: Bytes::copy_from_slice(version.value),
        create_revision: version.created,
        mod_revision: version.modified,
        version: version.version,
    }
}
