//! What can go wrong below the store.

use std::path::PathBuf;

use raft_core::Identity;

use super::layout::Damaged;

/// Why the store could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk or the database failed.
    #[error("{operation} failed in the key-value store: {source}")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// What the database said.
        source: rocksdb::Error,
    },
    /// What was read is not what was written.
    #[error("the key-value store is damaged: {detail}; restore this node from the others")]
    Corrupt {
        /// Which record.
        detail: String,
    },
}

impl ReadError {
    pub(super) const fn io(operation: &'static str, source: rocksdb::Error) -> Self {
        Self::Io { operation, source }
    }
}

impl From<Damaged> for ReadError {
    fn from(damaged: Damaged) -> Self {
        Self::Corrupt { detail: damaged.to_string() }
    }
}

/// Why the store could not be opened. Nothing was written, unless the directory was empty before.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file or directory could not be read or made.
    #[error("cannot {operation} {path}: {source}")]
    File {
        /// What was being done.
        operation: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process has the store open.
    #[error(
        "{path} is in use by another process: stop that one, or give this node its own directory"
    )]
    Locked {
        /// The database's directory.
        path: PathBuf,
    },
    /// A later release wrote it.
    #[error(
        "{path} has format {found}, but this release knows formats up to {supported}: start the \
         release that wrote it, or a later one"
    )]
    NewerFormat {
        /// The identity file.
        path: PathBuf,
        /// The format that was found.
        found: u32,
        /// The newest format that this release knows.
        supported: u32,
    },
    /// The data belongs to someone else.
    #[error(
        "{path} holds the data of {}, but this node is {}: correct the node's id or its data \
         directory", describe(.found), describe(.expected)
    )]
    OtherIdentity {
        /// The identity file.
        path: PathBuf,
        /// Who wrote the data.
        found: Identity,
        /// Who wants it.
        expected: Identity,
    },
    /// The identity file does not read as it was written.
    #[error("{path} is damaged: {detail}; restore this node from the others")]
    DamagedIdentity {
        /// The identity file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The database could not be opened.
    #[error("opening the database {path} failed: {source}")]
    Database {
        /// Its directory.
        path: PathBuf,
        /// What the database said.
        source: rocksdb::Error,
    },
    /// The database opened but could not be read.
    #[error("reading the database {path} failed")]
    Read {
        /// Its directory.
        path: PathBuf,
        /// What failed.
        source: ReadError,
    },
    /// A thread could not be started.
    #[error("starting the thread that frees compacted data failed")]
    Thread(#[source] std::io::Error),
}

fn describe(identity: &Identity) -> String {
    format!(
        "node {} (incarnation {}) of group {} in cluster {}",
        identity.node, identity.incarnation, identity.group, identity.cluster
    )
}
