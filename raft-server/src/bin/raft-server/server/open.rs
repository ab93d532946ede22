//! The data of a node: its identity, the log, the key-value store and the snapshots in its data
//! directory.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use raft_core::{GroupId, Identity, MemberInfo, Membership, NodeId};
use raft_server::kv::state_machine::{KvOptions, KvStateMachine};
use raft_storage::data_directory::{self, DirectoryLock, Stage, wait_until_unlocked};
use raft_storage::{FileSnapshotStore, OpenError, RocksLogStore, RocksOptions};

use super::failure::{open_failure, store_failure};
use super::member_list;
use super::recovered_log::RecoveredLog;
use crate::config::Config;
use crate::data_dir;
use crate::exit::{Exit, Failure};
use crate::node_record::{NodeRecord, fingerprint_of, new_incarnation};

/// The directory of the log inside the data directory.
pub(crate) const LOG_DIRECTORY: &str = "log";
/// The directory of the key-value store inside the data directory.
pub(crate) const STORE_DIRECTORY: &str = "store";
/// The directory of the snapshots inside the data directory.
pub(crate) const SNAPSHOT_DIRECTORY: &str = "snapshots";

/// Waits until the stores in a data directory are closed, at most for `timeout`. A store that is
/// open when the process exits aborts the process, and the exit code is lost.
pub(crate) fn wait_until_closed(data_dir: &Path, timeout: Duration) {
    let deadline = Instant::now() + timeout;
    let directories = [LOG_DIRECTORY, STORE_DIRECTORY, SNAPSHOT_DIRECTORY];
    for directory in directories.map(|name| data_dir.join(name)) {
        let remaining = deadline.saturating_duration_since(Instant::now());
        if !wait_until_unlocked(&directory, remaining) {
            tracing::warn!(directory = %directory.display(), "exiting while this store is open");
        }
    }
}

/// The opened data of a node.
pub(super) struct Opened {
    /// The node, its incarnation, and how it became a member.
    pub(super) record: NodeRecord,
    /// The log.
    pub(super) log: RecoveredLog,
    /// The key-value store.
    pub(super) store: KvStateMachine,
    /// The snapshots. Incomplete ones are removed.
    pub(super) snapshots: FileSnapshotStore,
}

impl Opened {
    /// Opens the data, or creates it. Blocks.
    ///
    /// A new data directory is a new incarnation of the node. With `bootstrap` its log becomes that
    /// of a member of a new cluster; the cluster refuses it if it has admitted another incarnation of
    /// this node. Without, the node waits for a leader that adds it.
    pub(super) fn open(config: &Config) -> Result<Self, Failure> {
        let log_dir = config.data_dir.join(LOG_DIRECTORY);
        let mut record = claim(config, &log_dir)?;
        if let Some(warning) = data_dir::warning(&config.data_dir) {
            tracing::warn!("{warning}");
        }
        let log = RocksLogStore::open(&log_dir, record.identity, RocksOptions::default())
            .map_err(|error| open_failure(&error))?;
        let store_dir = config.data_dir.join(STORE_DIRECTORY);
        let store = KvStateMachine::open(&store_dir, record.identity, &KvOptions::default())
            .map_err(|error| store_failure(&error))?;
        let snapshot_dir = config.data_dir.join(SNAPSHOT_DIRECTORY);
        let snapshots = FileSnapshotStore::open(snapshot_dir, record.identity)
            .map_err(|error| open_failure(&error))?;
        let unreadable = |error| Failure::with_sources(Exit::Storage, &error);
        let mut log = RecoveredLog::read(log).map_err(unreadable)?;
        match record.stage {
            Stage::Creating => {
                if record.bootstrap.is_some() {
                    log.bootstrap(first_membership(config)).map_err(unreadable)?;
                }
                record.stage = Stage::Ready;
                write(&record, &config.data_dir)?;
            }
            Stage::Ready => {
                if config.bootstrap {
                    tracing::warn!("bootstrap has no effect: the data directory holds data");
                }
                member_list::check(config, &record.members, log.membership())?;
                if record.members != config.member_ids() {
                    record.members = config.member_ids();
                    write(&record, &config.data_dir)?;
                }
            }
        }
        Ok(Self { record, log, store, snapshots })
    }
}

/// The record of a data directory, which is created if the directory is empty. It belongs to the
/// node of the configuration.
fn claim(config: &Config, log_dir: &Path) -> Result<NodeRecord, Failure> {
    let data_dir = &config.data_dir;
    let found = read(data_dir)?;
    let log = RocksLogStore::identity_of(log_dir).map_err(|error| open_failure(&error))?;
    let identity = found.as_ref().map(|found| found.identity).or(log);
    if let Some(found) = identity
        && (found.cluster, found.node) != (config.cluster, config.node)
    {
        let expected = Identity { cluster: config.cluster, node: config.node, ..found };
        let path = data_dir.clone();
        return Err(open_failure(&OpenError::OtherIdentity { path, found, expected }));
    }
    match (found, log) {
        (Some(record), _) if record.stage == Stage::Creating => {
            check_same_creation(config, &record)?;
            Ok(record)
        }
        (Some(record), Some(_)) => Ok(record),
        (Some(_), None) => Err(damaged(log_dir, "the log is missing")),
        (None, Some(_)) => Err(damaged(data_dir, "there is a log, but no identity file")),
        (None, None) => create(config),
    }
}

/// Writes the record of a new data directory.
fn create(config: &Config) -> Result<NodeRecord, Failure> {
    let data_dir = &config.data_dir;
    data_directory::create(data_dir).map_err(|error| open_failure(&error.into()))?;
    // Another process may create the same directory.
    let _lock = DirectoryLock::acquire(data_dir).map_err(|error| open_failure(&error.into()))?;
    if let Some(record) = read(data_dir)? {
        check_same_creation(config, &record)?;
        return Ok(record);
    }
    let bootstrap = config.bootstrap.then(|| fingerprint_of(&config.members));
    let record = new_record(config, bootstrap);
    write(&record, data_dir)?;
    let (directory, incarnation) = (data_dir.display(), record.identity.incarnation);
    tracing::info!(%directory, %incarnation, bootstrap = config.bootstrap, "data directory created");
    Ok(record)
}

/// The record of a data directory that is being created.
pub(super) fn new_record(config: &Config, bootstrap: Option<u64>) -> NodeRecord {
    NodeRecord {
        identity: Identity {
            cluster: config.cluster,
            group: GroupId(0),
            node: config.node,
            incarnation: new_incarnation(SystemTime::now()),
        },
        stage: Stage::Creating,
        bootstrap,
        epoch: 0,
        members: config.member_ids(),
    }
}

/// A creation that was interrupted is completed with the configuration that it began with.
fn check_same_creation(config: &Config, record: &NodeRecord) -> Result<(), Failure> {
    let bootstrap = config.bootstrap.then(|| fingerprint_of(&config.members));
    if record.stage == Stage::Ready || record.bootstrap == bootstrap {
        return Ok(());
    }
    let message = format!(
        "the first start of this node was interrupted, and bootstrap or members had other values \
         then: remove {}, which holds nothing yet, and start again",
        config.data_dir.display()
    );
    Err(Failure::new(Exit::Config, message))
}

/// The configuration of a new cluster: every member votes.
pub(super) fn first_membership(config: &Config) -> Membership {
    let info = |member: &crate::config::Member| MemberInfo {
        incarnation: None,
        peer_address: member.peer.clone(),
        client_address: member.client.clone(),
        priority: raft_core::Priority::DEFAULT,
    };
    let nodes: BTreeMap<_, _> =
        config.members.iter().map(|member| (NodeId(member.id), info(member))).collect();
    Membership { voters: nodes.keys().copied().collect(), nodes, ..Membership::default() }
}

fn read(data_dir: &Path) -> Result<Option<NodeRecord>, Failure> {
    NodeRecord::read(data_dir).map_err(|error| open_failure(&error.into()))
}

fn write(record: &NodeRecord, data_dir: &Path) -> Result<(), Failure> {
    record.write(data_dir).map_err(|error| open_failure(&error.into()))
}

fn damaged(path: &Path, detail: &str) -> Failure {
    let (path, detail) = (path.to_owned(), detail.to_owned());
    open_failure(&OpenError::Damaged { path, detail })
}
