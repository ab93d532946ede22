//! The sources of a node's configuration on the command line.

use std::path::PathBuf;

use clap::Args;

use crate::config::{self, Config, Settings, Warning};
use crate::exit::{Exit, Failure};

/// The configuration file and the settings that override it.
#[derive(Args, Debug)]
pub(crate) struct ConfigArgs {
    /// Configuration file (TOML)
    #[arg(long, short, value_name = "FILE", env = "RAFT_SERVER_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

impl ConfigArgs {
    /// The checked configuration: flags override the environment, which overrides the file, which
    /// overrides the defaults.
    pub(crate) fn load(self) -> Result<(Config, Vec<Warning>), Failure> {
        config::load(self.settings, self.config.as_deref())
            .map_err(|error| Failure::new(Exit::Config, error))
    }
}
