//! The commands that use a cluster.

pub(crate) mod connection;
mod keys;
mod txn;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use raft_server::kv::client::{Client, Error};
use raft_server::kv::state_machine::Revision;

use self::connection::{ConnectionArgs, ConnectionError};
use super::output::{Format, Printer};

/// The part of `--help` that documents how these commands end.
pub(crate) const EXIT_CODES: &str = "\
Exit codes of commands that use a cluster:
   0  done
   1  something else went wrong
   2  the command line is wrong
   3  `get` found no such key, or the comparisons of `txn` did not hold
   4  refused, or no node could take it in time: nothing was done
   5  the outcome is unknown: the write may or may not have happened";

/// A command that uses a cluster.
#[derive(Subcommand, Debug)]
pub(crate) enum Verb {
    /// Set a key
    #[command(after_help = EXIT_CODES)]
    Put(keys::PutArgs),
    /// Read a key
    #[command(after_help = EXIT_CODES)]
    Get(keys::GetArgs),
    /// Delete a key, or many
    #[command(after_help = EXIT_CODES)]
    Del(keys::DelArgs),
    /// Read many keys in order
    #[command(after_help = EXIT_CODES)]
    Range(keys::RangeArgs),
    /// Compare, then do one thing or another, all at once
    #[command(after_help = txn::HELP)]
    Txn(txn::TxnArgs),
    /// Forget what was superseded up to a revision
    #[command(after_help = EXIT_CODES)]
    Compact(CompactArgs),
    /// Show how the nodes are
    #[command(after_help = EXIT_CODES)]
    Status(CommonArgs),
    /// Show who takes part
    #[command(after_help = EXIT_CODES)]
    Members(CommonArgs),
}

/// What every command takes.
#[derive(Args, Debug)]
pub(crate) struct CommonArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    /// How to show the answer
    #[arg(long, short, value_enum, default_value_t, help_heading = "Output")]
    output: Format,
}

#[derive(Args, Debug)]
pub(crate) struct CompactArgs {
    /// The last revision whose superseded values are forgotten
    revision: u64,
    #[command(flatten)]
    common: CommonArgs,
}

/// How a command ended that did not fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Done,
    /// There is no such key, or comparisons did not hold.
    No,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum VerbError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Client(#[from] Error),
    #[error("{0}")]
    Usage(String),
    #[error("cannot read standard input: {0}")]
    Stdin(std::io::Error),
    #[error("cannot write the answer: {0}")]
    Print(std::io::Error),
    #[error("none of the nodes answers")]
    NobodyAnswers,
    #[error("cannot start: {0}")]
    Runtime(std::io::Error),
}

impl VerbError {
    const fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::NobodyAnswers
            | Self::Client(
                Error::Unavailable { .. }
                | Error::Invalid { .. }
                | Error::NoSpace(_)
                | Error::Refused(_),
            ) => 4,
            Self::Client(Error::Unknown { .. }) => 5,
            Self::Connection(_)
            | Self::Stdin(_)
            | Self::Print(_)
            | Self::Runtime(_)
            | Self::Client(
                Error::Config(_)
                | Error::Tls(_)
                | Error::Failed { .. }
                | Error::OutputNotKept
                | Error::Protocol(_),
            ) => 1,
        }
    }
}

impl Verb {
    /// Carries the command out, shows the answer, and says how it ended.
    pub(crate) fn run(self) -> ExitCode {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let ended = runtime
            .map_err(VerbError::Runtime)
            .and_then(|runtime| runtime.block_on(self.carry_out()));
        match ended {
            Ok(End::Done) => ExitCode::SUCCESS,
            Ok(End::No) => ExitCode::from(3),
            Err(error) => {
                eprintln!("raft-server: {error}");
                ExitCode::from(error.code())
            }
        }
    }

    async fn carry_out(self) -> Result<End, VerbError> {
        match self {
            Self::Put(args) => keys::put(args).await,
            Self::Get(args) => keys::get(args).await,
            Self::Del(args) => keys::del(args).await,
            Self::Range(args) => keys::range(args).await,
            Self::Txn(args) => txn::run(args).await,
            Self::Compact(args) => compact(args).await,
            Self::Status(args) => status(args).await,
            Self::Members(args) => members(args).await,
        }
    }
}

impl CommonArgs {
    fn client(&self) -> Result<(Client, Printer), VerbError> {
        Ok((Client::new(self.connection.client_config()?)?, Printer::new(self.output)))
    }
}

async fn compact(args: CompactArgs) -> Result<End, VerbError> {
    let (client, printer) = args.common.client()?;
    let revision = client.compact(Revision(args.revision)).await?;
    printer.compacted(revision).map_err(VerbError::Print)?;
    Ok(End::Done)
}

async fn status(args: CommonArgs) -> Result<End, VerbError> {
    let config = args.connection.client_config()?;
    let endpoints = config.endpoints.clone();
    let client = Client::new(config)?;
    let mut asked = tokio::task::JoinSet::new();
    for (place, endpoint) in endpoints.iter().cloned().enumerate() {
        let client = client.clone();
        asked.spawn(async move {
            let answered = client.status_of(&endpoint).await;
            (place, endpoint, answered.map_err(|error| error.to_string()))
        });
    }
    let mut reports = asked.join_all().await;
    reports.sort_by_key(|(place, ..)| *place);
    let reports: Vec<_> =
        reports.into_iter().map(|(_, endpoint, report)| (endpoint, report)).collect();
    Printer::new(args.output).status(&reports).map_err(VerbError::Print)?;
    if reports.iter().all(|(_, report)| report.is_err()) {
        return Err(VerbError::NobodyAnswers);
    }
    Ok(End::Done)
}

async fn members(args: CommonArgs) -> Result<End, VerbError> {
    let (client, printer) = args.client()?;
    printer.members(&client.members().await?).map_err(VerbError::Print)?;
    Ok(End::Done)
}
