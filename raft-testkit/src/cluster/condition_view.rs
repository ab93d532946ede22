//! The state of the cluster that conditions read.

use raft_core::NodeId;
use raft_core::ports::{LogStore, StateMachine};

use super::sim_cluster::Cluster;
use crate::condition_tracker::{ClusterView, NodeSummary};
use crate::network::{Link, slot_of};

impl<M: StateMachine, S: LogStore> ClusterView for Cluster<M, S> {
    fn summary(&self, node: u64) -> NodeSummary {
        let node = self.nodes.get(slot_of(NodeId(node))).expect("conditions name nodes that exist");
        let status = &node.status;
        NodeSummary {
            liveness: node.liveness,
            role: status.role,
            leader: status.leader.map(NodeId::get),
            last: status.last_log.index,
            commit: status.commit_index,
            applied: status.applied_index,
            // A leader first appends an entry of its term, and terms never fall along a log: if the
            // whole log is committed, an entry of the leader's term is.
            committed_in_term: status.last_log.term == status.term
                && status.commit_index == status.last_log.index,
        }
    }

    fn node_count(&self) -> u64 {
        self.nodes.len() as u64
    }

    fn nothing_to_send(&self) -> bool {
        self.network.nothing_to_send()
    }

    fn nothing_to_handle(&self) -> bool {
        self.network.nothing_to_handle()
    }

    fn is_member(&self, leader: u64, node: u64) -> bool {
        match (self.nodes.get(slot_of(NodeId(leader))), self.nodes.get(slot_of(NodeId(node)))) {
            (Some(leader), Some(node)) => leader.admits(node),
            _ => false,
        }
    }

    fn is_connected(&self, from: u64, to: u64) -> bool {
        self.network.link(NodeId(from), NodeId(to)) == Link::Open
            && self.network.link(NodeId(to), NodeId(from)) == Link::Open
    }
}
