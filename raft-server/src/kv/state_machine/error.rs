//! Failures of the storage below the store, and why an operation is not applied.

use std::path::PathBuf;

use raft_core::Identity;

use super::layout::DamagedRecord;
use super::refusal::StoreRefusal;

/// Why the store could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The disk or the database failed.
    #[error("{operation} failed in the key-value store: {source}")]
    Io {
        /// The operation that failed.
        operation: &'static str,
        /// The error of the database.
        source: rocksdb::Error,
    },
    /// A record does not have the form that it was written in.
    #[error(
        "the key-value store is damaged: {detail}; empty the data directory and replace the node"
    )]
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

impl From<DamagedRecord> for ReadError {
    fn from(damaged: DamagedRecord) -> Self {
        Self::Corrupt { detail: damaged.to_string() }
    }
}

/// Why an operation of a command, or a read, has no result.
#[derive(Debug)]
pub(super) enum OperationError {
    /// The store refuses it, on every node alike.
    Refused(StoreRefusal),
    /// The storage of this node failed: the command is not applied here.
    Failed(ReadError),
}

impl From<StoreRefusal> for OperationError {
    fn from(refusal: StoreRefusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<ReadError> for OperationError {
    fn from(error: ReadError) -> Self {
        Self::Failed(error)
    }
}

impl From<DamagedRecord> for OperationError {
    fn from(damaged: DamagedRecord) -> Self {
        Self::Failed(damaged.into())
    }
}

/// Why the store could not be opened. Existing data was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A file or directory could not be read or created.
    #[error("cannot {operation} {path}: {source}")]
    File {
        /// The operation that failed.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// Another process has the store open.
    #[error(
        "{path} is in use by another process: stop that one, or give this node its own directory"
    )]
    Locked {
        /// The lock file, or the directory of the database.
        path: PathBuf,
    },
    /// A later release wrote it.
    #[error(
        "{path} has format {found}, but this release supports formats up to {supported}: start the \
         release that wrote it, or a later one"
    )]
    NewerFormat {
        /// The identity file.
        path: PathBuf,
        /// The format that was found.
        found: u32,
        /// The newest format that this release supports.
        supported: u32,
    },
    /// The data belongs to another node.
    #[error(
        "{path} holds the data of {}, but this node is {}: correct the node's id or its data \
         directory", describe(.found), describe(.expected)
    )]
    OtherIdentity {
        /// The identity file.
        path: PathBuf,
        /// The node that wrote the data.
        found: Identity,
        /// The node that opens it.
        expected: Identity,
    },
    /// The identity file, or the file that names the database, does not have the form that it was
    /// written in, or the database that it names is missing.
    #[error("{path} is damaged: {detail}; empty the data directory and replace the node")]
    DamagedIdentity {
        /// The file.
        path: PathBuf,
        /// What is damaged.
        detail: String,
    },
    /// The database could not be opened.
    #[error("opening the database {path} failed: {source}")]
    Database {
        /// Its directory.
        path: PathBuf,
        /// The error of the database.
        source: rocksdb::Error,
    },
    /// The database opened but could not be read.
    #[error("reading the database {path} failed")]
    Read {
        /// Its directory.
        path: PathBuf,
        /// The read that failed.
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
