//! `snapshot save` and `backup`: the state of a running node in a file.

use std::path::{Path, PathBuf};

use clap::Args;
use raft_server::kv::client::{Client, Error, SnapshotDownload};
use raft_storage::SnapshotFileWriter;

use super::cluster_args::ClusterArgs;
use super::outcome::{Ended, VerbError};
use super::progress::Progress;
use crate::cli::output::Printer;

#[derive(Args, Debug)]
pub(crate) struct SaveArgs {
    /// The file to write, which must not exist
    file: PathBuf,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Args, Debug)]
pub(crate) struct BackupArgs {
    /// The directory for the file
    #[arg(long, value_name = "DIRECTORY", default_value = ".")]
    directory: PathBuf,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(crate) async fn save(args: SaveArgs) -> Result<Ended, VerbError> {
    let download = begin(&args.cluster).await?;
    write(download, &args.file, &args.cluster).await
}

pub(crate) async fn backup(args: BackupArgs) -> Result<Ended, VerbError> {
    let download = begin(&args.cluster).await?;
    let last = download.last();
    let file = args.directory.join(format!("raft-{}-{}.snapshot", last.index, last.term));
    write(download, &file, &args.cluster).await
}

/// Captures the state of the first node that responds.
async fn begin(cluster: &ClusterArgs) -> Result<SnapshotDownload, VerbError> {
    let config = cluster.connection.client_config()?;
    let endpoints = config.endpoints.clone();
    let client = Client::new(config)?;
    let mut failure = VerbError::NoResponse;
    for endpoint in endpoints {
        match client.save_snapshot(&endpoint).await {
            Ok(download) => return Ok(download),
            Err(error @ Error::Unavailable { .. }) => failure = error.into(),
            Err(error) => return Err(error.into()),
        }
    }
    Err(failure)
}

async fn write(
    mut download: SnapshotDownload,
    path: &Path,
    cluster: &ClusterArgs,
) -> Result<Ended, VerbError> {
    let failed = |reason: &dyn std::fmt::Display| VerbError::File {
        path: path.to_owned(),
        reason: reason.to_string(),
    };
    if path.exists() {
        return Err(failed(&"it exists already"));
    }
    let membership = download.membership().clone();
    let mut file = SnapshotFileWriter::create(path, download.last(), membership)
        .map_err(|error| failed(&error))?;
    let mut progress = Progress::new("saving");
    while let Some(part) = download.next().await? {
        file.write(&part).map_err(|error| failed(&error))?;
        progress.update(download.offset());
    }
    let metadata = file.finish().map_err(|error| failed(&error))?;
    drop(progress);
    Printer::new(cluster.output).saved(path, &metadata).map_err(VerbError::Print)?;
    Ok(Ended::Done)
}
