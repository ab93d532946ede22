//! `raft-server config`: documentation of the configuration.

use clap::Subcommand;

use super::output::show;
use crate::config::reference;
use crate::exit::Failure;

/// The commands on the configuration.
#[derive(Subcommand, Debug)]
pub(super) enum ConfigCommand {
    /// Print the reference of all settings, in Markdown
    Reference,
}

/// Runs a command on the configuration.
pub(super) fn run(command: &ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Reference => show(reference().trim_end()),
    }
    Ok(())
}
