//! The commands of the program.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::config_args::ConfigArgs;
use super::{check, config, dev, log, recover, serve, snapshot, verbs};
use crate::exit;

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
    /// Run a node in the foreground
    Serve(Box<serve::ServeArgs>),
    /// Run a cluster of nodes on this machine, for development
    Dev(dev::DevArgs),
    /// Validate a configuration and the files that it names
    Check(Box<ConfigArgs>),
    /// Print the reference of all settings
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Inspect or repair the log of a stopped node
    #[command(subcommand)]
    Log(log::LogCommand),
    /// Save the state of a node to a file, or inspect such a file
    #[command(subcommand)]
    Snapshot(snapshot::SnapshotCommand),
    /// Recover a cluster that has lost its quorum for good, from the data of a stopped node
    Recover(Box<recover::RecoverArgs>),
    #[command(flatten)]
    Verb(verbs::Verb),
}

/// Runs the command of this process's arguments.
pub(crate) fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(args) => serve::run(*args),
        Command::Dev(args) => dev::run(&args),
        Command::Check(args) => check::run(*args),
        Command::Config(command) => config::run(&command),
        Command::Log(command) => log::run(&command),
        Command::Snapshot(command) => return snapshot::run(command),
        Command::Recover(args) => recover::run(&args),
        Command::Verb(verb) => return verb.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// The arguments of the commands of this program in the code blocks and code spans of a text.
    fn commands_in(text: &str) -> Vec<String> {
        let mut commands = Vec::new();
        let mut block = None;
        for line in text.lines() {
            if let Some(language) = line.strip_prefix("```") {
                block = block.is_none().then_some(language);
            } else if block == Some("sh") {
                commands.push(line.split('#').next().unwrap_or_default().trim().to_owned());
            } else if block.is_none() {
                commands.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
            }
        }
        commands.retain(|command| command.starts_with("raft-server "));
        commands
    }

    #[test]
    fn commands_in_the_documents_parse() {
        let documents = [
            ("README.md", 3),
            ("raft-server/README.md", 3),
            ("docs/operating.md", 10),
            ("docs/configuration.md", 1),
        ];
        for (document, count_min) in documents {
            let path = crate::document::path(document);
            let commands = commands_in(&std::fs::read_to_string(path).unwrap());
            assert!(commands.len() >= count_min, "{document}: {commands:?}");
            for command in commands {
                if let Err(error) = Cli::try_parse_from(command.split_whitespace()) {
                    let shown = error.kind() == clap::error::ErrorKind::DisplayHelp;
                    assert!(shown, "{document}: {command}: {error}");
                }
            }
        }
    }
}
