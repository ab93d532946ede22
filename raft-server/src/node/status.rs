//! The state of a node as metrics, status pages and tests see it.

use std::collections::BTreeMap;
use std::time::Duration;

use raft_core::ports::SnapshotMetadata;
use raft_core::{LogIndex, Membership, NodeId, Participation, RoleKind, Term};

use super::counters::NodeCounters;
use super::error::StopReason;
use super::peer_refusals::RefusedBy;

/// The leader, as one node knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leadership {
    /// The node's term.
    pub term: Term,
    /// The node's role.
    pub role: RoleKind,
    /// The leader of that term, if the node knows it; the node itself if it leads.
    pub leader: Option<NodeId>,
}

/// The configuration in force, as one node knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MembershipInForce {
    /// Its version: the index of its entry.
    pub version: LogIndex,
    /// The configuration; without members in a node that waits to be added.
    pub membership: Membership,
    /// What it makes of this node.
    pub participation: Participation,
}

/// A node's state at one moment.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// The state of the core, as the driver last published it.
    pub raft: raft_core::Status,
    /// How long ago the driver published `raft`. About zero while the node runs: more means that
    /// the driver did not respond, or that the node has stopped.
    pub raft_age: Duration,
    /// The lengths of the queues.
    pub queues: QueueDepths,
    /// Counts since the start of the node.
    pub counters: NodeCounters,
    /// The snapshots in the snapshot store, ascending.
    pub snapshots: Vec<SnapshotMetadata>,
    /// The peers that refuse this node and have sent no message since.
    pub refused_by: BTreeMap<NodeId, RefusedBy>,
    /// Why the node has stopped, if it has.
    pub stopped: Option<StopReason>,
}

/// The lengths of a node's queues.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct QueueDepths {
    /// Messages from peers that wait for the driver.
    pub inbox: usize,
    /// Proposals that wait for the driver.
    pub proposals: usize,
    /// Reads that wait for the driver.
    pub reads: usize,
    /// Requests of every kind that the driver has taken and whose caller has no response yet.
    pub pending: usize,
}

impl MembershipInForce {
    /// The configuration in force at `core`.
    pub(super) fn of(core: &raft_core::Node) -> Self {
        let status = core.status();
        Self {
            version: status.membership_version,
            membership: status.membership,
            participation: status.participation,
        }
    }
}

impl Leadership {
    /// The leader, as `core` knows it.
    pub(super) const fn of(core: &raft_core::Node) -> Self {
        Self { term: core.term(), role: core.role(), leader: core.leader() }
    }
}
