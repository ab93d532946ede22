//! The identity file and the lock of the key-value store's directory.

use std::path::{Path, PathBuf};

use raft_core::Identity;
use raft_storage::data_directory::{self, DirectoryError, DirectoryLock, IdentityFile, Stage};

use super::error::OpenError;

/// The first word of the identity file.
const KIND: &str = "raft-kv";
/// The layout that this release reads and writes.
const FORMAT: u32 = 1;
const DATABASE_DIRECTORY: &str = "db";

/// Locks a directory, and checks that it belongs to this node and has a supported format. An empty
/// or missing directory becomes this node's. Returns the lock and the directory of the database.
///
/// A directory with another identity or a newer format is not changed.
///
/// # Errors
/// When the directory belongs to another node, has a newer format, is in use, is damaged, or cannot
/// be read or created.
pub(super) fn claim(
    directory: &Path,
    expected: &Identity,
) -> Result<(DirectoryLock, PathBuf), OpenError> {
    let file = IdentityFile::new(directory, KIND, FORMAT);
    let database = directory.join(DATABASE_DIRECTORY);
    // Before the lock is acquired, because that writes to the directory.
    check(&file, expected)?;
    data_directory::create(directory)?;
    let lock = DirectoryLock::acquire(directory)?;
    if !check(&file, expected)? {
        if database.exists() {
            let detail = "it is missing, but there is a database".to_owned();
            return Err(OpenError::DamagedIdentity { path: file.path(), detail });
        }
        file.write(expected, Stage::Ready)?;
    }
    Ok((lock, database))
}

/// Whether there is an identity file, which must then contain the expected identity.
fn check(file: &IdentityFile, expected: &Identity) -> Result<bool, OpenError> {
    match file.read()? {
        Some((found, _)) if found != *expected => {
            Err(OpenError::OtherIdentity { path: file.path(), found, expected: *expected })
        }
        Some(_) => Ok(true),
        None => Ok(false),
    }
}

impl From<DirectoryError> for OpenError {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Io { action, path, source } => {
                Self::File { operation: action, path, source }
            }
            DirectoryError::Locked { path, pid: _ } => Self::Locked { path },
            DirectoryError::NewerFormat { path, found, supported } => {
                Self::NewerFormat { path, found, supported }
            }
            DirectoryError::Damaged { path, detail } => Self::DamagedIdentity { path, detail },
            other => Self::File {
                operation: "use",
                path: PathBuf::new(),
                source: std::io::Error::other(other),
            },
        }
    }
}
