//! The suite that every transport passes.

use std::sync::Arc;

use raft_core::ports::{Inbox, PeerAddress};
use raft_core::{ClusterId, NodeId};
use raft_testkit::suite::transport::TransportFactory;
use raft_transport_mem::{Hub, MemTransport};

struct OneHub(Hub);

impl TransportFactory for OneHub {
    type Transport = MemTransport;

    const CLUSTER: ClusterId = ClusterId(1);

    fn start(&mut self, node: NodeId, inbox: Arc<dyn Inbox>) -> Arc<MemTransport> {
        Arc::new(self.0.join(node, inbox))
    }

    fn address(&mut self, node: NodeId) -> PeerAddress {
        PeerAddress { node, address: String::new() }
    }
}

raft_testkit::transport_suite!(OneHub(Hub::new()));
