//! The interface between the suite and a transport.

use std::sync::Arc;
use std::time::Duration;

use raft_core::ports::{Inbox, PeerAddress, Transport};
use raft_core::{ClusterId, Incarnation, NodeId};

/// A node of a test, as its transport is started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TestNode {
    /// Its id.
    pub node: NodeId,
    /// The incarnation that it states to its peers.
    pub incarnation: Option<Incarnation>,
    /// The bootstrap fingerprint that it states to its peers.
    pub bootstrap_fingerprint: Option<u64>,
}

impl From<NodeId> for TestNode {
    fn from(node: NodeId) -> Self {
        Self { node, incarnation: None, bootstrap_fingerprint: None }
    }
}

/// Starts the transports of a test. Each test gets its own factory.
pub trait TransportFactory {
    /// The transport under test.
    type Transport: Transport;

    /// The cluster that all nodes belong to.
    const CLUSTER: ClusterId;

    /// The most snapshots that a node receives at the same time.
    const SNAPSHOTS_INCOMING_MAX: usize;

    /// Starts the transport of a node, without peers. A node that was stopped starts at the same
    /// address again.
    fn start(&mut self, node: TestNode, inbox: Arc<dyn Inbox>) -> Arc<Self::Transport>;

    /// The address of a node. For a node that was never started, an address at which no transport
    /// listens.
    fn address(&mut self, node: NodeId) -> PeerAddress;

    /// The time since a fixed point, on the clock that limits the rate of the transport: a real one
    /// for a transport that uses sockets or threads.
    fn now(&mut self) -> Duration;

    /// Makes the next start of this node use an address that no node has used. The default suits
    /// transports without addresses.
    fn move_to_new_address(&mut self, node: NodeId) {
        let _ = node;
    }

    /// Alters the chunks of snapshots on their way between two nodes. Returns false if the transport
    /// permits no such injection, which is the default.
    fn corrupt_snapshots(&mut self, from: NodeId, to: NodeId) -> bool {
        let _ = (from, to);
        false
    }

    /// Stops a transport as the end of its process does. The default drops it.
    fn stop(&mut self, transport: Arc<Self::Transport>) {
        drop(transport);
    }
}
