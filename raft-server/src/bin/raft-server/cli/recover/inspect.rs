//! Reads a data directory.

use std::path::Path;

use raft_core::ports::{LogStore, SnapshotStore};
use raft_core::{Membership, NodeId, Recovered};
use raft_server::kv::state_machine::{KvOptions, KvStateMachine};
use raft_storage::{FileSnapshotStore, RocksLogStore, RocksOptions};

use super::report::Report;
use crate::exit::{Exit, Failure};
use crate::node_record::NodeRecord;
use crate::server::{LOG_DIRECTORY, SNAPSHOT_DIRECTORY, STORE_DIRECTORY};
use crate::server::{open_failure, store_failure};

/// A data directory whose stores are open: no node runs on it meanwhile.
pub(super) struct Inspected {
    pub(super) record: NodeRecord,
    pub(super) log: RocksLogStore,
    pub(super) recovered: Recovered,
    pub(super) report: Report,
}

impl Inspected {
    /// Opens the stores of a data directory and reads what they hold. Nothing that was acknowledged
    /// is changed.
    pub(super) fn open(data_dir: &Path) -> Result<Self, Failure> {
        let record = NodeRecord::read(data_dir).map_err(|error| open_failure(&error.into()))?;
        let Some(record) = record else {
            let message = format!("{} is not the data directory of a node", data_dir.display());
            return Err(Failure::new(Exit::Config, message));
        };
        let identity = record.identity;
        let log_dir = data_dir.join(LOG_DIRECTORY);
        let mut log = RocksLogStore::open(&log_dir, identity, RocksOptions::default())
            .map_err(|error| open_failure(&error))?;
        let recovered =
            log.recover().map_err(|error| Failure::with_sources(Exit::Storage, &error))?;
        let store_dir = data_dir.join(STORE_DIRECTORY);
        let store = KvStateMachine::open(&store_dir, identity, &KvOptions::default())
            .map_err(|error| store_failure(&error))?;
        let snapshot_dir = data_dir.join(SNAPSHOT_DIRECTORY);
        let snapshots = FileSnapshotStore::open(snapshot_dir, identity)
            .map_err(|error| open_failure(&error))?;
        let applied_index = store.applied_id().index.get();
        let snapshots = snapshots.list().iter().map(|held| held.last.index.get()).collect();
        let report = report(&record, &recovered, applied_index, snapshots);
        Ok(Self { record, log, recovered, report })
    }

    /// The membership in force; without members if there is none.
    pub(super) fn membership(&self) -> Membership {
        let last = self.recovered.memberships.last();
        last.map(|(_, membership)| membership.clone()).unwrap_or_default()
    }
}

fn report(
    record: &NodeRecord,
    recovered: &Recovered,
    applied_index: u64,
    snapshots: Vec<u64>,
) -> Report {
    let (identity, hard_state) = (record.identity, recovered.hard_state);
    let last = recovered.terms.last();
    let (version, membership) = recovered.memberships.last().cloned().unwrap_or_default();
    let ids = |set: &std::collections::BTreeSet<NodeId>| set.iter().map(|id| id.get()).collect();
    Report {
        format: Report::format(),
        cluster: identity.cluster.to_string(),
        node: identity.node.get(),
        incarnation: identity.incarnation.get(),
        epoch: record.epoch,
        term: hard_state.term.get(),
        voted_for: hard_state.voted_for.map(NodeId::get),
        first_index: recovered.base.index.next().get(),
        last_index: last.index.get(),
        last_term: last.term.get(),
        commit_index: hard_state.commit.max(recovered.base.index).get(),
        applied_index,
        snapshots,
        membership_version: version.get(),
        voters: ids(&membership.voters),
        outgoing: ids(&membership.outgoing),
        learners: ids(&membership.learners),
        broken: recovered
            .broken
            .as_ref()
            .map(|mark| format!("entry {}: {}", mark.index, mark.reason)),
    }
}
