//! The identity file and the lock of the key-value store's directory.

use std::path::{Path, PathBuf};

use raft_core::Identity;
use raft_storage::data_directory::{self, DirectoryError, DirectoryLock, IdentityFile, Stage};

use super::earlier_identity;
use super::error::OpenError;

/// The first word of the identity file.
const KIND: &str = "raft-kv";
/// The layout that this release reads and writes.
const FORMAT: u32 = 1;
const DATABASE_DIRECTORY: &str = "db";

/// The form of an identity file.
enum Form {
    Current,
    /// As in [`earlier_identity`].
    Earlier,
}

/// Locks a directory, and checks that it belongs to this node and has a supported format. An empty
/// or missing directory becomes this node's; an identity file of the earlier form is rewritten.
/// Returns the lock and the directory of the database.
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
    match check(&file, expected)? {
        Some(Form::Current) => {}
        None if database.exists() => {
            let detail = "it is missing, but there is a database".to_owned();
            return Err(OpenError::DamagedIdentity { path: file.path(), detail });
        }
        None | Some(Form::Earlier) => file.write(expected, Stage::Ready)?,
    }
    Ok((lock, database))
}

/// The form of the identity file, which must contain the expected identity; `None` if there is none.
fn check(file: &IdentityFile, expected: &Identity) -> Result<Option<Form>, OpenError> {
    let (found, form) = match file.read() {
        Ok(Some((found, _))) => (found, Form::Current),
        Ok(None) => return Ok(None),
        Err(damaged @ DirectoryError::Damaged { .. }) => {
            let text = std::fs::read_to_string(file.path()).unwrap_or_default();
            (earlier_identity::parse(&text).ok_or(damaged)?, Form::Earlier)
        }
        Err(error) => return Err(error.into()),
    };
    if found != *expected {
        return Err(OpenError::OtherIdentity { path: file.path(), found, expected: *expected });
    }
    Ok(Some(form))
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
