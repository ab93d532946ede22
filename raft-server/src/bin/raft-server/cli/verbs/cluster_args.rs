//! The arguments of every command that sends requests to a cluster.

use clap::Args;
use raft_server::kv::client::Client;

use super::connection::ConnectionArgs;
use super::outcome::VerbError;
use crate::cli::output::{Format, Printer};

/// The cluster, and the format of the result.
#[derive(Args, Debug)]
pub(crate) struct ClusterArgs {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    /// Output format
    #[arg(
        long,
        short,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        help_heading = "Output"
    )]
    pub(crate) output: Format,
}

impl ClusterArgs {
    /// A client of the cluster and a printer for its results.
    pub(crate) fn client(&self) -> Result<(Client, Printer), VerbError> {
        Ok((Client::new(self.connection.client_config()?)?, Printer::new(self.output)))
    }
}
