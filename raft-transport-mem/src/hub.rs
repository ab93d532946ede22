//! The in-process network, and each node's endpoint on it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use raft_core::ports::{Inbox, PeerAddress, Transport};
use raft_core::{Message, NodeId};

use crate::link::Link;

/// A network inside this process. Clones refer to the same network.
#[derive(Clone, Default)]
pub struct Hub {
    network: Arc<RwLock<Network>>,
}

#[derive(Default)]
struct Network {
    endpoints: BTreeMap<NodeId, Endpoint>,
    /// Ordered pairs (from, to) between which messages are dropped. Kept when nodes leave.
    cuts: BTreeSet<(NodeId, NodeId)>,
    joined_count: u64,
}

/// The registration of one node.
struct Endpoint {
    /// Number of the join that made it: a later join of the same node replaces an earlier one.
    join: u64,
    link: Arc<Link>,
    /// The only nodes to which messages are sent and from which they are accepted.
    peers: BTreeSet<NodeId>,
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

    /// Joins as `node`; messages to it are delivered to `inbox`. If the node has joined before, the
    /// new transport replaces the earlier one, which then neither sends nor receives.
    #[must_use]
    pub fn join(&self, node: NodeId, inbox: Arc<dyn Inbox>) -> MemTransport {
        let link = Arc::new(Link::new(inbox));
        let (join, earlier) = {
            let mut network = self.write();
            network.joined_count += 1;
            let join = network.joined_count;
            let endpoint = Endpoint { join, link, peers: BTreeSet::new() };
            (join, network.endpoints.insert(node, endpoint))
        };
        if let Some(earlier) = earlier {
            earlier.link.close();
        }
        MemTransport { hub: self.clone(), node, join }
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
            if network.endpoints.get(&node).is_none_or(|endpoint| endpoint.join != join) {
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

impl Network {
    /// Whether a message from one node reaches the other: both have joined, each is a configured
    /// peer of the other, and the direction is not cut.
    fn connects(&self, from: NodeId, to: NodeId) -> bool {
        let (Some(sender), Some(receiver)) = (self.endpoints.get(&from), self.endpoints.get(&to))
        else {
            return false;
        };
        let configured = sender.peers.contains(&to) && receiver.peers.contains(&from);
        configured && !self.cuts.contains(&(from, to))
    }

    /// The links of the nodes whose messages reach this node.
    fn connected_to(&self, node: NodeId) -> Vec<Arc<Link>> {
        let reaching = self.endpoints.iter().filter(|&(&other, _)| self.connects(other, node));
        reaching.map(|(_, endpoint)| endpoint.link.clone()).collect()
    }
}

impl Transport for MemTransport {
    fn send(&self, message: Message) {
        let link = {
            let network = self.hub.read();
            let current = network.endpoints.get(&self.node).is_some_and(|s| s.join == self.join);
            if !current || message.from != self.node || !network.connects(self.node, message.to) {
                return;
            }
            network.endpoints.get(&message.to).map(|endpoint| endpoint.link.clone())
        };
        if let Some(link) = link {
            link.push(message);
        }
    }

    /// Ignores addresses. Messages pass between two nodes while each is a peer of the other.
    fn set_peers(&self, peers: &[PeerAddress]) {
        let peers: BTreeSet<NodeId> =
            peers.iter().map(|peer| peer.node).filter(|&peer| peer != self.node).collect();
        let mut unreachable = Vec::new();
        let mut disconnected = Vec::new();
        let own = {
            let mut network = self.hub.write();
            let Some(endpoint) = network.endpoints.get(&self.node).filter(|s| s.join == self.join)
            else {
                return;
            };
            let removed: Vec<NodeId> = endpoint.peers.difference(&peers).copied().collect();
            for &peer in &removed {
                if network.connects(peer, self.node) {
                    disconnected
                        .extend(network.endpoints.get(&peer).map(|endpoint| endpoint.link.clone()));
                }
            }
            let added: Vec<NodeId> = peers.difference(&endpoint.peers).copied().collect();
            let Some(endpoint) = network.endpoints.get_mut(&self.node) else { return };
            endpoint.peers = peers;
            let own = endpoint.link.clone();
            unreachable
                .extend(added.into_iter().filter(|&peer| !network.connects(self.node, peer)));
            own
        };
        for peer in unreachable {
            own.inbox().peer_unreachable(peer);
        }
        for other in disconnected {
            other.inbox().peer_unreachable(self.node);
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
