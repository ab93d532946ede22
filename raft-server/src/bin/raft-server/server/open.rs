//! The data of a node: the log, the key-value store and the snapshots in its data directory.

use std::path::Path;
use std::time::{Duration, Instant};

use raft_core::{GroupId, Identity, Incarnation};
use raft_server::kv::state_machine::{KvOptions, KvStateMachine};
use raft_storage::data_directory::wait_until_unlocked;
use raft_storage::{FileSnapshotStore, RocksLogStore, RocksOptions};

use super::failure::{open_failure, store_failure};
use crate::config::Config;
use crate::data_dir;
use crate::exit::{Exit, Failure};

/// The directory of the log inside the data directory.
pub(crate) const LOG_DIRECTORY: &str = "log";
/// The directory of the key-value store inside the data directory.
const STORE_DIRECTORY: &str = "store";
/// The directory of the snapshots inside the data directory.
const SNAPSHOT_DIRECTORY: &str = "snapshots";

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
    /// The node and its incarnation.
    pub(super) identity: Identity,
    /// The log.
    pub(super) log: RocksLogStore,
    /// The key-value store.
    pub(super) store: KvStateMachine,
    /// The snapshots. Incomplete ones are removed.
    pub(super) snapshots: FileSnapshotStore,
}

impl Opened {
    /// Opens the data, or creates it if the configuration permits that. Blocks.
    pub(super) fn open(config: &Config) -> Result<Self, Failure> {
        let log_dir = config.data_dir.join(LOG_DIRECTORY);
        let found = RocksLogStore::identity_of(&log_dir).map_err(|error| open_failure(&error))?;
        check_bootstrap(config, found.is_some())?;
        if let Some(warning) = data_dir::warning(&config.data_dir) {
            tracing::warn!("{warning}");
        }
        // A node with a new disk is another incarnation, which the members must admit first. They
        // cannot do that yet, so every disk has the first incarnation.
        let incarnation = found.map_or(Incarnation(1), |found| found.incarnation);
        let identity =
            Identity { cluster: config.cluster, group: GroupId(0), node: config.node, incarnation };
        let log = RocksLogStore::open(&log_dir, identity, RocksOptions::default())
            .map_err(|error| open_failure(&error))?;
        let store_dir = config.data_dir.join(STORE_DIRECTORY);
        let store = KvStateMachine::open(&store_dir, identity, &KvOptions::default())
            .map_err(|error| store_failure(&error))?;
        let snapshots = FileSnapshotStore::open(config.data_dir.join(SNAPSHOT_DIRECTORY), identity)
            .map_err(|error| open_failure(&error))?;
        Ok(Self { identity, log, store, snapshots })
    }
}

/// Checks that an empty data directory may be initialised. A node that lost its disk has lost its
/// votes and the entries that it acknowledged; it must not rejoin under its id.
fn check_bootstrap(config: &Config, initialised: bool) -> Result<(), Failure> {
    let directory = config.data_dir.display();
    match (initialised, config.bootstrap) {
        (false, true) => tracing::info!(%directory, "initialising the data directory"),
        (false, false) => {
            return Err(Failure::new(
                Exit::Config,
                format!(
                    "{directory} holds no data of node {}: if this is the node's first start, add \
                     --bootstrap; if it has run before, its disk is lost, and a start with an empty \
                     disk under the same id could undo acknowledged writes: restore its data \
                     directory",
                    config.node
                ),
            ));
        }
        (true, true) => tracing::warn!(
            "bootstrap is set although the data directory holds data: remove the setting, so that \
             a lost disk is detected"
        ),
        (true, false) => {}
    }
    Ok(())
}
