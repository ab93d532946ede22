//! The files of a data directory beside its database: the lock and the identity file.
//!
//! The log store and other stores of a node use the same two files, each in its own directory. The
//! identity file is text, so that an operator can read to which node a directory belongs. It is
//! read before anything is written: a release that does not support the format changes nothing.

use std::fmt::Display;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use raft_core::{GroupId, Identity, Incarnation, NodeId};

const IDENTITY_FILE: &str = "IDENTITY";
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
    /// The identity file is not what was written.
    #[error("{} is damaged: {detail}", path.display())]
    Damaged {
        /// The identity file.
        path: PathBuf,
        /// What is inconsistent.
        detail: String,
    },
}

/// The state of the creation of a data directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The database may be missing or incomplete; it contains nothing that was acknowledged.
    Creating,
    /// The database was created and must exist.
    Ready,
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

/// The identity file of a data directory of one kind.
#[derive(Clone, Debug)]
pub struct IdentityFile {
    directory: PathBuf,
    kind: &'static str,
    format: u32,
}

impl IdentityFile {
    /// The identity file in a directory. `kind` is the first word of the file, without spaces;
    /// `format` is the format that this release writes and the newest that it reads.
    #[must_use]
    pub fn new(directory: &Path, kind: &'static str, format: u32) -> Self {
        Self { directory: directory.to_owned(), kind, format }
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.join(IDENTITY_FILE)
    }

    /// Reads the file without writing anything. `None` if the directory or the file does not exist.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or has a newer format.
    pub fn read(&self) -> Result<Option<(Identity, Stage)>, DirectoryError> {
        let path = self.path();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("read", &path)(error)),
        };
        self.parse(&String::from_utf8_lossy(&bytes)).map(Some)
    }

    /// Writes the file; durable on return. A crash leaves the old or the new file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, identity: &Identity, stage: Stage) -> Result<(), DirectoryError> {
        let path = self.path();
        let draft = self.directory.join(format!("{IDENTITY_FILE}.new"));
        let write = || {
            let mut file = File::create(&draft)?;
            file.write_all(self.render(identity, stage).as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, &path)
        };
        write().map_err(io_error("write", &path))?;
        sync_directory(&self.directory)
    }

    fn render(&self, identity: &Identity, stage: Stage) -> String {
        let Identity { cluster, group, node, incarnation } = identity;
        let state = match stage {
            Stage::Creating => "creating",
            Stage::Ready => "ready",
        };
        let body = format!(
            "{} {}\ncluster {cluster}\ngroup {group}\nnode {node}\nincarnation {incarnation}\n\
             state {state}\n",
            self.kind, self.format
        );
        let crc = crc32c::crc32c(body.as_bytes());
        format!("{body}crc32c {crc:08x}\n")
    }

    fn parse(&self, text: &str) -> Result<(Identity, Stage), DirectoryError> {
        let damaged = |detail: String| DirectoryError::Damaged { path: self.path(), detail };
        let mut lines = text.lines();
        // All formats have the same first line.
        let found: u32 = field(&mut lines, self.kind).map_err(damaged)?;
        if found > self.format {
            let supported = self.format;
            return Err(DirectoryError::NewerFormat { path: self.path(), found, supported });
        }
        let identity = Identity {
            cluster: field(&mut lines, "cluster").map_err(damaged)?,
            group: GroupId(field(&mut lines, "group").map_err(damaged)?),
            node: NodeId(field(&mut lines, "node").map_err(damaged)?),
            incarnation: Incarnation(field(&mut lines, "incarnation").map_err(damaged)?),
        };
        let stage = match field::<String>(&mut lines, "state").map_err(damaged)?.as_str() {
            "creating" => Stage::Creating,
            "ready" => Stage::Ready,
            other => return Err(damaged(format!("unknown state `{other}`"))),
        };
        // Any other damage makes the text differ from a newly rendered one.
        if self.render(&identity, stage) != text {
            return Err(damaged("its checksum does not match".to_owned()));
        }
        Ok((identity, stage))
    }
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

fn field<'a, T: FromStr<Err: Display>>(
    lines: &mut impl Iterator<Item = &'a str>,
    name: &str,
) -> Result<T, String> {
    let line = lines.next().unwrap_or_default();
    let value = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(' '));
    let value = value.ok_or_else(|| format!("`{line}` found where `{name}` was expected"))?;
    value.parse().map_err(|error| format!("`{line}`: {error}"))
}

#[cfg(test)]
mod tests {
    use raft_core::ClusterId;

    use super::*;

    const IDENTITY: Identity = Identity {
        cluster: ClusterId(0xabc),
        group: GroupId(0),
        node: NodeId(3),
        incarnation: Incarnation(2),
    };

    fn file() -> IdentityFile {
        IdentityFile::new(Path::new("x"), "raft-test", 1)
    }

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

    #[test]
    fn a_written_identity_file_is_read_back() {
        for stage in [Stage::Creating, Stage::Ready] {
            let text = file().render(&IDENTITY, stage);
            assert_eq!(file().parse(&text).unwrap(), (IDENTITY, stage));
        }
    }

    #[test]
    fn every_changed_byte_of_an_identity_file_is_detected() {
        let text = file().render(&IDENTITY, Stage::Ready);
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let damaged = String::from_utf8(bytes).expect("ASCII stays ASCII");
            assert!(file().parse(&damaged).is_err(), "{damaged}");
            assert!(file().parse(&text[..at]).is_err(), "cut to {at} bytes");
        }
    }

    #[test]
    fn a_newer_format_is_reported_even_if_the_rest_is_unreadable() {
        let error = file().parse("raft-test 7\nsomething new\n").unwrap_err();
        assert!(matches!(error, DirectoryError::NewerFormat { found: 7, supported: 1, .. }));
    }

    #[test]
    fn a_directory_of_another_kind_is_reported_as_damaged() {
        let text =
            IdentityFile::new(Path::new("x"), "raft-other", 1).render(&IDENTITY, Stage::Ready);
        let error = file().parse(&text).unwrap_err();
        assert!(matches!(error, DirectoryError::Damaged { .. }), "{error}");
    }
}
