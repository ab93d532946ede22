//! Makes the data directory of a member of a new cluster out of a saved snapshot.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use raft_core::ports::{HardState, LogReset, LogStore, SnapshotReader};
use raft_core::{LogId, Persist, PersistId};
use raft_server::kv::state_machine::{CapturedSummary, KvOptions, KvStateMachine};
use raft_server::space;
use raft_storage::data_directory::{self, Stage};
use raft_storage::{RocksLogStore, RocksOptions, open_snapshot_file};

use super::failure::{open_failure, store_failure};
use super::open::{LOG_DIRECTORY, STORE_DIRECTORY, first_membership, new_record};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::node_record::fingerprint_of;

/// Whether the new cluster may have the id of the saved one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ClusterIdRule {
    /// A new id: nodes of the saved cluster that still run refuse the new one.
    New,
    /// The saved one: the caller knows that every node of the saved cluster is gone.
    Same,
}

/// Creates the data directory that the configuration names. It appears when it is complete. Returns
/// what the snapshot contains.
///
/// # Errors
/// When the data directory holds anything, the snapshot is damaged, or the disk fails.
pub(crate) fn restore(
    config: &Config,
    file: &Path,
    rule: ClusterIdRule,
) -> Result<CapturedSummary, Failure> {
    check_empty(&config.data_dir)?;
    let unusable = |reason: &dyn std::fmt::Display| {
        Failure::new(Exit::Storage, format!("{} cannot be restored: {reason}", file.display()))
    };
    let mut reader = open_snapshot_file(file).map_err(|error| unusable(&error))?;
    // The whole file is verified before anything is written.
    let summary = CapturedSummary::read(&mut *reader).map_err(|failure| unusable(&failure))?;
    check_cluster(config, &summary, rule)?;
    check_space(config, reader.metadata().size_bytes)?;
    reader.seek(0).map_err(|error| unusable(&error))?;

    let draft = draft_of(&config.data_dir);
    remove(&draft)?;
    write(&draft, config, &mut *reader)?;
    publish(&draft, &config.data_dir)
        .map_err(|error| Failure::new(Exit::Storage, failed("renaming", &draft, &error)))?;
    Ok(summary)
}

/// Writes the data of a node whose log begins after the snapshot, with the members of the
/// configuration.
fn write(
    directory: &Path,
    config: &Config,
    reader: &mut dyn SnapshotReader,
) -> Result<(), Failure> {
    let last = reader.metadata().last;
    let mut record = new_record(config, Some(fingerprint_of(&config.members)));
    record.stage = Stage::Ready;
    let identity = record.identity;
    data_directory::create(directory).map_err(|error| open_failure(&error.into()))?;
    let mut log =
        RocksLogStore::open(directory.join(LOG_DIRECTORY), identity, RocksOptions::default())
            .map_err(|error| open_failure(&error))?;
    let store_dir = directory.join(STORE_DIRECTORY);
    let mut store = KvStateMachine::open(&store_dir, identity, &KvOptions::default())
        .map_err(|error| store_failure(&error))?;
    store.import(last, reader).map_err(|failure| Failure::with_sources(Exit::Storage, &failure))?;
    let unwritable = |error| Failure::with_sources(Exit::Storage, &error);
    log.recover().map_err(unwritable)?;
    log.persist(&[beginning_after(last, config)]).map_err(unwritable)?;
    record.write(directory).map_err(|error| open_failure(&error.into()))
}

/// The first change of a log that begins after a snapshot. It is the same on every member.
fn beginning_after(last: LogId, config: &Config) -> Persist {
    let membership = (last.index, first_membership(config));
    Persist {
        id: PersistId(1),
        hard_state: Some(HardState { term: last.term, voted_for: None, commit: last.index }),
        reset: Some(LogReset { base: last, membership, keeps_later_entries: false }),
        truncate_from: None,
        entries: Vec::new(),
        broken: None,
    }
}

fn check_empty(data_dir: &Path) -> Result<(), Failure> {
    let is_empty = fs::read_dir(data_dir).map_or(true, |mut entries| entries.next().is_none());
    if is_empty {
        return Ok(());
    }
    let message = format!(
        "{} is not empty: restore into a new data directory, and keep the old one until the new \
         cluster works",
        data_dir.display()
    );
    Err(Failure::new(Exit::Config, message))
}

fn check_cluster(
    config: &Config,
    summary: &CapturedSummary,
    rule: ClusterIdRule,
) -> Result<(), Failure> {
    if rule == ClusterIdRule::Same || summary.cluster != config.cluster {
        return Ok(());
    }
    let message = format!(
        "cluster_id {} is that of the saved cluster, whose nodes could join the new one: set a new \
         cluster_id with new certificates, or add --same-cluster-id if every node of the saved \
         cluster is gone for good",
        config.cluster
    );
    Err(Failure::new(Exit::Config, message))
}

/// The new database takes about the size of the snapshot.
fn check_space(config: &Config, size_bytes: u64) -> Result<(), Failure> {
    let parent = parent_of(&config.data_dir);
    let free_bytes = match space::free_bytes(&parent) {
        Ok(free_bytes) => free_bytes,
        Err(error) => return Err(Failure::new(Exit::Storage, failed("reading", &parent, &error))),
    };
    if free_bytes >= size_bytes {
        return Ok(());
    }
    let message = format!(
        "the disk of {} has {free_bytes} bytes free, and the snapshot has {size_bytes}",
        parent.display()
    );
    Err(Failure::new(Exit::Storage, message))
}

fn draft_of(data_dir: &Path) -> PathBuf {
    let mut name = data_dir.as_os_str().to_owned();
    name.push(".restoring");
    PathBuf::from(name)
}

fn parent_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// Removes what an interrupted restore has left.
fn remove(draft: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(draft) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::new(Exit::Storage, failed("removing", draft, &error)))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn publish(draft: &Path, data_dir: &Path) -> std::io::Result<()> {
    if data_dir.exists() {
        fs::remove_dir(data_dir)?;
    }
    fs::rename(draft, data_dir)?;
    File::open(parent_of(data_dir))?.sync_all()
}

fn failed(operation: &str, path: &Path, error: &std::io::Error) -> String {
    format!("{operation} {} failed: {error}", path.display())
}
