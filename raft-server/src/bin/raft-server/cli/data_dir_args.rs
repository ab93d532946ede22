//! The data directory of a stopped node on the command line.

use std::path::PathBuf;

use clap::Args;

use crate::config;
use crate::exit::{Exit, Failure};

/// A data directory, named itself or by the configuration of its node.
#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
pub(super) struct DataDirArgs {
    /// Data directory of the node, which must not be running
    #[arg(long, value_name = "DIRECTORY", env = "RAFT_SERVER_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Configuration file of the node, which names its data directory
    #[arg(long, short, value_name = "FILE", env = "RAFT_SERVER_CONFIG")]
    config: Option<PathBuf>,
}

impl DataDirArgs {
    /// The directory: `--data-dir`, or else that of the configuration file.
    pub(super) fn resolve(&self) -> Result<PathBuf, Failure> {
        if let Some(data_dir) = &self.data_dir {
            return Ok(data_dir.clone());
        }
        let path = self.config.as_deref().unwrap_or_else(|| std::path::Path::new(""));
        let settings =
            config::read_file(path).map_err(|error| Failure::new(Exit::Config, error))?;
        settings.data_dir.ok_or_else(|| {
            let message = format!("{} has no data_dir: name it with --data-dir", path.display());
            Failure::new(Exit::Config, message)
        })
    }
}
