//! State that the tasks of a transport share.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use quinn::Endpoint;
use raft_core::NodeId;
use raft_core::ports::{Inbox, PeerRefusal};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::admission::{Admission, Source};
use crate::close::CloseCode;
use crate::config::QuicConfig;
use crate::metrics::{AcceptMetrics, increment};
use crate::peer::Peer;
use crate::refusal_log::{RefusalLog, RemoteAddress};
use crate::transfers::Transfers;

/// State that the tasks of a transport share.
pub(crate) struct Shared {
    pub(crate) config: QuicConfig,
    pub(crate) inbox: Arc<dyn Inbox>,
    pub(crate) endpoint: Endpoint,
    pub(crate) local_addr: SocketAddr,
    pub(crate) client_config: quinn::ClientConfig,
    /// A random number that distinguishes this process from earlier ones of the same node.
    pub(crate) instance: u64,
    /// Runs the tasks of established connections.
    pub(crate) runtime: Handle,
    pub(crate) admission: Arc<Admission>,
    pub(crate) accepts: AcceptMetrics,
    pub(crate) refusal_log: RefusalLog,
    /// The transfers of snapshots in progress.
    pub(crate) transfers: Transfers,
    /// Limits the incoming transfers.
    pub(crate) incoming_snapshots: Arc<Semaphore>,
    /// The nodes that are in the peer set or were in it. Entries are never removed.
    pub(crate) peers: RwLock<BTreeMap<NodeId, Arc<Peer>>>,
}

impl Shared {
    /// The peer with this id, if it is in the peer set.
    pub(crate) fn configured_peer(&self, node: NodeId) -> Option<Arc<Peer>> {
        self.peers().get(&node).filter(|peer| peer.is_in_set()).cloned()
    }

    /// The entry of this node, which is created if it does not exist.
    pub(crate) fn peer_or_new(&self, node: NodeId) -> Arc<Peer> {
        // No change of the map can panic before it is complete.
        let mut peers = self.peers.write().unwrap_or_else(PoisonError::into_inner);
        peers.entry(node).or_insert_with(|| Arc::new(Peer::new(node))).clone()
    }

    /// Whether a configured peer is known to use this source address.
    pub(crate) fn is_peer_address(&self, source: Source) -> bool {
        self.peers().values().any(|peer| peer.is_at(source))
    }

    pub(crate) fn peers(&self) -> RwLockReadGuard<'_, BTreeMap<NodeId, Arc<Peer>>> {
        self.peers.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts and logs a connection that was refused after its handshake had begun.
    pub(crate) fn refused(&self, remote: RemoteAddress, reason: &str) {
        increment(&self.accepts.failed);
        self.refusal_log.log(self.config.node, remote, reason);
    }

    /// Notifies the inbox that a peer refuses this node, unless it was notified before.
    pub(crate) fn refused_by_peer(&self, peer: &Peer, refusal: PeerRefusal, reason: &str) {
        if peer.mark_refused(refusal) {
            self.inbox.refused_by_peer(peer.node, refusal, reason);
        }
    }

    /// Closes all connections and the endpoint.
    pub(crate) fn close(&self) {
        const REASON: &str = "the node shuts down";
        for peer in self.peers().values() {
            peer.shut_down(REASON);
        }
        self.endpoint.close(CloseCode::Shutdown.into(), REASON.as_bytes());
    }
}
