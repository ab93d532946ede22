//! Walks one column family in the order of its keys, staged records above those on disk.

use std::collections::btree_map;
use std::iter::Peekable;
use std::ops::Bound;

use rocksdb::{DB, DBRawIteratorWithThreadMode};

use super::error::ReadError;
use super::staged::Records;

/// Steps that are tried before a seek: a seek costs about as much as a few of them.
const STEPS_BEFORE_SEEK: usize = 4;

/// A place in a column family.
pub(super) struct Cursor<'a> {
    disk: DBRawIteratorWithThreadMode<'a, DB>,
    records: &'a Records,
    staged: Peekable<btree_map::Range<'a, Vec<u8>, Option<Vec<u8>>>>,
    /// Staged records from here on lie outside of the walk; those on disk are cut by RocksDB.
    end: Option<&'a [u8]>,
    place: Place,
}

/// Where the record under the cursor is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Disk,
    Staged,
    /// Staged, and it hides one on disk.
    Both,
    End,
}

impl<'a> Cursor<'a> {
    /// A cursor over an iterator that ends before `end`. It stands nowhere: seek first.
    pub(super) fn new(
        disk: DBRawIteratorWithThreadMode<'a, DB>,
        records: &'a Records,
        end: Option<&'a [u8]>,
    ) -> Self {
        let staged = records.range::<[u8], _>((Bound::Unbounded, Bound::Unbounded)).peekable();
        Self { disk, records, staged, end, place: Place::End }
    }

    /// Goes to the first record at or above `key`.
    pub(super) fn seek(&mut self, key: &[u8]) -> Result<(), ReadError> {
        self.disk.seek(key);
        if !self.records.is_empty() {
            self.staged =
                self.records.range::<[u8], _>((Bound::Included(key), Bound::Unbounded)).peekable();
        }
        self.settle()
    }

    /// Goes to the first record at or above `key`, which lies ahead and is likely near.
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

    /// Goes to the next record.
    pub(super) fn next(&mut self) -> Result<(), ReadError> {
        self.leave();
        self.settle()
    }

    /// The key and value under the cursor; `None` past the last.
    pub(super) fn record(&mut self) -> Option<(&[u8], &[u8])> {
        match self.place {
            Place::Disk => self.disk.item(),
            Place::Staged | Place::Both => match self.staged.peek() {
                Some((key, Some(value))) => Some((key, value)),
                Some((_, None)) | None => None,
            },
            Place::End => None,
        }
    }

    /// Steps over what is under the cursor, in both layers if both have it.
    fn leave(&mut self) {
        if matches!(self.place, Place::Disk | Place::Both) {
            self.disk.next();
        }
        if matches!(self.place, Place::Staged | Place::Both) {
            self.staged.next();
        }
    }

    /// Finds the layer whose record is next, passing over hidden ones.
    fn settle(&mut self) -> Result<(), ReadError> {
        loop {
            let (place, hides_only) = self.look();
            self.place = place;
            if !hides_only {
                break;
            }
            self.leave();
        }
        if self.disk.valid() {
            return Ok(());
        }
        self.disk.status().map_err(|source| ReadError::io("walking through the keys", source))
    }

    /// The layer with the lowest key, and whether all it says is that there is nothing.
    fn look(&mut self) -> (Place, bool) {
        let staged = match self.staged.peek() {
            Some((key, record)) if self.end.is_none_or(|end| &key[..] < end) => {
                Some((&key[..], record.is_none()))
            }
            Some(_) | None => None,
        };
        match (self.disk.key(), staged) {
            (None, None) => (Place::End, false),
            (Some(_), None) => (Place::Disk, false),
            (None, Some((_, deleted))) => (Place::Staged, deleted),
            (Some(disk), Some((staged, deleted))) => match disk.cmp(staged) {
                std::cmp::Ordering::Less => (Place::Disk, false),
                std::cmp::Ordering::Equal => (Place::Both, deleted),
                std::cmp::Ordering::Greater => (Place::Staged, deleted),
            },
        }
    }
}
