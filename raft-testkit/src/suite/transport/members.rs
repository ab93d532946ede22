//! The nodes of a transport test.

use std::sync::Arc;

use raft_core::ports::Transport;
use raft_core::{ClusterId, Message, NodeId};

use super::factory::{TestNode, TransportFactory};
use super::inbox::RecordingInbox;
use super::messages::probe;

/// A node of a test.
pub(super) struct Member<T> {
    pub(super) node: NodeId,
    pub(super) inbox: Arc<RecordingInbox>,
    pub(super) transport: Arc<T>,
}

impl<T: Transport> Member<T> {
    pub(super) fn send(&self, message: Message) {
        self.transport.send(message);
    }

    /// Sends probes to another node until one arrives.
    pub(super) fn reach(&self, cluster: ClusterId, other: &Self) {
        other.inbox.wait_for_probe(self.node, || {
            self.send(probe(cluster, self.node, other.node));
        });
    }
}

/// Starts nodes 1 to `count`, all peers of each other, and waits until all are connected. A node
/// that dials before the other side has configured it is refused and reports an unreachable peer;
/// these reports are removed.
pub(super) fn connected<F: TransportFactory>(
    factory: &mut F,
    count: u64,
) -> Vec<Member<F::Transport>> {
    let members: Vec<_> = (1..=count).map(|id| start(factory, NodeId(id))).collect();
    for member in &members {
        set_peers(factory, member, &members.iter().map(|other| other.node).collect::<Vec<_>>());
    }
    for from in &members {
        for to in members.iter().filter(|to| to.node != from.node) {
            from.reach(F::CLUSTER, to);
        }
    }
    for member in &members {
        let mut record = member.inbox.record();
        record.unreachable.clear();
        record.refusals.clear();
    }
    members
}

pub(super) fn start<F: TransportFactory>(
    factory: &mut F,
    node: impl Into<TestNode>,
) -> Member<F::Transport> {
    let (node, inbox) = (node.into(), Arc::new(RecordingInbox::default()));
    let transport = factory.start(node, inbox.clone());
    Member { node: node.node, inbox, transport }
}

pub(super) fn set_peers<F: TransportFactory>(
    factory: &mut F,
    member: &Member<F::Transport>,
    peers: &[NodeId],
) {
    let others = peers.iter().filter(|&&peer| peer != member.node);
    let addresses: Vec<_> = others.map(|&peer| factory.address(peer)).collect();
    member.transport.set_peers(&addresses);
}
