//! What this node knows of one other node, and which connection to it is in use.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raft_core::{Message, NodeId};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::admission::Source;
use crate::error::CloseCode;
use crate::lanes::PushError;
use crate::link::Link;
use crate::metrics::{PeerMetrics, PeerStatus, bump};

/// Another node.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) node: NodeId,
    pub(crate) metrics: Arc<PeerMetrics>,
    state: Mutex<State>,
    /// Follows `state.link`: true while there is one.
    connected: watch::Sender<bool>,
}

#[derive(Default, Debug)]
struct State {
    link: Option<Arc<Link>>,
    /// How many links were lost, as told in the hello.
    losses: u64,
    /// Its configured address; `None` while it is not in the set.
    address: Option<String>,
    /// Where `address` leads, as far as it was resolved.
    resolved: Vec<Source>,
    /// Where the peer was last when it proved its identity.
    authenticated: Option<Source>,
    /// The inbox was told that this peer cannot be reached, and there was no connection since.
    unreachable_told: bool,
    /// The task that keeps dialling it.
    dialler: Option<AbortHandle>,
    /// Taken out of the peer set: nothing is accepted from it until it is back in.
    removed: bool,
}

/// What became of a new connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Adoption {
    /// It is in use now.
    InUse,
    /// Another one of the same pair is; this one is to be closed.
    Superfluous,
    /// The peer was taken out of the set.
    Removed,
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
        let link = self.lock().link.clone();
        let dropped = match link.map(|link| link.push(message)) {
            Some(Ok(())) => return,
            Some(Err(PushError::Full)) => &self.metrics.dropped_full,
            Some(Err(PushError::Closed)) | None => &self.metrics.dropped_unconnected,
        };
        bump(dropped);
    }

    /// Takes a new connection into use, unless the present one is as good.
    ///
    /// Both sides of a pair decide alike: a connection of another life of the peer, or one made
    /// after the peer lost the present one, takes over; of two that were made at the same time,
    /// the one that the lower node dialled stays.
    pub(crate) fn adopt(&self, own: NodeId, new: &Arc<Link>) -> Adoption {
        let replaced = {
            let mut state = self.lock();
            if state.removed {
                return Adoption::Removed;
            }
            if let Some(present) = &state.link
                && present.connection.close_reason().is_none()
                && !takes_over(own.min(self.node), present, new)
            {
                return Adoption::Superfluous;
            }
            bump(&self.metrics.connections);
            self.metrics.set_last_error(None);
            state.unreachable_told = false;
            state.link.replace(new.clone())
        };
        if let Some(replaced) = replaced {
            replaced.close(CloseCode::Replaced, "a newer connection took over");
        }
        self.connected.send_replace(true);
        Adoption::InUse
    }

    /// A connection has ended. Whether it was the one in use, and so a loss.
    pub(crate) fn lose(&self, ended: &Arc<Link>, why: String) -> bool {
        {
            let mut state = self.lock();
            if !state.link.as_ref().is_some_and(|link| Arc::ptr_eq(link, ended)) {
                return false;
            }
            state.link = None;
            state.losses += 1;
            bump(&self.metrics.losses);
            self.metrics.set_last_error(Some(why));
        }
        self.connected.send_replace(false);
        true
    }

    /// Whether the inbox is to be told that this peer cannot be reached: once, until the next
    /// connection, and never while there is one.
    pub(crate) fn is_unreachability_news(&self) -> bool {
        let mut state = self.lock();
        state.link.is_none() && !std::mem::replace(&mut state.unreachable_told, true)
    }

    /// Puts the peer into the set, at this address. The dialler, if one must be started.
    pub(crate) fn install(&self, address: &str, dialler: impl FnOnce() -> AbortHandle) {
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
        let link = {
            let mut state = self.lock();
            state.removed = true;
            state.address = None;
            state.resolved = Vec::new();
            state.authenticated = None;
            if let Some(dialler) = state.dialler.take() {
                dialler.abort();
            }
            state.link.take()
        };
        self.connected.send_replace(false);
        if let Some(link) = link {
            link.close(CloseCode::Removed, "this node is no peer any more");
        }
    }

    /// Stops dialling and accepting, for good.
    pub(crate) fn abandon(&self, reason: &str) {
        let link = {
            let mut state = self.lock();
            // A handshake that ends right now must not come into use.
            state.removed = true;
            if let Some(dialler) = state.dialler.take() {
                dialler.abort();
            }
            state.link.take()
        };
        if let Some(link) = link {
            link.close(CloseCode::Shutdown, reason);
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

    pub(crate) fn losses(&self) -> u64 {
        self.lock().losses
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
            connected: state.link.is_some(),
            rtt: state.link.as_ref().map(|link| link.connection.rtt()),
            version: state.link.as_ref().map(|link| link.version),
            counts: self.metrics.counts(),
            last_error: self.metrics.last_error(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing can panic halfway through a change of the state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn takes_over(lower: NodeId, present: &Link, new: &Link) -> bool {
    if new.hello.instance != present.hello.instance {
        return true;
    }
    match new.hello.losses.cmp(&present.hello.losses) {
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Less => false,
        // Nobody dials twice without having given up the first: then the second counts.
        std::cmp::Ordering::Equal => {
            new.dialled_by == lower || new.dialled_by == present.dialled_by
        }
    }
}
