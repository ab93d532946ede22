//! Opening a directory of snapshots.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use raft_core::Identity;
use raft_core::ports::SnapshotMetadata;

use super::format::{FileStart, FormatError, Header, TRAILER_BYTES};
use super::{Contents, FileKind, FileSnapshotStore, Shared, file_name, files_in};
use crate::data_directory::{self, DirectoryError, DirectoryLock, IdentityFile, Stage};
use crate::error::OpenError;

/// The format of the directory that this release writes, and the only one that it reads.
const FORMAT: u32 = 2;
/// The first word of the identity file.
const KIND: &str = "raft-snapshots";

/// A file that is named like a complete snapshot and is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DamagedSnapshot {
    /// The file.
    pub path: PathBuf,
    /// What is inconsistent.
    pub detail: String,
}

impl FileSnapshotStore {
    /// Opens the snapshots in a directory, which is created if it is missing. Incomplete snapshots
    /// of the own state machine are removed.
    ///
    /// Only the metadata of each snapshot is read: its data is verified when it is read. A snapshot
    /// with damaged metadata is not listed, and its file is not changed: see
    /// [`FileSnapshotStore::damaged`]. A node whose log and state machine do not need it can
    /// continue without it.
    ///
    /// # Errors
    /// When the directory has another format or another identity (nothing is written then), is in
    /// use, or cannot be read or written.
    pub fn open(directory: impl AsRef<Path>, identity: Identity) -> Result<Self, OpenError> {
        let directory = directory.as_ref();
        // Before the lock is acquired, because that writes to the directory.
        check_owner(directory, &identity)?;
        data_directory::create(directory)?;
        let lock = DirectoryLock::acquire(directory)?;
        if !check_owner(directory, &identity)? {
            identity_file(directory).write(&identity, Stage::Ready)?;
        }
        let (contents, damaged) = read_directory(directory)?;
        let shared = Shared {
            directory: directory.to_owned(),
            contents: Mutex::new(contents),
            changes: Mutex::new(()),
            _lock: lock,
        };
        Ok(Self { shared: Arc::new(shared), damaged })
    }

    /// The files that were named like complete snapshots and were none when the store was opened.
    #[must_use]
    pub fn damaged(&self) -> &[DamagedSnapshot] {
        &self.damaged
    }
}

fn identity_file(directory: &Path) -> IdentityFile {
    IdentityFile::new(directory, KIND, FORMAT)
}

/// Whether the directory belongs to this node already; `Ok(false)` if it has no owner yet.
fn check_owner(directory: &Path, identity: &Identity) -> Result<bool, OpenError> {
    let Some((found, _)) = identity_file(directory).read()? else { return Ok(false) };
    if found == *identity {
        return Ok(true);
    }
    Err(OpenError::OtherIdentity { path: directory.to_owned(), found, expected: *identity })
}

fn read_directory(directory: &Path) -> Result<(Contents, Vec<DamagedSnapshot>), DirectoryError> {
    let (mut contents, mut damaged) = (Contents::default(), Vec::new());
    for path in files_in(directory).map_err(io_error("read", directory))? {
        match FileKind::of(&path) {
            Some(FileKind::Complete) => match read_metadata(&path) {
                Ok(metadata) => {
                    contents.complete.insert(metadata.last, metadata);
                }
                Err(FormatError::Io(source)) => return Err(io_error("read", &path)(source)),
                Err(FormatError::Damaged(detail)) => {
                    tracing::error!(path = %path.display(), detail, "a snapshot is damaged");
                    damaged.push(DamagedSnapshot { path, detail: detail.to_owned() });
                }
            },
            Some(FileKind::Draft) => remove(&path)?,
            Some(FileKind::Received) => {
                let opened = File::open(&path).map_err(FormatError::from);
                // A reception that stopped before its header was written.
                if opened.and_then(|mut file| Header::read(&mut file)).is_err() {
                    remove(&path)?;
                }
            }
            None => {}
        }
    }
    Ok((contents, damaged))
}

fn read_metadata(path: &Path) -> Result<SnapshotMetadata, FormatError> {
    let (metadata, _) = read_ends(&mut File::open(path)?)?;
    let name = file_name(metadata.last, FileKind::Complete);
    if path.file_name().is_some_and(|found| *found == *name) {
        Ok(metadata)
    } else {
        Err(FormatError::Damaged("its name is not that of the snapshot in it"))
    }
}

/// Reads header and trailer of a complete file.
pub(super) fn read_ends(file: &mut File) -> Result<(SnapshotMetadata, FileStart), FormatError> {
    let (Header { last, membership, expected }, start) = Header::read(file)?;
    let file_bytes = file.metadata()?.len();
    let Some(trailer_at) = file_bytes.checked_sub(TRAILER_BYTES as u64) else {
        return Err(FormatError::Damaged("it ends too early"));
    };
    let mut trailer = [0; TRAILER_BYTES];
    file.seek(SeekFrom::Start(trailer_at))?;
    file.read_exact(&mut trailer)?;
    let (size_bytes, checksum) = start.check_trailer(trailer, file_bytes)?;
    if expected.is_some_and(|expected| expected != (size_bytes, checksum)) {
        return Err(FormatError::Damaged("its trailer contradicts its header"));
    }
    Ok((SnapshotMetadata { last, membership, size_bytes, checksum }, start))
}

fn remove(path: &Path) -> Result<(), DirectoryError> {
    tracing::info!(path = %path.display(), "removing an incomplete snapshot");
    fs::remove_file(path).map_err(io_error("remove", path))
}

fn io_error(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(std::io::Error) -> DirectoryError + use<> {
    let path = path.to_owned();
    move |source| DirectoryError::Io { action, path, source }
}
