//! Errors of the command line that end with exit code 2.

use std::io;
use std::path::PathBuf;

use raft_testkit::script::RunError;
use raft_testkit::trace::documents::DocumentsError;
use raft_testkit::trace::record::TraceError;

/// Why a command cannot be carried out. Each message names the file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}: {source}", path.display())]
    Trace { path: PathBuf, source: TraceError },
    #[error("{}: no record has the number {record}; the last one is {last}", path.display())]
    NoRecord { path: PathBuf, record: u64, last: usize },
    #[error(transparent)]
    Scenario(#[from] RunError),
    #[error(transparent)]
    Documents(#[from] DocumentsError),
    #[error("standard output: {0}")]
    Output(io::Error),
}
