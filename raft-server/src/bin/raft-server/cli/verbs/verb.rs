//! The commands that send requests, and their exit codes.

use std::process::ExitCode;

use clap::Subcommand;

use super::cluster_args::ClusterArgs;
use super::outcome::{EXIT_CODES, Ended, VerbError};
use super::{cluster, explain, keys, members, snapshot, txn};

/// A command that sends requests to a cluster.
#[derive(Subcommand, Debug)]
pub(crate) enum Verb {
    /// Put a key
    #[command(after_help = EXIT_CODES)]
    Put(keys::PutArgs),
    /// Get a key
    #[command(after_help = EXIT_CODES)]
    Get(keys::GetArgs),
    /// Delete a key or a range of keys
    #[command(after_help = EXIT_CODES)]
    Del(keys::DelArgs),
    /// Get a range of keys in ascending order
    #[command(after_help = EXIT_CODES)]
    Range(keys::RangeArgs),
    /// Run a transaction: compare keys, then apply one of two lists of operations atomically
    #[command(after_help = txn::HELP)]
    Txn(txn::TxnArgs),
    /// Discard superseded versions up to a revision
    #[command(after_help = EXIT_CODES)]
    Compact(cluster::CompactArgs),
    /// Compact the log of each node now, whatever its settings keep
    #[command(after_help = EXIT_CODES)]
    CompactLog(ClusterArgs),
    /// Save the state of a node to a file whose name contains the index
    #[command(after_help = EXIT_CODES)]
    Backup(snapshot::BackupArgs),
    /// Show the status of each node
    #[command(after_help = EXIT_CODES)]
    Status(ClusterArgs),
    /// Show what each node waits for, and why: no leader, no commit, slow followers
    #[command(after_help = EXIT_CODES)]
    Explain(ClusterArgs),
    /// List and change the members of the cluster
    #[command(after_help = EXIT_CODES)]
    Members(Box<members::MembersArgs>),
    /// Transfer the leadership to another voter
    #[command(after_help = EXIT_CODES)]
    Transfer(cluster::TransferArgs),
}

impl Verb {
    /// Runs the command, prints its result and returns the exit code.
    pub(crate) fn run(self) -> ExitCode {
        exit_code(self.send())
    }

    async fn send(self) -> Result<Ended, VerbError> {
        match self {
            Self::Put(args) => keys::put(args).await,
            Self::Get(args) => keys::get(args).await,
            Self::Del(args) => keys::del(args).await,
            Self::Range(args) => keys::range(args).await,
            Self::Txn(args) => txn::run(args).await,
            Self::Compact(args) => cluster::compact(args).await,
            Self::CompactLog(args) => cluster::compact_log(args).await,
            Self::Backup(args) => snapshot::backup(args).await,
            Self::Status(args) => cluster::status(args).await,
            Self::Explain(args) => explain::run(args).await,
            Self::Members(args) => members::run(*args).await,
            Self::Transfer(args) => cluster::transfer(args).await,
        }
    }
}

/// Runs a command on a runtime of its own.
pub(crate) fn exit_code(command: impl Future<Output = Result<Ended, VerbError>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime.map_err(VerbError::Runtime).and_then(|runtime| runtime.block_on(command));
    match ended {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::No) => ExitCode::from(3),
        Err(error) => {
            eprintln!("raft-server: {error}");
            ExitCode::from(error.code())
        }
    }
}
