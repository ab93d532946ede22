//! The log on disk, in RocksDB.
//!
//! # The data directory
//! | name | content |
//! | --- | --- |
//! | `IDENTITY` | text: format, cluster, group, node, incarnation, state, checksum. Read before anything is opened or written |
//! | `LOCK` | locked while a store is open; contains the process id of the holder |
//! | `db/` | the database |
//!
//! `IDENTITY` is written twice, each time to a temporary file that is synced and renamed: in state
//! `creating` before the database is created, in state `ready` afterwards. A `ready` directory
//! without a database has lost its log and is refused: a node that started there with an empty log
//! could vote twice in a term.
//!
//! # Keys
//! There are two column families, so that the small records, which are rewritten often, are not in
//! the same files as the log. The files of the log then cover disjoint ranges of keys: the database
//! moves them down its levels without rewriting them and drops whole files after a compaction.
//!
//! | column family | key | value |
//! | --- | --- | --- |
//! | `default` | `identity` | format and identity, as in the file |
//! | `default` | `hard_state` | the hard state |
//! | `default` | `base` | the base, and the newest membership at or before it |
//! | `default` | `summary` | the terms and memberships of the log up to an entry |
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
//! A checksum covers the index, so that an entry at a wrong position is detected. It is computed
//! when the entry is persisted and verified whenever the entry is read.
//!
//! Records contain contiguous entries. From the record with the base on they do not overlap: a
//! record begins with the index after the last index of the record before it. A persist packs its
//! entries into records of about [`RocksOptions::record_bytes_max`], because an insertion costs the
//! database more than the bytes of an entry. A truncation inside a record rewrites the head of the
//! record in the same batch. A reset that keeps no entry removes all records and writes one with an
//! empty entry at the base, in the same batch, so that a record with the base is always there.
//!
//! # Recovery
//! The summary is written with every persist that removes entries, and once after some megabytes of
//! entries, in the batch of these entries. If the log holds the last entry that it covers, the
//! recovery reads only the entries after it. The opening of a log then takes the same time whatever
//! its length.
//!
//! # Durability
//! [`persist`](LogStore::persist) merges all its changes into one write batch, written with one
//! sync of the write-ahead log. On return the batch is durable; after a crash it is either complete
//! or absent. After an error the store refuses all calls: a second sync after a failed one can
//! report success for pages that the kernel has discarded.
//!
//! [`compact`](LogStore::compact) syncs the new base before it drops files. It drops whole files
//! only: entries before the base may remain on disk for some time, but are never returned.
//!
//! After a crash, an incomplete final record of the write-ahead log is ignored: the write did not
//! return, so it was never acknowledged. Damage before the final record fails the opening: later
//! records were synced, and ignoring them would lose votes and acknowledged entries.

mod base;
mod change;
mod compact;
mod keys;
mod open;
mod persist;
mod read;
mod record;
mod recover;
mod summary;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use raft_core::ports::{LogReader, LogStore, StoreError};
use raft_core::{LogId, LogIndex, Membership, Persist, Recovered};
use rocksdb::{ColumnFamily, DB};

pub use open::FORMAT;

use crate::data_directory::DirectoryLock;
use crate::outline::LogOutline;

/// Memory and disk usage of a [`RocksLogStore`]. No value weakens durability.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RocksOptions {
    /// Bytes of entries that are kept in memory and in the write-ahead log before they are written
    /// to a table file. A larger value means fewer files and a longer recovery after a crash. The
    /// log is summarized each time that a quarter of this value was written.
    pub write_buffer_bytes: usize,
    /// A persist starts a new record once the current one has reached this number of bytes. A read
    /// or truncation in the middle of a record costs as much as the whole record.
    pub record_bytes_max: usize,
}

impl Default for RocksOptions {
    fn default() -> Self {
        Self { write_buffer_bytes: 64 << 20, record_bytes_max: 64 << 10 }
    }
}

/// A log store on disk. The disk format is documented in `docs/disk-format.md`.
///
/// The directory stays locked until the store and all of its readers are dropped.
#[derive(Debug)]
pub struct RocksLogStore {
    shared: Arc<Shared>,
    options: RocksOptions,
    /// The state of the log in memory; `None` until recovered.
    log: Option<Log>,
}

/// Shared by the store and its readers.
struct Shared {
    db: DB,
    /// The base. Entries up to it may still be on disk, but are no longer part of the log.
    /// Increased before records are removed or files are dropped.
    base: AtomicU64,
    /// The error after which the store refuses all calls.
    poison: OnceLock<String>,
    directory: PathBuf,
    /// Fields drop in the order of their declaration: the lock is released after the database is
    /// closed.
    _lock: DirectoryLock,
}

/// The part of the log's state that is kept in memory.
#[derive(Debug, Default)]
struct Log {
    outline: LogOutline,
    /// All memberships in the log, ascending, and the newest at or before the base.
    memberships: Vec<(LogIndex, Membership)>,
    /// Bytes of the entries after the last summary.
    unsummarized_bytes: u64,
    /// Packs entries; reused to keep its buffer.
    writer: record::RecordWriter,
}

impl LogStore for RocksLogStore {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        self.shared.check_usable()?;
        let (recovered, unsummarized_bytes) = self.shared.recover()?;
        self.shared.base.store(recovered.base.index.get(), Ordering::Release);
        self.log = Some(Log {
            outline: LogOutline {
                terms: recovered.terms.clone(),
                hard_state: recovered.hard_state,
            },
            memberships: recovered.memberships.clone(),
            unsummarized_bytes,
            writer: record::RecordWriter::default(),
        });
        Ok(recovered)
    }

    fn persist(&mut self, changes: &[Persist]) -> Result<(), StoreError> {
        self.shared.check_usable()?;
        let log = self.log.as_mut().ok_or_else(not_recovered)?;
        let outcome = persist::persist(&self.shared, log, changes, &self.options);
        self.shared.poison_on_error(outcome)
    }

    fn compact(&mut self, up_to: LogId) -> Result<(), StoreError> {
        self.shared.check_usable()?;
        let log = self.log.as_mut().ok_or_else(not_recovered)?;
        if !log.outline.may_compact(up_to)? {
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

    /// After an error, makes the store refuse all further calls.
    fn poison_on_error<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &outcome {
            let reason = format!("{}: {}", self.directory.display(), describe(error));
            tracing::error!(%reason, "the log store stops");
            self.poison.get_or_init(|| reason);
        }
        outcome
    }

    /// An error of the database, with the operation.
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
    StoreError::Invalid("call recover before any other method of the store".to_owned())
}

/// An error with its source, which operators need.
fn describe(error: &StoreError) -> String {
    std::error::Error::source(error)
        .map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
