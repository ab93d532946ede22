//! A captured state: a checkpoint of the database, which is read on another thread.

use std::fmt;

use raft_core::ports::{SnapshotSource, StorageFailure};
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBRawIteratorWithThreadMode, Options,
    ReadOptions,
};

use super::super::database::{Database, Family};
use super::super::directory::OwnedDirectory;
use super::super::error::ReadError;
use super::super::layout::{self, STATE_KEY, State};
use super::format::{Counts, FAMILIES, FRAME_BYTES, FRAME_BYTES_MAX, Header, kind_of};
use super::writer::Writer;

/// Memory for blocks of the checkpoint. Each block is read once.
const BLOCK_CACHE_BYTES: usize = 4 << 20;
const OPEN_FILES_MAX: i32 = 64;

/// A checkpoint of the database, read in the order of the format. Its memory is bounded by two
/// frames. The checkpoint shares its table files with the database, and is removed when this is
/// dropped.
///
/// Between two reads it keeps a key, not an iterator: an iterator would borrow the database.
pub(in super::super) struct CapturedState {
    header: Header,
    position: Position,
    writer: Writer,
    counts: Counts,
    /// Encoded, and read up to `taken`.
    encoded: Vec<u8>,
    taken: usize,
    /// Opened by the first read. Fields drop in the order of their declaration: it is closed before
    /// its directory is removed.
    checkpoint: Option<DB>,
    directory: OwnedDirectory,
}

/// What is encoded next.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Position {
    Header,
    /// The records of the family at this place in [`FAMILIES`] whose keys are at or above `from`.
    Records {
        place: usize,
        from: Vec<u8>,
    },
    End,
    Nothing,
}

impl fmt::Debug for CapturedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapturedState")
            .field("header", &self.header)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl CapturedState {
    /// Creates a checkpoint of the database in `directory`, which does not exist. No write may be
    /// in progress. The write buffers are flushed, so on return all writes are durable.
    pub(in super::super) fn new(
        database: &Database,
        directory: OwnedDirectory,
        header: Header,
    ) -> Result<Self, ReadError> {
        database.checkpoint(directory.path())?;
        Ok(Self {
            header,
            position: Position::Header,
            writer: Writer::default(),
            counts: Counts::default(),
            encoded: Vec::new(),
            taken: 0,
            checkpoint: None,
            directory,
        })
    }

    /// Encodes the next piece, unless the state is at its end.
    fn encode_next(&mut self) -> Result<(), ReadError> {
        self.encoded.clear();
        self.taken = 0;
        match &self.position {
            Position::Header => {
                let checkpoint = open(&self.directory)?;
                check_state(&checkpoint, &self.header.state)?;
                self.checkpoint = Some(checkpoint);
                self.writer.header(&self.header, &mut self.encoded);
                self.position = Position::Records { place: 0, from: Vec::new() };
            }
            Position::Records { place, from } => {
                let (place, from) = (*place, from.clone());
                self.position = self.encode_frame(place, from)?;
            }
            Position::End => {
                self.writer.end(&self.counts, &mut self.encoded);
                self.position = Position::Nothing;
            }
            Position::Nothing => {}
        }
        Ok(())
    }

    /// Encodes a frame with the records of a family from a key on. Returns the next position.
    fn encode_frame(&mut self, place: usize, from: Vec<u8>) -> Result<Position, ReadError> {
        let checkpoint = self.checkpoint.as_ref().expect("the header opens the checkpoint");
        let family = FAMILIES[place];
        let mut disk = iterate(checkpoint, family);
        disk.seek(&from);
        let mut records = Vec::new();
        let mut next = None;
        while let Some((key, value)) = disk.item() {
            if records.len() >= FRAME_BYTES {
                next = Some(key.to_vec());
                break;
            }
            if is_part(family, value, &self.header.state) {
                let encoded = Writer::record(key, value, &mut records);
                if encoded.is_none() || records.len() > FRAME_BYTES_MAX {
                    let detail = format!("a record of `{}` is too long", family.name());
                    return Err(ReadError::Corrupt { detail });
                }
                self.counts[place] += 1;
            }
            disk.next();
        }
        disk.status().map_err(|source| ReadError::io("reading the captured state", source))?;
        if !records.is_empty() {
            self.writer.frame(kind_of(family), &records, &mut self.encoded);
        }
        Ok(match next {
            Some(from) => Position::Records { place, from },
            None if place + 1 < FAMILIES.len() => {
                Position::Records { place: place + 1, from: Vec::new() }
            }
            None => Position::End,
        })
    }
}

impl SnapshotSource for CapturedState {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StorageFailure> {
        while self.taken == self.encoded.len() && self.position != Position::Nothing {
            self.encode_next().map_err(|error| StorageFailure { reason: error.to_string() })?;
        }
        let encoded = &self.encoded[self.taken..];
        let length = encoded.len().min(buffer.len());
        buffer[..length].copy_from_slice(&encoded[..length]);
        self.taken += length;
        Ok(length)
    }
}

/// Whether a record is part of a captured state: nodes remove the other ones at different times.
fn is_part(family: Family, value: &[u8], state: &State) -> bool {
    match family {
        Family::History => layout::superseded_at(value)
            .is_none_or(|superseded| superseded > state.compact_revision),
        Family::Current | Family::Sessions => true,
    }
}

fn open(directory: &OwnedDirectory) -> Result<DB, ReadError> {
    let mut options = Options::default();
    options.set_max_open_files(OPEN_FILES_MAX);
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&Cache::new_lru_cache(BLOCK_CACHE_BYTES));
    let mut family_options = Options::default();
    family_options.set_block_based_table_factory(&table);
    let names = ["default"].into_iter().chain(FAMILIES.map(Family::name));
    let families = names.map(|name| ColumnFamilyDescriptor::new(name, family_options.clone()));
    DB::open_cf_descriptors_read_only(&options, directory.path(), families, false)
        .map_err(|source| ReadError::io("opening a checkpoint", source))
}

/// The state record is of the captured entry, so all other records are.
fn check_state(checkpoint: &DB, expected: &State) -> Result<(), ReadError> {
    let record = checkpoint
        .get_pinned(STATE_KEY)
        .map_err(|source| ReadError::io("reading the state record of a checkpoint", source))?;
    let found = record.map_or_else(|| Ok(State::default()), |record| State::decode(&record))?;
    if found == *expected {
        return Ok(());
    }
    let detail = format!("a checkpoint holds {found:?} and not {expected:?}");
    Err(ReadError::Corrupt { detail })
}

fn iterate(checkpoint: &DB, family: Family) -> DBRawIteratorWithThreadMode<'_, DB> {
    let mut options = ReadOptions::default();
    options.fill_cache(false);
    let handle = checkpoint.cf_handle(family.name());
    let handle = handle.expect("every column family was opened with the checkpoint");
    checkpoint.raw_iterator_cf_opt(handle, options)
}
