//! The RocksDB database below the store: its settings, its column families, and the revisions
//! that the writer and the readers share.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use raft_core::LogIndex;
use rocksdb::checkpoint::Checkpoint;
use rocksdb::{
    BlockBasedOptions, BottommostLevelCompaction, Cache, ColumnFamily, ColumnFamilyDescriptor,
    CompactOptions, CompactionDecision, DB, DBCompressionType, Options, ReadOptions, ReadTier,
    WriteBatch, WriteOptions,
};

use super::directory::OwnedDirectory;
use super::error::{OpenError, ReadError};
use super::layout::{self, CURRENT, HISTORY, SESSIONS, STATE_KEY, State};
use super::options::KvOptions;
use super::types::Revision;

const MIB: usize = 1 << 20;
/// Write-ahead log after which RocksDB flushes the column families that hold it back.
const WAL_BYTES_MAX: u64 = 256 << 20;
const BLOOM_BITS_PER_KEY: f64 = 10.0;
/// Part of a memtable's size that its bloom filter takes.
const MEMTABLE_BLOOM_RATIO: f64 = 0.05;

/// A column family other than the default one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Family {
    Current,
    History,
    Sessions,
}

impl Family {
    /// Its name in the database.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Current => CURRENT,
            Self::History => HISTORY,
            Self::Sessions => SESSIONS,
        }
    }
}

/// The database, shared by the writer, the readers and the background threads.
pub(super) struct Database {
    db: DB,
    /// Options of reads that must not wait for the disk. Creating them costs as much as a read, so
    /// they are kept.
    in_memory: ReadOptions,
    /// Versions that were superseded at this revision or before may be missing on disk. Never
    /// falls, and never exceeds a durable compact revision.
    swept: Arc<AtomicU64>,
    /// The compact revision of the last completed sweep.
    sweep_ended: AtomicU64,
    /// The revision of the write in progress, or of the last one.
    writing: AtomicU64,
    /// The revision of the last write. Equal to `writing` while no write is in progress.
    written: AtomicU64,
    /// The applied index of the last write.
    written_applied: AtomicU64,
    /// The applied index that survives a power failure. Never falls.
    durable_applied: AtomicU64,
    /// Fields drop in the order of their declaration: the directory is removed, if it is replaced,
    /// and its lock released after the database is closed.
    directory: OwnedDirectory,
}

impl Database {
    /// Opens the database or creates an empty one, and reads the state record.
    pub(super) fn open(
        directory: OwnedDirectory,
        options: &KvOptions,
    ) -> Result<(Self, State), OpenError> {
        let path = directory.path();
        let swept = Arc::new(AtomicU64::new(0));
        let db =
            DB::open_cf_descriptors(&database_options(), path, column_families(options, &swept))
                .map_err(|source| open_error(path, source))?;
        let mut in_memory = ReadOptions::default();
        in_memory.set_read_tier(ReadTier::BlockCache);
        let database = Self {
            db,
            in_memory,
            swept,
            sweep_ended: AtomicU64::new(0),
            writing: AtomicU64::new(0),
            written: AtomicU64::new(0),
            written_applied: AtomicU64::new(0),
            durable_applied: AtomicU64::new(0),
            directory,
        };
        let state = database
            .state(None)
            .and_then(|state| database.publish(state))
            .map_err(|source| OpenError::Read { path: database.path().to_owned(), source })?;
        Ok((database, state))
    }

    /// Publishes the recovered state. It is made durable first: a power cut must not undo a
    /// compaction whose versions are swept.
    fn publish(&self, state: State) -> Result<State, ReadError> {
        self.written_applied.store(state.applied.index.get(), Ordering::Release);
        self.sync()?;
        self.raise_swept(state.compact_revision);
        self.writing.store(state.revision.get(), Ordering::Release);
        self.written.store(state.revision.get(), Ordering::Release);
        Ok(state)
    }

    /// Writes records of a restored state, which may be lost until [`Database::finish_restore`].
    pub(super) fn write_restored(&self, batch: WriteBatch) -> Result<(), ReadError> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.db
            .write_opt(batch, &options)
            .map_err(|source| ReadError::io("writing a restored state", source))
    }

    /// Makes the restored records and their state record durable, and publishes that state. It
    /// contains no version that a sweep would remove.
    pub(super) fn finish_restore(&self, state: State) -> Result<(), ReadError> {
        let mut batch = WriteBatch::default();
        batch.put(STATE_KEY, state.encode());
        self.write_restored(batch)?;
        let flushed = |source| ReadError::io("flushing a restored state", source);
        self.db.flush().map_err(flushed)?;
        for family in [Family::Current, Family::History, Family::Sessions] {
            self.db.flush_cf(self.family(family)).map_err(flushed)?;
        }
        self.publish(state)?;
        self.sweep_ended.store(state.compact_revision.get(), Ordering::Release);
        Ok(())
    }

    /// Creates a checkpoint in a directory that does not exist: a database of its own that shares
    /// the table files of this one. No write may be in progress. The write buffers are written to
    /// table files first, so on return all writes are durable.
    pub(super) fn checkpoint(&self, path: &Path) -> Result<(), ReadError> {
        let created = |source| ReadError::io("creating a checkpoint", source);
        let checkpoint = Checkpoint::new(&self.db).map_err(created)?;
        checkpoint.create_checkpoint(path).map_err(created)?;
        self.sync()
    }

    /// The directory of the database.
    pub(super) const fn directory(&self) -> &OwnedDirectory {
        &self.directory
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The database itself.
    pub(super) const fn db(&self) -> &DB {
        &self.db
    }

    /// Options of reads that fail instead of waiting for the disk.
    pub(super) const fn in_memory(&self) -> &ReadOptions {
        &self.in_memory
    }

    /// A column family's handle.
    pub(super) fn family(&self, family: Family) -> &ColumnFamily {
        self.db.cf_handle(family.name()).expect("every column family was opened with the database")
    }

    /// The state record, as of a snapshot.
    pub(super) fn state(
        &self,
        snapshot: Option<&rocksdb::Snapshot<'_>>,
    ) -> Result<State, ReadError> {
        let record = match snapshot {
            Some(snapshot) => snapshot.get_pinned(STATE_KEY),
            None => self.db.get_pinned(STATE_KEY),
        };
        match record.map_err(|source| ReadError::io("reading the state record", source))? {
            Some(record) => Ok(State::decode(&record)?),
            None => Ok(State::default()),
        }
    }

    /// Writes a batch that brings the store to `state`: atomic and in order, but not synced.
    pub(super) fn write(&self, batch: WriteBatch, state: &State) -> Result<(), rocksdb::Error> {
        let revision = state.revision.get();
        self.writing.store(revision, Ordering::Release);
        self.db.write_opt(batch, &WriteOptions::default())?;
        self.written.store(revision, Ordering::Release);
        self.written_applied.store(state.applied.index.get(), Ordering::Release);
        Ok(())
    }

    /// The applied index that survives a power failure: that of the last write before the last sync.
    pub(super) fn durable_applied(&self) -> LogIndex {
        LogIndex(self.durable_applied.load(Ordering::Acquire))
    }

    /// The revision of the last write.
    pub(super) fn revision(&self) -> Revision {
        Revision(self.written.load(Ordering::Acquire))
    }

    /// Whether no write has begun since [`Database::revision`] returned `revision`: data that was
    /// read in between is of that revision. A reader that read data of a later write also reads the
    /// revision that was stored before that write.
    pub(super) fn is_still_at(&self, revision: Revision) -> bool {
        self.writing.load(Ordering::Acquire) == revision.get()
    }

    /// Versions that were superseded at this revision or before may be missing on disk.
    pub(super) fn swept(&self) -> Revision {
        Revision(self.swept.load(Ordering::Acquire))
    }

    /// Frees the versions that were superseded at the compact revision or before, and returns that
    /// revision. Takes as long as reading the whole history.
    pub(super) fn sweep(&self) -> Result<Revision, ReadError> {
        let compact_revision = self.state(None)?.compact_revision;
        self.sync()?;
        self.raise_swept(compact_revision);
        let mut options = CompactOptions::default();
        options.set_exclusive_manual_compaction(false);
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        let history = self.family(Family::History);
        self.db.compact_range_cf_opt(history, None::<&[u8]>, None::<&[u8]>, &options);
        self.sweep_ended.fetch_max(compact_revision.get(), Ordering::AcqRel);
        Ok(compact_revision)
    }

    /// The compact revision of the last sweep that was completed since the database was opened.
    pub(super) fn sweep_ended(&self) -> Revision {
        Revision(self.sweep_ended.load(Ordering::Acquire))
    }

    /// Stops background work of RocksDB, so that a sweep in progress ends.
    pub(super) fn cancel_background_work(&self) {
        self.db.cancel_all_background_work(false);
    }

    /// A numeric property of one column family; 0 if RocksDB does not return it.
    pub(super) fn property(&self, family: Family, name: &str) -> u64 {
        self.db.property_int_value_cf(self.family(family), name).ok().flatten().unwrap_or(0)
    }

    /// Makes every write before this call durable.
    pub(super) fn sync(&self) -> Result<(), ReadError> {
        let applied = self.written_applied.load(Ordering::Acquire);
        self.db
            .flush_wal(true)
            .map_err(|source| ReadError::io("syncing the write-ahead log", source))?;
        self.durable_applied.fetch_max(applied, Ordering::AcqRel);
        Ok(())
    }

    fn raise_swept(&self, compact_revision: Revision) {
        self.swept.fetch_max(compact_revision.get(), Ordering::AcqRel);
    }
}

fn open_error(path: &Path, source: rocksdb::Error) -> OpenError {
    let path = path.to_owned();
    let message = source.to_string();
    if message.contains("lock hold by current process") || message.contains("While lock file") {
        return OpenError::Locked { path };
    }
    OpenError::Database { path, source }
}

fn database_options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    // An incomplete tail of the write-ahead log is ignored after a power cut; damage before it is
    // an error. What remains is a prefix of the writes, the same in all column families.
    options.set_wal_recovery_mode(rocksdb::DBRecoveryMode::PointInTime);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_wal_bytes_per_sync(MIB as u64);
    options.set_bytes_per_sync(MIB as u64);
    options.set_max_background_jobs(2);
    options.set_max_open_files(1024);
    options.set_keep_log_file_num(4);
    options.set_max_log_file_size(4 * MIB);
    options.set_stats_dump_period_sec(0);
    options
}

fn column_families(options: &KvOptions, swept: &Arc<AtomicU64>) -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(options.block_cache_bytes);
    let current = {
        let mut table = table_options(&cache);
        table.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
        let mut family = family_options(&table, options.write_buffer_bytes);
        family.set_memtable_prefix_bloom_ratio(MEMTABLE_BLOOM_RATIO);
        family.set_memtable_whole_key_filtering(true);
        family
    };
    let history = {
        let mut family = family_options(&table_options(&cache), options.write_buffer_bytes);
        let swept = Arc::clone(swept);
        family.set_compaction_filter("superseded", move |_level, _key, value| {
            match layout::superseded_at(value) {
                Some(superseded) if superseded.get() <= swept.load(Ordering::Acquire) => {
                    CompactionDecision::Remove
                }
                Some(_) | None => CompactionDecision::Keep,
            }
        });
        family
    };
    let small = options.write_buffer_bytes.min(8 * MIB);
    let sessions = family_options(&table_options(&cache), small);
    let default = family_options(&table_options(&cache), small);
    vec![
        ColumnFamilyDescriptor::new("default", default),
        ColumnFamilyDescriptor::new(CURRENT, current),
        ColumnFamilyDescriptor::new(HISTORY, history),
        ColumnFamilyDescriptor::new(SESSIONS, sessions),
    ]
}

fn table_options(cache: &Cache) -> BlockBasedOptions {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_format_version(5);
    table
}

fn family_options(table: &BlockBasedOptions, write_buffer_bytes: usize) -> Options {
    let mut options = Options::default();
    options.set_block_based_table_factory(table);
    options.set_write_buffer_size(write_buffer_bytes);
    options.set_compression_type(DBCompressionType::None);
    options
}
