//! `explain`.

use raft_server::kv::client::Client;

use super::cluster_args::ClusterArgs;
use super::outcome::{Ended, VerbError};
use crate::cli::output::Printer;

/// Requests the explanations of all endpoints at the same time, and prints them in their order.
pub(crate) async fn run(args: ClusterArgs) -> Result<Ended, VerbError> {
    let config = args.connection.client_config()?;
    let endpoints = config.endpoints.clone();
    let client = Client::new(config)?;
    let requests = endpoints.into_iter().map(|endpoint| async {
        let report = client.explain(&endpoint).await;
        (endpoint, report.map_err(|error| error.to_string()))
    });
    let reports = futures_util::future::join_all(requests).await;
    Printer::new(args.output).explanations(&reports).map_err(VerbError::Print)?;
    if reports.iter().all(|(_, report)| report.is_err()) {
        return Err(VerbError::NoResponse);
    }
    Ok(Ended::Done)
}
