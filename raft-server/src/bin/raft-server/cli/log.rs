//! `raft-server log`: inspects and repairs the log of a node that is not running.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use raft_core::ports::LogStore;
use raft_storage::{RocksLogStore, RocksOptions};

use super::data_dir_args::DataDirArgs;
use super::output::show;
use crate::exit::{Exit, Failure};
use crate::server::{LOG_DIRECTORY, open_failure};

/// The commands on a log.
#[derive(Subcommand, Debug)]
pub(super) enum LogCommand {
    /// Show the identity, the extent and the broken mark of a log
    Status(LogArgs),
    /// Remove the broken mark from a log, after the cause of the failure is fixed
    MarkFixed(LogArgs),
}

/// The log to work on.
#[derive(Args, Debug)]
pub(super) struct LogArgs {
    #[command(flatten)]
    directory: DataDirArgs,
}

impl LogArgs {
    fn directory(&self) -> Result<PathBuf, Failure> {
        Ok(self.directory.resolve()?.join(LOG_DIRECTORY))
    }
}

/// Runs a command on a log.
pub(super) fn run(command: &LogCommand) -> Result<(), Failure> {
    match command {
        LogCommand::Status(args) => status(args),
        LogCommand::MarkFixed(args) => mark_fixed(args),
    }
}

fn status(args: &LogArgs) -> Result<(), Failure> {
    let directory = args.directory()?;
    let identity = RocksLogStore::identity_of(&directory).map_err(|error| open_failure(&error))?;
    let Some(identity) = identity else {
        return Err(Failure::new(Exit::Config, format!("{} holds no log", directory.display())));
    };
    let mut store = RocksLogStore::open(&directory, identity, RocksOptions::default())
        .map_err(|error| open_failure(&error))?;
    let recovered =
        store.recover().map_err(|error| Failure::with_sources(Exit::Storage, &error))?;
    let broken = recovered.broken.map_or_else(
        || "no".to_owned(),
        |mark| format!("at entry {}: {}", mark.index, mark.reason.escape_debug()),
    );
    show(&format!(
        "cluster      {}\nnode         {}\nincarnation  {}\nterm         {}\nfirst index  {}\n\
         last entry   {}\nbroken       {broken}",
        identity.cluster,
        identity.node,
        identity.incarnation,
        recovered.hard_state.term,
        recovered.base.index.next(),
        recovered.terms.last(),
    ));
    Ok(())
}

fn mark_fixed(args: &LogArgs) -> Result<(), Failure> {
    match RocksLogStore::mark_fixed(args.directory()?).map_err(|error| open_failure(&error))? {
        Some(mark) => show(&format!(
            "marked fixed; the node will apply entry {} again (the failure was: {})",
            mark.index,
            mark.reason.escape_debug()
        )),
        None => show("the log was not marked broken"),
    }
    Ok(())
}
