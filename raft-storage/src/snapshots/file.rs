//! A snapshot in a file of its own, outside of a store: a backup.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use raft_core::ports::{
    SnapshotError, SnapshotMetadata, SnapshotReader, SnapshotStore, SnapshotWriter,
};
use raft_core::{ClusterId, GroupId, Identity, Incarnation, LogId, LogIndex, Membership, NodeId};

use super::reader::FileSnapshotReader;
use super::{FileKind, FileSnapshotStore, failed, file_name};

/// The owner of the store in which a file is written; no other program opens that store.
const OWNER: Identity = Identity {
    cluster: ClusterId(0),
    group: GroupId(0),
    node: NodeId(0),
    incarnation: Incarnation(0),
};

/// Opens a snapshot in a file of its own, in the format of [`FileSnapshotStore`]. What is read from
/// it is verified.
///
/// # Errors
/// When the file cannot be read, is no snapshot, or is damaged.
pub fn open_snapshot_file(
    path: impl AsRef<Path>,
) -> Result<Box<dyn SnapshotReader>, SnapshotError> {
    let path = path.as_ref();
    let file = File::open(path).map_err(|error| failed("opening", path, error))?;
    Ok(Box::new(FileSnapshotReader::new(file, path.to_owned())?))
}

/// Writes a snapshot into a file of its own. The file appears when it is complete and durable; until
/// then the data is in a directory beside it, whose name ends with `.partial`.
pub struct SnapshotFileWriter {
    /// Closed before the directory is removed.
    writer: Option<Box<dyn SnapshotWriter>>,
    last: LogId,
    partial: PathBuf,
    target: PathBuf,
}

impl SnapshotFileWriter {
    /// Begins a file. What an earlier writer of the same file has left is removed.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn create(
        target: impl AsRef<Path>,
        last: LogId,
        membership: (LogIndex, Membership),
    ) -> Result<Self, SnapshotError> {
        let target = target.as_ref().to_owned();
        let mut partial = target.clone().into_os_string();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        match fs::remove_dir_all(&partial) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed("removing", &partial, error));
            }
            Ok(()) | Err(_) => {}
        }
        let mut file = Self { writer: None, last, partial, target };
        let store = FileSnapshotStore::open(&file.partial, OWNER).map_err(|error| {
            let operation = format!("creating {}", file.partial.display());
            SnapshotError::Io { operation, source: Box::new(error) }
        })?;
        file.writer = Some(store.create(last, membership)?);
        Ok(file)
    }

    /// Appends data.
    ///
    /// # Errors
    /// When the disk fails. The writer fails every call then.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.writer.as_mut().expect("only `finish` takes it").write(bytes)
    }

    /// Makes the file durable, and replaces an earlier one of its name.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn finish(mut self) -> Result<SnapshotMetadata, SnapshotError> {
        let metadata = self.writer.take().expect("it is taken once").finish()?;
        let complete = self.partial.join(file_name(self.last, FileKind::Complete));
        fs::rename(&complete, &self.target).map_err(|e| failed("renaming", &complete, e))?;
        let directory = match self.target.parent() {
            Some(directory) if !directory.as_os_str().is_empty() => directory,
            Some(_) | None => Path::new("."),
        };
        let sync = || File::open(directory)?.sync_all();
        sync().map_err(|error| failed("syncing the directory", directory, error))?;
        Ok(metadata)
    }
}

impl Drop for SnapshotFileWriter {
    fn drop(&mut self) {
        self.writer = None;
        // If this fails, the next writer of the file removes it.
        if let Err(error) = fs::remove_dir_all(&self.partial) {
            tracing::debug!(path = %self.partial.display(), %error, "cannot remove a directory");
        }
    }
}

impl std::fmt::Debug for SnapshotFileWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotFileWriter").field("target", &self.target).finish_non_exhaustive()
    }
}
