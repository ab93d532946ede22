//! What this node knows of one other node, and which connection to it is in use.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raft_core::{Message, NodeId};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::admission::Source;
use crate::error::CloseCode;
use crate::metrics::{PeerMetrics, PeerStatus, increment};
use crate::peer_connection::PeerConnection;
use crate::streams::PushError;

/// Another node.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) node: NodeId,
    pub(crate) metrics: Arc<PeerMetrics>,
    state: Mutex<State>,
    /// Follows `state.connection`: true while there is one. Changed while `state` is locked.
    connected: watch::Sender<bool>,
}

#[derive(Default, Debug)]
struct State {
    connection: Option<Arc<PeerConnection>>,
    /// The sequence number of the latest hello to the peer. Never falls.
    hello_sequence: u64,
    /// There is an [`Offer`]: this node has sent its hello on a connection that it dialled, and the
    /// peer has not answered yet.
    offered: bool,
    /// Its configured address; `None` while it is not in the set.
    address: Option<String>,
    /// Where `address` leads, as far as it was resolved.
    resolved: Vec<Source>,
    /// Where the peer was last when it proved its identity.
    authenticated: Option<Source>,
    /// The inbox was told that this peer cannot be reached, and there was no connection since.
    unreachable_reported: bool,
    /// The task that keeps dialling it.
    dialler: Option<AbortHandle>,
    /// Taken out of the peer set: nothing is accepted from it until it is back in.
    removed: bool,
}

/// What became of a new connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Selection {
    /// It is in use now.
    InUse {
        /// The sequence number of the hello that this node sends on it, if it has sent none yet.
        hello_sequence: u64,
    },
    /// Another one of the same pair is, or may be soon; this one is to be closed.
    Superfluous,
    /// It was closed before its hello was read.
    Closed,
    /// The peer was taken out of the set.
    PeerRemoved,
}

/// The right to send the hello on a connection that this node dialled. There is at most one for
/// each peer at a time, and it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Offer {
    peer: Arc<Peer>,
    pub(crate) hello_sequence: u64,
}

impl Drop for Offer {
    fn drop(&mut self) {
        self.peer.lock().offered = false;
    }
}

impl Peer {
    pub(crate) fn new(node: NodeId) -> Self {
        Self {
            node,
            metrics: Arc::default(),
            state: Mutex::default(),
            connected: watch::Sender::new(false),
        }
    }

    /// Leaves a message to the current connection, if there is one.
    pub(crate) fn push(&self, message: Message) {
        let connection = self.lock().connection.clone();
        let dropped = match connection.map(|connection| connection.push(message)) {
            Some(Ok(())) => return,
            Some(Err(PushError::Full)) => &self.metrics.dropped_full,
            Some(Err(PushError::Closed)) | None => &self.metrics.dropped_unconnected,
        };
        increment(dropped);
    }

    /// Permits the hello on a connection that this node dialled; `None` if that connection is not
    /// needed, because another one is in use or offered, or the peer was removed.
    pub(crate) fn offer(self: &Arc<Self>) -> Option<Offer> {
        let mut state = self.lock();
        if state.removed || state.offered || state.connection.is_some() {
            return None;
        }
        state.offered = true;
        Some(Offer { peer: self.clone(), hello_sequence: state.next_hello_sequence() })
    }

    /// Takes a new connection into use after the peer's hello has arrived on it, unless another
    /// one is preferred.
    ///
    /// The lower node of a pair decides between two connections that were made at the same time.
    /// It sends its hello on one connection at a time: while it offers one, it refuses those of
    /// the peer, and while one is in use, it offers none. The higher node uses a connection only
    /// after the lower node's hello. So a connection that carries messages is replaced only after
    /// the peer has restarted or given it up, which a hello with a higher sequence number shows.
    pub(crate) fn select_connection(&self, own: NodeId, new: &Arc<PeerConnection>) -> Selection {
        let (replaced, hello_sequence) = {
            let mut state = self.lock();
            if state.removed {
                return Selection::PeerRemoved;
            }
            // A peer that shuts down must not be in use again, and lost again, after the loss of the
            // connection to it was reported.
            if new.quic.close_reason().is_some() {
                return Selection::Closed;
            }
            let own_offer_decides = state.offered && own < self.node && new.dialled_by != own;
            let present_stays =
                state.connection.as_ref().is_some_and(|present| !takes_over(present, new));
            if own_offer_decides || present_stays {
                return Selection::Superfluous;
            }
            increment(&self.metrics.connections);
            self.metrics.set_last_error(None);
            state.unreachable_reported = false;
            // Drawn together with the selection: what this node offered before is older than this
            // hello, and what it offers after the loss of this connection is newer.
            let hello_sequence = state.next_hello_sequence();
            self.connected.send_replace(true);
            (state.connection.replace(new.clone()), hello_sequence)
        };
        if let Some(replaced) = replaced {
            replaced.close(CloseCode::Replaced, "a newer connection took over");
        }
        Selection::InUse { hello_sequence }
    }

    /// A connection has ended. Whether it was the one in use, and so a loss.
    pub(crate) fn connection_lost(&self, ended: &Arc<PeerConnection>, why: String) -> bool {
        let mut state = self.lock();
        if !state.connection.as_ref().is_some_and(|connection| Arc::ptr_eq(connection, ended)) {
            return false;
        }
        state.connection = None;
        increment(&self.metrics.losses);
        self.metrics.set_last_error(Some(why));
        self.connected.send_replace(false);
        true
    }

    /// Whether the inbox is to be told that this peer cannot be reached: once, until the next
    /// connection, and never while there is one.
    pub(crate) fn mark_unreachable(&self) -> bool {
        let mut state = self.lock();
        state.connection.is_none() && !std::mem::replace(&mut state.unreachable_reported, true)
    }

    /// Puts the peer into the set, at this address. The dialler, if one must be started.
    pub(crate) fn configure(&self, address: &str, dialler: impl FnOnce() -> AbortHandle) {
        let mut state = self.lock();
        state.removed = false;
        if state.address.as_deref() != Some(address) {
            state.address = Some(address.to_owned());
            // A name has to be resolved first; the dialler does that.
            let literal = address.parse::<SocketAddr>();
            state.resolved = literal.into_iter().map(|found| found.ip().into()).collect();
        }
        if state.dialler.is_none() {
            state.dialler = Some(dialler());
        }
    }

    /// Takes the peer out of the set and closes its connection.
    pub(crate) fn remove(&self) {
        let connection = {
            let mut state = self.lock();
            state.removed = true;
            state.address = None;
            state.resolved = Vec::new();
            state.authenticated = None;
            if let Some(dialler) = state.dialler.take() {
                dialler.abort();
            }
            self.connected.send_replace(false);
            state.connection.take()
        };
        if let Some(connection) = connection {
            connection.close(CloseCode::Removed, "this node is no peer any more");
        }
    }

    /// Stops dialling and accepting, for good.
    pub(crate) fn shut_down(&self, reason: &str) {
        let connection = {
            let mut state = self.lock();
            // A handshake that ends right now must not come into use.
            state.removed = true;
            if let Some(dialler) = state.dialler.take() {
                dialler.abort();
            }
            state.connection.take()
        };
        if let Some(connection) = connection {
            connection.close(CloseCode::Shutdown, reason);
        }
    }

    pub(crate) fn address(&self) -> Option<String> {
        self.lock().address.clone()
    }

    /// The addresses that the configured one leads to now.
    pub(crate) fn resolved(&self, addresses: &[SocketAddr]) {
        self.lock().resolved = addresses.iter().map(|found| found.ip().into()).collect();
    }

    /// The peer has proved its identity from this address.
    pub(crate) fn authenticated_at(&self, address: IpAddr) {
        self.lock().authenticated = Some(address.into());
    }

    /// Whether the peer is in the set and known to be at this source.
    pub(crate) fn is_at(&self, source: Source) -> bool {
        let state = self.lock();
        state.address.is_some()
            && (state.resolved.contains(&source) || state.authenticated == Some(source))
    }

    pub(crate) fn is_in_set(&self) -> bool {
        self.lock().address.is_some()
    }

    /// Follows whether there is a connection.
    pub(crate) fn connected(&self) -> watch::Receiver<bool> {
        self.connected.subscribe()
    }

    /// How it stands with this peer; `None` if it is not in the set.
    pub(crate) fn status(&self) -> Option<PeerStatus> {
        let state = self.lock();
        Some(PeerStatus {
            node: self.node,
            address: state.address.clone()?,
            connected: state.connection.is_some(),
            rtt: state.connection.as_ref().map(|connection| connection.quic.rtt()),
            version: state.connection.as_ref().map(|connection| connection.version),
            counts: self.metrics.counts(),
            last_error: self.metrics.last_error(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing can panic halfway through a change of the state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    const fn next_hello_sequence(&mut self) -> u64 {
        self.hello_sequence += 1;
        self.hello_sequence
    }
}

/// Whether a new connection shows that the present one is over.
fn takes_over(present: &PeerConnection, new: &PeerConnection) -> bool {
    present.quic.close_reason().is_some()
        || new.hello.instance != present.hello.instance
        || new.hello.sequence > present.hello.sequence
}
