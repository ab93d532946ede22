//! What this process explains beside the node: connections and disk space.

use std::sync::Arc;

use raft_server::space::{SpaceLevel, SpaceMonitor};
use raft_server::{HostFinding, HostInsight, NodeHandle};
use raft_transport_quic::QuicTransport;

/// Adds both to what the node explains.
pub(super) fn add(node: &NodeHandle, transport: &Arc<QuicTransport>, space: &Arc<SpaceMonitor>) {
    node.add_insight(Arc::new(Connections(Arc::clone(transport))));
    node.add_insight(Arc::new(Space(Arc::clone(space))));
}

/// The connections to the peers.
struct Connections(Arc<QuicTransport>);

impl HostInsight for Connections {
    fn explain(&self, findings: &mut Vec<HostFinding>) {
        let unconnected = self.0.status().into_iter().filter(|peer| !peer.connected);
        findings.extend(unconnected.map(|peer| HostFinding::PeerUnconnected {
            node: peer.node,
            last_error: peer.last_error,
        }));
    }
}

/// The free space of the disk.
struct Space(Arc<SpaceMonitor>);

impl HostInsight for Space {
    fn explain(&self, findings: &mut Vec<HostFinding>) {
        let report = self.0.report();
        match report.level {
            SpaceLevel::Ample => {}
            SpaceLevel::Low | SpaceLevel::Exhausted => findings.push(HostFinding::SpaceLow {
                free_bytes: report.free_bytes,
                reserve_bytes: report.reserve_bytes,
            }),
        }
    }
}
