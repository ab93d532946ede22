//! `raft-server check`: a dry run of the configuration.

use super::{ConfigArgs, Exit, Failure};
use crate::data_dir;
use crate::identity;

/// Checks settings and certificates, and says what a start would warn of.
pub(super) fn run(args: ConfigArgs) -> Result<(), Failure> {
    let (config, warnings) = args.load()?;
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    if let Some(warning) = identity::files(&config).key_warning() {
        eprintln!("warning: {warning}");
    }
    if let Some(warning) = data_dir::warning(&config.data_dir) {
        eprintln!("warning: {warning}");
    }
    identity::load(&config).map_err(|error| Failure::new(Exit::Config, error))?;
    eprintln!(
        "the configuration of node {} of cluster {} is fine: {} members, data in {}",
        config.node,
        config.cluster,
        config.members.len(),
        config.data_dir.display()
    );
    Ok(())
}
