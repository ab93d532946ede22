//! Read access to the nodes, the clock and the trace.

use raft_core::ports::{LogStore, StateMachine};
use raft_core::{FetchEntries, NodeId, Payload, Persist, Status, Timestamp};

use super::sim_cluster::Cluster;
use crate::check::Violation;
use crate::network::slot_of;
use crate::sim_node::SimNode;
use crate::trace::record::{Record, Trace, command_text};

impl<M: StateMachine, S: LogStore> Cluster<M, S> {
    /// The status of a node; of a node that is down, its status before it stopped.
    ///
    /// # Panics
    /// If there is no such node, or the cluster has not started ([`Cluster::start`], or any
    /// action); the other methods that take a node likewise.
    #[must_use]
    pub fn status(&self, node: u64) -> &Status {
        &self.node(node).status
    }

    /// The state machine of a node.
    #[must_use]
    pub fn machine(&self, node: u64) -> &M {
        &self.node(node).machine
    }

    /// The log store of a node.
    #[must_use]
    pub fn store(&self, node: u64) -> &S {
        self.node(node).store.as_ref().expect("a store is absent only while its node restarts")
    }

    /// The commands in the durable log of a node, in order, as text.
    ///
    /// # Panics
    /// Also if the store cannot be read.
    #[must_use]
    pub fn durable_commands(&self, node: u64) -> Vec<String> {
        let last = self.status(node).persisted_index;
        let first = self.status(node).first_index;
        if last < first {
            return Vec::new();
        }
        let mut reader = self.store(node).reader();
        let entries = reader.read(first, last, u64::MAX).expect("the store can be read");
        let commands = entries.iter().filter_map(|entry| match &entry.payload {
            Payload::Command(command) => Some(command_text(command)),
            Payload::Empty | Payload::Membership(_) => None,
        });
        commands.collect()
    }

    /// The changes that the disk of a node has not made durable, oldest first.
    #[must_use]
    pub fn waiting_persists(&self, node: u64) -> Vec<&Persist> {
        self.node(node).persists.iter().map(|(change, _)| change).collect()
    }

    /// The requests of a node for entries of its store that are not completed, oldest first.
    #[must_use]
    pub fn waiting_fetches(&self, node: u64) -> Vec<&FetchEntries> {
        self.node(node).fetches.iter().map(|(request, _)| request).collect()
    }

    /// The virtual time: nanoseconds since the cluster was built.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The number of inputs given to the nodes: messages, ticks, completions and requests.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// The first violation, in a cluster [`without_panic`](Cluster::without_panic).
    #[must_use]
    pub const fn violation(&self) -> Option<&Violation> {
        self.checker.violation()
    }

    /// A copy of the trace so far.
    #[must_use]
    pub fn trace(&self) -> Trace {
        self.recorder.trace()
    }

    /// The records of the trace so far.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        self.recorder.records()
    }

    /// A node of a cluster that has started.
    pub(super) fn node(&self, node: u64) -> &SimNode<M, S> {
        self.assert_started();
        let found = self.nodes.get(slot_of(NodeId(node)));
        found.unwrap_or_else(|| {
            panic!("there is no node {node} in a cluster of {}", self.size());
        })
    }

    pub(super) fn assert_started(&self) {
        assert!(!self.nodes.is_empty(), "the cluster has not started: call `start` first");
    }
}
