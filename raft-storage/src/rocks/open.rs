//! Opening a data directory.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use raft_core::{BrokenMark, Identity};
use rocksdb::{ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, LogLevel, Options};

use super::{RocksLogStore, RocksOptions, Shared, keys, persist};
use crate::data_directory::{self, DirectoryLock, IdentityFile, Stage};
use crate::error::OpenError;

/// The format of the data directory that this release writes, and the only one that it reads.
pub const FORMAT: u32 = 2;

const DATABASE_DIRECTORY: &str = "db";
/// The first word of the identity file.
const KIND: &str = "raft-log";

impl RocksLogStore {
    /// Opens the log in a directory. Creates an empty log if the directory is empty or missing.
    ///
    /// If the directory has another format or another identity, the call fails before anything is
    /// written.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(
        directory: impl AsRef<Path>,
        identity: Identity,
        options: RocksOptions,
    ) -> Result<Self, OpenError> {
        let directory = directory.as_ref();
        // Before the lock is acquired, because that writes to the directory.
        check_owner(directory, &identity)?;
        data_directory::create(directory)?;
        let lock = DirectoryLock::acquire(directory)?;
        let stage = check_owner(directory, &identity)?;
        let database = directory.join(DATABASE_DIRECTORY);
        let db = match stage {
            Some(Stage::Ready) => {
                // Every database has the file `CURRENT`, which names the newest manifest. Without
                // it, `create_if_missing` would create an empty database.
                if !database.join("CURRENT").exists() {
                    return Err(OpenError::Damaged {
                        path: directory.to_owned(),
                        detail: "the database is missing".to_owned(),
                    });
                }
                open_database(&database, &options, false)?
            }
            Some(Stage::Creating) => create_database(directory, &identity, &options)?,
            None if database.exists() => {
                return Err(OpenError::Damaged {
                    path: directory.to_owned(),
                    detail: "there is a database, but no identity file".to_owned(),
                });
            }
            None => {
                identity_file(directory).write(&identity, Stage::Creating)?;
                create_database(directory, &identity, &options)?
            }
        };
        check_database_owner(directory, &db, &identity)?;
        let shared = Shared {
            db,
            base: AtomicU64::new(0),
            poison: OnceLock::new(),
            directory: directory.to_owned(),
            _lock: lock,
        };
        Ok(Self { shared: Arc::new(shared), options, log: None })
    }

    /// The identity of the log in a directory; `None` if there is no log. Writes nothing and
    /// acquires no lock.
    ///
    /// # Errors
    /// When the directory cannot be read, is damaged, or is of another format.
    pub fn identity_of(directory: impl AsRef<Path>) -> Result<Option<Identity>, OpenError> {
        Ok(identity_file(directory.as_ref()).read()?.map(|(identity, _)| identity))
    }

    /// Removes the broken mark from a log and returns it, for operators that have fixed the cause.
    /// The node must not be running.
    ///
    /// # Errors
    /// When the directory is in use, contains no log, or cannot be read or written.
    pub fn mark_fixed(directory: impl AsRef<Path>) -> Result<Option<BrokenMark>, OpenError> {
        let directory = directory.as_ref();
        let Some(identity) = Self::identity_of(directory)? else {
            return Err(OpenError::Damaged {
                path: directory.to_owned(),
                detail: "it contains no log".to_owned(),
            });
        };
        let store = Self::open(directory, identity, RocksOptions::default())?;
        let take = || {
            let broken = store.shared.small_record(keys::BROKEN)?;
            let deleted = store.shared.db.delete_opt(keys::BROKEN, &persist::synced());
            deleted.map_err(|error| store.shared.failed("removing the broken mark", error))?;
            Ok(broken)
        };
        take().map_err(|source| OpenError::Store { path: directory.to_owned(), source })
    }
}

fn identity_file(directory: &Path) -> IdentityFile {
    IdentityFile::new(directory, KIND, FORMAT)
}

/// Checks that the directory is empty or belongs to this node.
fn check_owner(directory: &Path, identity: &Identity) -> Result<Option<Stage>, OpenError> {
    let Some((found, stage)) = identity_file(directory).read()? else { return Ok(None) };
    if found != *identity {
        let path = directory.to_owned();
        return Err(OpenError::OtherIdentity { path, found, expected: *identity });
    }
    Ok(Some(stage))
}

/// Creates the database, or completes an interrupted creation.
fn create_database(
    directory: &Path,
    identity: &Identity,
    options: &RocksOptions,
) -> Result<DB, OpenError> {
    let database = directory.join(DATABASE_DIRECTORY);
    let db = open_database(&database, options, true)?;
    let record = keys::encode(keys::IDENTITY, &(FORMAT, identity));
    db.put_opt(keys::IDENTITY, record, &persist::synced())
        .map_err(|error| OpenError::Database { path: database, detail: error.into_string() })?;
    identity_file(directory).write(identity, Stage::Ready)?;
    Ok(db)
}

/// The database contains the identity too, so that a directory assembled from two is detected.
fn check_database_owner(directory: &Path, db: &DB, identity: &Identity) -> Result<(), OpenError> {
    let path = directory.join(DATABASE_DIRECTORY);
    let bytes = db.get(keys::IDENTITY);
    let bytes = bytes
        .map_err(|error| OpenError::Database { path: path.clone(), detail: error.into_string() })?;
    let Some(bytes) = bytes else {
        let detail = "it contains no identity".to_owned();
        return Err(OpenError::Damaged { path, detail });
    };
    let (found_format, found): (u32, Identity) = keys::decode(keys::IDENTITY, &bytes)
        .map_err(|source| OpenError::Store { path: path.clone(), source })?;
    if found_format > FORMAT {
        return Err(OpenError::NewerFormat { path, found: found_format, supported: FORMAT });
    }
    if found_format < FORMAT {
        return Err(OpenError::OlderFormat { path, found: found_format, supported: FORMAT });
    }
    if found != *identity {
        return Err(OpenError::OtherIdentity { path, found, expected: *identity });
    }
    Ok(())
}

fn open_database(path: &Path, options: &RocksOptions, create: bool) -> Result<DB, OpenError> {
    let mut database = database_options();
    database.create_if_missing(create);
    database.create_missing_column_families(create);
    let families = [
        ColumnFamilyDescriptor::new(rocksdb::DEFAULT_COLUMN_FAMILY_NAME, small_records_options()),
        ColumnFamilyDescriptor::new(keys::LOG_FAMILY, log_options(options)),
    ];
    DB::open_cf_descriptors(&database, path, families)
        .map_err(|error| OpenError::Database { path: path.to_owned(), detail: error.into_string() })
}

fn database_options() -> Options {
    let mut options = Options::default();
    // The default mode ends the recovery silently at the first unreadable record, wherever it is,
    // which can lose synced votes. This mode ignores an incomplete final record only.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    // The opening fails if a write-ahead log file is missing or shorter than when it was closed.
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_paranoid_checks(true);
    // Both families are flushed together. Otherwise the small records, which rarely fill their
    // buffer, would retain every write-ahead log file since their last flush.
    options.set_atomic_flush(true);
    // There is one writer, so that insertions need no compare-and-swap.
    options.set_allow_concurrent_memtable_write(false);
    // Few file descriptors: a node opens two databases and many connections.
    options.set_max_open_files(128);
    options.set_max_background_jobs(2);
    // The database's own log: warnings and errors, bounded in size.
    options.set_log_level(LogLevel::Warn);
    options.set_max_log_file_size(1 << 20);
    options.set_keep_log_file_num(4);
    options.set_stats_dump_period_sec(0);
    options
}

fn small_records_options() -> Options {
    let mut options = Options::default();
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(4 << 20);
    options
}

fn log_options(chosen: &RocksOptions) -> Options {
    let mut options = Options::default();
    // Commands are not compressed: the log is written once, rarely read, and dropped. A state
    // machine may compress its commands.
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(chosen.write_buffer_bytes);
    // A second buffer accepts writes while the first is flushed, a third if the disk is slow.
    options.set_max_write_buffer_number(3);
    // Files cover disjoint ranges, so that moving them below level 0 does not rewrite them. Only
    // below level 0 can a compaction of the log drop them as a whole.
    options.set_level_zero_file_num_compaction_trigger(2);
    options.set_target_file_size_base(chosen.write_buffer_bytes as u64);
    options.set_max_bytes_for_level_base(4 * chosen.write_buffer_bytes as u64);
    options
}
