//! How a command that sends requests ends, and its exit code.

use std::path::PathBuf;

use raft_server::kv::client::Error;

use super::connection::ConnectionError;

/// The part of `--help` that documents the exit codes of these commands.
pub(crate) const EXIT_CODES: &str = "\
Exit codes of commands that send requests to a cluster:
   0  success
   1  any other error
   2  invalid command line
   3  `get` found no such key, or the comparisons of `txn` were false
   4  refused, or no node accepted the request in time: it had no effect
   5  the outcome is unknown: the write may or may not take effect";

/// How a command ended that did not fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// The request was carried out.
    Done,
    /// There is no such key, or a comparison was false.
    No,
}

/// The failure of a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerbError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Client(#[from] Error),
    #[error("{0}")]
    Usage(String),
    #[error("cannot read standard input: {0}")]
    Stdin(std::io::Error),
    #[error("cannot write {}: {reason}", path.display())]
    File { path: PathBuf, reason: String },
    #[error("cannot write the result: {0}")]
    Print(std::io::Error),
    #[error("no node responds")]
    NoResponse,
    #[error("cannot start the asynchronous runtime: {0}")]
    Runtime(std::io::Error),
}

impl VerbError {
    /// The exit code, as [`EXIT_CODES`] documents it.
    pub(super) const fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::NoResponse
            | Self::Client(
                Error::Unavailable { .. }
                | Error::Invalid { .. }
                | Error::NoSpace(_)
                | Error::NotTransferred { .. }
                | Error::Lagging { .. }
                | Error::MembershipNotChanged { .. }
                | Error::Refused(_),
            ) => 4,
            Self::Client(Error::Unknown { .. }) => 5,
            Self::Connection(_)
            | Self::Stdin(_)
            | Self::Print(_)
            | Self::File { .. }
            | Self::Runtime(_)
            | Self::Client(
                Error::Config(_)
                | Error::Tls(_)
                | Error::Failed { .. }
                | Error::OutputNotKept
                | Error::Protocol(_)
                | _,
            ) => 1,
        }
    }
}
