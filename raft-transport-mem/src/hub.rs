//! The network that nodes join, and each node's end of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use raft_core::ports::{Inbox, PeerAddress, Transport};
use raft_core::{Message, NodeId};

use crate::link::Link;

/// A network inside this process. Clones are the same network.
#[derive(Clone, Default)]
pub struct Hub {
    network: Arc<RwLock<Network>>,
}

#[derive(Default)]
struct Network {
    seats: BTreeMap<NodeId, Seat>,
    /// Ordered pairs (from, to) that nothing passes between. Outlives the nodes' seats.
    cuts: BTreeSet<(NodeId, NodeId)>,
    joined_count: u64,
}

/// One node's place at the hub.
struct Seat {
    /// Tells the lives of a node apart: a later join replaces an earlier one.
    join: u64,
    link: Arc<Link>,
    /// The only nodes that messages are sent to and accepted from.
    peers: BTreeSet<NodeId>,
}

/// One node's end of a [`Hub`]; leaves the hub when dropped.
pub struct MemTransport {
    hub: Hub,
    node: NodeId,
    join: u64,
}

impl Hub {
    /// A network that nobody has joined.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Joins as `node`. If that node is here already, this is its next life: the earlier one
    /// neither sends nor receives any more.
    #[must_use]
    pub fn join(&self, node: NodeId, inbox: Arc<dyn Inbox>) -> MemTransport {
        let link = Arc::new(Link::new(inbox));
        let (join, earlier) = {
            let mut network = self.write();
            network.joined_count += 1;
            let join = network.joined_count;
            let seat = Seat { join, link, peers: BTreeSet::new() };
            (join, network.seats.insert(node, seat))
        };
        if let Some(earlier) = earlier {
            earlier.link.close();
        }
        MemTransport { hub: self.clone(), node, join }
    }

    /// Lets nothing pass between the two, either way, until healed. Both are told that they
    /// cannot reach the other.
    pub fn cut(&self, one: NodeId, other: NodeId) {
        self.cut_one_way(one, other);
        self.cut_one_way(other, one);
    }

    /// Lets nothing pass from `from` to `to`, until healed. The sender is told.
    pub fn cut_one_way(&self, from: NodeId, to: NodeId) {
        let told = {
            let mut network = self.write();
            let was_connected = network.connects(from, to);
            network.cuts.insert((from, to));
            network.seats.get(&from).filter(|_| was_connected).map(|seat| seat.link.clone())
        };
        if let Some(link) = told {
            link.inbox().peer_unreachable(to);
        }
    }

    /// Cuts a node off from everybody who is here.
    pub fn isolate(&self, node: NodeId) {
        let others: Vec<NodeId> =
            self.read().seats.keys().copied().filter(|&other| other != node).collect();
        for other in others {
            self.cut(node, other);
        }
    }

    /// Lets messages pass again between the two, both ways.
    pub fn heal(&self, one: NodeId, other: NodeId) {
        let mut network = self.write();
        network.cuts.remove(&(one, other));
        network.cuts.remove(&(other, one));
    }

    /// Heals every cut.
    pub fn heal_all(&self) {
        self.write().cuts.clear();
    }

    fn leave(&self, node: NodeId, join: u64) {
        let (link, told) = {
            let mut network = self.write();
            if network.seats.get(&node).is_none_or(|seat| seat.join != join) {
                return;
            }
            let told = network.connected_to(node);
            let Some(seat) = network.seats.remove(&node) else { return };
            (seat.link, told)
        };
        link.close();
        for other in told {
            other.inbox().peer_unreachable(node);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Network> {
        // No inbox runs under the lock, and every change is whole before anything can panic.
        self.network.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Network> {
        self.network.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Network {
    /// Whether a message would get from one to the other now: both are here, each is a configured
    /// peer of the other, and the way is not cut.
    fn connects(&self, from: NodeId, to: NodeId) -> bool {
        let (Some(sender), Some(receiver)) = (self.seats.get(&from), self.seats.get(&to)) else {
            return false;
        };
        let configured = sender.peers.contains(&to) && receiver.peers.contains(&from);
        configured && !self.cuts.contains(&(from, to))
    }

    /// The links of those that reach this node now.
    fn connected_to(&self, node: NodeId) -> Vec<Arc<Link>> {
        let reaching = self.seats.iter().filter(|&(&other, _)| self.connects(other, node));
        reaching.map(|(_, seat)| seat.link.clone()).collect()
    }
}

impl Transport for MemTransport {
    fn send(&self, message: Message) {
        let link = {
            let network = self.hub.read();
            let current = network.seats.get(&self.node).is_some_and(|s| s.join == self.join);
            if !current || message.from != self.node || !network.connects(self.node, message.to) {
                return;
            }
            network.seats.get(&message.to).map(|seat| seat.link.clone())
        };
        if let Some(link) = link {
            link.push(message);
        }
    }

    /// Addresses mean nothing here. Messages pass between two nodes while each is among the peers
    /// of the other.
    fn set_peers(&self, peers: &[PeerAddress]) {
        let peers: BTreeSet<NodeId> =
            peers.iter().map(|peer| peer.node).filter(|&peer| peer != self.node).collect();
        let mut away = Vec::new();
        let mut parted = Vec::new();
        let own = {
            let mut network = self.hub.write();
            let Some(seat) = network.seats.get(&self.node).filter(|s| s.join == self.join) else {
                return;
            };
            let gone: Vec<NodeId> = seat.peers.difference(&peers).copied().collect();
            for &peer in &gone {
                if network.connects(peer, self.node) {
                    parted.extend(network.seats.get(&peer).map(|seat| seat.link.clone()));
                }
            }
            let added: Vec<NodeId> = peers.difference(&seat.peers).copied().collect();
            let Some(seat) = network.seats.get_mut(&self.node) else { return };
            seat.peers = peers;
            let own = seat.link.clone();
            away.extend(added.into_iter().filter(|&peer| !network.connects(self.node, peer)));
            own
        };
        for peer in away {
            own.inbox().peer_unreachable(peer);
        }
        for other in parted {
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
            .field("nodes", &network.seats.keys())
            .field("cuts", &network.cuts)
            .finish()
    }
}

impl fmt::Debug for MemTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemTransport").field("node", &self.node).finish_non_exhaustive()
    }
}
