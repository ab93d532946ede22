//! The peers that refuse this node.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use raft_core::NodeId;
use raft_core::ports::PeerRefusal;
use tokio::sync::watch;

/// Why a peer refuses this node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusedBy {
    /// The kind of the refusal.
    pub refusal: PeerRefusal,
    /// The reason as a text for operators.
    pub reason: String,
}

/// The peers that refuse this node and have sent no message since.
#[derive(Debug, Default)]
pub(super) struct PeerRefusals {
    by_peer: watch::Sender<BTreeMap<NodeId, RefusedBy>>,
    /// The number of entries, so that a message of a peer needs no lock while there are none.
    count: AtomicUsize,
}

impl PeerRefusals {
    /// A peer refuses this node.
    pub(super) fn insert(&self, peer: NodeId, refused: RefusedBy) {
        self.by_peer.send_modify(|by_peer| {
            by_peer.insert(peer, refused);
            self.count.store(by_peer.len(), Ordering::Relaxed);
        });
    }

    /// A message of a peer has arrived, which does not refuse this node any more.
    pub(super) fn remove(&self, peer: NodeId) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.by_peer.send_if_modified(|by_peer| {
            let removed = by_peer.remove(&peer).is_some();
            self.count.store(by_peer.len(), Ordering::Relaxed);
            removed
        });
    }

    pub(super) fn current(&self) -> BTreeMap<NodeId, RefusedBy> {
        self.by_peer.borrow().clone()
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<BTreeMap<NodeId, RefusedBy>> {
        self.by_peer.subscribe()
    }
}
