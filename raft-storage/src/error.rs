//! Why a data directory cannot be opened.

use std::io;
use std::path::PathBuf;

use raft_core::Identity;
use raft_core::ports::StoreError;

/// Why a data directory cannot be opened. Nothing was written by the attempt unless the directory was
/// free, of the right format and of the right node.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process, or another store of this one, uses the directory.
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
        /// The file that says so.
        path: PathBuf,
        /// The format of the directory.
        found: u32,
        /// The newest format that this build reads.
        supported: u32,
    },
    /// The directory holds the log of somebody else.
    #[error(
        "{} holds the log of {}, but this is {}; use the directory that belongs to this node, or an \
         empty one with a new incarnation",
        path.display(),
        name(found),
        name(expected)
    )]
    OtherIdentity {
        /// The file that says so.
        path: PathBuf,
        /// Whose log it is.
        found: Identity,
        /// Who wanted to open it.
        expected: Identity,
    },
    /// What is there is not what was written.
    #[error(
        "{} is damaged: {detail}; this node may have forgotten a vote or an entry it acknowledged, \
         so it must not go on from here: empty the directory and join as a new incarnation",
        path.display()
    )]
    Damaged {
        /// The file or directory.
        path: PathBuf,
        /// What does not fit.
        detail: String,
    },
    /// The database could not be opened.
    #[error("cannot open the database in {}: {detail}", path.display())]
    Database {
        /// Its directory.
        path: PathBuf,
        /// What the database said.
        detail: String,
    },
    /// The database opened, and one of its records could not be read.
    #[error("cannot read {}", path.display())]
    Store {
        /// The data directory.
        path: PathBuf,
        /// What went wrong.
        source: StoreError,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// An identity as operators write it.
fn name(identity: &Identity) -> String {
    let Identity { cluster, group, node, incarnation } = identity;
    format!("node {node} (incarnation {incarnation}) of cluster {cluster}, group {group}")
}
