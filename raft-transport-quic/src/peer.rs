//! One other node: its address, the connection in use, and the choice between connections.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use raft_core::ports::{PeerAddress, PeerRefusal};
use raft_core::{Incarnation, Message, NodeId};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::admission::Source;
use crate::close::CloseCode;
use crate::metrics::{PeerMetrics, PeerStatus, increment};
use crate::peer_connection::PeerConnection;
use crate::send_queue::PushError;
use crate::transfers::PeerTransfers;

/// Another node of the cluster.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) node: NodeId,
    pub(crate) metrics: Arc<PeerMetrics>,
    /// The transfers of snapshots in both directions.
    pub(crate) snapshots: Arc<PeerTransfers>,
    state: Mutex<State>,
    /// True while `state.connection` is set. Changed while `state` is locked.
    connected: watch::Sender<bool>,
}

#[derive(Default, Debug)]
struct State {
    connection: Option<Arc<PeerConnection>>,
    /// The sequence number of the latest hello to the peer. Never falls.
    hello_sequence: u64,
    /// There is an [`Offer`]: this node sends or has sent its hello on a connection that it
    /// dialled, and that connection is neither in use nor given up. The value is the time at which
    /// the hello of the peer on it is overdue.
    offered: Option<Instant>,
    /// The configured address; `None` while the peer is not in the set.
    address: Option<String>,
    /// The only incarnation of the peer that is accepted.
    admitted: Option<Incarnation>,
    /// The sources to which `address` was last resolved.
    resolved: Vec<Source>,
    /// The source at which the peer last proved its identity.
    authenticated: Option<Source>,
    /// The inbox was notified that this peer is unreachable, and no connection came into use since.
    unreachable_reported: bool,
    /// The refusal by the peer that the inbox was notified of; `None` once a connection is in use.
    refusal_reported: Option<PeerRefusal>,
    /// The task that dials the peer.
    dialler: Option<AbortHandle>,
    /// The peer was removed from the set or the transport is shut down. No connection comes into
    /// use until the peer is configured again.
    removed: bool,
}

/// The decision on a new connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Selection {
    /// It is in use.
    InUse {
        /// The sequence number of the hello that this node sends on it, if it has sent none yet.
        hello_sequence: u64,
    },
    /// Another connection of the pair is in use or is offered. The caller closes this one.
    Superfluous,
    /// It was closed before its hello was read.
    Closed,
    /// The peer was removed from the set. The caller closes the connection.
    PeerRemoved,
}

/// The permission to send the hello on a connection that this node dialled. A peer has at most one
/// offer at a time; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Offer {
    peer: Arc<Peer>,
    pub(crate) hello_sequence: u64,
}

impl Drop for Offer {
    fn drop(&mut self) {
        self.peer.lock().offered = None;
    }
}

impl Peer {
    pub(crate) fn new(node: NodeId) -> Self {
        Self {
            node,
            metrics: Arc::default(),
            snapshots: Arc::default(),
            state: Mutex::default(),
            connected: watch::Sender::new(false),
        }
    }

    /// Queues a message on the connection in use. Drops and counts it if there is none or the queue
    /// is full.
    pub(crate) fn send(&self, message: Message) {
        let dropped = match self.connection().map(|connection| connection.push(message)) {
            Some(Ok(())) => return,
            Some(Err(PushError::Full)) => &self.metrics.dropped_full,
            Some(Err(PushError::Closed)) | None => &self.metrics.dropped_unconnected,
        };
        increment(dropped);
    }

    /// The connection in use.
    pub(crate) fn connection(&self) -> Option<Arc<PeerConnection>> {
        self.lock().connection.clone()
    }

    /// Permits the hello on a connection that this node dialled; `None` if that connection is not
    /// needed, because another one is in use or offered, or if the peer was removed. A connection
    /// that the peer dialled is preferred from `overdue_at` on: the peer may have restarted after
    /// the handshake, so that the offered connection leads nowhere.
    pub(crate) fn offer(self: &Arc<Self>, overdue_at: Instant) -> Option<Offer> {
        let mut state = self.lock();
        if state.removed || state.offered.is_some() || state.connection.is_some() {
            return None;
        }
        state.offered = Some(overdue_at);
        Some(Offer { peer: self.clone(), hello_sequence: state.next_hello_sequence() })
    }

    /// Brings a new connection into use after the peer's hello has arrived on it, unless another
    /// one is preferred.
    ///
    /// The lower node of a pair decides between two connections that were made at the same time.
    /// It sends its hello on one connection at a time: while it offers one and the peer's hello on
    /// it is not overdue, it refuses those of the peer, and while one is in use, it offers none. The higher node uses a connection only
    /// after the lower node's hello. Therefore a connection that carries messages is replaced only
    /// after the peer has restarted, which another instance number in its hello shows, or has given
    /// the connection up, which a higher sequence number shows.
    pub(crate) fn select_connection(&self, own: NodeId, new: &Arc<PeerConnection>) -> Selection {
        let (replaced, hello_sequence) = {
            let mut state = self.lock();
            if state.removed {
                return Selection::PeerRemoved;
            }
            // A closed connection of a peer that shuts down must not come into use: the inbox would
            // be notified a second time that the peer is unreachable.
            if new.quic.close_reason().is_some() {
                return Selection::Closed;
            }
            // The admitted incarnation was changed after the hello was checked. The next dial gets
            // the reason.
            if new.outdated(state.admitted, None).is_some() {
                return Selection::Superfluous;
            }
            let offers = state.offered.is_some_and(|overdue_at| Instant::now() < overdue_at);
            let own_offer_decides = offers && own < self.node && new.dialled_by != own;
            let current_stays =
                state.connection.as_ref().is_some_and(|current| !takes_over(current, new));
            if own_offer_decides || current_stays {
                return Selection::Superfluous;
            }
            increment(&self.metrics.connections);
            self.metrics.set_last_error(None);
            state.unreachable_reported = false;
            state.refusal_reported = None;
            // Assigned under the same lock as the selection: earlier offers of this node have lower
            // numbers, and offers after the loss of this connection have higher ones.
            let hello_sequence = state.next_hello_sequence();
            self.connected.send_replace(true);
            (state.connection.replace(new.clone()), hello_sequence)
        };
        if let Some(replaced) = replaced {
            replaced.close(CloseCode::Replaced, "a newer connection is in use");
        }
        Selection::InUse { hello_sequence }
    }

    /// Records that a connection was closed. Returns whether it was the one in use.
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

    /// Returns whether the caller must notify the inbox that this peer is unreachable: once after
    /// each use of a connection, and never while one is in use.
    pub(crate) fn mark_unreachable(&self) -> bool {
        let mut state = self.lock();
        state.connection.is_none() && !std::mem::replace(&mut state.unreachable_reported, true)
    }

    /// Returns whether the caller must notify the inbox of this refusal by the peer: once for each
    /// change, and never while a connection is in use.
    pub(crate) fn mark_refused(&self, refusal: PeerRefusal) -> bool {
        let mut state = self.lock();
        state.connection.is_none() && state.refusal_reported.replace(refusal) != Some(refusal)
    }

    /// Adds the peer to the set or changes its address and incarnation. `start_dialler` is called
    /// if no task dials the peer; after a change, a new task dials it without a pause.
    ///
    /// A connection to an earlier address or to another incarnation is closed.
    pub(crate) fn configure(&self, to: &PeerAddress, start_dialler: impl FnOnce() -> AbortHandle) {
        let (connection, outdated) = {
            let mut state = self.lock();
            let is_new_address = state.address.as_deref() != Some(&to.address);
            let is_changed = is_new_address || state.admitted != to.incarnation;
            state.removed = false;
            state.admitted = to.incarnation;
            // The dialler resolves a host name.
            let literal = to.address.parse::<SocketAddr>().ok();
            if is_new_address {
                state.address = Some(to.address.clone());
                state.resolved = literal.into_iter().map(|found| found.ip().into()).collect();
            }
            if is_changed {
                state.refusal_reported = None;
                if let Some(dialler) = state.dialler.take() {
                    dialler.abort();
                }
            }
            if state.dialler.is_none() {
                state.dialler = Some(start_dialler());
            }
            let Some(connection) = state.connection.clone() else { return };
            let outdated = connection.outdated(to.incarnation, is_new_address.then_some(literal));
            (connection, outdated)
        };
        if let Some((code, reason)) = outdated {
            connection.close(code, &reason);
        }
    }

    /// Removes the peer from the set and closes its connection.
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
            connection.close(CloseCode::Removed, "this node is no longer a peer");
        }
    }

    /// Stops dialling and closes the connection when the transport shuts down.
    pub(crate) fn shut_down(&self, reason: &str) {
        let connection = {
            let mut state = self.lock();
            // A connection whose handshake is in progress must not come into use.
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

    /// The only incarnation of the peer that is accepted; `None` accepts every incarnation.
    pub(crate) fn admitted(&self) -> Option<Incarnation> {
        self.lock().admitted
    }

    pub(crate) fn address(&self) -> Option<String> {
        self.lock().address.clone()
    }

    /// Records the addresses to which the configured one was resolved.
    pub(crate) fn record_resolved(&self, addresses: &[SocketAddr]) {
        self.lock().resolved = addresses.iter().map(|found| found.ip().into()).collect();
    }

    /// Records that the peer has proved its identity at this address.
    pub(crate) fn authenticated_at(&self, address: IpAddr) {
        self.lock().authenticated = Some(address.into());
    }

    /// Whether the peer is in the set and known to use this source.
    pub(crate) fn is_at(&self, source: Source) -> bool {
        let state = self.lock();
        state.address.is_some()
            && (state.resolved.contains(&source) || state.authenticated == Some(source))
    }

    pub(crate) fn is_in_set(&self) -> bool {
        self.lock().address.is_some()
    }

    /// Reports whether a connection is in use, and changes of that.
    pub(crate) fn connected(&self) -> watch::Receiver<bool> {
        self.connected.subscribe()
    }

    /// The status of this peer; `None` if it is not in the set.
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
        // No change of the state can panic before it is complete.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    const fn next_hello_sequence(&mut self) -> u64 {
        self.hello_sequence += 1;
        self.hello_sequence
    }
}

/// Whether the hello on a new connection shows that the peer no longer uses the current one.
fn takes_over(current: &PeerConnection, new: &PeerConnection) -> bool {
    current.quic.close_reason().is_some()
        || new.hello.instance != current.hello.instance
        || new.hello.sequence > current.hello.sequence
}
