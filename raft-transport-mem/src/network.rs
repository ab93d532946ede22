//! The nodes of a hub, and which of them are connected.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use raft_core::ports::PeerRefusal;
use raft_core::{Incarnation, NodeId};

use crate::link::Link;
use crate::snapshots::{Route, Running};

/// A node that joins a hub.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemNode {
    /// Its id.
    pub node: NodeId,
    /// Its incarnation, which peers compare with the one that they admit; `None` is not compared.
    pub incarnation: Option<Incarnation>,
    /// Identifies the membership that it was bootstrapped with; nodes whose values differ refuse
    /// each other. `None` is not compared.
    pub bootstrap_fingerprint: Option<u64>,
}

impl From<NodeId> for MemNode {
    fn from(node: NodeId) -> Self {
        Self { node, incarnation: None, bootstrap_fingerprint: None }
    }
}

/// The peers of a node, each with the only incarnation that is accepted, if there is one.
pub(crate) type PeerSet = BTreeMap<NodeId, Option<Incarnation>>;

#[derive(Default)]
pub(crate) struct Network {
    pub(crate) endpoints: BTreeMap<NodeId, Endpoint>,
    /// Ordered pairs (from, to) between which messages are dropped. Kept when nodes leave.
    pub(crate) cuts: BTreeSet<(NodeId, NodeId)>,
    /// Ordered pairs (from, to) between which chunks of snapshots are altered.
    pub(crate) corruptions: BTreeSet<(NodeId, NodeId)>,
    joined_count: u64,
}

/// The registration of one node.
pub(crate) struct Endpoint {
    /// Number of the join that made it: a later join of the same node replaces an earlier one.
    pub(crate) join: u64,
    pub(crate) link: Arc<Link>,
    identity: MemNode,
    /// The only nodes to which messages are sent and from which they are accepted.
    peers: PeerSet,
    /// The refusals by peers that the inbox was notified of and that are in force.
    refusals: BTreeMap<NodeId, PeerRefusal>,
    /// The latest transfer of a snapshot to each peer.
    transfers: BTreeMap<NodeId, Arc<Running>>,
}

/// A change that the inbox of a node is notified of. Delivered without a lock.
pub(crate) struct Notice {
    link: Arc<Link>,
    peer: NodeId,
    refusal: Option<(PeerRefusal, String)>,
}

impl Notice {
    pub(crate) fn deliver(self) {
        let inbox = self.link.inbox();
        match self.refusal {
            None => inbox.peer_unreachable(self.peer),
            Some((refusal, reason)) => inbox.refused_by_peer(self.peer, refusal, &reason),
        }
    }
}

impl Network {
    /// Registers a node. Returns the number of the join and the registration that it replaces.
    pub(crate) fn join(&mut self, identity: MemNode, link: Arc<Link>) -> (u64, Option<Endpoint>) {
        self.joined_count += 1;
        let join = self.joined_count;
        let endpoint = Endpoint {
            join,
            link,
            identity,
            peers: PeerSet::new(),
            refusals: BTreeMap::new(),
            transfers: BTreeMap::new(),
        };
        (join, self.endpoints.insert(identity.node, endpoint))
    }

    /// Whether this join of the node has not been replaced.
    pub(crate) fn is_current(&self, node: NodeId, join: u64) -> bool {
        self.endpoints.get(&node).is_some_and(|endpoint| endpoint.join == join)
    }

    /// Whether a message from one node reaches the other: both have joined, neither refuses the
    /// other, and the direction is not cut.
    pub(crate) fn connects(&self, from: NodeId, to: NodeId) -> bool {
        let (Some(sender), Some(receiver)) = (self.endpoints.get(&from), self.endpoints.get(&to))
        else {
            return false;
        };
        let accepted =
            sender.refusal_of(receiver).is_none() && receiver.refusal_of(sender).is_none();
        accepted && !self.cuts.contains(&(from, to))
    }

    /// The links of the nodes whose messages reach this node.
    pub(crate) fn connected_to(&self, node: NodeId) -> Vec<Arc<Link>> {
        let reaching = self.endpoints.iter().filter(|&(&other, _)| self.connects(other, node));
        reaching.map(|(_, endpoint)| endpoint.link.clone()).collect()
    }

    /// The two ends of a transfer of a snapshot; `None` while the nodes are not connected.
    pub(crate) fn route(&self, from: NodeId, to: NodeId) -> Option<Route> {
        if !self.connects(from, to) {
            return None;
        }
        let link = |node| self.endpoints.get(&node).map(|endpoint| endpoint.link.clone());
        let corrupts = self.corruptions.contains(&(from, to));
        Some(Route { sender: link(from)?, receiver: link(to)?, corrupts })
    }

    /// Makes this the latest transfer of a node to a peer and returns the earlier one. `None` if
    /// the node has left.
    pub(crate) fn begin_transfer(
        &mut self,
        from: NodeId,
        to: NodeId,
        running: Arc<Running>,
    ) -> Option<Option<Arc<Running>>> {
        let endpoint = self.endpoints.get_mut(&from)?;
        Some(endpoint.transfers.insert(to, running))
    }

    /// The latest transfer of a node to a peer.
    pub(crate) fn transfer(&self, from: NodeId, to: NodeId) -> Option<Arc<Running>> {
        self.endpoints.get(&from)?.transfers.get(&to).cloned()
    }

    /// Replaces the peers of a node that has joined. Returns what inboxes are notified of.
    pub(crate) fn set_peers(&mut self, node: NodeId, peers: PeerSet) -> Vec<Notice> {
        let others: Vec<NodeId> =
            self.endpoints.keys().copied().filter(|&other| other != node).collect();
        let connected = |network: &Self, from: NodeId, to: NodeId| network.connects(from, to);
        let before: Vec<(bool, bool)> = (others.iter())
            .map(|&other| (connected(self, node, other), connected(self, other, node)))
            .collect();
        let Some(endpoint) = self.endpoints.get_mut(&node) else { return Vec::new() };
        let earlier = std::mem::replace(&mut endpoint.peers, peers.clone());
        let own = endpoint.link.clone();

        let mut notices = Vec::new();
        let added = peers.keys().filter(|peer| !earlier.contains_key(peer));
        for &peer in added.filter(|&&peer| !self.connects(node, peer)) {
            notices.push(Notice { link: own.clone(), peer, refusal: None });
        }
        for (&other, (sent, received)) in others.iter().zip(before) {
            // The host has removed the peers that are not in the set any more.
            if sent && peers.contains_key(&other) && !self.connects(node, other) {
                notices.push(Notice { link: own.clone(), peer: other, refusal: None });
            }
            if received && !self.connects(other, node) {
                let link = self.endpoints.get(&other).map(|endpoint| endpoint.link.clone());
                notices.extend(link.map(|link| Notice { link, peer: node, refusal: None }));
            }
            notices.extend(self.refusal_notice(node, other));
            notices.extend(self.refusal_notice(other, node));
        }
        notices
    }

    /// The notice for `node` if the refusal by `by` has changed.
    fn refusal_notice(&mut self, node: NodeId, by: NodeId) -> Option<Notice> {
        let (refused, refusing) = (self.endpoints.get(&node)?, self.endpoints.get(&by)?);
        let refusal = refused.peers.get(&by).and_then(|_| refusing.refusal_of(refused));
        let endpoint = self.endpoints.get_mut(&node)?;
        let Some((kind, reason)) = refusal else {
            endpoint.refusals.remove(&by);
            return None;
        };
        let is_new = endpoint.refusals.insert(by, kind) != Some(kind);
        is_new.then(|| Notice {
            link: endpoint.link.clone(),
            peer: by,
            refusal: Some((kind, reason)),
        })
    }
}

impl Endpoint {
    /// Why this node refuses the other one; `None` if it accepts it.
    fn refusal_of(&self, other: &Self) -> Option<(PeerRefusal, String)> {
        let (own, node) = (self.identity, other.identity.node);
        let Some(&admitted) = self.peers.get(&node) else {
            let reason = format!("node {node} is not in the peer set of node {}", own.node);
            return Some((PeerRefusal::NotAPeer, reason));
        };
        if let (Some(admitted), Some(found)) = (admitted, other.identity.incarnation)
            && admitted != found
        {
            let reason = format!(
                "node {node} is admitted with incarnation {admitted}, and this is incarnation \
                 {found}"
            );
            return Some((PeerRefusal::WrongIncarnation, reason));
        }
        match (own.bootstrap_fingerprint, other.identity.bootstrap_fingerprint) {
            (Some(ours), Some(theirs)) if ours != theirs => {
                let reason = format!("nodes {} and {node} were bootstrapped differently", own.node);
                Some((PeerRefusal::OtherBootstrap, reason))
            }
            (Some(_) | None, Some(_) | None) => None,
        }
    }
}
