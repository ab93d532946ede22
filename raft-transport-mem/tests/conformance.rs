//! The suite that every transport passes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use raft_core::ports::{Inbox, PeerAddress};
use raft_core::{ClusterId, NodeId};
use raft_testkit::suite::transport::{TestNode, TransportFactory};
use raft_transport_mem::{Hub, MemNode, MemTransport};

struct OneHub {
    hub: Hub,
    made: Instant,
}

impl OneHub {
    fn new() -> Self {
        Self { hub: Hub::new(), made: Instant::now() }
    }
}

impl TransportFactory for OneHub {
    type Transport = MemTransport;

    const CLUSTER: ClusterId = ClusterId(1);
    const SNAPSHOTS_INCOMING_MAX: usize = raft_transport_mem::SNAPSHOTS_INCOMING_MAX;

    fn start(&mut self, node: TestNode, inbox: Arc<dyn Inbox>) -> Arc<MemTransport> {
        let TestNode { node, incarnation, bootstrap_fingerprint } = node;
        Arc::new(self.hub.join(MemNode { node, incarnation, bootstrap_fingerprint }, inbox))
    }

    fn corrupt_snapshots(&mut self, from: NodeId, to: NodeId) -> bool {
        self.hub.corrupt_snapshots(from, to);
        true
    }

    fn now(&mut self) -> Duration {
        self.made.elapsed()
    }

    fn address(&mut self, node: NodeId) -> PeerAddress {
        PeerAddress::new(node, "")
    }
}

raft_testkit::transport_suite!(OneHub::new());
