//! Iterates over one column family in the order of its keys; staged records hide those on disk.

use std::collections::btree_map;
use std::iter::Peekable;
use std::ops::Bound;

use rocksdb::{DB, DBRawIteratorWithThreadMode};

use super::error::ReadError;
use super::staged::Records;

/// Steps that are tried before a seek: a seek costs about as much as a few of them.
const STEPS_BEFORE_SEEK: usize = 4;

/// A position in a column family.
pub(super) struct Cursor<'a> {
    disk: DBRawIteratorWithThreadMode<'a, DB>,
    records: &'a Records,
    staged: Peekable<btree_map::Range<'a, Vec<u8>, Option<Vec<u8>>>>,
    /// Staged records at or above this key are outside the range. RocksDB bounds those on disk.
    end: Option<&'a [u8]>,
    position: Position,
}

/// Which layers contain the record under the cursor.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    Disk,
    Staged,
    /// Staged, and a record on disk has the same key.
    Both,
    End,
}

impl<'a> Cursor<'a> {
    /// A cursor over an iterator that ends before `end`. It has no position before a seek.
    pub(super) fn new(
        disk: DBRawIteratorWithThreadMode<'a, DB>,
        records: &'a Records,
        end: Option<&'a [u8]>,
    ) -> Self {
        let staged = records.range::<[u8], _>((Bound::Unbounded, Bound::Unbounded)).peekable();
        Self { disk, records, staged, end, position: Position::End }
    }

    /// Moves to the first record at or above `key`.
    pub(super) fn seek(&mut self, key: &[u8]) -> Result<(), ReadError> {
        self.disk.seek(key);
        if !self.records.is_empty() {
            self.staged =
                self.records.range::<[u8], _>((Bound::Included(key), Bound::Unbounded)).peekable();
        }
        self.settle()
    }

    /// Moves to the first record at or above `key`, which is above the current record and probably
    /// near it.
    pub(super) fn advance_to(&mut self, key: &[u8]) -> Result<(), ReadError> {
        for _ in 0..STEPS_BEFORE_SEEK {
            match self.record() {
                Some((here, _)) if here < key => self.next()?,
                Some(_) | None => return Ok(()),
            }
        }
        match self.record() {
            Some((here, _)) if here < key => self.seek(key),
            Some(_) | None => Ok(()),
        }
    }

    /// Moves to the next record.
    pub(super) fn next(&mut self) -> Result<(), ReadError> {
        self.step();
        self.settle()
    }

    /// The key and value under the cursor; `None` past the last.
    pub(super) fn record(&mut self) -> Option<(&[u8], &[u8])> {
        match self.position {
            Position::Disk => self.disk.item(),
            Position::Staged | Position::Both => match self.staged.peek() {
                Some((key, Some(value))) => Some((key, value)),
                Some((_, None)) | None => None,
            },
            Position::End => None,
        }
    }

    /// Steps over the current record, in both layers if both contain it.
    fn step(&mut self) {
        if matches!(self.position, Position::Disk | Position::Both) {
            self.disk.next();
        }
        if matches!(self.position, Position::Staged | Position::Both) {
            self.staged.next();
        }
    }

    /// Finds the layer with the next record; skips records that a staged deletion hides.
    fn settle(&mut self) -> Result<(), ReadError> {
        loop {
            let (position, is_deleted) = self.lowest();
            self.position = position;
            if !is_deleted {
                break;
            }
            self.step();
        }
        if self.disk.valid() {
            return Ok(());
        }
        self.disk.status().map_err(|source| ReadError::io("iterating over the keys", source))
    }

    /// The layer with the lowest key, and whether that record is a staged deletion.
    fn lowest(&mut self) -> (Position, bool) {
        let staged = match self.staged.peek() {
            Some((key, record)) if self.end.is_none_or(|end| &key[..] < end) => {
                Some((&key[..], record.is_none()))
            }
            Some(_) | None => None,
        };
        match (self.disk.key(), staged) {
            (None, None) => (Position::End, false),
            (Some(_), None) => (Position::Disk, false),
            (None, Some((_, deleted))) => (Position::Staged, deleted),
            (Some(disk), Some((staged, deleted))) => match disk.cmp(staged) {
                std::cmp::Ordering::Less => (Position::Disk, false),
                std::cmp::Ordering::Equal => (Position::Both, deleted),
                std::cmp::Ordering::Greater => (Position::Staged, deleted),
            },
        }
    }
}
