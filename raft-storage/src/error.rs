//! Why a data directory cannot be opened.

use std::io;
use std::path::PathBuf;

use raft_core::Identity;
use raft_core::ports::StoreError;

use crate::data_directory::DirectoryError;

/// Why a data directory cannot be opened. The attempt wrote nothing unless the directory was
/// unlocked, of a supported format and of this node.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
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
    #[error(
        "the data directory {} is in use by {}; stop that one first, or use another directory",
        path.display(),
        holder(*pid)
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process that holds the lock, if it could be read.
        pid: Option<u32>,
    },
    /// A later release wrote the directory.
    #[error(
        "{} is of format {found}, this release reads up to format {supported}; nothing was \
         changed: run the release that wrote it, or a later one",
        path.display()
    )]
    NewerFormat {
        /// The file that contains it.
        path: PathBuf,
        /// The format of the directory.
        found: u32,
        /// The newest format that this release reads.
        supported: u32,
    },
    /// An earlier release wrote the directory, in a format that this one does not read.
    #[error(
        "{} is of format {found}, which an earlier release wrote; this release reads format \
         {supported} and does not convert it; nothing was changed: run the release that wrote it, \
         or empty the directory and join as a new incarnation",
        path.display()
    )]
    OlderFormat {
        /// The file that contains it.
        path: PathBuf,
        /// The format of the directory.
        found: u32,
        /// The oldest format that this release reads.
        supported: u32,
    },
    /// The directory belongs to another node.
    #[error(
        "{} holds the log of {}, but this is {}; use the directory that belongs to this node, or \
         an empty one with a new incarnation",
        path.display(),
        name(found),
        name(expected)
    )]
    OtherIdentity {
        /// The file that contains it.
        path: PathBuf,
        /// The identity in the directory.
        found: Identity,
        /// The identity of the caller.
        expected: Identity,
    },
    /// The content of the directory is not what was written.
    #[error(
        "{} is damaged: {detail}; a vote or an acknowledged entry may be lost, \
         so this node must not continue: empty the directory and join as a new incarnation",
        path.display()
    )]
    Damaged {
        /// The file or directory.
        path: PathBuf,
        /// What is inconsistent.
        detail: String,
    },
    /// The database could not be opened.
    #[error("cannot open the database in {}: {detail}", path.display())]
    Database {
        /// Its directory.
        path: PathBuf,
        /// The error of the database.
        detail: String,
    },
    /// The database opened, and one of its records could not be read.
    #[error("cannot read {}", path.display())]
    Store {
        /// The data directory.
        path: PathBuf,
        /// The cause.
        source: StoreError,
    },
}

impl From<DirectoryError> for OpenError {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Io { action, path, source } => Self::Io { action, path, source },
            DirectoryError::Locked { path, pid } => Self::Locked { path, pid },
            DirectoryError::NewerFormat { path, found, supported } => {
                Self::NewerFormat { path, found, supported }
            }
            DirectoryError::OlderFormat { path, found, supported } => {
                Self::OlderFormat { path, found, supported }
            }
            DirectoryError::Damaged { path, detail } => Self::Damaged { path, detail },
        }
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// An identity as operators write it.
fn name(identity: &Identity) -> String {
    let Identity { cluster, group, node, incarnation } = identity;
    format!("node {node} (incarnation {incarnation}) of cluster {cluster}, group {group}")
}
