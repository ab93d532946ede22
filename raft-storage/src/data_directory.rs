//! The files of a data directory beside its database: the lock and the identity file.
//!
//! The log store and other stores of a node use the same two files, each in its own directory. The
//! identity file is text, so that an operator can read to which node a directory belongs. It is
//! read before anything is written: a release that does not support the format changes nothing.

mod identity_file;

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

pub use identity_file::{IdentityFile, IdentityRecord, Stage};

const LOCK_FILE: &str = "LOCK";

/// Why the files of a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// An operation on a file failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The operation.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Another process, or another store of this process, holds the lock.
    #[error("{} is locked by another process or store", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process that holds the lock, if its id could be read.
        pid: Option<u32>,
    },
    /// A later release wrote the directory.
    #[error("{} has format {found}, but this release supports formats up to {supported}", path.display())]
    NewerFormat {
        /// The identity file.
        path: PathBuf,
        /// The format of the directory.
        found: u32,
        /// The newest supported format.
        supported: u32,
    },
    /// An earlier release wrote the directory, in a format that this one does not read.
    #[error(
        "{} has format {found} of an earlier release, and this release reads formats from {supported} \
         only",
        path.display()
    )]
    OlderFormat {
        /// The identity file.
        path: PathBuf,
        /// The format of the directory.
        found: u32,
        /// The oldest supported format.
        supported: u32,
    },
    /// The identity file is not what was written.
    #[error("{} is damaged: {detail}", path.display())]
    Damaged {
        /// The identity file.
        path: PathBuf,
        /// What is inconsistent.
        detail: String,
    },
}

/// An exclusive lock on a data directory. Released when dropped or when the process exits.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Acquires the lock and writes the id of this process to the lock file.
    ///
    /// # Errors
    /// [`DirectoryError::Locked`] if it is held, [`DirectoryError::Io`] if the file cannot be used.
    pub fn acquire(directory: &Path) -> Result<Self, DirectoryError> {
        let path = directory.join(LOCK_FILE);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(io_error("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Best effort: the holder may not have written its id yet.
                let _ = Read::take(&file, 20).read_to_string(&mut holder);
                return Err(DirectoryError::Locked { path, pid: holder.trim().parse().ok() });
            }
            Err(TryLockError::Error(source)) => return Err(io_error("lock", &path)(source)),
        }
        let write_holder = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write_holder(&mut file).map_err(io_error("write", &path))?;
        Ok(Self { _file: file })
    }
}

/// Waits until no store holds the lock of a directory, at most for `timeout`. Returns whether that
/// is so; also true for a directory without a lock file. Blocks.
///
/// A process that exits while a database is open may abort. Call this before the exit if other
/// threads may still be closing the stores.
#[must_use]
pub fn wait_until_unlocked(directory: &Path, timeout: Duration) -> bool {
    let Ok(file) = File::open(directory.join(LOCK_FILE)) else { return true };
    let (sender, unlocked) = mpsc::channel();
    // The system has no request for a lock with a time limit.
    let waiting = thread::Builder::new().name("wait-for-lock".to_owned()).spawn(move || {
        // The receiver does not wait any more after the time limit.
        let _ = sender.send(file.lock().is_ok());
    });
    waiting.is_ok() && unlocked.recv_timeout(timeout).unwrap_or(false)
}

/// Creates a directory and its missing parents, each with mode 0700. The directory entries are
/// durable on return.
///
/// # Errors
/// When a directory cannot be created or synced.
pub fn create(directory: &Path) -> Result<(), DirectoryError> {
    let mut missing: Vec<&Path> = directory.ancestors().take_while(|path| !path.exists()).collect();
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(io_error("create the directory", directory))?;
    while let Some(created) = missing.pop() {
        match created.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent)?,
            Some(_) | None => {}
        }
    }
    Ok(())
}

/// Adds the operation and the file to an error of the operating system.
fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DirectoryError {
    let path = path.to_owned();
    move |source| DirectoryError::Io { action, path, source }
}

fn sync_directory(directory: &Path) -> Result<(), DirectoryError> {
    let sync = || File::open(directory)?.sync_all();
    sync().map_err(io_error("sync the directory", directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_a_lock_ends_with_its_release_or_at_the_time_limit() {
        let directory = tempfile::tempdir().unwrap();
        let wait = |timeout| wait_until_unlocked(directory.path(), timeout);
        assert!(wait(Duration::ZERO), "no store was ever opened");
        let lock = DirectoryLock::acquire(directory.path()).unwrap();
        assert!(!wait(Duration::ZERO), "the lock is held");
        thread::scope(|scope| {
            let waiting = scope.spawn(|| wait(Duration::from_secs(60)));
            drop(lock);
            assert!(waiting.join().unwrap(), "the lock is released");
        });
    }
}
