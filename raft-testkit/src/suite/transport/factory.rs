//! What a transport provides to be tested.

use std::sync::Arc;

use raft_core::ports::{Inbox, PeerAddress, Transport};
use raft_core::{ClusterId, NodeId};

/// A network to test transports in. Every rule gets a fresh one.
pub trait TransportFactory {
    /// The transport under test.
    type Transport: Transport;

    /// The cluster that all nodes belong to.
    const CLUSTER: ClusterId;

    /// Starts a node's transport, without peers. A node that was here before and has stopped
    /// starts again at the same address.
    fn start(&mut self, node: NodeId, inbox: Arc<dyn Inbox>) -> Arc<Self::Transport>;

    /// Where a node that was started can be reached; for one that never was, an address where
    /// nobody answers.
    fn address(&mut self, node: NodeId) -> PeerAddress;

    /// Ends a transport as the death of its process would. The default drops it.
    fn stop(&mut self, transport: Arc<Self::Transport>) {
        drop(transport);
    }
}
