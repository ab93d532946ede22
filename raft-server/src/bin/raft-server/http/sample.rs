//! The status of a node, for tests of the pages.

use std::collections::BTreeMap;

use raft_core::{LogId, LogIndex, Membership, NodeId, Participation, RoleKind, Status, Term};
use raft_server::{NodeCounters, NodeStatus, QueueDepths};

/// A follower that is ready.
pub(super) fn healthy_node() -> NodeStatus {
    let raft = Status {
        node: NodeId(1),
        role: RoleKind::Follower,
        term: Term(3),
        voted_for: None,
        leader: Some(NodeId(2)),
        lease_end: None,
        transfer_target: None,
        staleness: None,
        first_index: LogIndex(1),
        last_log: LogId::new(Term(3), LogIndex(50_000)),
        persisted_index: LogIndex(50_000),
        commit_index: LogIndex(50_000),
        commit_index_seen: LogIndex(50_000),
        applied_index: LogIndex(49_999),
        durably_applied_index: LogIndex(0),
        log_bytes: 10_000_000,
        membership: Membership::of_voters([1, 2, 3].map(NodeId)),
        membership_version: LogIndex::ZERO,
        settings: raft_core::Settings::default(),
        participation: Participation::Voter,
        storage_waiting: std::time::Duration::ZERO,
        tail_bytes: 0,
        unapplied_bytes: 0,
        progress: BTreeMap::new(),
        apply_failed_at: None,
    };
    NodeStatus {
        raft,
        raft_age: std::time::Duration::ZERO,
        queues: QueueDepths::default(),
        counters: NodeCounters::default(),
        snapshots: Vec::new(),
        refused_by: BTreeMap::new(),
        stopped: None,
    }
}
