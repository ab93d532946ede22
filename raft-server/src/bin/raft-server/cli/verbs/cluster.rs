//! `compact`, `compact-log`, `status` and `transfer`.

use clap::Args;
use raft_core::NodeId;
use raft_server::kv::client::Client;
use raft_server::kv::state_machine::Revision;

use super::cluster_args::ClusterArgs;
use super::outcome::{Ended, VerbError};
use crate::cli::output::Printer;

#[derive(Args, Debug)]
pub(crate) struct CompactArgs {
    /// Discard the versions that were superseded at or before this revision
    revision: u64,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(crate) async fn compact(args: CompactArgs) -> Result<Ended, VerbError> {
    let (client, printer) = args.cluster.client()?;
    let revision = client.compact(Revision(args.revision)).await?;
    printer.compacted(revision).map_err(VerbError::Print)?;
    Ok(Ended::Done)
}

#[derive(Args, Debug)]
pub(crate) struct TransferArgs {
    /// The voter that is to lead; without it the leader chooses one
    node: Option<u64>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(crate) async fn transfer(args: TransferArgs) -> Result<Ended, VerbError> {
    let (client, printer) = args.cluster.client()?;
    let leader = client.transfer(args.node.map(NodeId)).await?;
    printer.transferred(leader).map_err(VerbError::Print)?;
    Ok(Ended::Done)
}

pub(crate) async fn compact_log(args: ClusterArgs) -> Result<Ended, VerbError> {
    let config = args.connection.client_config()?;
    let endpoints = config.endpoints.clone();
    let client = Client::new(config)?;
    let mut results = Vec::new();
    for endpoint in endpoints {
        let compacted = client.compact_log(&endpoint).await.map_err(|error| error.to_string());
        results.push((endpoint, compacted));
    }
    Printer::new(args.output).logs_compacted(&results).map_err(VerbError::Print)?;
    if results.iter().all(|(_, result)| result.is_err()) {
        return Err(VerbError::NoResponse);
    }
    Ok(Ended::Done)
}

pub(crate) async fn status(args: ClusterArgs) -> Result<Ended, VerbError> {
    let config = args.connection.client_config()?;
    let endpoints = config.endpoints.clone();
    let client = Client::new(config)?;
    let mut requests = tokio::task::JoinSet::new();
    for (position, endpoint) in endpoints.iter().cloned().enumerate() {
        let client = client.clone();
        requests.spawn(async move {
            let report = client.status_of(&endpoint).await;
            (position, endpoint, report.map_err(|error| error.to_string()))
        });
    }
    let mut reports = requests.join_all().await;
    reports.sort_by_key(|(position, ..)| *position);
    let reports: Vec<_> =
        reports.into_iter().map(|(_, endpoint, report)| (endpoint, report)).collect();
    Printer::new(args.output).status(&reports).map_err(VerbError::Print)?;
    if reports.iter().all(|(_, report)| report.is_err()) {
        return Err(VerbError::NoResponse);
    }
    Ok(Ended::Done)
}
