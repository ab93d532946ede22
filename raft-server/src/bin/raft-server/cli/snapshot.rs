//! `raft-server snapshot`: saves the state of a node to a file, inspects such a file, and makes a new
//! cluster out of it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use raft_server::kv::state_machine::CapturedSummary;
use raft_storage::open_snapshot_file;

use super::config_args::ConfigArgs;
use super::output::{Format, Printer, show};
use super::verbs;
use crate::exit::{Exit, Failure};
use crate::server::{self, ClusterIdRule};

/// The commands on snapshots.
#[derive(Subcommand, Debug)]
pub(super) enum SnapshotCommand {
    /// Save the state of a running node to a file
    #[command(after_help = verbs::EXIT_CODES)]
    Save(Box<verbs::SaveArgs>),
    /// Verify a saved snapshot and show what it contains
    Status(StatusArgs),
    /// Make the data directory of a member of a new cluster out of a saved snapshot
    #[command(after_help = RESTORE_HELP)]
    Restore(Box<RestoreArgs>),
}

/// How a cluster is restored.
const RESTORE_HELP: &str = "\
Run it for each member of the new cluster, each with its own configuration and the
same file, then start the nodes without --bootstrap.";

#[derive(Args, Debug)]
pub(super) struct StatusArgs {
    /// The file
    file: PathBuf,
    /// Output format
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

#[derive(Args, Debug)]
pub(super) struct RestoreArgs {
    /// The file
    file: PathBuf,
    /// Give the new cluster the id of the saved one, whose nodes are all gone for good
    #[arg(long)]
    same_cluster_id: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs a command on snapshots.
pub(super) fn run(command: SnapshotCommand) -> ExitCode {
    let outcome = match command {
        SnapshotCommand::Save(args) => return verbs::exit_code(verbs::save(*args)),
        SnapshotCommand::Status(args) => status(&args),
        SnapshotCommand::Restore(args) => restore(*args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Reads the whole file: every checksum in it is verified.
fn status(args: &StatusArgs) -> Result<(), Failure> {
    let unusable = |reason: &dyn std::fmt::Display| {
        let path = args.file.display();
        Failure::new(Exit::Storage, format!("{path} is not a usable snapshot: {reason}"))
    };
    let mut reader = open_snapshot_file(&args.file).map_err(|error| unusable(&error))?;
    let summary = CapturedSummary::read(&mut *reader).map_err(|failure| unusable(&failure))?;
    let printed = Printer::new(args.output).snapshot(reader.metadata(), &summary);
    printed
        .map_err(|error| Failure::new(Exit::Failure, format!("cannot write the result: {error}")))
}

fn restore(args: RestoreArgs) -> Result<(), Failure> {
    let (config, _) = args.config.load()?;
    let rule = if args.same_cluster_id { ClusterIdRule::Same } else { ClusterIdRule::New };
    let summary = server::restore(&config, &args.file, rule)?;
    show(&format!(
        "{} holds the state after entry {} with {} keys; restore the other members from the same \
         file, then start all of them",
        config.data_dir.display(),
        summary.applied,
        summary.keys
    ));
    Ok(())
}
