//! The in-process network, and each node's endpoint on it.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use raft_core::ports::{Inbox, PeerAddress, SnapshotOutcome, SnapshotTransfer, Transport};
use raft_core::{Message, NodeId};

use crate::link::Link;
use crate::network::{MemNode, Network};
use crate::snapshots::{self, Running};

/// A network inside this process. Clones refer to the same network.
#[derive(Clone, Default)]
pub struct Hub {
    network: Arc<RwLock<Network>>,
}

/// The transport of one node on a [`Hub`]. Dropping it removes the node from the hub.
pub struct MemTransport {
    hub: Hub,
    node: NodeId,
    join: u64,
}

impl Hub {
    /// A network without nodes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Joins as a node; messages to it are delivered to `inbox`. If the node has joined before, the
    /// new transport replaces the earlier one, which then neither sends nor receives.
    #[must_use]
    pub fn join(&self, node: impl Into<MemNode>, inbox: Arc<dyn Inbox>) -> MemTransport {
        let identity = node.into();
        let (join, earlier) = self.write().join(identity, Arc::new(Link::new(inbox)));
        if let Some(earlier) = earlier {
            earlier.link.close();
        }
        MemTransport { hub: self.clone(), node: identity.node, join }
    }

    /// Drops all messages between the two nodes, in both directions, until [`Hub::heal`]. If they
    /// were connected, both inboxes are notified that the other node is unreachable.
    pub fn cut(&self, one: NodeId, other: NodeId) {
        self.cut_one_way(one, other);
        self.cut_one_way(other, one);
    }

    /// Drops all messages from `from` to `to` until [`Hub::heal`]. If messages reached `to` before,
    /// the inbox of `from` is notified that `to` is unreachable.
    pub fn cut_one_way(&self, from: NodeId, to: NodeId) {
        let sender = {
            let mut network = self.write();
            let was_connected = network.connects(from, to);
            network.cuts.insert((from, to));
            network
                .endpoints
                .get(&from)
                .filter(|_| was_connected)
                .map(|endpoint| endpoint.link.clone())
        };
        if let Some(link) = sender {
            link.inbox().peer_unreachable(to);
        }
    }

    /// Alters the chunks of snapshots from `from` to `to` from now on, so that their checksums are
    /// wrong.
    pub fn corrupt_snapshots(&self, from: NodeId, to: NodeId) {
        self.write().corruptions.insert((from, to));
    }

    /// Cuts a node off from all nodes that have joined.
    pub fn isolate(&self, node: NodeId) {
        let others: Vec<NodeId> =
            self.read().endpoints.keys().copied().filter(|&other| other != node).collect();
        for other in others {
            self.cut(node, other);
        }
    }

    /// Ends all cuts between the two nodes.
    pub fn heal(&self, one: NodeId, other: NodeId) {
        let mut network = self.write();
        network.cuts.remove(&(one, other));
        network.cuts.remove(&(other, one));
    }

    /// Ends all cuts.
    pub fn heal_all(&self) {
        self.write().cuts.clear();
    }

    fn leave(&self, node: NodeId, join: u64) {
        let (link, connected) = {
            let mut network = self.write();
            if !network.is_current(node, join) {
                return;
            }
            let connected = network.connected_to(node);
            let Some(endpoint) = network.endpoints.remove(&node) else { return };
            (endpoint.link, connected)
        };
        link.close();
        for other in connected {
            other.inbox().peer_unreachable(node);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Network> {
        // No inbox runs while the lock is held, and every change is complete before anything can
        // panic.
        self.network.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Network> {
        self.network.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for MemTransport {
    fn send(&self, message: Message) {
        let link = {
            let network = self.hub.read();
            let is_current = network.is_current(self.node, self.join);
            if !is_current || message.from != self.node || !network.connects(self.node, message.to)
            {
                return;
            }
            network.endpoints.get(&message.to).map(|endpoint| endpoint.link.clone())
        };
        if let Some(link) = link {
            link.push(message);
        }
    }

    /// Starts a thread for the transfer.
    fn send_snapshot(&self, transfer: SnapshotTransfer) {
        let (from, to) = (self.node, transfer.offer.message.to);
        let running = Arc::new(Running::default());
        let begun = {
            let mut network = self.hub.write();
            let is_own = network.is_current(from, self.join) && transfer.offer.message.from == from;
            let begun = is_own.then(|| network.begin_transfer(from, to, running.clone()));
            begun.flatten()
        };
        let Some(earlier) = begun else {
            let reason = "the node has left the hub".to_owned();
            return transfer.data.ended(SnapshotOutcome::Broken { offset: 0, reason });
        };
        if let Some(earlier) = &earlier {
            earlier.cancel();
        }
        let (hub, join) = (self.hub.clone(), self.join);
        let route = move || {
            let network = hub.read();
            network.is_current(from, join).then(|| network.route(from, to)).flatten()
        };
        std::thread::spawn(move || snapshots::run(&running, earlier, transfer, route));
    }

    fn cancel_snapshot(&self, to: NodeId) {
        let running = {
            let network = self.hub.read();
            let is_current = network.is_current(self.node, self.join);
            is_current.then(|| network.transfer(self.node, to)).flatten()
        };
        if let Some(running) = running {
            running.cancel();
        }
    }

    /// Ignores addresses. Messages pass between two nodes while neither refuses the other.
    fn set_peers(&self, peers: &[PeerAddress]) {
        let others = peers.iter().filter(|peer| peer.node != self.node);
        let peers = others.map(|peer| (peer.node, peer.incarnation)).collect();
        let notices = {
            let mut network = self.hub.write();
            if !network.is_current(self.node, self.join) {
                return;
            }
            network.set_peers(self.node, peers)
        };
        for notice in notices {
            notice.deliver();
        }
    }
}

impl Drop for MemTransport {
    fn drop(&mut self) {
        self.hub.leave(self.node, self.join);
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let network = self.read();
        f.debug_struct("Hub")
            .field("nodes", &network.endpoints.keys())
            .field("cuts", &network.cuts)
            .finish()
    }
}

impl fmt::Debug for MemTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemTransport").field("node", &self.node).finish_non_exhaustive()
    }
}
