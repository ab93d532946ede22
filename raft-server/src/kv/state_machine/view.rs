//! A consistent state of the store, and how it is read: now or as of a past revision.

use std::ops::ControlFlow;

use bytes::Bytes;
use rocksdb::{DB, DBPinnableSlice, ReadOptions, Snapshot};

use super::apply::OperationError;
use super::budget::Budget;
use super::cursor::Cursor;
use super::database::{Database, Family};
use super::error::ReadError;
use super::layout::{self, Version};
use super::rules::{RangeBounds, Rules};
use super::staged::Records;
use super::{KeyRange, KeyValue, Projection, RangeRequest, RangeResult, Revision};

/// A state of the store: what is on disk (as of a snapshot), and what is staged above it.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) database: &'a Database,
    pub(super) snapshot: Option<&'a Snapshot<'a>>,
    pub(super) current: &'a Records,
    pub(super) history: &'a Records,
    /// What was superseded here or earlier may or may not be on the disk any more.
    pub(super) compact_revision: Revision,
}

/// Is shown the keys of a range in their order.
pub(super) trait Visitor {
    /// One more key or version is looked at, whether or not it is then shown. The number of calls
    /// depends on the replicated state alone. An error ends the visit.
    fn visit(&mut self) -> Result<(), OperationError>;

    /// Shows a key with the version that the visit asks for.
    fn show(
        &mut self,
        key: &[u8],
        version: &Version<'_>,
    ) -> Result<ControlFlow<()>, OperationError>;
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

    /// Reads a range as of the request's revision, or the newest state. The caller has made sure
    /// that the revision exists and is not compacted. `budget` is that of the command that the
    /// range is a part of; reads outside of the log have none.
    pub(super) fn range(
        &self,
        request: &RangeRequest,
        budget: Option<&mut Budget>,
    ) -> Result<RangeResult, OperationError> {
        let mut collector = Collector::new(request, budget);
        self.visit(&request.range, request.revision, &mut collector)?;
        Ok(collector.finish())
    }

    /// Shows the keys of a range as of `revision`, or as they are now, until the visitor has
    /// enough.
    pub(super) fn visit(
        &self,
        range: &KeyRange,
        revision: Option<Revision>,
        visitor: &mut dyn Visitor,
    ) -> Result<(), OperationError> {
        if let (KeyRange::Key(key), None) = (range, revision) {
            visitor.visit()?;
            if let Some(record) = self.get(key)? {
                let _ = visitor.show(key, &record.version()?)?;
            }
            return Ok(());
        }
        let end = range.end();
        if end.as_ref().is_some_and(|end| end <= range.start()) {
            return Ok(());
        }
        match revision {
            None => self.visit_newest(range.start(), end.as_deref(), visitor),
            Some(revision) => self.visit_past(range.start(), end.as_deref(), revision, visitor),
        }
    }

    fn visit_newest(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        visitor: &mut dyn Visitor,
    ) -> Result<(), OperationError> {
        let mut cursor = self.cursor(Family::Current, end);
        cursor.seek(start)?;
        while let Some((key, record)) = cursor.record() {
            visitor.visit()?;
            if visitor.show(key, &decode_current(record)?)?.is_break() {
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
        visitor: &mut dyn Visitor,
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
            visitor.visit()?;
            let flow = match (is_past, now, then) {
                (true, _, Some((key, version))) => visitor.show(key, &version)?,
                (false, Some((key, version)), _) if version.modified <= revision => {
                    visitor.show(key, &version)?
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
            Family::Sessions => &super::staged::EMPTY,
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

/// The result of a range of one key whose record was found by other means.
pub(super) fn one_key(
    request: &RangeRequest,
    key: &[u8],
    record: Option<CurrentRecord<'_>>,
) -> Result<RangeResult, OperationError> {
    let mut collector = Collector::new(request, None);
    if let Some(record) = record {
        let _ = collector.show(key, &record.version()?)?;
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

/// Walks through the history and stops at versions that were alive at one revision.
struct Past<'a> {
    cursor: Cursor<'a>,
    revision: Revision,
    /// Never above `revision`.
    compact_revision: Revision,
    /// The user key under the cursor.
    key: Vec<u8>,
}

impl Past<'_> {
    /// Goes from a record that may not count to the next that does. The visitor is told of what
    /// is passed over, except for versions that were superseded at the compact revision or before:
    /// nodes remove those from their disks at different times. Where the walk stops next is the
    /// same with and without them.
    fn settle(&mut self, visitor: &mut dyn Visitor) -> Result<(), OperationError> {
        while let Some((key, record)) = self.cursor.record() {
            let modified = split_history_key(key, &mut self.key)?;
            if modified > self.revision {
                visitor.visit()?;
                self.cursor.advance_to(&layout::history_key(&self.key, self.revision))?;
                continue;
            }
            let (_, superseded) = decode_history(modified, record)?;
            if superseded > self.revision {
                break;
            }
            if superseded > self.compact_revision {
                visitor.visit()?;
            }
            self.next_key()?;
        }
        Ok(())
    }

    fn next(&mut self, visitor: &mut dyn Visitor) -> Result<(), OperationError> {
        self.next_key()?;
        self.settle(visitor)
    }

    /// Older versions of the same key ended before this one began.
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

/// Gathers a range's result within its bounds.
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

impl Visitor for Collector<'_> {
    fn visit(&mut self) -> Result<(), OperationError> {
        match &mut self.budget {
            Some(budget) => Ok(budget.visit()?),
            None => Ok(()),
        }
    }

    fn show(
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
            budget.output(key, value)?;
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
