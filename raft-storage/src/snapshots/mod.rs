//! Snapshots in files, one for each.
//!
//! # The directory
//! | name | content |
//! | --- | --- |
//! | `IDENTITY`, `LOCK` | as in the directory of a log |
//! | `INDEX-TERM.snapshot` | a complete snapshot; the name is its last entry |
//! | `INDEX-TERM.received` | the beginning of a snapshot that another node sends |
//! | `INDEX-TERM.draft` | an incomplete snapshot of the own state machine |
//!
//! A draft is removed when the store is opened. All three have the same form (numbers
//! little-endian):
//! ```text
//! file    = header, chunk*, trailer (only in a complete file)
//! header  = "raftsnap", payload length: u32, crc: u32 of (payload length, payload), payload
//! payload = last entry, membership with its index, size and checksum if known (postcard)
//! chunk   = crc: u32 of (crc of the header: u32, number of the chunk: u64, data), data
//! trailer = size: u64 and checksum: u32 of the data, crc: u32 of (crc of the header, both)
//! ```
//! Every chunk but the last has 64 KiB of data. Each checksum continues that of the header, so that
//! a chunk or trailer of another file is detected.
//!
//! # Durability
//! A snapshot is published in four steps: trailer, sync of the file, rename, sync of the directory.
//! A file of another name is never used as a snapshot. Data is also synced at intervals while it is
//! written, so that no single sync delays those of the log for long.
//!
//! A reception continues after its last chunk that verifies. After an error of the disk it begins
//! anew: pages that a failed sync has discarded can still verify.

mod file;
mod format;
mod open;
mod reader;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raft_core::ports::{
    SnapshotError, SnapshotMetadata, SnapshotReader, SnapshotStore, SnapshotWriter,
};
use raft_core::{LogId, LogIndex, Membership};

pub use file::{SnapshotFileWriter, open_snapshot_file};
pub use open::DamagedSnapshot;

use crate::data_directory::DirectoryLock;

/// A snapshot store in a directory. The format is documented in `docs/disk-format.md`.
///
/// The directory stays locked until the store and all of its writers are dropped.
#[derive(Debug)]
pub struct FileSnapshotStore {
    shared: Arc<Shared>,
    damaged: Vec<DamagedSnapshot>,
}

/// Shared by the store and its writers.
#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    contents: Mutex<Contents>,
    /// Held while complete files are renamed or removed, so that a removal and a publication of the
    /// same snapshot do not overlap. `contents` stays available meanwhile.
    changes: Mutex<()>,
    _lock: DirectoryLock,
}

#[derive(Debug, Default)]
struct Contents {
    complete: BTreeMap<LogId, SnapshotMetadata>,
    /// The snapshots for which a writer exists.
    writing: BTreeSet<LogId>,
}

/// The files of a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum FileKind {
    Complete,
    Received,
    Draft,
}

impl FileKind {
    const ALL: [Self; 3] = [Self::Complete, Self::Received, Self::Draft];

    const fn extension(self) -> &'static str {
        match self {
            Self::Complete => "snapshot",
            Self::Received => "received",
            Self::Draft => "draft",
        }
    }

    /// The kind of a file by its name; `None` for other files.
    fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?;
        Self::ALL.into_iter().find(|kind| extension == kind.extension())
    }
}

impl SnapshotStore for FileSnapshotStore {
    fn list(&self) -> Vec<SnapshotMetadata> {
        lock(&self.shared.contents).complete.values().cloned().collect()
    }

    fn create(
        &self,
        last: LogId,
        membership: (LogIndex, Membership),
    ) -> Result<Box<dyn SnapshotWriter>, SnapshotError> {
        let header = format::Header { last, membership, expected: None };
        let registration = Registration::new(&self.shared, &header)?;
        Ok(Box::new(writer::FileSnapshotWriter::create(registration, header)?))
    }

    fn receive(
        &self,
        metadata: &SnapshotMetadata,
    ) -> Result<Box<dyn SnapshotWriter>, SnapshotError> {
        let header = format::Header::of_received(metadata);
        let registration = Registration::new(&self.shared, &header)?;
        self.shared.remove_other_receptions()?;
        Ok(Box::new(writer::FileSnapshotWriter::resume_or_create(registration, header)?))
    }

    fn open(&self, last: LogId) -> Result<Option<Box<dyn SnapshotReader>>, SnapshotError> {
        if !lock(&self.shared.contents).complete.contains_key(&last) {
            return Ok(None);
        }
        let path = self.shared.path(last, FileKind::Complete);
        match File::open(&path) {
            Ok(file) => Ok(Some(Box::new(reader::FileSnapshotReader::new(file, path)?))),
            // It was removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("opening", &path, error)),
        }
    }

    fn remove(&self, last: LogId) -> Result<(), SnapshotError> {
        let _changes = lock(&self.shared.changes);
        if lock(&self.shared.contents).complete.remove(&last).is_none() {
            return Ok(());
        }
        // Open readers keep the data.
        self.shared.remove_file(&self.shared.path(last, FileKind::Complete))?;
        self.shared.sync_directory()
    }
}

impl Shared {
    fn path(&self, last: LogId, kind: FileKind) -> PathBuf {
        self.directory.join(file_name(last, kind))
    }

    /// Makes a complete, synced file visible as a snapshot.
    fn publish(&self, path: &Path, metadata: &SnapshotMetadata) -> Result<(), SnapshotError> {
        let _changes = lock(&self.changes);
        let complete = self.path(metadata.last, FileKind::Complete);
        fs::rename(path, &complete).map_err(|error| failed("renaming", path, error))?;
        self.sync_directory()?;
        lock(&self.contents).complete.insert(metadata.last, metadata.clone());
        Ok(())
    }

    /// Removes what was received of snapshots for which no writer exists. The caller's writer is
    /// registered.
    fn remove_other_receptions(&self) -> Result<(), SnapshotError> {
        let writing = lock(&self.contents).writing.clone();
        let kept: BTreeSet<_> =
            writing.into_iter().map(|last| self.path(last, FileKind::Received)).collect();
        for path in files_in(&self.directory).map_err(|e| failed("reading", &self.directory, e))? {
            if FileKind::of(&path) == Some(FileKind::Received) && !kept.contains(&path) {
                self.remove_file(&path)?;
            }
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> Result<(), SnapshotError> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("removing", path, error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn sync_directory(&self) -> Result<(), SnapshotError> {
        let sync = || File::open(&self.directory)?.sync_all();
        sync().map_err(|error| failed("syncing the directory", &self.directory, error))
    }
}

/// The right to write one snapshot. At most one exists for each.
#[derive(Debug)]
struct Registration {
    shared: Arc<Shared>,
    last: LogId,
}

impl Registration {
    fn new(shared: &Arc<Shared>, header: &format::Header) -> Result<Self, SnapshotError> {
        let (last, membership_index) = (header.last, header.membership.0);
        if membership_index > last.index {
            return Err(SnapshotError::Invalid(format!(
                "a snapshot up to entry {last} with a membership of index {membership_index}"
            )));
        }
        if !lock(&shared.contents).writing.insert(last) {
            return Err(SnapshotError::Busy(last));
        }
        Ok(Self { shared: Arc::clone(shared), last })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        lock(&self.shared.contents).writing.remove(&self.last);
    }
}

fn file_name(last: LogId, kind: FileKind) -> String {
    format!("{}-{}.{}", last.index, last.term, kind.extension())
}

fn files_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect()
}

/// The contents change as a whole, so they are consistent after a panic under the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An error of the operating system, with the operation and the file.
fn failed(operation: &str, path: &Path, source: io::Error) -> SnapshotError {
    let operation = format!("{operation} {}", path.display());
    SnapshotError::Io { operation, source: Box::new(source) }
}

fn damaged(path: &Path, detail: &str) -> SnapshotError {
    SnapshotError::Corrupt {
        what: format!("the snapshot {}", path.display()),
        detail: detail.to_owned(),
    }
}
