//! The command line: one module a command.

mod check;
mod dev;
mod log;
mod output;
mod serve;
pub(crate) mod verbs;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Config, Settings, Warning};
use crate::exit::{self, Exit, Failure};

/// A replicated key-value store on Raft.
#[derive(Parser, Debug)]
#[command(name = "raft-server", version, after_help = exit::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[allow(clippy::large_enum_variant, reason = "one value a process; clap cannot flatten a box")]
#[derive(Subcommand, Debug)]
enum Command {
    /// Run one node in the foreground
    Serve(Box<serve::ServeArgs>),
    /// Run a cluster of processes on this machine, to try it out
    Dev(dev::DevArgs),
    /// Check a configuration, the files it names included, without starting anything
    Check(Box<ConfigArgs>),
    /// Look at the log of a stopped node, or take the broken mark off it
    #[command(subcommand)]
    Log(log::LogCommand),
    #[command(flatten)]
    Verb(verbs::Verb),
}

/// Where a node's configuration comes from.
#[derive(Args, Debug)]
pub(crate) struct ConfigArgs {
    /// The configuration file (TOML)
    #[arg(long, short, value_name = "FILE", env = "RAFT_SERVER_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

impl ConfigArgs {
    /// Flags over environment over file over defaults, checked.
    fn load(self) -> Result<(Config, Vec<Warning>), Failure> {
        config::load(self.settings, self.config.as_deref())
            .map_err(|error| Failure::new(Exit::Config, error))
    }
}

/// Runs the command that the process was started with.
pub(crate) fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(args) => serve::run(*args),
        Command::Dev(args) => dev::run(&args),
        Command::Check(args) => check::run(*args),
        Command::Log(command) => log::run(&command),
        Command::Verb(verb) => return verb.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Writes an answer to stdout. A reader that has gone away has seen enough.
fn show(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
