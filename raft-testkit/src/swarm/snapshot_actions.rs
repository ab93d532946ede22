//! Random actions on snapshots and logs.

use raft_core::NodeId;

use super::run::Run;
use crate::network::slot_of;
use crate::selector::install_snapshot;

impl Run {
    /// A node takes a snapshot on its own, as a host does from time to time.
    pub(super) fn take_snapshot(&mut self) {
        let node = self.random_node();
        if self.cluster.nodes[slot_of(NodeId(node))].is_up() {
            self.cluster.take_snapshot(node);
        }
    }

    /// The state machine of a node makes its state durable.
    pub(super) fn flush(&mut self) {
        let node = self.random_node();
        if self.cluster.nodes[slot_of(NodeId(node))].is_up() {
            self.statistics.flushes += 1;
            self.cluster.flush(node);
        }
    }

    pub(super) fn compact(&mut self) {
        let node = self.random_node();
        if self.cluster.nodes[slot_of(NodeId(node))].is_up() {
            self.cluster.compact(node);
        }
    }

    /// Completes a snapshot that a node has requested.
    pub(super) fn capture(&mut self) {
        let waiting = |node: &u64| !self.cluster.nodes[slot_of(NodeId(*node))].captures.is_empty();
        let nodes: Vec<u64> = (1..=self.plan.nodes as u64).filter(waiting).collect();
        let Some(&node) = nodes.first() else { return };
        if self.prng.one_in(5) {
            self.statistics.failed_captures += 1;
            self.cluster.fail_snapshot(node);
        } else {
            self.cluster.complete_snapshot(node);
        }
    }

    /// Damages the data of every snapshot in flight.
    pub(super) fn corrupt(&mut self) {
        if !self.cluster.snapshots_in_flight().is_empty() {
            self.statistics.damaged_snapshots += 1;
            self.cluster.corrupt(install_snapshot());
        }
    }
}
