//! The interface between the suite and a transport.

use std::sync::Arc;

use raft_core::ports::{Inbox, PeerAddress, Transport};
use raft_core::{ClusterId, NodeId};

/// Starts the transports of a test. Each test gets its own factory.
pub trait TransportFactory {
    /// The transport under test.
    type Transport: Transport;

    /// The cluster that all nodes belong to.
    const CLUSTER: ClusterId;

    /// Starts the transport of a node, without peers. A node that was stopped starts at the same
    /// address again.
    fn start(&mut self, node: NodeId, inbox: Arc<dyn Inbox>) -> Arc<Self::Transport>;

    /// The address of a node. For a node that was never started, an address at which no transport
    /// listens.
    fn address(&mut self, node: NodeId) -> PeerAddress;

    /// Stops a transport as the end of its process does. The default drops it.
    fn stop(&mut self, transport: Arc<Self::Transport>) {
        drop(transport);
    }
}
