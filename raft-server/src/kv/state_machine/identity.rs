//! The identity file and the lock of the key-value store's directory.

use std::path::{Path, PathBuf};

use raft_core::Identity;
use raft_storage::data_directory::{self, DirectoryError, DirectoryLock, IdentityFile, Stage};

use super::earlier_identity;
use super::error::OpenError;

/// The first word of the identity file.
const KIND: &str = "raft-kv";
/// The newest layout that this release reads and writes: the pointer file names the directory of
/// the database.
const FORMAT: u32 = 2;
/// The layout of a store that has never restored a captured state: the database is in `db`.
const FORMAT_BEFORE_RESTORE: u32 = 1;
/// The directory of the first database.
pub(super) const FIRST_DATABASE: &str = "db";
/// The file that names the directory of the database.
pub(super) const POINTER_FILE: &str = "DATABASE";

/// How the directory of the database is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Naming {
    /// It is [`FIRST_DATABASE`]. Earlier releases support this form only.
    Fixed,
    /// The pointer file names it.
    Pointer,
}

/// The form of an identity file.
enum Form {
    Current(Naming),
    /// As in [`earlier_identity`].
    Earlier,
}

/// Locks a directory, and checks that it belongs to this node and has a supported format. An empty
/// or missing directory becomes this node's; an identity file of the earlier form is rewritten.
///
/// A directory with another identity or a newer format is not changed.
///
/// # Errors
/// When the directory belongs to another node, has a newer format, is in use, is damaged, or cannot
/// be read or created.
pub(super) fn claim(
    directory: &Path,
    expected: &Identity,
) -> Result<(DirectoryLock, Naming), OpenError> {
    // Before the lock is acquired, because that writes to the directory.
    check(directory, expected)?;
    data_directory::create(directory)?;
    let lock = DirectoryLock::acquire(directory)?;
    match check(directory, expected)? {
        Some(Form::Current(naming)) => return Ok((lock, naming)),
        None if [FIRST_DATABASE, POINTER_FILE].iter().any(|name| directory.join(name).exists()) => {
            let path = file(directory, FORMAT).path();
            let detail = "it is missing, but there is a database".to_owned();
            return Err(OpenError::DamagedIdentity { path, detail });
        }
        None | Some(Form::Earlier) => {
            file(directory, FORMAT_BEFORE_RESTORE).write(expected, Stage::Ready)?;
        }
    }
    Ok((lock, Naming::Fixed))
}

/// Marks a directory as one whose pointer file names the database. Earlier releases refuse it from
/// now on.
///
/// # Errors
/// When the identity file cannot be written.
pub(super) fn name_database(
    directory: &Path,
    identity: &Identity,
    naming: &mut Naming,
) -> Result<(), OpenError> {
    if *naming == Naming::Fixed {
        file(directory, FORMAT).write(identity, Stage::Ready)?;
        *naming = Naming::Pointer;
    }
    Ok(())
}

fn file(directory: &Path, format: u32) -> IdentityFile {
    IdentityFile::new(directory, KIND, format)
}

/// The form of the identity file, which must contain the expected identity; `None` if there is none.
fn check(directory: &Path, expected: &Identity) -> Result<Option<Form>, OpenError> {
    let newest = file(directory, FORMAT);
    let (found, form) = match newest.read() {
        Ok(Some((found, _))) => (found, Form::Current(Naming::Pointer)),
        Ok(None) => return Ok(None),
        // The earlier form has no format number in its first line.
        Err(other @ (DirectoryError::OlderFormat { .. } | DirectoryError::Damaged { .. })) => {
            read_earlier(directory).ok_or(other)?
        }
        Err(error) => return Err(error.into()),
    };
    if found != *expected {
        return Err(OpenError::OtherIdentity { path: newest.path(), found, expected: *expected });
    }
    Ok(Some(form))
}

fn read_earlier(directory: &Path) -> Option<(Identity, Form)> {
    let file = file(directory, FORMAT_BEFORE_RESTORE);
    if let Ok(Some((found, _))) = file.read() {
        return Some((found, Form::Current(Naming::Fixed)));
    }
    let text = std::fs::read_to_string(file.path()).ok()?;
    Some((earlier_identity::parse(&text)?, Form::Earlier))
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
            other @ (DirectoryError::OlderFormat { .. } | _) => Self::File {
                operation: "use",
                path: PathBuf::new(),
                source: std::io::Error::other(other),
            },
        }
    }
}
