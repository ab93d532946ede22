//! The log on disk, in RocksDB.
//!
//! # The data directory
//! | name | what |
//! | --- | --- |
//! | `IDENTITY` | text: format, cluster, group, node, incarnation, state, checksum. Read before anything is opened or written |
//! | `LOCK` | locked while a store is open; holds the process id of the holder |
//! | `db/` | the database |
//!
//! `IDENTITY` is written twice, each time under another name, synced and renamed: as `creating`
//! before the database is made, as `ready` after. A `ready` directory without a database has lost
//! its log and is refused; a node that silently began anew there could vote twice.
//!
//! # Keys
//! Two column families, so that the often rewritten small records stay out of the log's files:
//! those then cover disjoint ranges of keys, which the database moves down its levels without
//! rewriting them, and drops whole once the log is compacted.
//!
//! | column family | key | value |
//! | --- | --- | --- |
//! | `default` | `identity` | format and identity, as in the file |
//! | `default` | `hard_state` | the hard state |
//! | `default` | `base` | the base, and the newest configuration at or before it |
//! | `default` | `broken` | the broken mark, if there is one |
//! | `log` | index of the first entry, 8 bytes, big-endian | a run of entries |
//!
//! A value in `default` is the CRC-32C of key and payload (4 bytes, little-endian), then the
//! payload in postcard form.
//!
//! A value in `log` (numbers little-endian):
//! ```text
//! record  = count: u32, crc: u32 of (first index: u64, count), frame * count
//! frame   = crc: u32 of (index: u64, rest of the frame), payload length: u32, term: u64, kind: u8, payload
//! kind    = 0 empty | 1 command (raw) | 2 membership (postcard)
//! ```
//! A checksum covers the index, so an entry that turns up in the wrong place is damaged too. It
//! is made when the entry is persisted and checked whenever the entry is read.
//!
//! Records hold contiguous entries and never overlap: the record after `k` begins with the index
//! after the last one in `k`. A persist packs its entries into records of up to
//! [`RocksOptions::record_bytes_max`], since the database pays for each key it inserts and hardly
//! for bytes. A truncation inside a record writes the record's head again, in the same batch.
//!
//! # What is durable when
//! [`persist`](LogStore::persist) folds all its changes into one write batch, written with one
//! sync of the write-ahead log: on return all of it is durable, after a crash all of it is there
//! or nothing. An error poisons the store: a second sync after a failed one reports success for
//! pages that the kernel has already given up.
//!
//! [`compact`](LogStore::compact) syncs the new base before a file is dropped. It drops whole
//! files alone; entries before the base may stay on disk for a while, and are never served.
//!
//! After a crash a torn tail of the write-ahead log is forgiven, being a write that never
//! returned. Damage before the tail fails the opening: what follows it was synced, and dropping it would
//! forget votes and acknowledged entries.

mod compact;
mod directory;
mod keys;
mod open;
mod persist;
mod read;
mod record;
mod recover;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use raft_core::ports::{LogReader, LogStore, StoreError};
use raft_core::{LogId, LogIndex, Membership, Persist, Recovered};
use rocksdb::{ColumnFamily, DB};

pub use directory::FORMAT;

use crate::shape::Shape;

/// How a [`RocksLogStore`] uses memory and disk. Every choice is safe; none weakens durability.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RocksOptions {
    /// Bytes of entries held in memory, and in the write-ahead log, before they are written to a
    /// table file. More means fewer files and a longer replay after a crash.
    pub write_buffer_bytes: usize,
    /// A persist begins another record once one has reached this many bytes. Reading or
    /// truncating in the middle of a record costs as much as the record.
    pub record_bytes_max: usize,
}

impl Default for RocksOptions {
    fn default() -> Self {
        Self { write_buffer_bytes: 64 << 20, record_bytes_max: 64 << 10 }
    }
}

/// A log store on disk. The layout and what is durable when are in the `rocks` module's source.
///
/// The directory stays locked until the store and every reader made from it are dropped.
#[derive(Debug)]
pub struct RocksLogStore {
    shared: Arc<Shared>,
    options: RocksOptions,
    /// What the log looks like; empty until recovered.
    log: Option<Log>,
}

/// What store and readers share.
struct Shared {
    db: DB,
    /// The base: entries up to it may still be on disk, but are not in the log any more. Raised
    /// before anything is dropped.
    base: AtomicU64,
    /// Why the store refuses to go on.
    poison: OnceLock<String>,
    directory: PathBuf,
    /// Released last, when the database is closed: fields drop in the order of their declaration.
    _lock: directory::Lock,
}

/// The log as far as it is kept in memory.
#[derive(Debug, Default)]
struct Log {
    shape: Shape,
    /// Every configuration in the log, ascending, and the newest at or before the base.
    memberships: Vec<(LogIndex, Membership)>,
    /// Packs entries; kept for its memory.
    writer: record::RecordWriter,
}

impl LogStore for RocksLogStore {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        self.shared.check_usable()?;
        let recovered = self.shared.recover()?;
        self.shared.base.store(recovered.base.index.get(), Ordering::Release);
        self.log = Some(Log {
            shape: Shape { terms: recovered.terms.clone(), hard_state: recovered.hard_state },
            memberships: recovered.memberships.clone(),
            writer: record::RecordWriter::default(),
        });
        Ok(recovered)
    }

    fn persist(&mut self, changes: &[Persist]) -> Result<(), StoreError> {
        self.shared.check_usable()?;
        let log = self.log.as_mut().ok_or_else(not_recovered)?;
        let outcome = persist::persist(&self.shared, log, changes, self.options.record_bytes_max);
        self.shared.poison_on_error(outcome)
    }

    fn compact(&mut self, up_to: LogId) -> Result<(), StoreError> {
        self.shared.check_usable()?;
        let log = self.log.as_mut().ok_or_else(not_recovered)?;
        if !log.shape.may_compact(up_to)? {
            return Ok(());
        }
        let outcome = compact::compact(&self.shared, log, up_to);
        self.shared.poison_on_error(outcome)
    }

    fn reader(&self) -> Box<dyn LogReader> {
        Box::new(read::RocksLogReader { shared: Arc::clone(&self.shared) })
    }
}

impl Shared {
    fn log_family(&self) -> &ColumnFamily {
        self.db.cf_handle(keys::LOG_FAMILY).expect("opened with the log's column family")
    }

    fn base_index(&self) -> LogIndex {
        LogIndex(self.base.load(Ordering::Acquire))
    }

    fn check_usable(&self) -> Result<(), StoreError> {
        match self.poison.get() {
            Some(reason) => Err(StoreError::Poisoned(reason.clone())),
            None => Ok(()),
        }
    }

    /// Makes an error the last thing that this store says of itself.
    fn poison_on_error<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &outcome {
            let reason = format!("{}: {}", self.directory.display(), describe(error));
            tracing::error!(%reason, "the log store stops");
            self.poison.get_or_init(|| reason);
        }
        outcome
    }

    /// An error of the database, with what was being done.
    fn failed(&self, operation: &str, source: rocksdb::Error) -> StoreError {
        let operation = format!("{operation} in {}", self.directory.display());
        StoreError::Io { operation, source: Box::new(source) }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("directory", &self.directory)
            .field("base", &self.base)
            .finish()
    }
}

fn not_recovered() -> StoreError {
    StoreError::Invalid("a store is recovered before anything else is asked of it".to_owned())
}

/// An error with its source: the source is what an operator needs.
fn describe(error: &StoreError) -> String {
    std::error::Error::source(error)
        .map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
