//! `raft-server check`: validates a configuration without starting a node.

use super::config_args::ConfigArgs;
use crate::exit::{Exit, Failure};
use crate::{data_dir, identity};

/// Checks settings and certificates, and prints the warnings that a start would log.
pub(super) fn run(args: ConfigArgs) -> Result<(), Failure> {
    let (config, warnings) = args.load()?;
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    if let Some(warning) = config.tls.key_warning() {
        eprintln!("warning: {warning}");
    }
    if let Some(warning) = data_dir::warning(&config.data_dir) {
        eprintln!("warning: {warning}");
    }
    identity::load(&config).map_err(|error| Failure::new(Exit::Config, error))?;
    eprintln!(
        "the configuration of node {} of cluster {} is valid: {} members, data in {}",
        config.node,
        config.cluster,
        config.members.len(),
        config.data_dir.display()
    );
    Ok(())
}
